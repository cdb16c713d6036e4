"""The learning rate rises to its peak and falls again, along half cosines."""

from __future__ import annotations

import math

from pydantic import Field

from contrast.protocols import ScheduleIngredient


class OneCycle(ScheduleIngredient):
    """From `start` up to 1 at `peak_at`, then down to `end` (Smith & Topin 2018); defaults as in torch's OneCycleLR."""

    peak_at: float = Field(default=0.3, gt=0, lt=1, description="share of the training after which the rate has risen to its full value")
    start: float = Field(default=0.04, ge=0, le=1, description="factor on the rate at the start")
    end: float = Field(default=4e-6, ge=0, le=1, description="factor on the rate at the end")

    def shape(self, progress: float) -> float:
        """`start` at progress 0, 1 at `peak_at`, `end` at progress 1."""
        if progress < self.peak_at:
            return _between(self.start, 1.0, progress / self.peak_at)
        return _between(1.0, self.end, (progress - self.peak_at) / (1 - self.peak_at))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
