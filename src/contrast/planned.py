"""What a study comes to once it is planned: its Arms, every run with its Recipe, and the names of their folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contrast.designs import Origin
from contrast.recipe import Recipe

if TYPE_CHECKING:
    from contrast.study import Study


@dataclass(frozen=True)
class Arm:
    """A named set of changes to the base Recipe.

    Attributes:
        name: what people call it.
        changes: dotted path → value.
        recipe: the base, or the arm that this one builds on, with the changes applied.
        lost: settings that a replacement lost, e.g. ``optimizer.weight_decay 0.0005``.
        origin: the part of the study that declares it.
        axis: path and value, for arms of a one-dimensional sweep over numbers.
        twin: the earlier arm with the same recipe, whose runs this one shares.
        parent: the arm that this one builds on.
    """

    name: str
    changes: Mapping[str, Any]
    recipe: Recipe
    lost: tuple[str, ...] = ()
    origin: Origin = "arms"
    axis: tuple[str, float] | None = None
    twin: str | None = None
    parent: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One recipe to be carried out: an arm's with one seed."""

    arm: str
    seed: int
    recipe: Recipe = field(repr=False)

    @cached_property
    def folder(self) -> str:
        """The run folder's name: words for people, then the identity."""
        return f"{slug(self.arm)}-seed{self.seed}-{self.recipe.id[:8]}"


@dataclass(frozen=True)
class Plan:
    """Every run of a study, arms interleaved inside each seed, so that drift of the machine hits all arms alike.

    Attributes:
        study: what was planned.
        arms: the baseline first.
        runs: one for each arm and seed.
        remarks: what a reader should know.
        layout: how the arms hang together: factors, steps of a ladder, looks of a race, trials of a search (plain data).
        trials: what a search tries, as arms that stand in no comparison.
        trial_runs: their runs, which never open test.
    """

    study: Study
    arms: tuple[Arm, ...]
    runs: tuple[PlannedRun, ...]
    remarks: tuple[str, ...]
    layout: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[Arm, ...] = ()
    trial_runs: tuple[PlannedRun, ...] = ()

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Every seed that an arm runs with, in order."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @cached_property
    def distinct(self) -> tuple[PlannedRun, ...]:
        """The runs to carry out: recipes that stand under two names once."""
        return tuple({run.recipe.id: run for run in reversed(self.runs)}.values())[::-1]

    def by_data(self, key: Callable[[Recipe], str]) -> dict[str, Recipe]:
        """The first recipe of each data set and split, by what `key` says of it."""
        found: dict[str, Recipe] = {}
        for run in (*self.runs, *self.trial_runs):
            found.setdefault(key(run.recipe), run.recipe)
        return found

    def first_recipe(self, arm: Arm) -> Recipe:
        """The recipe of an arm's first run, with its split; without a seed of its own."""
        split = self.study.splits.settings(0) if self.study.splits and arm not in self.trials else {}
        return arm.recipe.with_data(split) if split else arm.recipe

    def folder_of(self, run: PlannedRun) -> str:
        """The folder that holds a run, which a twin arm may have named."""
        return self._folders.get(run.recipe.id, run.folder)

    @cached_property
    def _folders(self) -> dict[str, str]:
        return {run.recipe.id: run.folder for run in reversed(self.runs)}


def slug(name: str) -> str:
    """Words of a name that are safe in a file name: ``Batch norm!`` → ``batch-norm``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "arm"
