"""Rectangles, one an image: drawn by area and shape, and as masks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from contrast.keyed import Draws

if TYPE_CHECKING:
    from contrast.protocols import AugmentFunction

ATTEMPTS = 10


class Boxes(NamedTuple):
    """First row, first column, rows and columns of a rectangle in each image, ``int64 [B]`` each."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def mask(self, images: Tensor) -> Tensor:
        """255 inside and 0 outside for each byte of the images' rows (`_pixels.rows`), ``uint8 [B, H, W·C]``."""
        _, channels, height, width = images.shape
        inside = (_between(self.top, self.height, height), _between(self.left, self.width, width).repeat_interleave(channels, dim=1))
        lines, columns = (where.to(torch.uint8).mul_(255) for where in inside)
        return lines[:, :, None] & columns[:, None, :]


def _between(first: Tensor, count: Tensor, size: int) -> Tensor:
    place = torch.arange(size, device=first.device)
    return (place >= first[:, None]) & (place < (first + count)[:, None])


@dataclass(frozen=True)
class Cut:
    """A bound step that cuts a box out of each image and enlarges it to the batch's size; where images keep their own sizes, its boxes are asked for.

    Attributes:
        apply: cuts out of images of one size; see `AugmentIngredient.apply`.
        boxes: what is cut out of images of these heights and widths, one for all or ``int64 [B]``.
    """

    apply: AugmentFunction
    boxes: Callable[[Draws, int | Tensor, int | Tensor], Boxes]

    def __call__(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        return self.apply(images, labels, draws)


class Sizes(NamedTuple):
    """Sides drawn, ``int64 [B]``, and whether they fit, ``bool [B]``."""

    height: Tensor
    width: Tensor
    fits: Tensor


def sizes(draws: Draws, shape: tuple[int | Tensor, int | Tensor], area: tuple[float, float], aspect: tuple[float, float], *, whole: bool) -> Sizes:
    """Draw sides by a share of the image's area and an aspect ratio, up to ten times an image, until they fit into it.

    As torchvision: the share is uniform, the ratio log-uniform, sides are rounded to whole pixels.

    Args:
        draws: of the rectangles.
        shape: height and width of the images, one for all or ``int64 [B]``.
        area: least and greatest share of the area.
        aspect: least and greatest width over height.
        whole: whether a side as long as the image's fits.
    """
    attempts = draws.within("attempt", torch.arange(ATTEMPTS, device=draws.keys.device)[:, None])
    pixels = attempts.uniform("area", *area) * (shape[0] * shape[1])
    ratio = attempts.uniform("aspect", math.log(aspect[0]), math.log(aspect[1])).exp_()
    height, width = ((pixels / ratio).sqrt_().round_().long(), (pixels * ratio).sqrt_().round_().long())
    fits = (height < shape[0] + whole) & (width < shape[1] + whole)
    if whole:
        fits &= (height > 0) & (width > 0)
    first = fits.to(torch.uint8).argmax(0, keepdim=True)
    return Sizes(*(values.gather(0, first)[0] for values in (height, width, fits)))
