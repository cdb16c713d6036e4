"""Which parameters learn, how fast and how long: the optimizer over what is trained, what an epoch unfreezes, and what is done early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import nn

from contrast import freezing, networks
from contrast.errors import InputError
from contrast.recipe import Recipe

Named = list[tuple[str, nn.Parameter]]
WHOLE = 1.0
"""The end of the training, as a share of it."""


class Pace(NamedTuple):
    """How a parameter learns.

    Attributes:
        factor: on the learning rate.
        end: share of the training after which it is frozen.
    """

    factor: float
    end: float


class Learning:
    """The parts of a network that learn, and their optimizer; frozen parameters are in none of its groups.

    Args:
        recipe: says what is frozen, until or from when, and the factors on the learning rate.
        model: the network, frozen where the recipe says.
        classes: width of its output.
        fused: whether the machine's plan asks for fused kernels.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, classes: int, *, fused: bool) -> None:
        self.recipe, self.model, self.classes = recipe, model, classes
        self._paces = networks.by_parameter(recipe.model, model, "lr_factor"), networks.by_parameter(recipe.model, model, "freeze_out")
        self.optimizer = self._built([(name, p) for name, p in model.named_parameters() if p.requires_grad], fused)
        self._thaws_at = recipe.model.unfreeze
        self._still = freezing.still_parts(model)

    def enter(self, epoch: int) -> None:
        """Make the network ready for a step of the epoch after `epoch` finished ones: unfreeze what is due, hold still what is frozen."""
        if self._thaws_at is not None and epoch + 1 >= self._thaws_at:
            self._thaw()
        freezing.hold_still(self._still)

    def set_rates(self, progress: float, rate: float) -> None:
        """Set every group's learning rate for the step at `progress` in [0, 1], and freeze what is done by then.

        Args:
            progress: share of the training.
            rate: factor on all rates beside the schedule.
        """
        for group in self.optimizer.param_groups:
            end = group.get("freeze_out", WHOLE)
            group["lr"] = group["initial_lr"] * rate * self.recipe.schedule.factor(min(1.0, progress / end))
            if end < WHOLE and progress >= end and any(parameter.requires_grad for parameter in group["params"]):
                for parameter in group["params"]:
                    parameter.requires_grad_(False)

    def _thaw(self) -> None:
        frozen = set(networks.frozen_names(self.recipe.model, self.model, self.classes))
        named = [(name, p) for name, p in self.model.named_parameters() if name in frozen]
        for _, parameter in named:
            parameter.requires_grad_(True)
        for pace, some in _by_pace(named, *self._paces).items():
            self._add(self.optimizer, some, pace)
        self._thaws_at = None
        self._still = freezing.still_parts(self.model)
        self.model.train(self.model.training)

    def _built(self, named: Named, fused: bool) -> torch.optim.Optimizer:
        classes = _by_pace(named, *self._paces)
        if not classes:
            return self.recipe.optimizer.build(named, fused=fused)
        (pace, first), *others = classes.items()
        optimizer = self.recipe.optimizer.build(first, fused=fused)
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * pace.factor
            group.setdefault("initial_lr", group["lr"])
            group["freeze_out"] = pace.end
        for pace, some in others:
            self._add(optimizer, some, pace)
        return optimizer

    def _add(self, optimizer: torch.optim.Optimizer, named: Named, pace: Pace) -> None:
        for group in self.recipe.optimizer.groups(named):
            lr = optimizer.defaults["lr"] * pace.factor
            optimizer.add_param_group({**group, "lr": lr, "initial_lr": lr, "freeze_out": pace.end})


def _by_pace(named: Iterable[tuple[str, nn.Parameter]], factors: Mapping[str, float], ends: Mapping[str, float]) -> dict[Pace, Named]:
    """Parameters by their pace, those of none of their own first, whose rate is the one that is logged."""
    found: dict[Pace, Named] = {}
    for name, parameter in named:
        found.setdefault(Pace(factors.get(name, 1.0), ends.get(name, WHOLE)), []).append((name, parameter))
    return dict(sorted(found.items(), key=lambda item: item[0] != Pace(1.0, WHOLE)))


def check(recipe: Recipe, model: nn.Module, classes: int) -> None:
    """Run the optimizer's constructor over a network (on the meta device, say).

    Raises:
        InputError: a factor matches nothing, or two match one parameter.
    """
    try:
        Learning(recipe, model, classes, fused=False)
    except InputError as error:
        raise (error if error.where.startswith("model") else error.below("optimizer")) from None
