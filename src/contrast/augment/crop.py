"""Random crop of the original size after padding on all sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch.nn import functional

from contrast.augment._windows import windows
from contrast.errors import InputError
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Crop(AugmentIngredient):
    """Shift images by up to `padding` pixels in each direction, each image by its own offsets."""

    padding: int = Field(default=4, ge=1, le=1024, description="pixels added on each side before the crop")
    mode: Literal["zero", "reflect"] = Field(default="zero", description="what the added pixels hold: zero, or the image reflected at its edge")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Crop a batch; see `AugmentIngredient.apply`.

        Raises:
            InputError: the images are too small to be reflected this far.
        """
        top, left = draws.integers(("crop row", "crop column"), 0, 2 * self.padding + 1)
        return windows(self._padded(images), top, left, images.shape[2], images.shape[3]), labels

    def _padded(self, images: Tensor) -> Tensor:
        if self.mode == "zero":
            return functional.pad(images, (self.padding,) * 4)
        if self.padding >= min(images.shape[2:]):
            raise InputError(
                f"images of {images.shape[2]}×{images.shape[3]} can't be reflected {self.padding} pixels far",
                where="augment.crop.padding",
                right=f"give at most {min(images.shape[2:]) - 1}",
            )
        return _reflected(_reflected(images, self.padding, 3), self.padding, 2)


def _reflected(images: Tensor, padding: int, dim: int) -> Tensor:
    """Reflect at both ends of one dimension; `functional.pad` takes three times as long on bytes."""
    size = images.shape[dim]
    before = images.narrow(dim, 1, padding).flip(dim)
    after = images.narrow(dim, size - 1 - padding, padding).flip(dim)
    return torch.cat([before, images, after], dim)
