"""One metric of a study by seed and arm, what is missing in it told; and the form that every answer of a design has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.errors import InputError
from contrast.study_metrics import terms, with_metric
from contrast.study_tables import StudyTables, designs_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Estimate, Metric

    Floats = NDArray[np.float64]

LEVEL = 0.95
NUMBERS = ("interval_low", "interval_high", "deciding_low", "deciding_high", "deciding_level", "p", "p_holm", "standard_error")


@dataclass(frozen=True)
class Answer:
    """What a design answers.

    Attributes:
        design: factors, trend, best or steps.
        title: a few words.
        table: one row an effect: `name`, `effect`, `interval_low`, `interval_high`, `deciding_low`, `deciding_high`, `p`, `p_holm`,
            `seeds`, and what is special to the design; in the metric's unit. Empty where too few runs have finished.
        sentences: the same in words, one an effect.
        remarks: what was left out, and what the numbers do not allow for.
        methods: names of the methods behind the numbers, as `contrast.report.methods` explains them.
    """

    design: str
    title: str
    table: pd.DataFrame
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]
    methods: tuple[str, ...]
    metric: Metric = field(repr=False)


@dataclass(frozen=True)
class Picked:
    """Values of some arms in the seeds in which all of them have one.

    Attributes:
        arms: those that stayed.
        seeds: in ascending order.
        values: shape (S, A), in the metric's unit.
        remarks: which arms and seeds were left out.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Floats
    remarks: tuple[str, ...]


class Measured:
    """A metric of every run.

    Args:
        study: its tables.
        metric: as `contrast.results.Results.compare` takes it.

    Raises:
        InputError: there is no such metric.
    """

    def __init__(self, study: StudyTables, metric: str = "test_accuracy") -> None:
        from contrast.compare import ComparisonError, metric_named

        self.study = study
        self.runs = with_metric(study, metric)
        try:
            self.metric = metric_named(metric, self.runs.columns)
        except ComparisonError as error:
            raise InputError(str(error)) from error
        self.terms = terms(study, metric)
        self._tables: dict[str, dict[tuple[str, int], float]] = {}
        ended = self.runs[self.runs["status"].isin(["diverged"])]
        self.pruned = set(self.runs.loc[self.runs["status"] == "pruned", "arm"])
        self.diverged = {str(arm): sorted(map(int, group)) for arm, group in ended.groupby("arm", sort=False)["seed"]}

    @property
    def baseline(self) -> str:
        """The plan's baseline."""
        return str(self.study.lock["baseline"])

    @property
    def overlap(self) -> float:
        """Images held out per image trained on, where every seed has a split of its own; else 0."""
        return float(self.terms.get("overlap", 0.0))

    def of(self, arms: Sequence[str], column: str = "") -> tuple[tuple[int, ...], Floats]:
        """Seeds, and the values of these arms in each: shape (S, A), missing where a run has not finished.

        Args:
            arms: names, which need not be planned.
            column: another figure than the metric, as it stands in the table of runs.
        """
        values = self._values(column or self.metric.name)
        scale = 1.0 if column else self.metric.scale
        seeds = tuple(sorted({int(seed) for seed in self.runs["seed"]}))
        table = np.array([[values.get((arm, seed), np.nan) for arm in arms] for seed in seeds], dtype=np.float64)
        return seeds, table.reshape(len(seeds), len(arms)) * scale

    def _values(self, column: str) -> dict[tuple[str, int], float]:
        if column not in self._tables:
            finished = self.runs[self.runs["status"] == "finished"]
            cells = zip(finished["arm"], finished["seed"], finished[column].astype("float64"), strict=True)
            self._tables[column] = {(str(arm), int(seed)): float(value) for arm, seed, value in cells if np.isfinite(value)}
        return self._tables[column]

    def picked(self, arms: Sequence[str], needed: Sequence[str] = ()) -> Picked:
        """Arms that diverged nowhere and have a figure, in the seeds in which all of them have one.

        Args:
            arms: names.
            needed: those among them that must stay, whatever else is left out for it.
        """
        seeds, table = self.of(arms)
        stays = [arm in needed or (arm not in self.diverged and bool(np.isfinite(table[:, i]).any())) for i, arm in enumerate(arms)]
        kept = [bool(np.isfinite(row[stays]).all()) for row in table]
        remarks = [self._gone(arm) for arm, stay in zip(arms, stays, strict=True) if not stay]
        begun = [bool(np.isfinite(row).any()) for row in table]
        lost = [seed for seed, whole, some in zip(seeds, kept, begun, strict=True) if some and not whole]
        remarks += [f"{_seeds(lost)} left out: not every arm has a figure there"] if lost else []
        left = tuple(arm for arm, stay in zip(arms, stays, strict=True) if stay)
        return Picked(left, tuple(np.array(seeds)[kept].tolist()), table[kept][:, stays], tuple(remarks))

    def _gone(self, arm: str) -> str:
        if arm in self.diverged and arm not in self.pruned:
            return f"{arm} is left out: it diverged in {len(self.diverged[arm])} of its seeds"
        if arm in self.pruned:
            return f"{arm} is left out: validation pruned it"
        return f"{arm} is left out: none of its runs has finished"

    def not_allowed_for(self) -> list[str]:
        """What the estimates of a design, other than those of the arms, do not take into account."""
        raced = "Seeds were added until the arms were settled; these intervals do not allow for that"
        pruned = "Validation pruned arms on all seeds; these intervals do not allow for that"
        return [*([raced] if designs_of(self.study.lock, "race") else []), *([pruned] if self.pruned else [])]


def _seeds(seeds: Sequence[int]) -> str:
    return f"Seed {seeds[0]} is" if len(seeds) == 1 else f"Seeds {', '.join(map(str, seeds))} are"


def with_holm(rows: list[dict[str, Any]], estimates: Sequence[Estimate | None]) -> list[dict[str, Any]]:
    """Each row with its interval, p, Holm's p over all rows that have one, and the interval at the level at which Holm decides."""
    from contrast.compare import holm

    tested = [estimate for estimate in estimates if estimate is not None]
    family = holm([estimate.p_two_sided() for estimate in tested], 1 - LEVEL)
    decided = iter(zip(family.p, family.deciding_alpha, strict=True))
    made = []
    for row, estimate in zip(rows, estimates, strict=True):
        numbers: dict[str, float] = dict.fromkeys(NUMBERS, float("nan"))
        if estimate is not None:
            p_holm, alpha = next(decided)
            interval, deciding = estimate.interval(LEVEL), estimate.interval(1 - alpha)
            told = (interval.low, interval.high, deciding.low, deciding.high, deciding.level, estimate.p_two_sided(), p_holm, estimate.standard_error)
            numbers = dict(zip(NUMBERS, told, strict=True))
        made.append({**row, **numbers, "family": len(tested)})
    return made


def shows(row: Mapping[str, Any]) -> bool:
    """Whether the deciding interval leaves out zero."""
    return bool(row["deciding_low"] > 0 or row["deciding_high"] < 0)


def evidence(row: Mapping[str, Any]) -> str:
    """``95 % interval 1.7 to 2.9, 5 seeds, p = 0.002 after Holm``: the interval that decides."""
    from contrast.compare.rounding import number, p_text, percent

    decimals, ends = decimals_of(row), (row["deciding_low"], row["deciding_high"])
    # The words before it say which way it went: "helps by 2.3 points (1.7 to 2.9)".
    low, high = sorted(map(abs, ends)) if shows(row) else ends
    told = f"{percent(row['deciding_level'])} interval {number(low, decimals)} to {number(high, decimals)}"
    return f"{told}, {row['seeds']} seeds, {p_text(row['p_holm'], 1 - LEVEL)}{' after Holm' if row['family'] > 1 else ''}"


def decimals_of(row: Mapping[str, Any]) -> int:
    """Decimals that its standard error asks for, more where an end would print as zero and is not."""
    from contrast.compare.rounding import decimals_apart, decimals_for

    return decimals_apart((row["deciding_low"], row["deciding_high"]), decimals_for(row["standard_error"]))
