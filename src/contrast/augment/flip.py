"""Horizontal flip of each image with a given probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from contrast.augment._chosen import changed
from contrast.augment._moves import Moves
from contrast.protocols import AugmentIngredient, added

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Flip(AugmentIngredient):
    """Mirror images left to right."""

    p: float = Field(default=0.5, ge=0, le=1, description="probability that an image is flipped")
    alternate: bool = added(
        False,
        absent=False,
        description="draw in the first epoch alone, then flip every other epoch, so that two epochs show both sides (Jordan 2024)",
    )

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Flip a batch; see `AugmentIngredient.apply`."""
        return changed(images, self._chosen(draws), lambda part: part.flip(3)), labels

    def moves(self, height: int, width: int, draws: Draws) -> Moves:
        """What `apply` does, for neighboring steps to be carried out in one copy; see `contrast.augment._moves`."""
        return Moves(mirrored=self._chosen(draws))

    def _chosen(self, draws: Draws) -> Tensor:
        if not self.alternate:
            return draws.uniform("flip") < self.p
        first, epochs = draws.first()
        return (first.uniform("flip") < self.p) ^ bool(epochs % 2)
