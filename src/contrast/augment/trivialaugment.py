"""One operation on each image, drawn from fourteen, its magnitude drawn too: TrivialAugment."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from contrast.augment._color import check_channels
from contrast.augment._policy import OPERATIONS, Drawn, Space, applied, signed
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class TrivialAugment(AugmentIngredient):
    """TrivialAugment, wide (Müller & Hutter 2021), with torchvision's operations and magnitudes; moved pixels are the nearest."""

    num_magnitude_bins: int = Field(default=31, ge=2, le=1000, description="how many magnitudes there are")
    fill: int = Field(default=0, ge=0, le=255, description="byte that pixels from outside the image hold")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Augment a batch; see `AugmentIngredient.apply`.

        Raises:
            InputError: the images are neither gray nor RGB.
        """
        check_channels(images, "trivialaugment")
        return applied(images, self.drawn(draws), self.fill), labels

    def drawn(self, draws: Draws) -> Drawn:
        """The operation and the magnitude of each image."""
        operation = draws.integers("trivialaugment operation", 0, len(OPERATIONS))
        step = draws.integers("trivialaugment magnitude", 0, self.num_magnitude_bins)
        magnitude = _magnitudes(self.num_magnitude_bins, draws.keys.device).view(-1).index_select(0, operation * self.num_magnitude_bins + step)
        return signed(operation, magnitude, draws.uniform("trivialaugment sign"))


@lru_cache(maxsize=16)
def _magnitudes(steps: int, device: torch.device) -> Tensor:
    return Space(0.99, 32.0, 32.0, 135.0, 0.99, 6.0).magnitudes(steps).to(device)
