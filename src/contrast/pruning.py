"""Pruning: what validation holds hopeless is given up early, rung by rung; nothing of it hangs on which run ended first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.conduct import done
from contrast.run_files import RunFiles
from contrast.rungs import families
from contrast.store import RunFolder

if TYPE_CHECKING:
    from contrast.designs import Prune
    from contrast.orders import Order
    from contrast.planned import Plan
    from contrast.recipe import Recipe

Wanted = Callable[["Order"], "Order | None"]
"""What becomes of an order of the plan in one pass: itself, one that ends sooner, or nothing."""
AtWork = Callable[["Plan", Wanted], Any]
Settings = Mapping[str, Sequence[str]]
"""Name → the folders of its runs, a run a seed."""

WORST = -math.inf
TRIALS = "trials"


class Pruning:
    """Successive halving in step: every setting comes to a rung before any is given up there.

    What goes on follows from the figures of validation alone, so the same does with one worker or ten, and when a study that was cut off goes on.

    Args:
        prune: the rungs, and the share that goes on.
        base: says the epochs of the whole budget, and the figure that chooses.
        folder: the study's.
    """

    def __init__(self, prune: Prune, base: Recipe, folder: Path) -> None:
        self.prune, self.choose, self.folder = prune, base.choose, folder
        self.rungs = prune.rungs(base.epochs)
        self._given_up: set[str] = set()
        self._tried: set[str] = set()
        self._figures: dict[tuple[str, int], dict[str, float]] = {}

    def arms(self, plan: Plan, at_work: AtWork) -> None:
        """Carry the plan's sweeps and grid from rung to rung, each family against itself."""
        runs: dict[str, list[str]] = {}
        for run in plan.distinct:
            runs.setdefault(run.arm, []).append(plan.folder_of(run))
        self._halve({" ".join(family): {name: runs[name] for name in names} for family, names in families(plan.arms).items()}, plan, at_work)

    def trials(self, plan: Plan, at_work: AtWork) -> None:
        """Carry a search's new trials from rung to rung, against each other and against all before."""
        new = {run.arm: [plan.folder_of(run)] for run in plan.trial_runs if run.arm not in self._tried}
        self._tried |= new.keys()
        self._halve({TRIALS: new}, plan, at_work)

    def _halve(self, left: Mapping[str, Settings], plan: Plan, at_work: AtWork) -> None:
        for rung in self.rungs:
            going = {folder for settings in left.values() for folders in settings.values() for folder in folders}
            if not going:
                return
            at_work(plan, lambda order, rung=rung, going=going: self._to_rung(order, rung, going))  # type: ignore[misc]
            left = {family: self._going_on(family, rung, settings) for family, settings in left.items()}

    def _to_rung(self, order: Order, rung: int, going: set[str]) -> Order | None:
        short = replace(order, until_epoch=rung) if order.folder.name in going else self.ended(order)
        return short if short is not None and not done(short) else None

    def ended(self, order: Order) -> Order | None:
        """The order that ends a run that was given up, test unopened; None for all others."""
        return replace(order, gives_up=True, judged=False) if order.folder.name in self._given_up else None

    def to_the_end(self, order: Order) -> Order | None:
        """The order as it stands, but for a run that was given up."""
        last = self.ended(order) or order
        return None if done(last) else last

    def _going_on(self, family: str, rung: int, settings: Settings) -> Settings:
        """What goes on from a rung; the rest is given up."""
        figures = self._figures.setdefault((family, rung), {})
        figures |= {name: self._mean([self.folder / run for run in runs], rung) for name, runs in settings.items()}
        best = going_on(figures, self.prune.reduction)
        self._given_up |= {run for name, runs in settings.items() if name not in best for run in runs}
        return {name: runs for name, runs in settings.items() if name in best}

    def _mean(self, runs: Sequence[Path], rung: int) -> float:
        return sum(figure_at(run, rung, self.choose) for run in runs) / len(runs)


def going_on(figures: Mapping[str, float], reduction: int) -> set[str]:
    """The best one in `reduction`, rounded up, and what ties with the last of them; never one that diverged.

    Args:
        figures: name → figure, the greater the better; minus infinity for what diverged.
        reduction: of how many one goes on.
    """
    ranked = sorted((figure for figure in figures.values() if figure > WORST), reverse=True)
    if not ranked:
        return set()
    last = ranked[min(len(ranked), math.ceil(len(figures) / reduction)) - 1]
    return {name for name, figure in figures.items() if figure >= last}


def figure_at(run: Path, rung: int, choose: str) -> float:
    """The best validation figure of a run's first `rung` epochs, the greater the better; minus infinity where it diverged in them.

    Args:
        run: its folder, in which later epochs may stand too.
        rung: epochs.
        choose: a column of epochs.csv.
    """
    rows = RunFiles(run, "", 0, "").rows("epochs.csv", RunFolder.EPOCHS)
    folder = RunFolder(run)
    reached = int(rows["epoch"].max()) if len(rows) else 0
    if reached < rung and folder.finished and folder.summary()["status"] == "diverged":
        return WORST
    sign = 1.0 if choose.endswith("accuracy") else -1.0
    figures = [sign * float(figure) for figure in rows.loc[rows["epoch"] <= rung, choose]]
    return max((figure for figure in figures if math.isfinite(figure)), default=WORST)
