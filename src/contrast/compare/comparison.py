"""The answer of a study: every arm against the baseline, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy

from .contrast import Contrast, Outcomes, Terms, contrast_of, squares_of_difference
from .intervals import OTHER_SEED
from .metrics import ComparisonError, Metric, metric_named
from .pairing import ArmRuns, need_columns, runs_by_arm
from .power import Settling, seeds_needed
from .remarks import remarks_on
from .sequential import alpha_shares, deciding_interval
from .telling import answer, as_html, as_plain, as_table, as_text
from .testing import holm
from .variance import MeanSquares, VarianceParts, mean_squares, variance_parts
from .verdict import verdict_on

if TYPE_CHECKING:
    import pandas

DEFAULT_MARGIN_IN_POINTS = 0.5
AFTER_A_RACE = "seeds were added until settled: the sentences allow for it, the other intervals of the table do not"


@dataclass(frozen=True)
class ArmSummary:
    """One arm by itself: the metric over its finished seeds (in the metric's unit), and the seeds that have no figure."""

    arm: str
    mean: float | None
    sd: float | None
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    failed: tuple[int, ...]
    unfinished: tuple[int, ...]
    without_value: tuple[int, ...]
    variance: VarianceParts | None = None


@dataclass(frozen=True)
class Comparison:
    """Effect, intervals, tests and verdict of every arm against the baseline. Prints as sentences."""

    metric: Metric
    level: float
    margin: float | None
    baseline: ArmSummary
    arms: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    remarks: tuple[str, ...]

    @property
    def answer(self) -> str:
        """One sentence for the study as a whole."""
        return answer(self)

    def sentences(self) -> tuple[str, ...]:
        """One sentence per arm: "batch norm: helps by 2.3 points (95 % interval …)"."""
        return tuple(f"{contrast.arm}: {contrast.verdict.sentence}" for contrast in self.contrasts)

    def table(self) -> pandas.DataFrame:
        """One row per arm, the baseline first, a column for every number; NaN and NA where there is none."""
        return as_table(self)

    def text(self) -> str:
        """The aligned table for a terminal: arm, mean ± sd, difference with interval and p, short verdict."""
        return as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready data; None where there is no finite number."""
        plain: dict[str, Any] = as_plain(self)
        return {**plain, "answer": self.answer}

    def __str__(self) -> str:
        return "\n".join([*self.sentences(), *(f"({remark})" for remark in self.remarks)])

    def _repr_html_(self) -> str:
        return as_html(self)


def compare(
    runs: pandas.DataFrame,
    *,
    baseline: str,
    metric: str = "test_accuracy",
    margin: float | None = None,
    outcomes: Mapping[str, Outcomes] | None = None,
    level: float = 0.95,
    looks: Sequence[int] | None = None,
) -> Comparison:
    """Judge every arm of a study against the baseline, from tables alone.

    Args:
        runs: one row per run, columns `arm` (str), `seed` (int), `status` ("finished", "diverged", "failed", "unfinished") and
            the metric (float; accuracies as fractions in 0..1, reported in points). Only finished runs are averaged.
        baseline: the arm that the others are held against.
        metric: the column to compare.
        margin: the largest difference that does not matter, in the metric's unit. None: 0.5 points for accuracies, and no
            test of equivalence for other metrics, since half a point means nothing for a loss.
        outcomes: `outcomes[arm][seed]`, shape (N,): the score of each test image whose mean is the metric (bool or uint8 right
            or wrong, or float32), images in the same order everywhere. Adds the second interval, the variance parts, and the
            floor under the variance of the differences.
        level: confidence of the intervals; `1 − level` is the error rate of the family (Holm) and of each one-sided
            equivalence test.
        looks: of a race, the numbers of seeds at which it was planned to look (`planned_looks`). The verdicts then hold at
            every look; None where the number of seeds was fixed beforehand.

    Raises:
        ComparisonError: a ValueError of one line: a metric, arm or column that is not there, a run that stands twice,
            outcomes of different length.

    Sources: paired t over seeds (Bouthillier et al. 2021), Holm 1979, Schuirmann 1987, Satterthwaite 1946; measured coverage
    in `docs/statistics.md`.
    """
    need_columns(runs)
    if not 0.5 < level < 1:
        raise ComparisonError(f"level: {level:g} is no confidence level; one lies above 0.5 and below 1")
    measure = _metric(runs, metric)
    if margin is None and measure.unit == "points":
        margin = DEFAULT_MARGIN_IN_POINTS
    if margin is not None and not margin > 0:
        raise ComparisonError(f"margin: {margin:g} is not above zero")
    arms = runs_by_arm(runs, baseline, measure)
    scores, doubts = _usable(outcomes or {}, arms, measure)
    terms = Terms(level, margin, None if looks is None else tuple(looks))
    contrasts = [contrast_of(arm, arms[0], terms, _difference(arm, arms[0], scores, measure)) for arm in arms[1:]]
    judged = judge(contrasts, measure, terms)
    summaries = tuple(_summary(arm, scores.get(arm.arm, {}), measure) for arm in arms)
    remarks = (*remarks_on(arms, judged), *doubts, *([AFTER_A_RACE] if looks else []))
    return Comparison(measure, level, margin, summaries[0], summaries[1:], tuple(judged), remarks)


def judge(contrasts: list[Contrast], metric: Metric, terms: Terms) -> list[Contrast]:
    """Holm over all contrasts that have a p, then each one's deciding interval, seeds still needed, and verdict."""
    tested = [contrast for contrast in contrasts if contrast.p is not None]
    family = holm([contrast.p for contrast in tested if contrast.p is not None], terms.alpha)
    decisions = {contrast.arm: (p, alpha) for contrast, p, alpha in zip(tested, family.p, family.deciding_alpha, strict=True)}
    judged = []
    for contrast in contrasts:
        one = contrast
        if contrast.arm in decisions:
            p_holm, alpha = decisions[contrast.arm]
            one = replace(contrast, p_holm=p_holm, family=len(tested), **_decision(contrast, alpha, terms))
        judged.append(replace(one, verdict=verdict_on(one, metric, terms)))
    return judged


def _decision(contrast: Contrast, alpha: float, terms: Terms) -> dict[str, Any]:
    """The interval that agrees with Holm's step at `alpha`, and how many more seeds would bring a verdict at that step."""
    estimate = contrast.estimate
    needed = None
    if estimate is not None:
        # A race tests at its last look with that look's share of the error.
        last = alpha_shares(terms.looks)[-1] if terms.looks else 1.0
        settling = Settling(estimate.mean, terms.margin, alpha * last, terms.alpha * last)
        # The sd behind the standard error, so that the floor counts.
        sd = estimate.standard_error * float(numpy.sqrt(len(contrast.seeds)))
        needed = seeds_needed(settling, sd, len(contrast.seeds))
    return {"deciding": deciding_interval(contrast.looks, alpha, OTHER_SEED), "seeds_needed": needed}


def _metric(runs: pandas.DataFrame, name: str) -> Metric:
    # A study of which nothing has finished yet has no metric columns: that is no typing error.
    columns = list(runs.columns)
    if name not in columns and not (runs["status"] == "finished").any():
        columns.append(name)
    return metric_named(name, columns)


def _usable(outcomes: Mapping[str, Outcomes], arms: list[ArmRuns], metric: Metric) -> tuple[dict[str, Outcomes], list[str]]:
    """The outcomes that belong to the metric: an arm whose outcomes average to something else is left out, with a remark."""
    usable: dict[str, Outcomes] = {}
    doubts = []
    for arm in arms:
        scores = outcomes.get(arm.arm, {})
        strange = [seed for seed in arm.values if seed in scores and not _agrees(scores[seed], arm.values[seed], metric)]
        if strange:
            doubts.append(f"{arm.arm}: the outcomes per image of seed {strange[0]} do not average to its {metric.words}")
        else:
            usable[arm.arm] = scores
    return usable, doubts


def _agrees(scores: numpy.ndarray[Any, Any], value: float, metric: Metric) -> bool:
    mean = float(numpy.mean(scores, dtype=numpy.float64)) * metric.scale
    return abs(mean - value) <= 1e-4 * metric.scale + 1e-3 * abs(value)


def _difference(arm: ArmRuns, baseline: ArmRuns, outcomes: Mapping[str, Outcomes], metric: Metric) -> MeanSquares | None:
    seeds = tuple(sorted(set(arm.values) & set(baseline.values)))
    ours, theirs = outcomes.get(arm.arm, {}), outcomes.get(baseline.arm, {})
    if len(seeds) < 2 or any(seed not in ours or seed not in theirs for seed in seeds):
        return None
    return squares_of_difference(ours, theirs, seeds, metric.scale)


def _summary(arm: ArmRuns, outcomes: Outcomes, metric: Metric) -> ArmSummary:
    values = numpy.array(list(arm.values.values()))
    parts = None
    if len(values) > 1 and all(seed in outcomes for seed in arm.values):
        rows = (numpy.asarray(outcomes[seed], dtype=numpy.float64) * metric.scale for seed in arm.values)
        parts = variance_parts(mean_squares(rows))
    return ArmSummary(
        arm=arm.arm,
        mean=float(values.mean()) if len(values) else None,
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        seeds=tuple(sorted(arm.values)),
        diverged=tuple(sorted(arm.diverged)),
        failed=tuple(sorted(arm.failed)),
        unfinished=tuple(sorted(arm.unfinished)),
        without_value=tuple(sorted(arm.without_value)),
        variance=parts,
    )
