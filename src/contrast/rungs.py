"""Which arms may be pruned, and against which others each is held: the values of one sweep, the combinations of the grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from contrast.designs import Prune, Search
from contrast.errors import InputError
from contrast.planned import Arm
from contrast.recipe import Recipe

PRUNABLE = ("sweep", "grid")
"""Origins of arms that may be given up; those that a person named, and the baseline, never are."""


def families(arms: Iterable[Arm]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(origin, path) → names of the arms that are pruned against each other.

    An arm that shares its runs with one that is never pruned is not pruned either; of two names for one recipe the first stands for both.
    """
    every = list(arms)
    taken = {arm.recipe.id for arm in every if arm.origin not in PRUNABLE}
    found: dict[tuple[str, str], list[str]] = {}
    for arm in every:
        if arm.recipe.id not in taken:
            taken.add(arm.recipe.id)
            path = next(iter(arm.changes)) if arm.origin == "sweep" else ""
            found.setdefault((arm.origin, path), []).append(arm.name)
    return {family: tuple(names) for family, names in found.items() if len(names) > 1}


def check(prune: Prune, base: Recipe, arms: Sequence[Arm]) -> None:
    """Refuse what can't be pruned.

    Args:
        prune: the setting.
        base: the baseline's recipe.
        arms: those that may be pruned, and trials.

    Raises:
        InputError: budgets that differ or are in steps, or test watched at every epoch.
    """
    if base.steps is not None:
        raise InputError("counts epochs, and the base has a budget in steps", where="prune", right="give the base epochs, or leave prune out")
    for arm in arms:
        where = f"{arm.origin}.{arm.name}"
        if arm.recipe.steps is not None or arm.recipe.epochs != base.epochs:
            raise InputError("arms of different budgets can't be pruned", where=where, right="give all the epochs of the base, or leave prune out")
        if arm.recipe.evaluate is not None and arm.recipe.evaluate.test_every_epoch:
            right = "leave out evaluate.test_every_epoch, or prune"
            raise InputError("test would be seen of arms that are pruned, for which it stays closed", where=where, right=right)


def layout(prune: Prune, base: Recipe, arms: Iterable[Arm], seeds: int, search: Search | None) -> dict[str, Any]:
    """The rungs, and how many epochs pruning may save, as plain data for the study's lock."""
    sizes = [len(names) for names in families(arms).values()]
    saved = seeds * sum(prune.saves(size, base.epochs) for size in sizes)
    settings = seeds * sum(sizes)
    rungs = prune.rungs(base.epochs)
    if search is not None:
        first = min(search.trials, search.at_once)
        # Whoever comes later is held against all before, and may be worse than every one of them.
        saved += prune.saves(first, base.epochs) + (search.trials - first) * (base.epochs - rungs[0] if rungs else 0)
        settings += search.trials
    return {"reduction": prune.reduction, "rungs": list(rungs), "epochs": base.epochs, "saves": saved, "of": settings * base.epochs}
