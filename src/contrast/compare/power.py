"""Before the start and while undecided: power of the paired t test, seeds needed, smallest effect a design can show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy
from scipy import special

from .estimate import share_of_variance

MOST_PAIRS = 1_000
"""Nobody runs more seeds than this for one arm; beyond, the answer is "more than 1,000"."""


@dataclass(frozen=True)
class SeedsNeeded:
    """How many *more* paired seeds would settle a contrast with the given power; None stands for "more than 1,000"."""

    fewest: int | None
    most: int | None
    power: float
    confidence: float


def detection_power(effect: float, sd: float, pairs: int, alpha: float = 0.05, overlap: float = 0.0) -> float:
    """Power of the two-sided paired t test: the chance to call a true `effect` different from zero.

    Args:
        effect: true mean difference, in the metric's unit.
        sd: true standard deviation of the paired differences, same unit, > 0.
        pairs: seeds that both arms have, ≥ 2.
        alpha: error level of the test (that of Holm's step, where several arms are judged).
        overlap: of the splits, as in `mean_estimate`; with it more seeds help less and less.

    Source: noncentral t; equals `statsmodels.stats.power.TTestPower.power`.
    """
    df = pairs - 1
    critical = -float(special.stdtrit(df, alpha / 2))
    shift = abs(effect) / (sd * math.sqrt(share_of_variance(pairs, overlap)))
    return 1 - _below(critical, df, shift) + _below(-critical, df, shift)


def equivalence_power(effect: float, sd: float, pairs: int, margin: float, alpha: float = 0.05, overlap: float = 0.0) -> float:
    """Power of the two one-sided tests at `alpha` each: the chance to call a true `effect` "within ± margin".

    A lower bound (the joint failure of both tests is counted twice) that is tight where the power is above one half.
    Same units as `detection_power`; 0 where |effect| ≥ margin would make the word false.

    Source: Schuirmann 1987; Phillips 1990.
    """
    if abs(effect) >= margin:
        return 0.0
    df = pairs - 1
    critical = -float(special.stdtrit(df, alpha))
    error = sd * math.sqrt(share_of_variance(pairs, overlap))
    failures = sum(_below(critical, df, (margin + side * effect) / error) for side in (-1.0, 1.0))
    return max(0.0, 1 - failures)


def seeds_to_detect(effect: float, sd: float, alpha: float = 0.05, power: float = 0.8, overlap: float = 0.0) -> int | None:
    """The fewest pairs (≥ 2) whose paired t test has `power` against `effect`; None where that is more than 1,000."""
    return _fewest_pairs(lambda pairs: detection_power(effect, sd, pairs, alpha, overlap), power) if effect != 0 else None


def seeds_to_equate(effect: float, sd: float, margin: float, alpha: float = 0.05, power: float = 0.8, overlap: float = 0.0) -> int | None:
    """The fewest pairs (≥ 2) that call a true `effect` "within ± margin" with `power`; None where that is more than 1,000."""
    if abs(effect) >= margin:
        return None
    return _fewest_pairs(lambda pairs: equivalence_power(effect, sd, pairs, margin, alpha, overlap), power)


@dataclass(frozen=True)
class Settling:
    """What has to be settled: an effect, by the t test at `alpha`, or, inside `margin`, by equivalence at `equivalence_alpha`.

    `overlap` is that of the splits, as in `mean_estimate`.
    """

    effect: float
    margin: float | None = None
    alpha: float = 0.05
    equivalence_alpha: float = 0.05
    power: float = 0.8
    overlap: float = 0.0

    def pairs(self, sd: float) -> int | None:
        """Pairs after which one of the two tests settles it with the wanted power, if the sd of the differences is `sd`."""
        answers = [seeds_to_detect(self.effect, sd, self.alpha, self.power, self.overlap)]
        if self.margin is not None:
            answers.append(seeds_to_equate(self.effect, sd, self.margin, self.equivalence_alpha, self.power, self.overlap))
        return min((pairs for pairs in answers if pairs is not None), default=None)


def seeds_needed(settling: Settling, sd: float, pairs: int, confidence: float = 0.95) -> SeedsNeeded:
    """The range of further seeds that would settle a contrast, from the chi-square interval of its standard deviation.

    With few seeds the variance is known to a factor only, so one number would pretend; the range is that of the number for
    a true standard deviation anywhere in its interval. It holds for the target in `settling`: the effect seen, or the margin.

    Args:
        settling: the target, in the metric's unit.
        sd: standard deviation of the paired differences that were seen, same unit, > 0.
        pairs: how many there were, ≥ 2.
        confidence: of the interval of the standard deviation (normal differences).

    Raises:
        ValueError: fewer than two pairs.
    """
    low, high = sd_interval(sd, pairs, confidence)
    fewest, most = settling.pairs(low), settling.pairs(high)
    return SeedsNeeded(_more(fewest, pairs), _more(most, pairs), settling.power, confidence)


def sd_interval(sd: float, pairs: int, confidence: float = 0.95) -> tuple[float, float]:
    """The chi-square interval of a standard deviation estimated from `pairs` ≥ 2 normal differences, in the unit of `sd`."""
    if pairs < 2:
        raise ValueError(f"a standard deviation needs two pairs or more, got {pairs}")
    df, tail = pairs - 1, (1 - confidence) / 2
    return (
        sd * float(numpy.sqrt(df / special.chdtri(df, tail))),
        sd * float(numpy.sqrt(df / special.chdtri(df, 1 - tail))),
    )


def smallest_effect(sd: float, pairs: int, alpha: float = 0.05, power: float = 0.8, overlap: float = 0.0) -> float:
    """The smallest true effect that a design with `pairs` seeds per arm shows with `power`, in the unit of `sd`."""
    return sd * _bisect(lambda effect: detection_power(effect, 1.0, pairs, alpha, overlap), power)


@dataclass(frozen=True)
class SmallestEffect:
    """The smallest effect a design can show, at the pilot's standard deviation and at both ends of its interval."""

    effect: float
    low: float
    high: float
    pairs: int


def smallest_effect_from_pilot(
    pilot: numpy.typing.ArrayLike, pairs: int, arms: int = 1, correlation: float = 0.0, power: float = 0.8, overlap: float = 0.0
) -> SmallestEffect:
    """Before the start: what a study can show, from two or more pilot runs of the baseline.

    The standard deviation of a paired difference is taken as `sd(pilot) · √(2 (1 − correlation))`; correlation 0 (pairing gains
    nothing) is the cautious choice. Holm's first step over `arms` sets the level.

    Args:
        pilot: shape (P,), P ≥ 2, the metric of P pilot runs that differ by seed, in its unit.
        pairs: seeds planned per arm, ≥ 2.
        arms: arms that will be judged together.
        correlation: between two arms with one seed, −1 to below 1.
        power: wanted.
        overlap: of the splits planned, as in `mean_estimate`.

    Raises:
        ValueError: fewer than two pilot runs; they don't differ.
    """
    values = numpy.asarray(pilot, dtype=numpy.float64)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if sd == 0:
        raise ValueError("a pilot needs two runs or more that differ")
    unit = smallest_effect(float(numpy.sqrt(2 * (1 - correlation))), pairs, 0.05 / arms, power, overlap)
    low, high = sd_interval(sd, len(values))
    return SmallestEffect(unit * sd, unit * low, unit * high, pairs)


def smallest_effect_from_one_run(accuracy: float, images: int, pairs: int, arms: int = 1, power: float = 0.8, overlap: float = 0.0) -> float:
    """Before the start, from a single pilot run: about what a study can show, in points.

    One run has no spread; the binomial variance of its accuracy on the test images stands in for it. That is more than finite
    images cause between runs (sure images add nothing; Jordan 2023), and leaves out what seeds change for good.

    Args:
        accuracy: of the pilot run, a fraction above 0 and below 1.
        images: in the test set, ≥ 1.
        pairs: seeds planned per arm, ≥ 2.
        arms: arms that will be judged together.
        power: wanted.
        overlap: of the splits planned, as in `mean_estimate`; `images` are then those held out by one split.

    Raises:
        ValueError: an accuracy of 0 or 1 or outside, which has no spread.
    """
    if not 0 < accuracy < 1:
        raise ValueError(f"an accuracy of {accuracy:g} tells nothing about spread; it must lie above 0 and below 1")
    sd = 100 * math.sqrt(2 * accuracy * (1 - accuracy) / images)
    return smallest_effect(sd, pairs, 0.05 / arms, power, overlap)


def _below(value: float, df: int, shift: float) -> float:
    """Distribution function of the noncentral t."""
    chance = float(special.nctdtr(df, shift, value))
    # scipy gives NaN where so far a lower tail underflows; it does so for shifts above 5 only, where it is below 3e-7.
    return 0.0 if numpy.isnan(chance) else chance


def _more(pairs: int | None, done: int) -> int | None:
    return None if pairs is None else max(1, pairs - done)


def _fewest_pairs(power_of: Callable[[int], float], power: float) -> int | None:
    high = 2
    while power_of(high) < power:
        if high == MOST_PAIRS:
            return None
        high = min(2 * high, MOST_PAIRS)
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def _bisect(power_of: Callable[[float], float], power: float) -> float:
    low, high = 0.0, 1.0
    while power_of(high) < power:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high
