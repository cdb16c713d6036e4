"""The learning rate is multiplied by a factor at given points of the training."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated

from pydantic import AfterValidator, Field

from contrast.protocols import ScheduleIngredient


def _ascending(points: tuple[float, ...]) -> tuple[float, ...]:
    if list(points) != sorted(set(points)):
        raise ValueError("the points must ascend")
    return points


Point = Annotated[float, Field(gt=0, lt=1)]
Points = Annotated[tuple[Point, ...], Field(strict=False, min_length=1, max_length=1000), AfterValidator(_ascending)]


class Step(ScheduleIngredient):
    """Multiply by `gamma` whenever one of the points is reached."""

    at: Points = Field(default=(0.5, 0.75), description="points where the rate changes, as shares of the training: [0.5] is halfway")
    gamma: float = Field(default=0.1, ge=0, description="what the rate is multiplied by at each point")

    def shape(self, progress: float) -> float:
        """`gamma` to the power of the number of points reached."""
        return float(self.gamma ** bisect_right(self.at, progress))
