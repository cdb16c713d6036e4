"""Muon: steps of equal length in all directions for convolutions' filters, SGD for everything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from contrast.protocols import OptimizerIngredient

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration: steepest at 0, so that few steps bring small singular values up; they end between about 0.5 and 1.5, not at 1."""


TINY = 1e-7
"""Added to lengths that are divided by."""


class Muon(OptimizerIngredient):
    """Momentum whose singular values are brought near 1 before each step (Jordan et al. 2024), for parameters of more than two dimensions.

    Filters are a matrix of ``[outputs, the rest]``. Their step does not depend on the gradient's length, and `normalize`
    holds their own length at √outputs, so that `lr` is a share of it. Vectors and matrices are trained by SGD with
    momentum, at `sgd_lr`. As in the `airbench94_muon` script of Jordan 2024 (github.com/KellerJordan/cifar10-airbench, MIT);
    torch's own Muon takes matrices only and leaves the weights' length alone.
    """

    lr: float = Field(default=0.1, gt=0, description="learning rate of filters")
    momentum: float = Field(default=0.6, ge=0, lt=1, description="share of the last velocity that is kept, of filters")
    nesterov: bool = Field(default=True, description="look ahead along the velocity (Nesterov), of filters and of the rest")
    iterations: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Newton-Schulz iterations, in bfloat16; 0: the velocity as it is, scaled to the length that the step would have",
    )
    normalize: bool = Field(default=True, description="bring filters back to the length √outputs before each step")
    sgd_lr: float = Field(default=0.1, ge=0, description="learning rate of all parameters of at most two dimensions, where `model.lr_factor` is 1")
    sgd_momentum: float = Field(default=0.85, ge=0, lt=1, description="share of the last velocity that is kept, of the rest")
    weight_decay: float = Field(
        default=0.0, ge=0, description="share of the rest that leaves with the gradient in a step at the full rate, whatever that rate is"
    )

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], fused: bool) -> torch.optim.Optimizer:
        """Make the optimizer; see `OptimizerIngredient.build`. There is no fused kernel."""
        ours = OptimizerIngredient.model_fields.keys()
        return Orthogonal(self.groups(parameters), {name: value for name, value in self.settings().items() if name not in ours})


class Orthogonal(torch.optim.Optimizer):
    """Muon and SGD in one.

    Args:
        groups: parameters, with settings of their own.
        defaults: the settings of `Muon`.
    """

    def __init__(self, groups: list[dict[str, Any]], defaults: dict[str, Any]) -> None:
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change all parameters that have a gradient; `closure`, which torch's interface has, is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    (self._filters if parameter.ndim > 2 else self._others)(parameter, group)

    def _filters(self, filters: Tensor, group: dict[str, Any]) -> None:
        direction = self._ahead(filters, _gradient(filters), group["momentum"], group["nesterov"]).flatten(1)
        if group["normalize"]:
            filters.mul_(math.sqrt(len(filters)) / filters.norm())
        change = orthogonal(direction, group["iterations"]) if group["iterations"] else scaled(direction)
        filters.add_(change.view(filters.shape), alpha=-group["lr"])

    def _others(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Rates follow `sgd_lr` as those of filters follow `lr`: the schedule and factors are in the group's."""
        ratio = group["sgd_lr"] / self.defaults["lr"]
        full = ratio * group.get("initial_lr", self.defaults["lr"])
        gradient = _gradient(parameter)
        if group["weight_decay"] and full:
            gradient = gradient.add(parameter, alpha=group["weight_decay"] / full)
        direction = self._ahead(parameter, gradient, group["sgd_momentum"], group["nesterov"])
        parameter.add_(direction, alpha=-ratio * group["lr"])

    def _ahead(self, parameter: Tensor, gradient: Tensor, momentum: float, nesterov: bool) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        velocity: Tensor = state["momentum_buffer"].mul_(momentum).add_(gradient)
        return gradient.add(velocity, alpha=momentum) if nesterov else velocity


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def orthogonal(matrix: Tensor, iterations: int) -> Tensor:
    """A matrix ``[rows, columns]`` with its singular vectors, and singular values near 1; in bfloat16.

    A quintic Newton-Schulz iteration, ``X ← a X + (b A + c A²) X`` with ``A = X Xᵀ``, on the matrix at length 1 (Bernstein & Newhouse 2024).
    """
    a, b, c = QUINTIC
    wide = len(matrix) <= matrix.shape[1]
    x = (matrix if wide else matrix.T).bfloat16()
    x = x / (x.norm() + TINY)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


def scaled(matrix: Tensor) -> Tensor:
    """A matrix at the length of an orthogonal one of its shape."""
    length = math.sqrt(min(matrix.shape))
    step: Tensor = matrix / (matrix.norm() + TINY) * length
    return step
