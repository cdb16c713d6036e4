"""A mean with its standard error and degrees of freedom, and the intervals and p values that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[numpy.float64]


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval, in the unit of what was estimated, and words on what it is about."""

    low: float
    high: float
    level: float
    about: str = ""

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Estimate:
    """A mean whose error, divided by `standard_error`, follows Student's t with `df` degrees of freedom.

    `df` need not be whole (Satterthwaite 1946).
    """

    mean: float
    standard_error: float
    df: float

    def interval(self, level: float = 0.95, about: str = "") -> Interval:
        """The t interval at `level`: mean ± t · standard error (Student 1908)."""
        half = float(special.stdtrit(self.df, (1 + level) / 2)) * self.standard_error
        return Interval(self.mean - half, self.mean + half, level, about)

    def p_two_sided(self, value: float = 0.0) -> float:
        """The p of the two-sided t test that the truth is `value`."""
        return float(2 * special.stdtr(self.df, -abs(self.mean - value) / self.standard_error))

    def p_greater(self, value: float) -> float:
        """The p of the one-sided t test of "truth ≤ value" against "truth > value"."""
        return float(special.stdtr(self.df, (value - self.mean) / self.standard_error))

    def p_less(self, value: float) -> float:
        """The p of the one-sided t test of "truth ≥ value" against "truth < value"."""
        return float(special.stdtr(self.df, (self.mean - value) / self.standard_error))


def mean_estimate(values: ArrayLike, least_variance: float = 0.0, overlap: float = 0.0) -> Estimate | None:
    """The mean of one number per seed, as an estimate over seeds; None where there is no variance to judge by.

    Args:
        values: shape (S,), float, S ≥ 2, one number for each seed (a paired difference, a slope, an interaction), any unit.
        least_variance: the variance of `values` is taken to be at least this (in the unit squared). With few seeds and easy
            images all differences can be equal by chance; the floor from the outcomes per image,
            `MeanSquares.least_seed_variance`, guards against it.
        overlap: 0 where the seeds are independent. Where they come with different splits of one sample, images held out per
            image trained on, 1 / (k − 1) for k folds, once or repeated; see `share_of_variance`.

    Raises:
        ValueError: fewer than two values, or one that is not finite; an overlap that is negative or not finite.

    Sources: Student 1908, the paired t test; pairing by seed after Bouthillier et al. 2021; overlapping splits, the corrected
    resampled t test of Nadeau & Bengio 2003 (Bouckaert & Frank 2004 for repeated folds).
    """
    array = finite_vector(values)
    if len(array) < 2:
        raise ValueError(f"an estimate over seeds needs two seeds or more, got {len(array)}")
    variance = max(spread(array) ** 2, least_variance)
    if variance == 0:
        return None
    return Estimate(float(array.mean()), float(numpy.sqrt(variance * share_of_variance(len(array), overlap))), float(len(array) - 1))


def share_of_variance(seeds: int, overlap: float = 0.0) -> float:
    """Variance of a mean over `seeds`, as a share of the variance of one of its values: 1 / S + overlap.

    Splits of one sample train on mostly the same images, so their results rise and fall together. With a correlation of
    n_held_out / (n_held_out + n_train) between any two, 1 / S + n_held_out / n_train is exact; that correlation is a rule of
    thumb, measured in `docs/statistics.md`.

    Args:
        seeds: how many values, ≥ 1.
        overlap: n_held_out / n_train, ≥ 0; 0 where the seeds share no split.

    Raises:
        ValueError: an overlap that is negative or not finite.

    Source: Nadeau & Bengio 2003, Inference for the generalization error.
    """
    if not 0 <= overlap < math.inf:
        raise ValueError(f"overlap is images held out per image trained on, 0 or more, got {overlap}")
    return 1 / seeds + overlap


def spread(values: ArrayLike) -> float:
    """Standard deviation (S − 1 in the denominator) of shape (S,), exactly 0 where values differ by floating-point dust only."""
    array = numpy.asarray(values, dtype=numpy.float64)
    sd = float(array.std(ddof=1))
    # 0.93 − 0.92 and 0.83 − 0.82 differ in the 17th digit: a t test of that dust would be a verdict from nothing.
    dust = 1e-11 * float(numpy.abs(array).max(initial=0.0))
    return sd if sd > max(dust, DUST) else 0.0


def finite_vector(values: ArrayLike) -> Floats:
    """`values` as float64 of shape (S,); ValueError where it is not one row of finite numbers."""
    array = numpy.asarray(values, dtype=numpy.float64)
    if array.ndim != 1:
        raise ValueError(f"expected one number per seed, got an array of shape {array.shape}")
    if not numpy.isfinite(array).all():
        raise ValueError("a value is not finite; a diverged run has no place in a mean")
    return array


DUST = 1e-12
"""Spread below which numbers count as equal, in the unit of the metric: the rounding of a difference of percentages is 1e-14."""
