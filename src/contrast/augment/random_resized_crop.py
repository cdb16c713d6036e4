"""A random part of each image, of random area and aspect ratio, enlarged to the whole size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from contrast.augment._boxes import Boxes, Cut, sizes
from contrast.augment._geometry import sample
from contrast.augment._pixels import of_planes, planes
from contrast.augment._ranges import PositiveRange, ShareRange
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.images import Images
    from contrast.keyed import Draws
    from contrast.protocols import AugmentFunction


class RandomResizedCrop(AugmentIngredient):
    """Crop and enlarge to the batch's own size (Szegedy et al. 2015), drawn as torchvision's `RandomResizedCrop` draws it.

    Enlarging blends four pixels and rounds to the nearest byte; antialiasing changes nothing where nothing shrinks. Images that
    keep their own sizes (``data: {resize: ragged}``) are cropped from all of their pixels, with antialiasing.
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

    def prepare(self, images: Images) -> AugmentFunction:
        """Let boxes be asked for too: images that keep their own sizes are cut when they are gathered."""
        return Cut(self.apply, self.boxes)

    def boxes(self, draws: Draws, height: int | Tensor, width: int | Tensor) -> Boxes:
        """What is cropped; after ten attempts that do not fit, a middle part of the nearest ratio that is allowed.

        Args:
            draws: of the images.
            height: pixels of the images, one number for all or ``int64 [B]``.
            width: likewise.
        """
        height, width = (side if isinstance(side, torch.Tensor) else draws.keys.new_full((), side) for side in (height, width))
        drawn = sizes(draws.within("random_resized_crop"), (height, width), self.scale, self.ratio, whole=True)
        low, high = self.ratio
        ratio = width.double() / height
        down = torch.where(drawn.fits, drawn.height, torch.where(ratio >= low, height, (width.double() / low).round().long()))
        across = torch.where(drawn.fits, drawn.width, torch.where(ratio <= high, width, (height.double() * high).round().long()))
        top, left = (
            draws.integers(f"random_resized_crop {side}", 0, free + 1) for side, free in (("row", height - down), ("column", width - across))
        )
        top = torch.where(drawn.fits, top, (height - down) // 2)
        left = torch.where(drawn.fits, left, (width - across) // 2)
        return Boxes(top, left, down, across)


def _sources(first: Tensor, count: Tensor, size: int) -> Tensor:
    """Where each of `size` pixels comes from in a stretch of `count`, from the first pixel's middle, ``float32 [B, size]``."""
    middle = torch.arange(size, device=first.device) + 0.5
    inside = middle * (count / size)[:, None] - 0.5
    return first[:, None] + torch.minimum(inside.clamp_(min=0), (count - 1).float()[:, None])
