"""Where the spread comes from: seeds, images, and the seed × image remainder (two-way analysis of variance)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike
from scipy import special

from .estimate import Floats

LUCK = 0.05
"""How seldom a sample variance must be, with finite images alone at work, to count as luck and be raised to the floor."""


@dataclass(frozen=True)
class MeanSquares:
    """The two-way table of a score by seed and image, boiled down. Mean squares are in the unit of the score, squared."""

    mean: float
    seed: float
    image: float
    seed_image: float
    seeds: int
    images: int

    @property
    def least_seed_variance(self) -> float:
        """Floor under the variance of the means per seed, in the unit squared.

        Finite images alone give the means the variance `MS_si / N`, so a sample variance far below it is luck: with few seeds
        and easy images all means can be equal by chance. The floor is what chance leaves the sample variance above in 95 % of
        studies where nothing but finite images varies: `MS_si / N · χ²(0.05; S − 1) / (S − 1)`. The whole of `MS_si / N` would
        make a 95 % interval from 3 seeds cover 99.9 % (measured in `docs/statistics.md`).
        """
        df = self.seeds - 1
        return self.seed_image / self.images * float(special.chdtri(df, 1 - LUCK)) / df


@dataclass(frozen=True)
class VarianceParts:
    """Variance components of a score, in its unit squared: what one seed, one image, one (seed, image) adds."""

    seed: float
    image: float
    seed_image: float
    finite_test_share: float
    """Share of the variance between runs on this test set that is only the set's finite size (0 to 1)."""


def mean_squares(rows: Iterable[ArrayLike]) -> MeanSquares:
    """Two-way mean squares without replication, from one row of scores per seed, read one row at a time.

    Args:
        rows: S ≥ 2 rows, each of shape (N,), N ≥ 2, bool, integer or float: the score of every image, images in one order.
            Rows may come from a generator; one float64 copy of one row is held at a time.

    Raises:
        ValueError: fewer than two rows or images, rows of unequal length, a score that is not finite.

    Source: `docs/statistics.md`, interval 2; any textbook on two-way analysis of variance; Owen 2007 for the two-way view.
    """
    row_means: list[float] = []
    column_sums: Floats = numpy.zeros(0)
    squares = shift = 0.0
    for row in rows:
        scores = _scores(row, len(column_sums) if row_means else None)
        if not row_means:
            column_sums = numpy.zeros(len(scores))
            shift = float(scores.mean())
        # Sums of squares about a nearby number lose no digits to a large mean.
        scores = scores - shift
        row_means.append(float(scores.mean()))
        column_sums += scores
        squares += float(scores @ scores)
    return _from_sums(numpy.array(row_means), column_sums, squares, shift)


def _scores(row: ArrayLike, images: int | None) -> Floats:
    scores = numpy.asarray(row, dtype=numpy.float64)
    if scores.ndim != 1 or (images is not None and len(scores) != images):
        raise ValueError(f"every seed needs one score for each of the same images, got {scores.shape} and ({images},)")
    if not numpy.isfinite(scores).all():
        raise ValueError("a score per image is not finite")
    return scores


def _from_sums(row_means: Floats, column_sums: Floats, squares: float, shift: float) -> MeanSquares:
    seeds, images = len(row_means), len(column_sums)
    if seeds < 2 or images < 2:
        raise ValueError(f"variance parts need two seeds and two images or more, got {seeds} and {images}")
    mean = float(row_means.mean())
    by_seed = images * float(((row_means - mean) ** 2).sum())
    by_image = seeds * float(((column_sums / seeds - mean) ** 2).sum())
    total = squares - seeds * images * mean**2
    rest = total - by_seed - by_image
    rest = rest if rest > 1e-12 * max(total, squares) else 0.0
    return MeanSquares(
        mean=mean + shift,
        seed=by_seed / (seeds - 1),
        image=by_image / (images - 1),
        seed_image=rest / ((seeds - 1) * (images - 1)),
        seeds=seeds,
        images=images,
    )


def variance_parts(squares: MeanSquares) -> VarianceParts:
    """Variance components by the method of moments, none below zero.

    `finite_test_share` is `MS_si / MS_s`, not more than 1: how much of the spread between runs would vanish on endless
    test images (Jordan 2023, "variance between runs is mostly finite sampling").
    """
    share = min(1.0, squares.seed_image / squares.seed) if squares.seed > 0 else float(squares.seed_image > 0)
    return VarianceParts(
        seed=max(0.0, (squares.seed - squares.seed_image) / squares.images),
        image=max(0.0, (squares.image - squares.seed_image) / squares.seeds),
        seed_image=squares.seed_image,
        finite_test_share=share,
    )
