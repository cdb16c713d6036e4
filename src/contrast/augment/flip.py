"""Horizontal flip of each image with a given probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Flip(AugmentIngredient):
    """Mirror images left to right."""

    p: float = Field(default=0.5, ge=0, le=1, description="probability that an image is flipped")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Flip a batch; see `AugmentIngredient.apply`."""
        batch, channels, height, width = images.shape
        rows = images.permute(0, 2, 3, 1)
        # Both versions of every image as rows, of which one each is copied whole: on a CPU half the time of
        # `where` on single bytes, and without the wait for a GPU that selecting by a mask costs.
        both = torch.cat([rows.reshape(batch, -1), rows.flip(2).reshape(batch, -1)])
        chosen = torch.arange(batch, device=images.device) + batch * (draws.uniform("flip") < self.p)
        return both.index_select(0, chosen).view(batch, height, width, channels).permute(0, 3, 1, 2), labels
