"""AdamW: Adam whose weight decay acts on the weights directly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from contrast.protocols import OptimizerIngredient

Beta = Annotated[float, Field(ge=0, lt=1)]


class AdamW(OptimizerIngredient):
    """torch.optim.AdamW (Loshchilov & Hutter 2019); weight decay is apart from the gradient."""

    lr: float = Field(default=0.001, ge=0, description="learning rate")
    betas: Annotated[tuple[Beta, Beta], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="how much of the running mean of the gradient, and of its square, is kept"
    )
    eps: float = Field(default=1e-8, gt=0, description="added to the denominator")
    weight_decay: float = Field(default=0.01, ge=0, description="share of the weights, times the rate, that each step takes off")
    amsgrad: bool = Field(default=False, description="divide by the largest second moment so far (AMSGrad)")

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], fused: bool) -> torch.optim.Optimizer:
        """Make the optimizer; see `OptimizerIngredient.build`."""
        return torch.optim.AdamW(
            self.groups(parameters),
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=self.amsgrad,
            fused=fused,
            foreach=not fused,
        )
