"""A random part of each image, of random area and aspect ratio, enlarged to the whole size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from contrast.augment._boxes import Boxes, sizes
from contrast.augment._geometry import sample
from contrast.augment._pixels import of_planes, planes
from contrast.augment._ranges import PositiveRange, ShareRange
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class RandomResizedCrop(AugmentIngredient):
    """Crop and enlarge to the batch's own size (Szegedy et al. 2015), drawn as torchvision's `RandomResizedCrop` draws it.

    Enlarging blends four pixels and rounds to the nearest byte; antialiasing changes nothing where nothing shrinks.
    """

    scale: ShareRange = Field(default=(0.08, 1.0), description="least and greatest share of the image's area")
    ratio: PositiveRange = Field(default=(3 / 4, 4 / 3), description="least and greatest width over height")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Crop a batch; see `AugmentIngredient.apply`."""
        height, width = images.shape[2:]
        boxes = self.boxes(draws, height, width)
        y = _sources(boxes.top, boxes.height, height)[:, :, None].expand(-1, -1, width)
        x = _sources(boxes.left, boxes.width, width)[:, None, :].expand(-1, height, -1)
        return of_planes(sample(planes(images), x, y, "border").round_()), labels

    def boxes(self, draws: Draws, height: int, width: int) -> Boxes:
        """What is cropped; after ten attempts that do not fit, a middle part of the nearest ratio that is allowed."""
        drawn = sizes(draws.within("random_resized_crop"), (height, width), self.scale, self.ratio, whole=True)
        middle_height = height if width / height >= self.ratio[0] else round(width / self.ratio[0])
        middle_width = width if width / height <= self.ratio[1] else round(height * self.ratio[1])
        down = torch.where(drawn.fits, drawn.height, middle_height)
        across = torch.where(drawn.fits, drawn.width, middle_width)
        top, left = (
            draws.integers(f"random_resized_crop {side}", 0, free + 1) for side, free in (("row", height - down), ("column", width - across))
        )
        top = torch.where(drawn.fits, top, (height - middle_height) // 2)
        left = torch.where(drawn.fits, left, (width - middle_width) // 2)
        return Boxes(top, left, down, across)


def _sources(first: Tensor, count: Tensor, size: int) -> Tensor:
    """Where each of `size` pixels comes from in a stretch of `count`, from the first pixel's middle, ``float32 [B, size]``."""
    middle = torch.arange(size, device=first.device) + 0.5
    inside = middle * (count / size)[:, None] - 0.5
    return first[:, None] + torch.minimum(inside.clamp_(min=0), (count - 1).float()[:, None])
