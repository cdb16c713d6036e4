"""Shift of each image by whole pixels in each direction, up to a fraction of its size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field
from torch.nn import functional

from contrast.augment._moves import Moves, Window
from contrast.augment._windows import windows
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Translate(AugmentIngredient):
    """Shift images by up to `fraction` of their width and height; what comes in holds `fill`.

    Shifts are rounded to whole pixels, as those of torchvision's `RandomAffine(0, translate=(fraction, fraction))`.
    """

    fraction: float = Field(default=0.2, ge=0, le=1, description="largest shift, as a share of the width and of the height")
    fill: int = Field(default=0, ge=0, le=255, description="byte that pixels from outside the image hold")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Shift a batch; see `AugmentIngredient.apply`."""
        height, width = images.shape[2:]
        top, left, down, across = self._window(height, width, draws)
        padded = functional.pad(images, (across, across, down, down), value=self.fill)
        return windows(padded, top, left, height, width), labels

    def moves(self, height: int, width: int, draws: Draws) -> Moves:
        """What `apply` does, for neighboring steps to be carried out in one copy; see `contrast.augment._moves`."""
        return Moves(Window(*self._window(height, width, draws), self.fill))

    def shifts(self, draws: Draws, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Pixels to the right and down, ``int64 [B]`` each."""
        right, down = draws.uniform(("translate column", "translate row"), -self.fraction, self.fraction)
        return (right * width).round_().long(), (down * height).round_().long()

    def _window(self, height: int, width: int, draws: Draws) -> tuple[Tensor, Tensor, int, int]:
        """First row and first column of each image's window in the padded image, and the rows and columns that pad it on each side."""
        right, down = self.shifts(draws, height, width)
        along, across = math.ceil(self.fraction * height), math.ceil(self.fraction * width)
        return along - down, across - right, along, across
