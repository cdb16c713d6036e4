"""The answer of a study: every arm against the baseline, judged together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy

from .contrast import Contrast, Outcomes, Terms, contrast_of, squares_of_difference
from .estimate import share_of_variance
from .metrics import ComparisonError, Metric, metric_named
from .pairing import ArmRuns, need_columns, runs_by_arm
from .power import Settling, seeds_needed
from .remarks import remarks_on, winner
from .sequential import alpha_shares, deciding_look, need_looks
from .telling import answer, as_html, as_plain, as_table, as_text
from .testing import holm
from .variance import MeanSquares, VarianceParts, mean_squares, variance_parts
from .verdict import verdict_on

if TYPE_CHECKING:
    import pandas

DEFAULT_MARGIN_IN_POINTS = 0.5


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
    pruned: tuple[int, ...] = ()


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
    looks: tuple[int, ...] | None = None
    overlap: float = 0.0

    @property
    def terms(self) -> Terms:
        """What the arms were judged by."""
        return Terms(self.level, self.margin, self.looks, self.overlap)

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
    overlap: float = 0.0,
) -> Comparison:
    """Judge every arm of a study against the baseline, from tables alone.

    Args:
        runs: one row per run, columns `arm` (str), `seed` (int), `status` ("finished", "diverged", "pruned", "failed", "unfinished")
            and the metric (float; accuracies as fractions in 0..1, reported in points). Only finished runs are averaged. Of pruned ones `epochs`
            and `planned_epochs` may say how far they came; their arm has no verdict, and counts in Holm's family as one with p = 1.
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
        overlap: where every seed came with another split of one sample, images held out per image trained on: 1 / (k − 1) for
            k folds, once or repeated. The variance of a mean over S seeds is then sd² · (1 / S + overlap), in every interval, p
            and number of seeds. `outcomes` are not used (images differ from split to split), and signs are not flipped.

    Raises:
        ComparisonError: a ValueError of one line: a metric, arm or column that is not there, a run that stands twice, a level,
            margin, overlap or looks that make no sense, outcomes of different length.

    Sources: paired t over seeds (Bouthillier et al. 2021), Holm 1979, Schuirmann 1987, Satterthwaite 1946; overlapping splits
    after Nadeau & Bengio 2003; measured coverage in `docs/statistics.md`.
    """
    need_columns(runs)
    measure = _metric(runs, metric)
    terms = _terms(level, margin, looks, overlap, measure)
    arms = runs_by_arm(runs, baseline, measure)
    scores, doubts = _usable({} if overlap else outcomes or {}, arms, measure)
    contrasts = [contrast_of(arm, arms[0], terms, _difference(arm, arms[0], scores, measure)) for arm in arms[1:]]
    judged = judge(contrasts, measure, terms)
    summaries = tuple(_summary(arm, scores.get(arm.arm, {}), measure) for arm in arms)
    remarks = tuple(remarks_on(arms, judged, doubts, terms))
    return Comparison(measure, level, terms.margin, summaries[0], summaries[1:], tuple(judged), remarks, terms.looks, overlap)


def judged_together(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Several comparisons of one study as one family: Holm over all their contrasts, and verdicts anew.

    Each step of a ladder is held against the step before it, so each comes from a `compare` of its own, with its own baseline.
    Judged apart, five steps would have five chances to look like one by luck.

    Raises:
        ComparisonError: comparisons of different metrics, levels, margins, looks or overlaps.
    """
    if len({(one.metric, one.terms) for one in comparisons}) > 1:
        raise ComparisonError("only comparisons by one metric, level and margin can be judged together")
    contrasts = [contrast for one in comparisons for contrast in one.contrasts]
    judged = iter(judge(contrasts, comparisons[0].metric, comparisons[0].terms) if comparisons else [])
    return tuple(_with_contrasts(one, tuple(next(judged) for _ in one.contrasts)) for one in comparisons)


def _with_contrasts(comparison: Comparison, contrasts: tuple[Contrast, ...]) -> Comparison:
    before = winner(comparison.contrasts)
    remarks = (*(remark for remark in comparison.remarks if remark not in before), *winner(contrasts))
    return replace(comparison, contrasts=contrasts, remarks=remarks)


def _terms(level: float, margin: float | None, looks: Sequence[int] | None, overlap: float, metric: Metric) -> Terms:
    if not 0.5 < level < 1:
        raise ComparisonError(f"level: {level:g} is no confidence level; one lies above 0.5 and below 1")
    if margin is None and metric.unit == "points":
        margin = DEFAULT_MARGIN_IN_POINTS
    if margin is not None and not 0 < margin < math.inf:
        raise ComparisonError(f"margin: {margin:g} is not above zero and finite")
    try:
        share_of_variance(1, overlap)
        return Terms(level, margin, None if looks is None else need_looks(looks), overlap)
    except ValueError as error:
        raise ComparisonError(str(error)) from None


def judge(contrasts: list[Contrast], metric: Metric, terms: Terms) -> list[Contrast]:
    """Holm over all contrasts that have a p, then each one's deciding interval, seeds still needed, and verdict.

    Pruned arms were in the running too: what went on was picked among them, so they count, with p = 1.
    """
    tested = [contrast.p for contrast in contrasts if contrast.p is not None]
    tested += [1.0 for contrast in contrasts if contrast.pruned]
    family = holm(tested, terms.alpha)
    # In their order, not by name: a ladder's steps may hold one arm against two others.
    decisions = iter(zip(family.p, family.deciding_alpha, strict=True))  # the pruned ones, at the end, are not taken
    judged = []
    for contrast in contrasts:
        one = contrast
        if contrast.p is not None:
            p_holm, alpha = next(decisions)
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
        settling = Settling(estimate.mean, terms.margin, alpha * last, terms.alpha * last, overlap=terms.overlap)
        # The sd behind the standard error, so that the floor counts.
        sd = estimate.standard_error / math.sqrt(share_of_variance(len(contrast.seeds), terms.overlap))
        needed = seeds_needed(settling, sd, len(contrast.seeds))
    look = deciding_look(contrast.looks, alpha, terms.about)
    return {"deciding": look.interval if look else None, "deciding_pairs": look.pairs if look else 0, "seeds_needed": needed}


def _metric(runs: pandas.DataFrame, name: str) -> Metric:
    # A study of which nothing has finished yet has no metric columns: that is no typing error.
    columns = list(runs.columns)
    if name not in columns and not (runs["status"] == "finished").any():
        columns.append(name)
    return metric_named(name, columns)


def _usable(outcomes: Mapping[str, Outcomes], arms: list[ArmRuns], metric: Metric) -> tuple[dict[str, Outcomes], list[str]]:
    """The outcomes that belong to the metric: an arm whose outcomes average to something else is left out, with a remark."""
    usable: dict[str, Outcomes] = {}
    doubts: list[str] = []
    if _images(outcomes, arms) < 2:
        return usable, doubts
    for arm in arms:
        scores = outcomes.get(arm.arm, {})
        strange = [seed for seed in arm.values if seed in scores and not _agrees(scores[seed], arm.values[seed], metric)]
        if strange:
            doubts.append(f"{arm.arm}: the outcomes per image of seed {strange[0]} do not average to its {metric.words}")
        else:
            usable[arm.arm] = scores
    return usable, doubts


def _images(outcomes: Mapping[str, Outcomes], arms: list[ArmRuns]) -> int:
    """How many images all runs have outcomes of; 0 where there are no outcomes."""
    there = [(arm.arm, seed, outcomes[arm.arm][seed].shape) for arm in arms for seed in arm.values if seed in outcomes.get(arm.arm, {})]
    if not there:
        return 0
    shape = there[0][2][:1] or (0,)
    for arm_name, seed, found in there:
        if found != shape:
            raise ComparisonError(f"arm {arm_name!r}, seed {seed}: outcomes of shape {found}; all runs need the same images: {shape}")
    return shape[0]


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
        pruned=tuple(sorted(arm.pruned)),
    )
