"""Is there a trend along a numeric axis? And which arm of a sweep, a grid or any list is best, honestly?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike

from .estimate import Estimate, Floats, Interval, mean_estimate


@dataclass(frozen=True)
class Trend:
    """The least-squares slope along a sweep, taken within each seed: change of the metric per unit (or per factor of ten)."""

    slope: float
    estimate: Estimate | None
    interval: Interval | None
    p: float | None
    per: str


@dataclass(frozen=True)
class BestOfSweep:
    """The arm that validation chose, by its place in the list (a value of a sweep, a cell of a grid), and what it gains on test.

    Where there were seeds enough, `chosen_on` picked it and `estimated_on` measured it, so the interval is honest. With too
    few, all seeds did both, `remark` says so, and the estimate leans to the good side.
    """

    index: int
    effect: float
    estimate: Estimate | None
    interval: Interval | None
    chosen_on: int
    estimated_on: int
    remark: str = ""


def trend(values: ArrayLike, axis: ArrayLike, logarithmic: bool = False, level: float = 0.95, overlap: float = 0.0) -> Trend:
    """The trend along a sweep: one slope per seed, then a t interval over seeds.

    A slope sees a straight line only; a sweep with its best in the middle has none.

    Args:
        values: shape (S, V), the metric of each seed at each value, S ≥ 2, V ≥ 2; a seed with a NaN is left out.
        axis: shape (V,), the values swept, not all equal.
        logarithmic: take log10 of the axis (learning rates), which must then be above zero.
        level: confidence of the interval.
        overlap: of the splits, as in `mean_estimate`.

    Raises:
        ValueError: shapes that don't fit, an axis with one value only, fewer than two complete seeds.

    Source: summary-measures analysis of repeated measurements (Matthews et al. 1990).
    """
    table, places = _sweep(values, axis)
    if logarithmic and not (places > 0).all():
        raise ValueError("a logarithmic axis has values above zero")
    places = numpy.log10(places) if logarithmic else places
    centered = places - places.mean()
    if not centered.any():
        raise ValueError("a trend needs an axis with two values or more")
    slopes = table @ centered / (centered @ centered)
    estimate = mean_estimate(slopes, overlap=overlap)
    return Trend(
        slope=float(slopes.mean()),
        estimate=estimate,
        interval=estimate.interval(level) if estimate else None,
        p=estimate.p_two_sided() if estimate else None,
        per="factor of ten" if logarithmic else "unit",
    )


def best_of_sweep(
    validation: ArrayLike, test_difference: ArrayLike, greater_is_better: bool = True, level: float = 0.95, overlap: float = 0.0
) -> BestOfSweep:
    """The best of many arms: chosen by validation on the first half of the seeds, estimated on test by the other half.

    The order of the arms plays no part: they may be the values of a sweep, the cells of a grid, or any list of arms.

    Args:
        validation: shape (S, V), the validation metric of each seed of each arm; a seed with a NaN here or in `test_difference`
            is left out, since arms must be chosen from on equal terms.
        test_difference: shape (S, V), test metric minus the baseline's with the same seed.
        greater_is_better: of the validation metric.
        level: confidence of the interval.
        overlap: of the splits, as in `mean_estimate`.

    Raises:
        ValueError: shapes that don't fit, no arms; fewer than two seeds that have every arm.

    Source: sample splitting against the winner's curse (Cox 1975; Cawley & Talbot 2010 for model selection).
    """
    choosing, measured = (numpy.asarray(array, dtype=numpy.float64) for array in (validation, test_difference))
    if choosing.ndim != 2 or choosing.shape != measured.shape or choosing.shape[1] == 0:
        raise ValueError(f"validation {choosing.shape} and test {measured.shape} must both be (seeds, arms)")
    complete = numpy.isfinite(choosing).all(axis=1) & numpy.isfinite(measured).all(axis=1)
    seeds = int(complete.sum())
    if seeds < 2:
        raise ValueError(f"{seeds} of {len(choosing)} seeds have every arm; the best of many needs two or more")
    choosing, measured = choosing[complete], measured[complete]
    # Two seeds must be left to estimate a spread from.
    half = seeds // 2 if seeds >= 4 else seeds
    means = choosing[:half].mean(axis=0)
    index = int(means.argmax() if greater_is_better else means.argmin())
    fresh = measured[half:, index] if half < seeds else measured[:, index]
    estimate = mean_estimate(fresh, overlap=overlap)
    return BestOfSweep(
        index=index,
        effect=float(fresh.mean()),
        estimate=estimate,
        interval=estimate.interval(level) if estimate else None,
        chosen_on=half,
        estimated_on=len(fresh),
        remark="" if half < seeds else "picked and measured on the same seeds: expect somewhat less",
    )


def _sweep(values: ArrayLike, axis: ArrayLike) -> tuple[Floats, Floats]:
    table, places = numpy.asarray(values, dtype=numpy.float64), numpy.asarray(axis, dtype=numpy.float64)
    if table.ndim != 2 or places.shape != table.shape[1:]:
        raise ValueError(f"values {table.shape} must be (seeds, values of the axis), the axis is {places.shape}")
    complete = table[numpy.isfinite(table).all(axis=1)]
    if len(complete) < 2:
        raise ValueError(f"{len(complete)} of {len(table)} seeds have every value; a trend needs two or more")
    return complete, places
