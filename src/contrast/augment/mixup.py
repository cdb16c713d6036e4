"""Each image and its label blended with another's of the batch: mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from contrast.augment._partners import partners
from contrast.augment._pixels import of_rows, rows
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Mixup(AugmentIngredient):
    """Blend pairs: λ · one + (1 − λ) · other, λ from Beta(alpha, alpha) (Zhang et al. 2018).

    An image's partner is the next in an order of the batch that its images' draws decide, and each image has a λ of
    its own; the paper draws one a batch. Blended bytes are rounded to the nearest, labels are not.
    """

    @property
    def mixes(self) -> bool:
        return True

    alpha: float = Field(default=0.2, ge=0.01, le=100, description="both parameters of the Beta distribution: small blends little, 1 is uniform")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Blend a batch; see `AugmentIngredient.apply`. An image comes out otherwise in another batch."""
        partner, share = partners(draws, "mixup partner"), draws.beta("mixup share", self.alpha)[:, None]
        lines = rows(images)
        values = lines.flatten(1).to(torch.float32)
        blended = values * share + values.index_select(0, partner) * (1 - share)
        mixed = of_rows(blended.round_().to(torch.uint8).view(lines.shape))
        return mixed, labels * share + labels.index_select(0, partner) * (1 - share)
