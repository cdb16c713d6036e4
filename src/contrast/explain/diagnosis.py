"""How a training went, as findings: dead units, where overfitting begins, whether it was still improving, whether the grid was wide enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.numbers import plural
from contrast.shown import shown
from contrast.study_tables import setting_at

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

OVERFITTED = 0.05
"""Rise of validation loss over its least value, as a share of it, that is worth a word."""
LATE = 0.9
"""Share of the epochs after which a best epoch means that training was still improving."""
LARGE_UPDATE, SMALL_UPDATE = 1e-2, 1e-5


@dataclass(frozen=True)
class Silence:
    """How often the outputs of a ReLU are zero.

    Attributes:
        layer: its name.
        zeros: share of its outputs that are zero.
        dead: units (channels of a map) that are zero for every image at every place.
        units: how many there are.
    """

    layer: str
    zeros: float
    dead: int
    units: int


def silence(model: nn.Module, batches: Iterable[Tensor]) -> list[Silence]:
    """Count the zeros behind every `torch.nn.ReLU`, in the order in which images pass.

    Args:
        model: in evaluation mode. An activation that is called as a function is not seen.
        batches: images as the network takes them.
    """
    import torch
    from torch import nn

    zeros, values = dict[str, int](), dict[str, int]()
    alive: dict[str, Tensor] = {}

    def note(name: str, output: Tensor) -> None:
        positive = output.detach() > 0
        zeros[name] = zeros.get(name, 0) + int((~positive).sum())
        values[name] = values.get(name, 0) + positive.numel()
        ever = positive.flatten(2).any(dim=2).any(dim=0) if positive.ndim > 2 else positive.any(dim=0)
        alive[name] = ever | alive.get(name, torch.zeros_like(ever))

    watched = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ReLU | nn.ReLU6)]
    hooks = [module.register_forward_hook(lambda _, __, output, name=name: note(name, output)) for name, module in watched]
    try:
        with torch.inference_mode():
            for images in batches:
                model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [Silence(name, zeros[name] / values[name], int((~alive[name]).sum()), len(alive[name])) for name in values]


def about_silence(found: list[Silence]) -> list[str]:
    """Dead units as findings; one sentence where there are none."""
    dead = [one for one in found if one.dead]
    if found and not dead:
        return [f"No unit is dead: each of {sum(one.units for one in found):,} behind a ReLU is above zero for some validation image."]
    return [
        f"{one.dead} of {one.units} units behind {shown(one.layer, 60)} are dead: zero for every validation image. They cost time and add nothing; "
        "a smaller learning rate, normalization or a leaky ReLU keeps units alive."
        for one in dead
    ]


def about_epochs(epochs: pd.DataFrame, choose: str = "validation_accuracy") -> list[str]:
    """Where overfitting begins, and whether the run was still improving (report row P4), from epochs.csv.

    Args:
        epochs: one row an epoch: epoch, train_loss, validation_loss, validation_accuracy.
        choose: the figure that chose the best epoch.
    """
    if len(epochs) < 3:
        return [f"{plural(len(epochs), 'epoch')} cannot tell whether training had converged."] if len(epochs) else []
    overfitted = _overfitting(epochs)
    return [*overfitted, *_unfinished(epochs, choose, bool(overfitted))]


def _overfitting(epochs: pd.DataFrame) -> list[str]:
    held, trained = epochs["validation_loss"].to_numpy(float), epochs["train_loss"].to_numpy(float)
    if not np.isfinite(held).all():
        return ["The validation loss was not finite at some epoch: training diverged."]
    least = int(held.argmin())
    rise = (held[-1] - held[least]) / max(held[least], 1e-12)
    if least == len(held) - 1 or rise < OVERFITTED or trained[-1] >= trained[least]:
        return []
    return [
        f"Overfitting begins after epoch {int(epochs['epoch'].iloc[least])}: from there validation loss rises by {100 * rise:.0f} % "
        f"({held[least]:.3f} to {held[-1]:.3f}) while train loss falls on ({trained[least]:.3f} to {trained[-1]:.3f})."
    ]


def _unfinished(epochs: pd.DataFrame, choose: str, overfitted: bool) -> list[str]:
    figures = epochs[choose].to_numpy(float)
    best = int(figures.argmax() if choose.endswith("accuracy") else figures.argmin())
    if (best + 1) / len(figures) <= LATE:
        return []
    which = f"The best epoch by {choose.replace('_', ' ')} is {int(epochs['epoch'].iloc[best])} of {len(figures)}"
    if overfitted:
        return [f"{which}, though validation loss rises by then: the network gets surer faster than it gets better."]
    return [f"{which}: the run was still improving, or had just stopped. It has not shown that it converged; more epochs may give more."]


def about_updates(steps: pd.DataFrame) -> list[str]:
    """Whether steps were of a healthy size, where the study watched ``update_ratio`` (norm of the update over that of the weights)."""
    if "update_ratio" not in steps.columns or not steps["update_ratio"].notna().any():
        return []
    middle = float(steps["update_ratio"].median())
    told = f"The median step changed the weights by {middle:.1e} of their norm"
    if middle > LARGE_UPDATE:
        return [f"{told}, which is large (about 1e-3 is usual): the learning rate may be too high."]
    return [f"{told}, which is small (about 1e-3 is usual): the learning rate may be too low."] if middle < SMALL_UPDATE else []


def about_edges(arms: Iterable[Mapping[str, Any]], base: Mapping[str, Any], figures: Mapping[str, float], *, less: bool = False) -> list[str]:
    """Settings whose best value is the smallest or the largest that was tried: the best may lie beyond.

    Args:
        arms: the plan's arms: name and changes (path → value).
        base: the base recipe.
        figures: arm → validation figure, mean over seeds; arms without one are left out.
        less: whether a smaller figure is the better (a loss).
    """
    known = [arm for arm in arms if arm["name"] in figures]
    paths = {path for arm in known for path, value in arm["changes"].items() if _is_number(value)}
    found = []
    for path in sorted(paths):
        tried = [(arm["changes"].get(path, setting_at(base, path)), figures[arm["name"]], arm["name"]) for arm in known]
        values = sorted({value for value, _, _ in tried if _is_number(value)})
        if len(values) >= 3:
            best, _, name = (min if less else max)((one for one in tried if _is_number(one[0])), key=lambda one: one[1])
            if best in (values[0], values[-1]):
                edge, further = ("smallest", "smaller") if best == values[0] else ("largest", "larger")
                found.append(
                    f"{shown(path, 80)}: the best of {len(values)} values on validation, {best:g} (arm {shown(name, 60)}), is the {edge} that was "
                    f"tried; a {further} one may be better still."
                )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
