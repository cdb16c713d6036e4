"""Rotation, shift, scale and shear of each image about its middle, in one motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from contrast.augment._geometry import Interpolation, Motion, moved
from contrast.augment._ranges import PositiveRange
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Affine(AugmentIngredient):
    """Move images as torchvision's `RandomAffine` does: uniform draws, shifts rounded to whole pixels."""

    degrees: float = Field(default=10.0, ge=0, le=180, description="largest angle, to the left and to the right")
    translate: float = Field(default=0.1, ge=0, le=1, description="largest shift, as a share of the width and of the height")
    scale: PositiveRange = Field(default=(0.9, 1.1), description="least and greatest factor of enlargement")
    shear: float = Field(default=0.0, ge=0, lt=90, description="largest shear parallel to the x-axis, in degrees")
    interpolation: Interpolation = Field(
        default="nearest", description="nearest: the pixel that a place lies in; bilinear: four pixels blended, rounded to the nearest byte"
    )
    fill: int = Field(default=0, ge=0, le=255, description="byte that pixels from outside the image hold")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Move a batch; see `AugmentIngredient.apply`."""
        motion = self.motion(draws, images.shape[2], images.shape[3])
        return moved(images, motion.inverse(), self.interpolation, self.fill), labels

    def motion(self, draws: Draws, height: int, width: int) -> Motion:
        """What happens to each image."""
        unit = draws.uniform(("affine angle", "affine column", "affine row", "affine shear"), -1.0, 1.0)
        right, down = (unit[1] * (self.translate * width)).round(), (unit[2] * (self.translate * height)).round()
        scale = draws.uniform("affine scale", *self.scale)
        return Motion(unit[0] * self.degrees, right, down, scale, unit[3] * self.shear)
