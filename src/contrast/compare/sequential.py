"""Racing: further seeds until settled, with the error promised kept at every look (alpha spending by shares)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from .estimate import Estimate, Interval, finite_vector, mean_estimate
from .testing import equivalence

GROWTH = 1.6
"""Each look has about this many times the seeds of the one before: few looks cost little, and none comes late."""


@dataclass(frozen=True)
class Look:
    """One look at the first `pairs` differences. It may spend `share` of the error; the shares of all looks sum to 1."""

    pairs: int
    share: float
    estimate: Estimate | None


def planned_looks(start: int, up_to: int) -> tuple[int, ...]:
    """The seeds at which a race from `start` to `up_to` seeds is looked at: 3, 5, 8, 13, 20 for 3 up to 20.

    Raises:
        ValueError: fewer than two seeds at the start, or an end before the start.
    """
    if not 2 <= start <= up_to:
        raise ValueError(f"a race starts with two seeds or more and ends no earlier, got {start} up to {up_to}")
    looks = [start]
    while looks[-1] < up_to:
        looks.append(min(up_to, max(looks[-1] + 1, round(looks[-1] * GROWTH))))
    return tuple(looks)


def alpha_shares(looks: Sequence[int]) -> tuple[float, ...]:
    """The share of the error that each look may spend: increments of (n / n_last)², so that most is left for the end.

    Source: the power family of spending functions, rho = 2 (Kim & DeMets 1987).
    """
    spent = [(pairs / looks[-1]) ** 2 for pairs in looks]
    return tuple(now - before for now, before in zip(spent, [0.0, *spent[:-1]], strict=True))


def looks_at(differences: ArrayLike, looks: Sequence[int] | None = None, least_variance: float = 0.0, overlap: float = 0.0) -> tuple[Look, ...]:
    """The looks that the differences have reached; one look with the whole error where none were planned.

    Args:
        differences: shape (S,), S ≥ 2, arm minus baseline, in the order in which the seeds were run.
        looks: increasing numbers of pairs, fixed before the first look, each ≥ 2.
        least_variance: as in `mean_estimate`.
        overlap: of the splits, as in `mean_estimate`.

    Raises:
        ValueError: a value that is not finite; looks that don't increase.
    """
    array = finite_vector(differences)
    planned = (len(array),) if looks is None else need_looks(looks)
    return tuple(
        Look(pairs, share, mean_estimate(array[:pairs], least_variance, overlap))
        for pairs, share in zip(planned, alpha_shares(planned), strict=True)
        if pairs <= len(array)
    )


def need_looks(looks: Sequence[int]) -> tuple[int, ...]:
    """The looks of a race; ValueError unless they increase from two seeds on."""
    planned = tuple(looks)
    if not planned or planned[0] < 2 or list(planned) != sorted(set(planned)):
        raise ValueError(f"looks are increasing numbers of seeds from 2 on, got {list(planned)}")
    return planned


def sequential_p(looks: Sequence[Look]) -> float:
    """A p value that holds at any look, whatever made the race stop there: the least of p / share over the looks so far.

    By the union bound the chance that any look has `p ≤ share · alpha` under no difference is at most alpha, for every alpha:
    so it is a p value, it only falls, and Holm over the arms keeps the error of the family, arms that stopped early included.
    No assumption on how the looks depend on each other is needed; the price is a little power (`docs/statistics.md`).
    """
    return _least(look.estimate.p_two_sided() / look.share for look in looks if look.estimate is not None)


def sequential_equivalence(looks: Sequence[Look], margin: float) -> float:
    """The p of "within ± margin" that holds at any look: the least of the two one-sided tests' p / share."""
    return _least(equivalence(look.estimate, margin) / look.share for look in looks if look.estimate is not None)


@dataclass(frozen=True)
class Decided:
    """The look that speaks for a contrast, its estimate, and its interval at the level that it may spend."""

    pairs: int
    estimate: Estimate
    interval: Interval


def deciding_look(looks: Sequence[Look], alpha: float, about: str = "") -> Decided | None:
    """The look whose repeated interval agrees with `sequential_p ≤ alpha`: the last that leaves out zero, otherwise the last.

    Each look's interval has level `1 − alpha · share`; together they hold the truth with at least `1 − alpha`
    (repeated confidence intervals, Jennison & Turnbull 1989). None where no look has an estimate.
    """
    return _speaking(looks, alpha, about, lambda interval: 0.0 not in interval)


def deciding_interval(looks: Sequence[Look], alpha: float, about: str = "") -> Interval | None:
    """The interval of `deciding_look`."""
    decided = deciding_look(looks, alpha, about)
    return decided.interval if decided else None


def equating_look(looks: Sequence[Look], margin: float | None, alpha: float, about: str = "") -> Decided | None:
    """The look whose interval at `1 − 2 · alpha · share` agrees with `sequential_equivalence ≤ alpha`.

    It is the last that lies inside ± margin, otherwise (and where no margin is given) the last.
    """

    def inside(interval: Interval) -> bool:
        return margin is not None and -margin <= interval.low and interval.high <= margin

    return _speaking(looks, 2 * alpha, about, inside)


def _speaking(looks: Sequence[Look], alpha: float, about: str, decides: Callable[[Interval], bool]) -> Decided | None:
    seen = [Decided(look.pairs, look.estimate, look.estimate.interval(1 - alpha * look.share, about)) for look in looks if look.estimate]
    held = [one for one in seen if decides(one.interval)] or seen
    return held[-1] if held else None


def next_look(looks: Sequence[int], pairs: int) -> int | None:
    """How many seeds the next look of a race has; None after the last."""
    return next((look for look in looks if look > pairs), None)


def _least(values: Iterable[float]) -> float:
    return min(1.0, min(values, default=1.0))
