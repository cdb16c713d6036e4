"""Vertical flip of each image with a given probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from contrast.augment._chosen import changed
from contrast.augment._moves import Moves
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class VFlip(AugmentIngredient):
    """Mirror images top to bottom."""

    p: float = Field(default=0.5, ge=0, le=1, description="probability that an image is flipped")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Flip a batch; see `AugmentIngredient.apply`."""
        return changed(images, draws.uniform("vflip") < self.p, lambda part: part.flip(2)), labels

    def moves(self, height: int, width: int, draws: Draws) -> Moves:
        """What `apply` does, for neighboring steps to be carried out in one copy; see `contrast.augment._moves`."""
        return Moves(turned=draws.uniform("vflip") < self.p)
