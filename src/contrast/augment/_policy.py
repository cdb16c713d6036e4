"""The fourteen operations that RandAugment and TrivialAugment draw from, each image with its own operation and magnitude."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from contrast.augment._chosen import changed
from contrast.augment._color import blend_
from contrast.augment._geometry import Motion, moved
from contrast.augment._pixels import of_planes, planes

OPERATIONS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast", "sharpness",
    "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
"""In torchvision's order; where an image is drawn 0 to 13, this is what it is drawn."""

SIGNED = range(1, 10)
"""Those whose magnitude is negative for half of the images."""


class Space(NamedTuple):
    """The largest magnitudes: shear as a slope, shifts in pixels, degrees, a color factor's distance from 1, and bits taken off."""

    shear: float
    right: float
    down: float
    degrees: float
    color: float
    bits: float

    def magnitudes(self, steps: int) -> Tensor:
        """What each operation does at each step, ``float32 [14, steps]``, the numbers that torchvision has."""
        none, rising = torch.zeros(steps), [self.shear, self.shear, self.right, self.down, self.degrees, *[self.color] * 4]
        posterize = (8 - torch.arange(steps) / ((steps - 1) / self.bits)).round()
        lines = [torch.linspace(0.0, most, steps) for most in rising]
        return torch.stack([none, *lines, posterize, torch.linspace(1.0, 0.0, steps), none, none])


class Drawn(NamedTuple):
    """Operation (its number in `OPERATIONS`), ``int64 [B]``, and magnitude, ``float32 [B]``, of each image."""

    operation: Tensor
    magnitude: Tensor


def signed(operation: Tensor, magnitude: Tensor, coin: Tensor) -> Drawn:
    """Turn the magnitudes of the operations that have a sign where the coin, uniform in [0, 1), falls up to one half."""
    turned = (coin <= 0.5) & (operation >= SIGNED.start) & (operation < SIGNED.stop)
    return Drawn(operation, torch.where(turned, -magnitude, magnitude))


def applied(images: Tensor, drawn: Drawn, fill: int) -> Tensor:
    """Carry out each image's operation.

    Args:
        images: ``uint8 [B, 1 or 3, H, W]``.
        drawn: one operation an image.
        fill: byte that pixels from outside the image hold.

    Returns:
        ``uint8 [B, C, H, W]``, channels last.
    """
    from torchvision.transforms.v2 import functional

    operation, magnitude = drawn
    geometric = (operation >= OPERATIONS.index("shear_x")) & (operation <= OPERATIONS.index("rotate"))
    out = changed(images, geometric, lambda part, *one: _moved(part, Drawn(*one), fill), operation, magnitude)
    by_magnitude = {
        "brightness": _brightness, "color": _color, "contrast": _contrast, "sharpness": _sharpness, "posterize": _posterize, "solarize": _solarize,
    }  # fmt: skip
    for name, change in by_magnitude.items():
        out = changed(out, operation == OPERATIONS.index(name), change, magnitude)
    for name in ("autocontrast", "equalize"):
        out = changed(out, operation == OPERATIONS.index(name), getattr(functional, name))
    return out


def _moved(images: Tensor, drawn: Drawn, fill: int) -> Tensor:
    operation, magnitude = drawn[0], drawn[1].double()
    slope, whole = torch.rad2deg(torch.atan(magnitude)), magnitude.trunc()

    def where(name: str, value: Tensor) -> Tensor:
        return torch.where(operation == OPERATIONS.index(name), value, 0.0)

    shear_x, shear_y = where("shear_x", slope), where("shear_y", slope)
    motion = Motion(-where("rotate", magnitude), where("translate_x", whole), where("translate_y", whole), 1.0, shear_x, shear_y)
    # Shears leave the upper left corner where it is, the other motions the middle.
    from_corner = (shear_x != 0) | (shear_y != 0)
    center_x, center_y = (from_corner * (-size / 2) for size in (images.shape[3], images.shape[2]))
    return moved(images, motion.inverse(center_x, center_y), "nearest", fill)


def _blended(images: Tensor, magnitude: Tensor, grays: float, mean: float) -> Tensor:
    values = planes(images)
    blend_(values, 1 + magnitude, -magnitude, torch.full_like(magnitude, grays), torch.full_like(magnitude, mean))
    return of_planes(values)


def _brightness(images: Tensor, magnitude: Tensor) -> Tensor:
    return _blended(images, magnitude, 0, 0)


def _color(images: Tensor, magnitude: Tensor) -> Tensor:
    return images if images.shape[1] == 1 else _blended(images, magnitude, 1, 0)


def _contrast(images: Tensor, magnitude: Tensor) -> Tensor:
    return _blended(images, magnitude, 0, 1)


def _sharpness(images: Tensor, magnitude: Tensor) -> Tensor:
    from torchvision.transforms.v2 import functional

    own, blurred = planes(images), planes(functional.adjust_sharpness(images, 0.0))
    return of_planes((blurred - own).mul_(-magnitude[:, None, None, None]).add_(own).clamp_(0, 255))


def _posterize(images: Tensor, bits: Tensor) -> Tensor:
    kept = 256 - torch.exp2(8 - bits)
    return images & kept.to(torch.uint8)[:, None, None, None]


def _solarize(images: Tensor, threshold: Tensor) -> Tensor:
    return torch.where(images >= (255 * threshold)[:, None, None, None], images.bitwise_not(), images)
