"""No average: the trained weights themselves are evaluated."""

from __future__ import annotations

from torch import nn

from contrast.protocols import AveragingIngredient


class NoAverage(AveragingIngredient):
    """Evaluate what was trained."""

    def build(self, model: nn.Module) -> None:
        """None, which stands for the trained weights."""
        return
