"""Shift of each image by whole pixels in each direction, up to a fraction of its size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field
from torch.nn import functional

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
        right, down = self.shifts(draws, height, width)
        across, along = math.ceil(self.fraction * width), math.ceil(self.fraction * height)
        padded = functional.pad(images, (across, across, along, along), value=self.fill)
        return windows(padded, along - down, across - right, height, width), labels

    def shifts(self, draws: Draws, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Pixels to the right and down, ``int64 [B]`` each."""
        right, down = draws.uniform(("translate column", "translate row"), -self.fraction, self.fraction)
        return (right * width).round_().long(), (down * height).round_().long()
