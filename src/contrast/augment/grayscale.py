"""Colors taken from each image with a given probability, its three channels kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from contrast.augment._chosen import changed
from contrast.augment._color import check_channels, gray
from contrast.augment._pixels import of_planes, planes
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Grayscale(AugmentIngredient):
    """Make images gray, by torchvision's weights .2989, .587 and .114; the fraction is cut off, as torchvision does.

    Gray images (1 channel) stay what they are.
    """

    p: float = Field(default=0.1, ge=0, le=1, description="probability that an image is made gray")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Make some of a batch gray; see `AugmentIngredient.apply`.

        Raises:
            InputError: the images are neither gray nor RGB.
        """
        check_channels(images, "grayscale")
        if images.shape[1] == 1:
            return images, labels
        return changed(images, draws.uniform("grayscale") < self.p, _grayed), labels


def _grayed(images: Tensor) -> Tensor:
    return of_planes(gray(planes(images)).expand(images.shape))
