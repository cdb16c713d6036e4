"""Which parameters learn, and how fast: the optimizer over what is trained, and what an epoch unfreezes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from contrast import freezing, networks
from contrast.errors import InputError
from contrast.recipe import Recipe

Named = list[tuple[str, nn.Parameter]]


class Learning:
    """The parts of a network that learn, and their optimizer; frozen parameters are in none of its groups.

    Args:
        recipe: says what is frozen, until when, and the factors on the learning rate.
        model: the network, frozen where the recipe says.
        classes: width of its output.
        fused: whether the machine's plan asks for fused kernels.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, classes: int, *, fused: bool) -> None:
        self.recipe, self.model, self.classes = recipe, model, classes
        self._factors = networks.factors(recipe.model, model)
        self.optimizer = self._built([(name, p) for name, p in model.named_parameters() if p.requires_grad], fused)
        self._thaws_at = recipe.model.unfreeze
        self._still = freezing.still_parts(model)

    def enter(self, epoch: int) -> None:
        """Make the network ready for a step of the epoch after `epoch` finished ones: unfreeze what is due, hold still what is frozen."""
        if self._thaws_at is not None and epoch + 1 >= self._thaws_at:
            self._thaw()
        freezing.hold_still(self._still)

    def _thaw(self) -> None:
        frozen = set(networks.frozen_names(self.recipe.model, self.model, self.classes))
        named = [(name, p) for name, p in self.model.named_parameters() if name in frozen]
        for _, parameter in named:
            parameter.requires_grad_(True)
        for factor, some in _by_factor(named, self._factors).items():
            self._add(self.optimizer, some, factor)
        self._thaws_at = None
        self._still = freezing.still_parts(self.model)
        self.model.train(self.model.training)

    def _built(self, named: Named, fused: bool) -> torch.optim.Optimizer:
        classes = _by_factor(named, self._factors)
        if not classes:
            return self.recipe.optimizer.build(named, fused=fused)
        (factor, first), *others = classes.items()
        optimizer = self.recipe.optimizer.build(first, fused=fused)
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor
            group.setdefault("initial_lr", group["lr"])
        for factor, some in others:
            self._add(optimizer, some, factor)
        return optimizer

    def _add(self, optimizer: torch.optim.Optimizer, named: Named, factor: float) -> None:
        for group in self.recipe.optimizer.groups(named):
            lr = optimizer.defaults["lr"] * factor
            optimizer.add_param_group({**group, "lr": lr, "initial_lr": lr})


def _by_factor(named: Iterable[tuple[str, nn.Parameter]], factors: Mapping[str, float]) -> dict[float, Named]:
    """Parameters by their factor on the learning rate, those without one first, whose rate is the one that is logged."""
    found: dict[float, Named] = {}
    for name, parameter in named:
        found.setdefault(factors.get(name, 1.0), []).append((name, parameter))
    return dict(sorted(found.items(), key=lambda item: item[0] != 1.0))


def check(recipe: Recipe, model: nn.Module, classes: int) -> None:
    """Run the optimizer's constructor over a network (on the meta device, say).

    Raises:
        InputError: a factor matches nothing, or two match one parameter.
    """
    try:
        Learning(recipe, model, classes, fused=False)
    except InputError as error:
        raise (error if error.where.startswith("model") else error.below("optimizer")) from None
