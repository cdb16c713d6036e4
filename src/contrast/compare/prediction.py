"""Where one more run would fall, from the seeds that there are: what a single number that somebody printed is held against."""

from __future__ import annotations

import numpy
from numpy.typing import ArrayLike

from .estimate import Estimate, Interval, finite_vector, spread

ONE_MORE_RUN = "one more run of the same recipe with another seed"


def prediction_interval(values: ArrayLike, level: float = 0.95) -> Interval | None:
    """The interval that one more run falls into with probability `level`, if runs are independent and normal: m ± t(S − 1) · sd · √(1 + 1/S).

    Wider than the interval of the mean, which says where the *average* of many runs lies: a number of one run, printed without an
    interval, has the whole spread of a run in it, and ours has the error of our mean besides.

    Args:
        values: shape (S,), float, one figure for each seed of one arm, any unit.
        level: two-sided probability.

    Returns:
        None where there is no spread to judge by: fewer than two seeds, or all alike.

    Raises:
        ValueError: a value that is not finite.

    Source: Fisher 1935; Hahn & Meeker 1991, Statistical Intervals, chapter 4.
    """
    array = finite_vector(values)
    sd = spread(array) if len(array) > 1 else 0.0
    if sd == 0:
        return None
    one_more = Estimate(float(array.mean()), sd * float(numpy.sqrt(1 + 1 / len(array))), float(len(array) - 1))
    return one_more.interval(level, ONE_MORE_RUN)
