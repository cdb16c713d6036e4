"""Rotation of each image about its middle by an angle of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from contrast.augment._geometry import Interpolation, Motion, moved
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws


class Rotate(AugmentIngredient):
    """Turn images by an angle drawn from [−degrees, degrees), as torchvision's `RandomRotation(degrees)`."""

    degrees: float = Field(default=15.0, gt=0, le=180, description="largest angle, to the left and to the right")
    interpolation: Interpolation = Field(
        default="nearest", description="nearest: the pixel that a place lies in; bilinear: four pixels blended, rounded to the nearest byte"
    )
    fill: int = Field(default=0, ge=0, le=255, description="byte that pixels from outside the image hold")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Rotate a batch; see `AugmentIngredient.apply`."""
        return moved(images, Motion(-self.angles(draws)).inverse(), self.interpolation, self.fill), labels

    def angles(self, draws: Draws) -> Tensor:
        """Degrees counterclockwise, ``float32 [B]``."""
        return draws.uniform("rotate", -self.degrees, self.degrees)
