"""Class by class: accuracy of each class in each arm with its interval, the pairs that are confused most, the confusion matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrast.explain import confusion
from contrast.explain.sheets import Tile
from contrast.numbers import number, plural, signed
from contrast.study_metrics import classes_of

if TYPE_CHECKING:
    import pandas as pd

    from contrast.explain.judged import Ints
    from contrast.report.embedded import Restored

MOST_MATRICES, MOST_COLUMNS, MOST_ROWS, MOST_PAIRS = 8, 5, 40, 10
WORST, BEST = 15, 5
SHADES = (1, 2, 5, 10, 20, 50, 80)
"""Rates, percent, at which a cell takes the next darker color."""


@dataclass(frozen=True)
class Cell:
    """One cell of a matrix: images and rate as words, and the step of its color."""

    images: str
    rate: str
    shade: int


@dataclass(frozen=True)
class Matrix:
    """One arm's confusion.

    Attributes:
        arm: its name.
        runs: how many runs it is the mean of.
        classes: names of the rows and columns.
        rows: the cells.
        total: classes in all.
        picture: all classes as one picture, an address; empty where the table shows them all.
        pairs: true, predicted, images, rate.
    """

    arm: str
    runs: int
    classes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    picture: str
    pairs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Classes:
    """The section.

    Attributes:
        arms: those that have a column.
        rows: class, images, the baseline's accuracy, its interval, then each arm's difference in points.
        caption: what the rows are.
        matrices: one an arm.
        table: everything, to be saved.
    """

    arms: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    matrices: tuple[Matrix, ...]
    table: pd.DataFrame


def of(study: Restored) -> Classes | None:
    """What each class comes to; None before a run of the baseline has been judged."""
    counts, runs = _counted(study)
    baseline = str(study.lock["baseline"])
    if baseline not in counts:
        return None
    names = {arm: classes_of(study.lock, arm) for arm in counts}
    tables = {arm: confusion.by_class(counts[arm], runs[arm], names[arm]) for arm in counts}
    arms = [arm for arm in counts if arm != baseline and names[arm] == names[baseline]][:MOST_COLUMNS]
    caption, rows = _rows(tables[baseline], {arm: tables[arm] for arm in arms})
    ordered = [baseline, *(arm for arm in counts if arm != baseline)][:MOST_MATRICES]
    return Classes(
        tuple(arms), rows, caption, tuple(_matrix(arm, counts[arm], runs[arm], names[arm]) for arm in ordered), _together(tables, study.arms)
    )


def _counted(study: Restored) -> tuple[dict[str, Ints], dict[str, int]]:
    """Arm → its runs' confusion matrices added up, and how many runs."""
    counts, runs = dict[str, "Ints"](), defaultdict[str, int](int)
    for arm, _, labels, predictions in study.judged_images():
        if not len(labels):
            continue
        one = confusion.counted(labels.astype(np.int64), predictions.astype(np.int64), len(classes_of(study.lock, arm)))
        counts[arm] = counts[arm] + one if arm in counts else one
        runs[arm] += 1
    return counts, dict(runs)


def _rows(baseline: pd.DataFrame, others: dict[str, pd.DataFrame]) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The classes, the baseline's worst first, and what the caption says of which they are."""
    ordered = baseline.sort_values(["accuracy", "class"], kind="stable")
    caption = "The baseline's worst class stands first."
    if len(ordered) > MOST_ROWS:
        caption = f"The baseline's {WORST} worst and {BEST} best of {len(ordered):,} classes; the file has all."
        ordered = ordered.iloc[[*range(WORST), *range(len(ordered) - BEST, len(ordered))]]
    accuracies = {arm: dict(zip(table["class"], table["accuracy"], strict=True)) for arm, table in others.items()}
    rows = [
        (
            str(row["class"]),
            number(row["images"], 0),
            number(row["accuracy"], 1),
            f"{number(row['low'], 1)} … {number(row['high'], 1)}",
            *(signed(of_arm.get(row["class"], float("nan")) - row["accuracy"], 1) for of_arm in accuracies.values()),
        )
        for row in ordered.to_dict("records")
    ]
    return caption, tuple(rows)


def _together(tables: dict[str, pd.DataFrame], arms: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frames = [tables[arm].assign(arm=arm) for arm in arms if arm in tables]
    return pd.concat(frames, ignore_index=True)[["arm", "class", "images", "accuracy", "low", "high"]]


def _matrix(arm: str, counts: Ints, runs: int, names: Sequence[str]) -> Matrix:
    whole = len(names) <= confusion.MOST_NAMED
    chosen = list(range(len(names))) if whole else confusion.part(counts)
    shares = 100 * confusion.rates(counts)
    labels = confusion.distinct(names, 24)
    decimals = 0 if runs == 1 else 1
    rows = tuple(
        tuple(
            Cell(number(counts[t, p] / runs, decimals), number(shares[t, p], 1), int(np.searchsorted(SHADES, shares[t, p], side="right")))
            if counts[t, p]
            else Cell("", "", 0)
            for p in chosen
        )
        for t in chosen
    )
    pairs = tuple(
        (names[pair.true], names[pair.predicted], number(pair.images / runs, decimals), number(100 * pair.rate, 1))
        for pair in confusion.most_confused(counts, MOST_PAIRS)
    )
    picture = "" if whole else Tile(confusion.raster(counts, confusion.order(counts)), exact=True).source
    return Matrix(arm, runs, tuple(labels[at] for at in chosen), rows, len(names), picture, pairs)


def told(matrix: Matrix) -> str:
    """What a matrix shows, in a sentence."""
    over = "of the one run" if matrix.runs == 1 else f"mean over {plural(matrix.runs, 'run')}"
    which = f"the {len(matrix.classes)} that are confused most of {matrix.total:,} classes" if matrix.picture else "all classes"
    return f"Test images of each true class (row) by prediction (column), {over}; {which}. Small below: percent of the row, which is the color."
