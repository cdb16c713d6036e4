"""A few operations in a row on each image, drawn from fourteen, all of one magnitude: RandAugment."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Self

import torch
from pydantic import Field, model_validator

from contrast.augment._color import check_channels
from contrast.augment._policy import OPERATIONS, Drawn, Space, applied, signed
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class RandAugment(AugmentIngredient):
    """RandAugment (Cubuk et al. 2020) with torchvision's operations and magnitudes; moved pixels are the nearest."""

    num_ops: int = Field(default=2, ge=1, le=14, description="operations in a row on each image")
    magnitude: int = Field(default=9, ge=0, description="which of the magnitudes, 0 the weakest")
    num_magnitude_bins: int = Field(default=31, ge=2, le=1000, description="how many magnitudes there are")
    fill: int = Field(default=0, ge=0, le=255, description="byte that pixels from outside the image hold")

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.magnitude >= self.num_magnitude_bins:
            raise ValueError(f"magnitude {self.magnitude} is above the last of {self.num_magnitude_bins}, which is {self.num_magnitude_bins - 1}")
        return self

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Augment a batch; see `AugmentIngredient.apply`.

        Raises:
            InputError: the images are neither gray nor RGB.
        """
        check_channels(images, "randaugment")
        for place in range(self.num_ops):
            images = applied(images, self.drawn(draws, place, images.shape[2], images.shape[3]), self.fill)
        return images, labels

    def drawn(self, draws: Draws, place: int, height: int, width: int) -> Drawn:
        """The operation at one place of the row, counted from 0."""
        own = draws.within("randaugment", place)
        operation = own.integers("operation", 0, len(OPERATIONS))
        table = _magnitudes(height, width, self.num_magnitude_bins, draws.keys.device)[:, self.magnitude]
        return signed(operation, table.index_select(0, operation), own.uniform("sign"))


@lru_cache(maxsize=16)
def _magnitudes(height: int, width: int, steps: int, device: torch.device) -> Tensor:
    return Space(0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, 4.0).magnitudes(steps).to(device)
