"""How the learning rate follows the batch size, and how it is found where nobody gives it."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BatchScaling(BaseModel):
    """The learning rate is given for one batch size, and follows the recipe's from there.

    ``linear``: rate × (batch / of), so that the change of the weights over an epoch stays about the same (Goyal et al. 2017).
    ``sqrt``: rate × √(batch / of), so that the variance of the change stays (Krizhevsky 2014).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rule: Literal["linear", "sqrt"] = Field(default="linear", description="linear, or the square root")
    of: int = Field(ge=1, le=1_000_000, description="the batch size for which lr is given")

    def factor(self, batch_size: int) -> float:
        """What the learning rate is multiplied by."""
        ratio = batch_size / self.of
        return ratio if self.rule == "linear" else math.sqrt(ratio)


class RateFinder(BaseModel):
    """A learning-rate range test (Smith 2017) before training, which then takes the place of `lr`.

    A copy of the network trains for some steps on training batches while the rate rises exponentially from `low` to `high`,
    and is thrown away. The rate found is a tenth of the one at which the smoothed loss is least (Howard & Gugger 2020).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    low: float = Field(default=1e-6, gt=0, description="the first rate")
    high: float = Field(default=10.0, gt=0, description="the last rate")
    steps: int = Field(default=100, ge=20, le=10_000, description="optimizer steps from low to high; they are not counted as training")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high must be above low, {self.high} is not above {self.low}")
        return self

    def rates(self) -> list[float]:
        """The rate of each step."""
        return [self.low * (self.high / self.low) ** (step / (self.steps - 1)) for step in range(self.steps)]
