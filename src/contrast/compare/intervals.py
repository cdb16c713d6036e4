"""The two intervals of a difference: another seed on these images; another seed and other images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy
from numpy.typing import ArrayLike

from .estimate import Estimate, Interval, mean_estimate
from .variance import MeanSquares, mean_squares

OTHER_SEED = "another seed on these test images"
OTHER_SEED_AND_IMAGES = "another seed and other test images of the same kind"
OTHER_SAMPLE = "another sample of this kind and size, split and trained anew"


def two_way_estimate(squares: MeanSquares) -> Estimate | None:
    """The mean over seeds *and* images, with the error of drawing both anew; None where nothing varies.

    `v = (MS_s + MS_i − MS_si) / (S N)`, not below `MS_s / (S N)` or `MS_i / (S N)`; degrees of freedom by Satterthwaite 1946.
    """
    parts = squares.seed + squares.image - squares.seed_image
    parts = max(parts, squares.seed, squares.image)
    if parts <= 0:
        return None
    seed_df, image_df = squares.seeds - 1, squares.images - 1
    uncertainty = squares.seed**2 / seed_df + squares.image**2 / image_df + squares.seed_image**2 / (seed_df * image_df)
    error = float(numpy.sqrt(parts / (squares.seeds * squares.images)))
    return Estimate(squares.mean, error, parts**2 / uncertainty)


def two_way_interval(rows: Iterable[ArrayLike], level: float = 0.95) -> Interval | None:
    """The second interval, over seeds and images; None where nothing varies.

    Args:
        rows: S rows of shape (N,), the difference in score of each image, arm minus baseline, in the same order.
        level: two-sided confidence.

    Raises:
        ValueError: as `mean_squares`.
    """
    estimate = two_way_estimate(mean_squares(rows))
    return None if estimate is None else estimate.interval(level, OTHER_SEED_AND_IMAGES)


def paired_t_interval(differences: ArrayLike, level: float = 0.95, least_variance: float = 0.0) -> Interval | None:
    """The first interval, another seed on these images; None where all differences are equal.

    Args:
        differences: shape (S,), S ≥ 2, arm minus baseline for each seed, in the metric's unit.
        level: two-sided confidence.
        least_variance: floor of the variance of `differences`: `MeanSquares.least_seed_variance` where images are known.

    Raises:
        ValueError: fewer than two differences, or one that is not finite.
    """
    estimate = mean_estimate(differences, least_variance)
    return None if estimate is None else estimate.interval(level, OTHER_SEED)
