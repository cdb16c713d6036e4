"""From the table of runs to what each arm has: values by seed, and which seeds have none and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .metrics import ComparisonError, Metric, arm_named

if TYPE_CHECKING:
    import pandas

STATUSES = ("finished", "diverged", "pruned", "failed", "unfinished")


@dataclass
class ArmRuns:
    """The runs of one arm. `values` holds finished runs with a finite metric (scaled); every other seed stands in one list.

    `pruned` says of each seed that was given up how far it came: "2 of 6 epochs", or nothing where the table does not say.
    """

    arm: str
    values: dict[int, float] = field(default_factory=dict)
    diverged: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    unfinished: list[int] = field(default_factory=list)
    without_value: list[int] = field(default_factory=list)
    pruned: dict[int, str] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Runs that came to an end of their own: finished or diverged."""
        return len(self.values) + len(self.without_value) + len(self.diverged)

    @property
    def missing(self) -> list[int]:
        """Seeds that were begun or planned and have no figure yet."""
        return sorted([*self.failed, *self.unfinished, *self.without_value])


def runs_by_arm(runs: pandas.DataFrame, baseline: str, metric: Metric) -> list[ArmRuns]:
    """Every arm's runs: the baseline first, the others in the order in which the table names them first.

    Raises:
        ComparisonError: a column, or the baseline, is not there; a run stands twice; a status, or an accuracy, makes no sense.
    """
    arms: dict[str, ArmRuns] = {}
    seen: set[tuple[str, int]] = set()
    values = runs[metric.name] if metric.name in runs.columns else [math.nan] * len(runs)
    for arm, seed, status, value, reached in zip(runs["arm"], runs["seed"], runs["status"], values, _reached(runs), strict=True):
        key = (str(arm), _seed(seed, str(arm)))
        if key in seen:
            raise ComparisonError(f"arm {key[0]!r}, seed {key[1]}: two runs; one run per arm and seed can be compared")
        seen.add(key)
        own = arms.setdefault(key[0], ArmRuns(key[0]))
        if str(status) == "pruned":
            own.pruned[key[1]] = reached
        else:
            _place(own, key[1], str(status), value, metric)
    arm_named(baseline, arms)
    return [arms.pop(baseline), *arms.values()]


def _reached(runs: pandas.DataFrame) -> list[str]:
    """``2 of 6 epochs`` of each run, where the table says so."""
    if not {"epochs", "planned_epochs"} <= set(runs.columns):
        return [""] * len(runs)
    known = runs[["epochs", "planned_epochs"]].notna().all(axis=1)
    pairs = zip(known, runs["epochs"], runs["planned_epochs"], strict=True)
    return [f"{int(epochs)} of {int(planned)} epochs" if both else "" for both, epochs, planned in pairs]


def _place(arm: ArmRuns, seed: int, status: str, value: object, metric: Metric) -> None:
    where = f"arm {arm.arm!r}, seed {seed}"
    if status not in STATUSES:
        raise ComparisonError(f"{where}: no status {status!r} (there are: {', '.join(STATUSES)})")
    if status != "finished":
        {"diverged": arm.diverged, "failed": arm.failed, "unfinished": arm.unfinished}[status].append(seed)
        return
    number = _number(value, where, metric.name)
    if not math.isfinite(number):
        arm.without_value.append(seed)
    elif metric.unit == "points" and abs(number) > 1:
        raise ComparisonError(f"{where}: {metric.name} is {number:g}; accuracies are fractions in 0..1")
    else:
        arm.values[seed] = number * metric.scale


def _seed(value: Any, arm: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ComparisonError(f"arm {arm!r}: seed is {value!r}; every run has a whole number") from None


def _number(value: object, where: str, name: str) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ComparisonError(f"{where}: {name} is {value!r}, not a number") from None


def need_columns(runs: pandas.DataFrame) -> None:
    """ComparisonError where the table lacks one of the columns that every comparison reads."""
    lacking = [column for column in ("arm", "seed", "status") if column not in runs.columns]
    if lacking:
        raise ComparisonError(f"the table of runs has no column {lacking[0]!r}")
