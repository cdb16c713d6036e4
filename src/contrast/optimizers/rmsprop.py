"""RMSprop: steps scaled by a running mean of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from pydantic import Field
from torch import nn

from contrast.protocols import OptimizerIngredient


class RMSprop(OptimizerIngredient):
    """torch.optim.RMSprop (Tieleman & Hinton 2012)."""

    lr: float = Field(default=0.01, ge=0, description="learning rate")
    alpha: float = Field(default=0.99, ge=0, lt=1, description="how much of the running mean of the squared gradient is kept")
    eps: float = Field(default=1e-8, gt=0, description="added to the denominator")
    weight_decay: float = Field(default=0.0, ge=0, description="L2 penalty, added to the gradient")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="share of the last velocity that is kept")
    centered: bool = Field(default=False, description="scale by the gradient's estimated variance instead of its square")

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], fused: bool) -> torch.optim.Optimizer:
        """Make the optimizer; see `OptimizerIngredient.build`. torch has no fused kernel for it, so `fused` changes nothing."""
        return torch.optim.RMSprop(
            self.groups(parameters),
            lr=self.lr,
            alpha=self.alpha,
            eps=self.eps,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            centered=self.centered,
            foreach=True,
        )
