"""Random crop of the original size after padding on all sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch.nn import functional

from contrast.augment._moves import Moves, Window
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
        height, width = images.shape[2:]
        top, left = self.corners(draws)
        return windows(self._padded(images), top, left, height, width), labels

    def moves(self, height: int, width: int, draws: Draws) -> Moves:
        """What `apply` does, for neighboring steps to be carried out in one copy; see `contrast.augment._moves`.

        Raises:
            InputError: as `apply`.
        """
        self._check(height, width)
        top, left = self.corners(draws)
        return Moves(Window(top, left, self.padding, self.padding, 0 if self.mode == "zero" else None))

    def corners(self, draws: Draws) -> Tensor:
        """First row and first column of each image's window in the padded image, ``int64 [2, B]``."""
        return draws.integers(("crop row", "crop column"), 0, 2 * self.padding + 1)

    def _padded(self, images: Tensor) -> Tensor:
        if self.mode == "zero":
            return functional.pad(images, (self.padding,) * 4)
        self._check(images.shape[2], images.shape[3])
        return _reflected(_reflected(images, self.padding, 3), self.padding, 2)

    def _check(self, height: int, width: int) -> None:
        if self.mode == "reflect" and self.padding >= min(height, width):
            raise InputError(
                f"images of {height}×{width} can't be reflected {self.padding} pixels far",
                where="augment.crop.padding",
                right=f"give at most {min(height, width) - 1}",
            )


def _reflected(images: Tensor, padding: int, dim: int) -> Tensor:
    """Reflect at both ends of one dimension; `functional.pad` takes three times as long on bytes."""
    size = images.shape[dim]
    before = images.narrow(dim, 1, padding).flip(dim)
    after = images.narrow(dim, size - 1 - padding, padding).flip(dim)
    return torch.cat([before, images, after], dim)
