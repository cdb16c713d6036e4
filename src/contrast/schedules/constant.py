"""The learning rate stays as it is."""

from __future__ import annotations

from contrast.protocols import ScheduleIngredient


class Constant(ScheduleIngredient):
    """Factor 1 throughout."""

    def shape(self, progress: float) -> float:
        """1 at every progress."""
        return 1.0
