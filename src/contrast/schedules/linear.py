"""The learning rate falls along a straight line."""

from __future__ import annotations

from pydantic import Field

from contrast.protocols import ScheduleIngredient


class Linear(ScheduleIngredient):
    """From 1 down to `end`; with a warm-up, a triangle."""

    end: float = Field(default=0.0, ge=0, le=1, description="factor on the rate at the end")

    def shape(self, progress: float) -> float:
        """1 at progress 0, `end` at progress 1."""
        return 1.0 + (self.end - 1) * progress
