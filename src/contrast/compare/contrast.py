"""One arm against the baseline: everything that is estimated before the arms of a study are judged together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy

from .estimate import Estimate, Floats, Interval, mean_estimate, spread
from .intervals import OTHER_SAMPLE, OTHER_SEED, OTHER_SEED_AND_IMAGES, two_way_estimate
from .kinds import NOT_YET, Verdict
from .pairing import ArmRuns
from .power import SeedsNeeded
from .sequential import Look, equating_look, looks_at, sequential_equivalence, sequential_p
from .testing import SignFlip, sign_flip
from .variance import MeanSquares, VarianceParts, mean_squares, variance_parts

Outcomes = Mapping[int, numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.generic]]]


@dataclass(frozen=True)
class Contrast:
    """An arm against the baseline. `effect` is arm minus baseline in the metric's unit; None stands where nothing can be said.

    `interval` is about another seed on these test images, `images_interval` about another seed and other images, `deciding` is
    the first at the level that Holm decides at, `equivalence_interval` the first at the level of the two one-sided tests. Of a
    race, the last two are those of the looks that speak, over their `deciding_pairs` and `equivalence_pairs` first seeds.
    `ended` and `baseline_ended` count the runs of each side that finished or diverged. Of an arm that was `pruned` (the seeds), nothing is
    estimated; `reached` says how far it came.
    """

    arm: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    unpaired: tuple[int, ...]
    missing: tuple[int, ...]
    diverged: tuple[int, ...]
    baseline_diverged: tuple[int, ...]
    ended: int
    baseline_ended: int
    effect: float | None = None
    sd: float | None = None
    standard_error: float | None = None
    df: float | None = None
    looks: tuple[Look, ...] = ()
    interval: Interval | None = None
    images_interval: Interval | None = None
    equivalence_interval: Interval | None = None
    p: float | None = None
    p_equivalence: float | None = None
    sign_flip: SignFlip | None = None
    variance: VarianceParts | None = None
    p_holm: float | None = None
    deciding: Interval | None = None
    deciding_pairs: int = 0
    equivalence_pairs: int = 0
    family: int = 0
    seeds_needed: SeedsNeeded | None = None
    verdict: Verdict = NOT_YET
    pruned: tuple[int, ...] = ()
    reached: str = ""

    @property
    def estimate(self) -> Estimate | None:
        """The paired estimate over seeds, to take an interval at any level from."""
        if self.effect is None or self.standard_error is None or self.df is None:
            return None
        return Estimate(self.effect, self.standard_error, self.df)

    def estimate_at(self, pairs: int) -> Estimate | None:
        """The estimate of the look at so many seeds: that of all seeds, but of a race that went on after the look."""
        return next((look.estimate for look in self.looks if look.pairs == pairs), None)


@dataclass(frozen=True)
class Terms:
    """What a study is judged by: confidence, the margin that does not matter (None: no equivalence), the looks of a race.

    `overlap` is that of the splits of one sample, as in `mean_estimate`; 0 where the seeds share one split.
    """

    level: float = 0.95
    margin: float | None = None
    looks: tuple[int, ...] | None = None
    overlap: float = 0.0

    @property
    def alpha(self) -> float:
        """Error rate of the family of arms, and of each one-sided equivalence test."""
        return 1 - self.level

    @property
    def about(self) -> str:
        """What the intervals over seeds are about."""
        return OTHER_SAMPLE if self.overlap else OTHER_SEED


def contrast_of(arm: ArmRuns, baseline: ArmRuns, terms: Terms, squares: MeanSquares | None) -> Contrast:
    """Estimate one contrast; `squares` are those of the differences per image, where they are known."""
    seeds = [] if arm.pruned else sorted(set(arm.values) & set(baseline.values))
    differences = numpy.array([arm.values[seed] - baseline.values[seed] for seed in seeds])
    blank = Contrast(
        arm=arm.arm,
        seeds=tuple(seeds),
        differences=tuple(map(float, differences)),
        unpaired=() if arm.pruned else tuple(sorted(set(arm.values) ^ set(baseline.values))),
        missing=tuple(arm.missing),
        diverged=tuple(sorted(arm.diverged)),
        baseline_diverged=tuple(sorted(baseline.diverged)),
        ended=arm.ended,
        baseline_ended=baseline.ended,
        effect=float(differences.mean()) if seeds else None,
        pruned=tuple(sorted(arm.pruned)),
        reached=next(iter(arm.pruned.values()), ""),
    )
    return blank if len(seeds) < 2 else _estimated(blank, differences, terms, squares)


def _estimated(blank: Contrast, differences: Floats, terms: Terms, squares: MeanSquares | None) -> Contrast:
    least = squares.least_seed_variance if squares else 0.0
    estimate = mean_estimate(differences, least, terms.overlap)
    both = two_way_estimate(squares) if squares else None
    looks = looks_at(differences, terms.looks, least, terms.overlap)
    seen = any(look.estimate for look in looks)
    equating = equating_look(looks, terms.margin, terms.alpha, terms.about)
    return replace(
        blank,
        sd=spread(differences),
        standard_error=estimate.standard_error if estimate else None,
        df=estimate.df if estimate else None,
        looks=looks,
        interval=estimate.interval(terms.level, terms.about) if estimate else None,
        images_interval=both.interval(terms.level, OTHER_SEED_AND_IMAGES) if both else None,
        equivalence_interval=equating.interval if equating else None,
        equivalence_pairs=equating.pairs if equating else 0,
        p=sequential_p(looks) if seen else None,
        p_equivalence=sequential_equivalence(looks, terms.margin) if seen and terms.margin else None,
        # A generator of its own, always begun anew: the printed check must not change from one reading to the next.
        # Splits that overlap make differences alike in size *and* sign, so flipping the signs one by one would cry wolf.
        sign_flip=None if terms.overlap else sign_flip(differences, numpy.random.default_rng(0)),
        variance=variance_parts(squares) if squares else None,
    )


def squares_of_difference(arm: Outcomes, baseline: Outcomes, seeds: tuple[int, ...], scale: float) -> MeanSquares:
    """Two-way mean squares of arm minus baseline per image over the paired seeds, one pair of rows in memory at a time."""

    def rows() -> Iterator[Floats]:
        for seed in seeds:
            one, other = (numpy.asarray(scores[seed], dtype=numpy.float64) for scores in (arm, baseline))
            yield (one - other) * scale

    return mean_squares(rows())
