"""The learning rate falls along half a cosine."""

from __future__ import annotations

import math

from pydantic import Field

from contrast.protocols import ScheduleIngredient


class Cosine(ScheduleIngredient):
    """From 1 down to `end` (Loshchilov & Hutter 2017, without restarts)."""

    end: float = Field(default=0.0, ge=0, le=1, description="factor on the rate at the end")

    def shape(self, progress: float) -> float:
        """1 at progress 0, `end` at progress 1."""
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * progress)) / 2
