"""A square of each image blanked out at a random place: cutout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from contrast.augment._boxes import Boxes
from contrast.augment._chosen import replaced
from contrast.augment._pixels import of_rows, rows
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.images import Images
    from contrast.keyed import Draws
    from contrast.protocols import AugmentFunction


class Cutout(AugmentIngredient):
    """Blank out a square whose middle lies anywhere in the image, cut off at its edge (DeVries & Taylor 2017)."""

    size: int = Field(default=8, ge=2, multiple_of=2, description="side of the square in pixels, an even number")
    value: Annotated[int, Field(ge=0, le=255)] | Literal["mean"] = Field(
        default="mean", description="byte that blank pixels hold; mean: of each channel in the training images, as in the paper"
    )

    def prepare(self, images: Images) -> AugmentFunction:
        """Bind the training images' mean, rounded to the nearest byte, where it is wanted."""
        if self.value != "mean":
            return self.apply
        mean = tuple(round(255 * float(value)) for value in images.own_statistics[0])
        return lambda batch, labels, draws: (self._blanked(batch, draws, mean), labels)

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Blank out in a batch; see `AugmentIngredient.apply`.

        Raises:
            ValueError: the value is the data's own mean; `prepare` binds it.
        """
        if self.value == "mean":
            raise ValueError("the mean is bound by prepare(images)")
        return self._blanked(images, draws, (self.value,) * images.shape[1]), labels

    def _blanked(self, images: Tensor, draws: Draws, value: tuple[int, ...]) -> Tensor:
        lines = rows(images)
        blank = torch.cat([torch.full_like(lines[:1, ..., :1], byte) for byte in value], dim=-1).expand(lines.shape)
        mask = self.boxes(draws, images.shape[2], images.shape[3]).mask(images)
        return of_rows(replaced(lines.flatten(2), blank.flatten(2), mask).view(lines.shape))

    def boxes(self, draws: Draws, height: int, width: int) -> Boxes:
        """What is blanked out; it may reach beyond the edge."""
        half = self.size // 2
        top, left = draws.integers("cutout row", 0, height) - half, draws.integers("cutout column", 0, width) - half
        side = torch.full_like(top, self.size)
        return Boxes(top, left, side, side)
