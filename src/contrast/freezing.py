"""Freezing: which parameters of a network are not trained, and that what is frozen works as in evaluation."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from contrast.errors import InputError, nearest
from contrast.training_parts import Until


@dataclass(frozen=True)
class Counts:
    """Numbers of parameter values, each shared one counted once."""

    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        """Values that are not trained."""
        return self.total - self.trainable

    def __str__(self) -> str:
        share = self.trainable / max(1, self.total)
        return f"{self.total:,} parameters: {self.trainable:,} trainable, {self.frozen:,} frozen ({100 * share:.2f} % trainable)"


def count(model: nn.Module) -> Counts:
    """The parameters of a network as they truly are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return Counts(sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained))


def chosen(model: nn.Module, what: str | Until | Sequence[str], head: Sequence[str]) -> list[str]:
    """The parameters that a `freeze` setting means, by name.

    Args:
        model: the network.
        what: the setting.
        head: names of the modules that make the head.

    Raises:
        InputError: it means nothing in this network; names what is near.
    """
    names = [name for name, _ in model.named_parameters()]
    match what:
        case "none":
            return []
        case "head":
            return _below(names, head)
        case "features" if isinstance(getattr(model, "features", None), nn.Module):
            return _below(names, ["features"])
        case "features" | "all but head":
            kept = set(_below(names, head))
            return [name for name in names if name not in kept]
        case Until():
            return names[: _start_of(model, names, what.until)]
    found = dict.fromkeys(name for pattern in what for name in matching(model, pattern, "model.freeze"))
    return [name for name in names if name in found]


def _below(names: Iterable[str], places: Iterable[str]) -> list[str]:
    return [name for name in names if any(name == place or name.startswith(f"{place}.") for place in places)]


def _start_of(model: nn.Module, names: Sequence[str], module: str) -> int:
    inside = _below(names, [module])
    if not inside:
        known = {name for name, part in model.named_modules() if name and next(part.parameters(), None) is not None}
        raise InputError(f"the network has no module {module!r} with parameters", where="model.freeze.until", right=nearest(module, known))
    return names.index(inside[0])


def matching(model: nn.Module, pattern: str, where: str) -> list[str]:
    """The parameters that a pattern means: it names parameters, or modules whose parameters are all meant.

    Args:
        model: the network.
        pattern: a name, or one with ``*``, ``?`` and ``[…]`` as in file names (``features.*``).
        where: the setting, for the message.

    Raises:
        InputError: it means none; names what is near.
    """
    modules = [name for name, _ in model.named_modules() if name and fnmatch.fnmatchcase(name, pattern)]
    names = [name for name, _ in model.named_parameters()]
    inside = set(_below(names, modules))
    found = [name for name in names if name in inside or fnmatch.fnmatchcase(name, pattern)]
    if not found:
        known = {name for name, part in model.named_modules() if name and next(part.parameters(), None) is not None}
        raise InputError(f"{pattern!r} matches nothing in the network", where=where, right=nearest(pattern.rstrip("*."), known))
    return found


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Stop the training of some parameters."""
    wanted = set(names)
    for name, parameter in model.named_parameters():
        if name in wanted:
            parameter.requires_grad_(False)


def still_parts(model: nn.Module) -> list[nn.Module]:
    """The modules all of whose parameters are frozen, the outermost of each; they work as in evaluation.

    So batch norm there keeps its statistics, and dropout and stochastic depth inside them do nothing.
    """
    parameters = list(model.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        return [model]
    return [part for child in model.children() for part in still_parts(child)] if parameters else []


def hold_still(parts: Iterable[nn.Module]) -> None:
    """Put frozen parts back into evaluation mode, from which `model.train()` takes them."""
    for part in parts:
        if part.training or any(module.training for module in part.children()):
            part.eval()
