"""Tests of a difference: paired t, sign flips, equivalence, and Holm's correction over a family of arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike

from .estimate import Estimate, Floats, finite_vector, mean_estimate

MOST_EXACT_SEEDS = 16
"""Up to here all 2^S sign patterns are counted; beyond, patterns are drawn."""


@dataclass(frozen=True)
class SignFlip:
    """Result of the sign-flip permutation test; `least` is the smallest p that so many seeds can give."""

    p: float
    least: float
    patterns: int
    exact: bool


@dataclass(frozen=True)
class Holm:
    """Holm's adjusted p of each hypothesis, and the error level at which each one's own interval agrees with the decision."""

    p: tuple[float, ...]
    deciding_alpha: tuple[float, ...]
    rejected: tuple[bool, ...]


def paired_t(differences: ArrayLike) -> float:
    """Two-sided p of the paired t test of "no difference"; 1.0 where all differences are equal (no verdict from zero variance).

    Args:
        differences: shape (S,), S ≥ 2, arm minus baseline for each seed.

    Raises:
        ValueError: fewer than two differences, or one that is not finite.
    """
    estimate = mean_estimate(differences)
    return 1.0 if estimate is None else estimate.p_two_sided()


def sign_flip(differences: ArrayLike, generator: numpy.random.Generator, draws: int = 20_000) -> SignFlip:
    """Two-sided permutation test of the mean difference by flipping signs (Fisher 1935): exact up to 16 seeds, drawn beyond.

    Args:
        differences: shape (S,), S ≥ 1, arm minus baseline for each seed.
        generator: draws sign patterns beyond 16 seeds; untouched up to there.
        draws: patterns drawn beyond 16 seeds; the observed one counts as one more (Phipson & Smyth 2010).

    Raises:
        ValueError: no differences, or one that is not finite.
    """
    array = finite_vector(differences)
    if len(array) == 0:
        raise ValueError("a sign-flip test needs at least one difference")
    # Patterns that give the observed mean in another order of summation must count as equal to it.
    reached = abs(float(array.sum())) - 1e-9 * float(numpy.abs(array).sum())
    if len(array) <= MOST_EXACT_SEEDS:
        sums = _all_signed_sums(array)
        least = 2 / len(sums)
        return SignFlip(float((numpy.abs(sums) >= reached).mean()), least, len(sums), exact=True)
    hits = sum(_hits(array, reached, count, generator) for count in _batches(draws))
    return SignFlip((hits + 1) / (draws + 1), 1 / (draws + 1), draws, exact=False)


def _all_signed_sums(array: Floats) -> Floats:
    sums: Floats = numpy.zeros(1)
    for value in array:
        sums = numpy.concatenate([sums + value, sums - value])
    return sums


def _hits(array: Floats, reached: float, count: int, generator: numpy.random.Generator) -> int:
    signs = generator.integers(0, 2, size=(count, len(array)), dtype=numpy.int8) * 2.0 - 1.0
    return int((numpy.abs(signs @ array) >= reached).sum())


def _batches(draws: int, size: int = 10_000) -> list[int]:
    return [min(size, draws - start) for start in range(0, draws, size)]


def holm(p_values: Sequence[float], alpha: float = 0.05) -> Holm:
    """Holm's step-down correction over a family, with the level at which each hypothesis is decided.

    Holm compares the k-th smallest of m p values with alpha / (m − k + 1) and stops at the first failure. `deciding_alpha` is
    that level (after the failure: the level of the failure), so the two-sided interval at `1 − deciding_alpha` leaves out zero
    exactly where the hypothesis is rejected. These intervals agree with the words; they are not jointly 95 %.

    Args:
        p_values: m numbers in 0..1, one for each hypothesis of the family; none may be NaN.
        alpha: the family's error rate.

    Raises:
        ValueError: a p value outside 0..1.

    Source: Holm 1979. Equal to `statsmodels.stats.multitest.multipletests(method="holm")`, a test says; written out, since that
    one has no deciding levels, and collects all garbage at every call (40 ms).
    """
    p = numpy.asarray(p_values, dtype=numpy.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values lie in 0..1, got {p_values}")
    if len(p) == 0:
        return Holm((), (), ())
    order = numpy.argsort(p, kind="stable")
    left = numpy.arange(len(p), 0, -1)
    levels = alpha / left
    failed = numpy.flatnonzero(p[order] > levels)
    stop = int(failed[0]) if len(failed) else len(p)
    adjusted, deciding, rejected = numpy.empty(len(p)), numpy.empty(len(p)), numpy.empty(len(p), dtype=bool)
    adjusted[order] = numpy.minimum(1.0, numpy.maximum.accumulate(p[order] * left))
    deciding[order] = levels[numpy.minimum(numpy.arange(len(p)), stop)]
    rejected[order] = numpy.arange(len(p)) < stop
    return Holm(tuple(map(float, adjusted)), tuple(map(float, deciding)), tuple(map(bool, rejected)))


def equivalence(estimate: Estimate, margin: float) -> float:
    """p of "the difference is within ± margin" by two one-sided t tests (TOST, Schuirmann 1987): the larger of the two.

    Args:
        estimate: of the difference, over seeds.
        margin: in the same unit, > 0. Below `alpha` exactly where the 1 − 2 · alpha interval lies inside ± margin.

    Raises:
        ValueError: a margin that is not above zero.
    """
    if not margin > 0:
        raise ValueError(f"a margin is a number above zero, got {margin}")
    return max(estimate.p_greater(-margin), estimate.p_less(margin))
