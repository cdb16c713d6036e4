"""A rectangle of each image erased with a given probability: random erasing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from contrast.augment._boxes import Boxes, sizes
from contrast.augment._chosen import replaced
from contrast.augment._pixels import of_rows, rows
from contrast.augment._ranges import PositiveRange, ShareRange
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Erase(AugmentIngredient):
    """Erase a rectangle (Zhong et al. 2020), drawn as torchvision's `RandomErasing` draws it."""

    p: float = Field(default=0.5, ge=0, le=1, description="probability that something is erased")
    scale: ShareRange = Field(default=(0.02, 0.33), description="least and greatest share of the image's area")
    ratio: PositiveRange = Field(default=(0.3, 3.3), description="least and greatest height over width")
    value: Annotated[int, Field(ge=0, le=255)] | Literal["random"] = Field(
        default=0, description="byte that erased pixels hold; random: each its own random byte"
    )

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Erase in a batch; see `AugmentIngredient.apply`."""
        lines = rows(images).flatten(2)
        value = draws.bytes("erase value", lines[0].numel()).view(lines.shape) if self.value == "random" else torch.full_like(lines, self.value)
        mask = self.boxes(draws, images.shape[2], images.shape[3]).mask(images)
        return of_rows(replaced(lines, value, mask).view(rows(images).shape)), labels

    def boxes(self, draws: Draws, height: int, width: int) -> Boxes:
        """What is erased; where nothing is, a rectangle without rows."""
        # torchvision's ratio is height over width here, and width over height in its resized crops.
        drawn = sizes(draws.within("erase"), (height, width), self.scale, (1 / self.ratio[1], 1 / self.ratio[0]), whole=False)
        erased = drawn.fits & (draws.uniform("erase") < self.p)
        top = draws.integers("erase row", 0, (height - drawn.height + 1).clamp_(min=1))
        left = draws.integers("erase column", 0, (width - drawn.width + 1).clamp_(min=1))
        return Boxes(top, left, drawn.height * erased, drawn.width)
