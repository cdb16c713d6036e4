"""A rectangle of each image replaced by another image's, and labels blended by its area: cutmix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from contrast.augment._boxes import Boxes
from contrast.augment._chosen import replaced
from contrast.augment._partners import partners
from contrast.augment._pixels import of_rows, rows
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Cutmix(AugmentIngredient):
    """Paste a rectangle of a partner, of 1 − λ of the area, λ from Beta(alpha, alpha) (Yun et al. 2019).

    The rectangle's middle lies anywhere and what is beyond the edge is cut off; labels are blended by the area that
    is left. An image's partner is the next in an order of the batch that its images' draws decide, and each image has
    a rectangle of its own; the paper draws one a batch.
    """

    @property
    def mixes(self) -> bool:
        return True

    alpha: float = Field(default=1.0, ge=0.01, le=100, description="both parameters of the Beta distribution: 1 is uniform")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Paste in a batch; see `AugmentIngredient.apply`. An image comes out otherwise in another batch."""
        partner = partners(draws, "cutmix partner")
        boxes = self.boxes(draws, images.shape[2], images.shape[3])
        lines = rows(images).flatten(2)
        pasted = replaced(lines, lines.index_select(0, partner), boxes.mask(images)).view(rows(images).shape)
        foreign = (boxes.height * boxes.width / (images.shape[2] * images.shape[3]))[:, None]
        return of_rows(pasted), labels * (1 - foreign) + labels.index_select(0, partner) * foreign

    def boxes(self, draws: Draws, height: int, width: int) -> Boxes:
        """What is pasted, cut off at the edge, as torchvision's `CutMix` cuts it."""
        half = 0.5 * (1 - draws.beta("cutmix share", self.alpha)).sqrt_()
        ends = []
        for name, size in (("row", height), ("column", width)):
            middle, reach = draws.integers(f"cutmix {name}", 0, size), (half * size).to(torch.int64)
            ends.append(((middle - reach).clamp_(min=0), (middle + reach).clamp_(max=size)))
        (top, bottom), (left, right) = ends
        return Boxes(top, left, bottom - top, right - left)
