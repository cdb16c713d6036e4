"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import nn

from contrast.protocols import OptimizerIngredient


class SGD(OptimizerIngredient):
    """torch.optim.SGD; its momentum is ``b_t = μ b_{t−1} + (1 − τ) g_t`` with μ momentum and τ dampening."""

    lr: float = Field(default=0.001, ge=0, description="learning rate")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="share of the last velocity that is kept")
    dampening: float = Field(default=0.0, ge=0, lt=1, description="share of the gradient that the velocity leaves out")
    weight_decay: float = Field(default=0.0, ge=0, description="L2 penalty, added to the gradient")
    nesterov: bool = Field(default=False, description="look ahead along the velocity (Nesterov)")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov needs momentum above 0 and dampening 0")
        return self

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], fused: bool) -> torch.optim.Optimizer:
        """Make the optimizer; see `OptimizerIngredient.build`."""
        return torch.optim.SGD(
            self.groups(parameters),
            lr=self.lr,
            momentum=self.momentum,
            dampening=self.dampening,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=fused,
            foreach=not fused,
        )
