"""Affine motions of images, each by its own matrix: where each pixel comes from, and what it then holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from contrast.augment._pixels import of_planes, of_rows, planes, rows

Interpolation = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class Motion:
    """Scale and shear, then turn, then shift, about the middle of the image; one number an image each.

    Attributes:
        angle: degrees clockwise, ``float [B]``.
        right: pixels to the right, ``[B]`` or one for all.
        down: pixels down.
        scale: factor of enlargement.
        shear_x: degrees, parallel to the x-axis.
        shear_y: degrees, parallel to the y-axis.
    """

    angle: Tensor
    right: Tensor | float = 0.0
    down: Tensor | float = 0.0
    scale: Tensor | float = 1.0
    shear_x: Tensor | float = 0.0
    shear_y: Tensor | float = 0.0

    def inverse(self, center_x: Tensor | float = 0.0, center_y: Tensor | float = 0.0) -> Tensor:
        """The matrices from places in the moved image to places in the image, ``float32 [2, 3, B]``.

        Places are offsets (x, y) from the middle of the image. The formula is torchvision's `_get_inverse_affine_matrix`.
        Float64 makes the float32 results the same for an image alone as in any batch, whichever kernel takes the sine.

        Args:
            center_x: where the fixed point of the motion lies, an offset from the middle in pixels.
            center_y: likewise.
        """
        turn = torch.deg2rad(self.angle.double())
        a, c = torch.cos(turn), torch.sin(turn)
        b, d = -c, a
        if isinstance(self.shear_x, Tensor) or isinstance(self.shear_y, Tensor):
            lean_x, lean_y = (torch.deg2rad(torch.as_tensor(lean, dtype=torch.float64)) for lean in (self.shear_x, self.shear_y))
            a, c = torch.cos(turn - lean_y) / torch.cos(lean_y), torch.sin(turn - lean_y) / torch.cos(lean_y)
            b, d = b - a * torch.tan(lean_x), d - c * torch.tan(lean_x)
        linear = torch.stack((d, -b, -c, a)).view(2, 2, -1) / self.scale
        x, y = center_x + self.right, center_y + self.down
        shift_x = center_x - linear[0, 0] * x - linear[0, 1] * y
        shift_y = center_y - linear[1, 0] * x - linear[1, 1] * y
        return torch.cat((linear, torch.stack((shift_x, shift_y))[:, None]), dim=1).float()


def moved(images: Tensor, inverse: Tensor, interpolation: Interpolation, fill: int) -> Tensor:
    """Move images.

    Args:
        images: ``uint8 [B, C, H, W]``.
        inverse: where pixels come from, ``float32 [2, 3, B]``; see `Motion.inverse`.
        interpolation: nearest takes the pixel that the place lies in; bilinear blends four and rounds to the nearest byte.
        fill: byte that places outside the image hold. Bilinear blends it in at the edge as torchvision does, which
            weighs what lies outside twice.

    Returns:
        ``uint8 [B, C, H, W]``, channels last.
    """
    x, y = _sources(inverse, images.shape[2], images.shape[3])
    return _nearest(images, x, y, fill) if interpolation == "nearest" else _bilinear(images, x, y, fill)


def _sources(inverse: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Column and row that each pixel comes from, counted from the first pixel's middle, ``float32 [B, H, W]`` each."""
    across = torch.arange(width, device=inverse.device) - (width - 1) / 2
    down = torch.arange(height, device=inverse.device) - (height - 1) / 2
    middle = ((width - 1) / 2, (height - 1) / 2)
    # Sums of products, rounded one by one: the same on every device and in every batch.
    by_column = [row[0][:, None] * across for row in inverse]
    by_row = [row[1][:, None] * down + (row[2] + half)[:, None] for row, half in zip(inverse, middle, strict=True)]
    x, y = (column[:, None, :] + line[:, :, None] for column, line in zip(by_column, by_row, strict=True))
    return x, y


def _nearest(images: Tensor, x: Tensor, y: Tensor, fill: int) -> Tensor:
    batch, channels, height, width = images.shape
    # Places outside are led to a border one pixel wide.
    bordered = functional.pad(rows(images).view(batch, height, -1), (channels, channels, 1, 1), value=fill).view(-1, channels)
    count = torch.int32 if len(bordered) < 2**31 else torch.int64
    column = x.round_().add_(1).clamp_(0, width + 1).to(count)
    row = y.round_().add_(1).clamp_(0, height + 1).to(count)
    first = torch.arange(batch, device=images.device, dtype=count) * ((height + 2) * (width + 2))
    index = row.mul_(width + 2).add_(column).add_(first[:, None, None])
    return of_rows(bordered.index_select(0, index.view(-1)).view(batch, height, width, channels))


def _bilinear(images: Tensor, x: Tensor, y: Tensor, fill: int) -> Tensor:
    batch, channels, height, width = images.shape
    inside = torch.ones((batch, 1, height, width), device=images.device)
    sampled = sample(torch.cat((planes(images), inside), dim=1), x, y, "zeros")
    values, share = sampled[:, :channels], sampled[:, channels:]
    return of_planes(values.sub_(fill).mul_(share).add_(fill).round_())


def sample(values: Tensor, x: Tensor, y: Tensor, outside: Literal["zeros", "border"]) -> Tensor:
    """Bilinear values at places counted in pixels from the first pixel's middle.

    Args:
        values: ``float32 [B, C, H, W]``.
        x: columns, ``float32 [B, H, W]``.
        y: rows, likewise.
        outside: what places outside hold: zero, or the nearest pixel.
    """
    height, width = values.shape[2:]
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    return functional.grid_sample(values, grid, mode="bilinear", padding_mode=outside, align_corners=False)
