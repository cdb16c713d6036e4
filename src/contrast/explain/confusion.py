"""Which classes are taken for which: the confusion matrix, its greatest entries, blocks of classes that are mixed up, accuracy class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contrast.explain.judged import Ints, Judged
from contrast.figures import _style
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 24
"""Classes up to which every cell is drawn with its number; more are drawn as a picture in an order that shows blocks."""
MIXED = 0.05
"""Mean rate of confusion in both directions from which classes belong to one block."""


@dataclass(frozen=True)
class Pair:
    """One class taken for another: how many images, and what share of the true class's."""

    true: int
    predicted: int
    images: int
    rate: float


def matrix(judged: Judged, classes: int) -> Ints:
    """Images of each true class (row) predicted as each class (column), ``int64 [classes, classes]``.

    Raises:
        ValueError: a label or prediction outside the classes.
    """
    return counted(judged.labels, judged.predictions, classes)


def counted(labels: Ints, predictions: Ints, classes: int) -> Ints:
    """The same, of labels and predictions alone, ``int64 [N]`` each.

    Raises:
        ValueError: a label or prediction outside the classes.
    """
    codes = np.asarray(labels, np.int64) * classes + predictions
    both = np.concatenate([labels, predictions])
    if len(both) and not (both.min() >= 0 and both.max() < classes):
        raise ValueError(f"labels and predictions lie in 0..{classes - 1}")
    return np.bincount(codes, minlength=classes**2).reshape(classes, classes)


def rates(counts: Ints) -> NDArray[np.float64]:
    """Each row's shares, ``float64 [classes, classes]``; zero for a class without images."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def most_confused(counts: Ints, most: int = 12) -> list[Pair]:
    """The pairs with the most wrong images, ties by rate and then by class."""
    shares, wrong = rates(counts), counts.copy()
    np.fill_diagonal(wrong, 0)
    places = [(int(t), int(p)) for t, p in np.argwhere(wrong)]
    places.sort(key=lambda at: (-wrong[at], -shares[at], at))
    return [Pair(t, p, int(wrong[t, p]), float(shares[t, p])) for t, p in places[:most]]


def _linkage(counts: Ints) -> NDArray[np.float64]:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    shares = rates(counts)
    mixed = (shares + shares.T) / 2
    distance = 1 - np.clip(mixed, 0, 1)
    np.fill_diagonal(distance, 0)
    return linkage(squareform(distance, checks=False), "average")


def order(counts: Ints) -> list[int]:
    """Classes so that those that are mixed up stand beside each other (average linkage on mean rates of confusion)."""
    from scipy.cluster.hierarchy import leaves_list

    return list(range(len(counts))) if len(counts) < 3 else [int(at) for at in leaves_list(_linkage(counts))]


def blocks(counts: Ints) -> list[list[int]]:
    """Groups of classes that are taken for one another at a mean rate of at least `MIXED`, largest first."""
    from scipy.cluster.hierarchy import fcluster

    if len(counts) < 3:
        return []
    groups = fcluster(_linkage(counts), 1 - MIXED, "distance")
    members = [[int(at) for at in np.flatnonzero(groups == group)] for group in np.unique(groups)]
    return sorted((group for group in members if len(group) > 1), key=lambda group: (-len(group), group))


def prepare(counts: Ints, names: Sequence[str]) -> pd.DataFrame:
    """The numbers behind the drawn matrix: true, predicted (names, made different), images, rate in percent."""
    import pandas as pd

    labels = distinct(names)
    shares = 100 * rates(counts)
    rows = [
        {"true": labels[t], "predicted": labels[p], "images": int(counts[t, p]), "rate": float(shares[t, p])}
        for t in range(len(counts))
        for p in range(len(counts))
    ]
    return pd.DataFrame(rows)


def distinct(names: Sequence[str], most: int = 18) -> list[str]:
    """Class names fit to be drawn, no two alike."""
    made: list[str] = []
    for at, name in enumerate(names):
        label = shown(str(name), most) or "␠"
        made.append(label if label not in made else f"{shown(label, most - 5)} #{at}")
    return made


def draw(data: pd.DataFrame) -> Any:
    """Draw a matrix of few classes, an `altair.Chart`: color is the rate, the number is images; empty cells stay empty."""
    import altair as alt

    labels = list(dict.fromkeys(data["true"]))
    steps = [1, 2, 5, 10, 20, 50, 80]
    shade = np.searchsorted(steps, data["rate"], side="right")
    data = data.assign(shade=[_style.HEAT[int(one)] for one in shade], ink=np.where(shade >= 4, _style.PAPER, _style.INK))
    x = alt.X("predicted:N", sort=labels, title="predicted", scale=alt.Scale(domain=labels, padding=0.03))
    y = alt.Y("true:N", sort=labels, title="true", scale=alt.Scale(domain=labels, padding=0.03))
    turned = max(map(len, labels)) > 4
    x.axis = alt.Axis(labelAngle=-45 if turned else 0, domain=False, ticks=False, orient="top")
    y.axis = alt.Axis(domain=False, ticks=False, labelPadding=8, minExtent=_style.room_for(labels) + 8)
    cells = alt.Chart(data[data["images"] > 0]).mark_rect().encode(x=x, y=y, color=alt.Color("shade:N", scale=None, legend=None))
    numbers = alt.Chart(data[data["images"] > 0]).mark_text(fontSize=11).encode(x=x, y=y, text="images:Q", color=alt.Color("ink:N", scale=None))
    side = min(40, max(24, 560 // len(labels))) * len(labels)
    return _style.finished(alt.layer(cells, numbers).properties(width=side, height=side))


def raster(counts: Ints, arranged: Sequence[int]) -> NDArray[np.uint8]:
    """A matrix of many classes as a picture, a pixel a cell or a few, ``uint8 [side, side, 3]``; dark is never, light is often.

    The rate's square root is drawn, so that rare confusions can be seen.
    """
    from contrast.explain.colors import amounts

    arranged_rates = rates(counts)[np.ix_(arranged, arranged)]
    times = max(1, 480 // len(arranged))
    return np.kron(amounts(np.sqrt(arranged_rates), 0, 1), np.ones((times, times, 1), np.uint8))


def class_table(judged: Judged, names: Sequence[str]) -> pd.DataFrame:
    """One row a class: name, images, accuracy and its 95 % Wilson interval in percent, worst first; classes without images are left out."""
    import pandas as pd

    from contrast.compare import class_accuracies

    rows = [
        {"class": name, "images": one.images, "accuracy": 100 * one.accuracy, "low": 100 * one.interval.low, "high": 100 * one.interval.high}
        for name, one in zip(distinct(names), class_accuracies(judged.labels, judged.predictions, len(names)), strict=True)
        if one.accuracy is not None and one.interval is not None
    ]
    frame = pd.DataFrame(rows, columns=["class", "images", "accuracy", "low", "high"])
    return frame.sort_values(["accuracy", "class"], kind="stable").reset_index(drop=True)


def by_class(counts: Ints, runs: int, names: Sequence[str]) -> pd.DataFrame:
    """Accuracy of each class over several runs on the same images.

    Args:
        counts: their confusion matrices, added up.
        runs: how many.
        names: of the classes.

    Returns:
        A row a class that has images, in their order: class, images, and in percent accuracy (mean over the runs), low, high: the
        95 % Wilson interval over images, as wide as that of one run, since all runs see the same images.
    """
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    images, right = counts.sum(axis=1) / runs, np.diag(counts) / runs
    there = images > 0
    low, high = proportion_confint(right[there], images[there], alpha=0.05, method="wilson")
    columns = {"accuracy": right[there] / images[there], "low": low, "high": high}
    kept = [name for name, here in zip(distinct(names, 40), there, strict=True) if here]
    images_of = np.rint(images[there]).astype(int)
    return pd.DataFrame({"class": kept, "images": images_of, **{name: 100 * np.asarray(values) for name, values in columns.items()}})


def part(counts: Ints, most: int = 16) -> list[int]:
    """The classes that the greatest confusions are about, at most so many, those that are mixed up beside each other."""
    chosen: dict[int, None] = {}
    for pair in most_confused(counts, most * most):
        if len(chosen | {pair.true: None, pair.predicted: None}) > most:
            break
        chosen |= {pair.true: None, pair.predicted: None}
    members = sorted(chosen)
    return [members[at] for at in order(counts[np.ix_(members, members)])]


def draw_classes(data: pd.DataFrame) -> Any:
    """Draw accuracy class by class with its interval, worst above, an `altair.Chart`."""
    import altair as alt

    labels = list(data["class"])
    y = alt.Y("class:N", sort=labels, title=None, axis=alt.Axis(domain=False, ticks=False, labelPadding=8, minExtent=_style.room_for(labels) + 8))
    low = float(data["low"].min())
    x = alt.Scale(domain=[max(0.0, 5 * (low // 5)), 100], nice=False)
    base = alt.Chart(data)
    whiskers = base.mark_rule(color=_style.COLORS["blue"], strokeWidth=1.6).encode(y=y, x=alt.X("low:Q", scale=x, title="accuracy, %"), x2="high:Q")
    dots = base.mark_circle(color=_style.COLORS["blue"], size=52, opacity=1).encode(y=y, x=alt.X("accuracy:Q", scale=x))
    return _style.finished(alt.layer(whiskers, dots).properties(width=420, height=24 * len(labels)))
