"""Factorial designs: do two changes work together? Contrasts are taken within each seed, then judged by t over seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy
from numpy.typing import ArrayLike

from .estimate import Estimate, Floats, Interval, mean_estimate
from .testing import holm


@dataclass(frozen=True)
class FactorialEffect:
    """A main effect (one factor) or an interaction (several): `levels` against each factor's first level.

    A main effect is the gain from the first level to this one, averaged over the other factors. An interaction of two is the
    difference of differences: what both together gain over the sum of what each gains alone. `aliases` are the effects that a
    fraction of the design can't tell from this one.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    effect: float
    estimate: Estimate | None = None
    interval: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """ "norm=batch", "norm=batch × lr=0.1"."""
        return " × ".join(f"{factor}={level}" for factor, level in zip(self.factors, self.levels, strict=True))


def factorial_effects(
    values: ArrayLike, levels: Mapping[str, Sequence[str]], order: int = 2, level: float = 0.95, overlap: float = 0.0
) -> tuple[FactorialEffect, ...]:
    """Main effects and interactions of a full factorial, paired by seed, Holm over all of them.

    Args:
        values: shape (S, L1, …, Lk), the metric of each seed and cell, S ≥ 2; a seed with a NaN in any cell is left out.
        levels: the names of each factor's levels, in the order of the axes; the first level is the reference.
        order: how many factors an interaction may have.
        level: confidence of the intervals.
        overlap: of the splits, as in `mean_estimate`.

    Raises:
        ValueError: no factor, or one with a single level; the shape does not fit the levels; a cell without any run (named);
            fewer than two seeds that have every cell.

    Source: Montgomery, Design and Analysis of Experiments, two-level designs, in treatment coding.
    """
    short = next((factor for factor, names in levels.items() if len(names) < 2), None)
    if not levels or short is not None:
        raise ValueError(f"factor {short!r} has one level; a factor has two or more" if levels else "a factorial has a factor or more")
    cells = [", ".join(f"{factor}={name}" for factor, name in zip(levels, picked, strict=True)) for picked in itertools.product(*levels.values())]
    table = _complete(numpy.asarray(values, dtype=numpy.float64), tuple(len(names) for names in levels.values()), cells)
    factors = list(levels)
    found = []
    for size in range(1, min(order, len(factors)) + 1):
        for chosen in itertools.combinations(range(len(factors)), size):
            for picked in itertools.product(*(range(1, len(levels[factors[axis]])) for axis in chosen)):
                per_seed = _differences_of_differences(table, dict(zip(chosen, picked, strict=True)))
                names = tuple(levels[factors[axis]][index] for axis, index in zip(chosen, picked, strict=True))
                effect = FactorialEffect(tuple(factors[axis] for axis in chosen), names, float(per_seed.mean()))
                found.append(_judged(effect, mean_estimate(per_seed, overlap=overlap), level))
    return _with_holm(found)


def fractional_effects(
    values: ArrayLike, settings: ArrayLike, factors: Sequence[str], level: float = 0.95, overlap: float = 0.0
) -> tuple[FactorialEffect, ...]:
    """Main effects of a two-level fraction, each with the two-factor interactions that it can't be told from.

    Args:
        values: shape (S, C), the metric of each seed and cell, S ≥ 2; a seed with a NaN is left out.
        settings: shape (C, K) of 0 and 1: which of its two levels each factor has in each cell, each level in half of the cells.
        factors: K names.
        level: confidence of the intervals.
        overlap: of the splits, as in `mean_estimate`.

    Raises:
        ValueError: shapes that don't fit; a setting that is neither 0 nor 1; a factor whose levels are not balanced, or two that
            are the same; a cell without any run (named); fewer than two seeds that have every cell.

    Source: Box, Hunter & Hunter, Statistics for Experimenters, fractional factorials.
    """
    chosen = numpy.asarray(settings, dtype=numpy.float64)
    if not numpy.isin(chosen, (0, 1)).all():
        raise ValueError("a setting is 0 or 1, the first or the second level of its factor")
    signs = 2 * chosen - 1
    if signs.ndim != 2 or signs.shape[1] != len(factors):
        raise ValueError(f"settings of shape {signs.shape} do not fit {len(factors)} factors")
    if numpy.abs(signs.T @ signs - len(signs) * numpy.eye(len(factors))).max() > 1e-9 or (signs.sum(axis=0) != 0).any():
        raise ValueError("every two factors must be balanced against each other; this fraction is not")
    cells = [", ".join(f"{factor}={setting:g}" for factor, setting in zip(factors, row, strict=True)) for row in chosen]
    table = _complete(numpy.asarray(values, dtype=numpy.float64), (len(signs),), cells)
    found = []
    for index, factor in enumerate(factors):
        per_seed = table @ signs[:, index] * 2 / len(signs)
        effect = FactorialEffect((factor,), ("1",), float(per_seed.mean()), aliases=_aliases(signs, index, factors))
        found.append(_judged(effect, mean_estimate(per_seed, overlap=overlap), level))
    return _with_holm(found)


def _complete(table: Floats, shape: tuple[int, ...], cells: Sequence[str]) -> Floats:
    if table.shape[1:] != shape:
        raise ValueError(f"values of shape {table.shape} do not fit a design of {shape} cells per seed")
    there = numpy.isfinite(table.reshape(len(table), -1))
    empty = [cell for cell, runs in zip(cells, there.sum(axis=0), strict=True) if runs == 0]
    if empty:
        raise ValueError(f"no seed has a figure in {'; '.join(empty)}; effects need every cell")
    complete = table[there.all(axis=1)]
    if len(complete) < 2:
        raise ValueError(f"{len(complete)} of {len(table)} seeds have every cell; effects need two or more")
    return complete


def _differences_of_differences(table: Floats, picked: Mapping[int, int]) -> Floats:
    """Per seed: level against first level along each picked factor, mean along the others."""
    # From the last axis to the first, so that the numbers of the axes still to come stay what they are.
    for axis in reversed(range(table.ndim - 1)):
        if axis in picked:
            table = numpy.asarray(table.take(picked[axis], axis + 1) - table.take(0, axis + 1))
        else:
            table = numpy.asarray(table.mean(axis=axis + 1))
    return table


def _judged(effect: FactorialEffect, estimate: Estimate | None, level: float) -> FactorialEffect:
    if estimate is None:
        return effect
    return replace(effect, estimate=estimate, interval=estimate.interval(level), p=estimate.p_two_sided())


def _aliases(signs: Floats, index: int, factors: Sequence[str]) -> tuple[str, ...]:
    pairs = itertools.combinations([other for other in range(len(factors)) if other != index], 2)
    return tuple(f"{factors[one]} × {factors[other]}" for one, other in pairs if abs(signs[:, one] * signs[:, other] @ signs[:, index]) == len(signs))


def _with_holm(effects: list[FactorialEffect]) -> tuple[FactorialEffect, ...]:
    adjusted = iter(holm([effect.p for effect in effects if effect.p is not None]).p)
    return tuple(effect if effect.p is None else replace(effect, p_holm=next(adjusted)) for effect in effects)
