"""Images of each class in each part of the split; of many classes the curve from the most frequent to the rarest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._picture import Material, Picture, labelled, panels
from contrast.numbers import number, plural
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

ORDER = 60
PARTS = {"train": "blue", "validation": "orange", "test": "green"}
MOST_NAMED = 40
"""More classes than this are drawn as a curve over their rank."""
COLUMNS = ["class", "number", "rank", "measure", "images"]
ROW = 17


def prepare(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        counts: part → images of each class, in the order of `classes`; a part that is not known is left out.
        classes: their names.

    Returns:
        One row per part (`measure`) and class: its `number`, its `rank` by images of the first part (1: the most; ties in the order
        of the numbers), and its `images`.
    """
    import numpy as np
    import pandas as pd

    if not counts or not classes:
        return pd.DataFrame(columns=COLUMNS)
    order = np.argsort(-np.asarray(next(iter(counts.values()))), kind="stable")
    ranks = np.empty(len(classes), dtype=int)
    ranks[order] = np.arange(1, len(classes) + 1)
    frames = [
        pd.DataFrame({"class": list(classes), "number": range(len(classes)), "rank": ranks, "measure": part, "images": list(each)})
        for part, each in counts.items()
    ]
    return pd.concat(frames, ignore_index=True)[COLUMNS]


def draw(data: pd.DataFrame) -> Any:
    """Draw the counts, an `altair.Chart`: a panel for each part in the data."""
    import altair as alt

    few = data["number"].nunique() <= MOST_NAMED
    made = [(_bars if few else _curve)(group, str(part)) for part, group in data.groupby("measure", sort=False)]
    return _style.finished(made[0] if len(made) == 1 else alt.concat(*made, columns=3))


def _bars(data: pd.DataFrame, part: str) -> Any:
    import altair as alt

    names = list(data["class"])
    axis = alt.Axis(labelPadding=8, minExtent=_style.room_for(names) + 8)
    y = alt.Y("class:N", sort=names, title=None, scale=alt.Scale(domain=names, padding=0.15), axis=axis)
    x = alt.X("images:Q", title=f"{part} images", scale=alt.Scale(zero=True, nice=False, padding=0), axis=alt.Axis(tickCount=4, format=_format(data)))
    base = alt.Chart(data).encode(y=y)
    bars = base.mark_bar(color=_color(part)).encode(x=x)
    numbers = base.mark_text(align="left", dx=4, fontSize=10.5, color=_style.INK).encode(x=x, text=alt.Text("images:Q", format=","))
    return alt.layer(bars, numbers).properties(width=190, height=max(48, ROW * len(names)))


def _format(data: pd.DataFrame) -> str:
    """Thousands are only shortened where all numbers are long."""
    return "~s" if data["images"].max() >= 10_000 else ",d"


def _curve(data: pd.DataFrame, part: str) -> Any:
    import altair as alt

    x = alt.X("rank:Q", title="class, by its rank", scale=alt.Scale(domain=[1, len(data)], nice=False), axis=alt.Axis(tickCount=5, format="d"))
    y = alt.Y("images:Q", title=f"{part} images", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5, format=_format(data)))
    area = alt.Chart(data).mark_area(color=_color(part), interpolate="step", opacity=0.9)
    return area.encode(x=x, y=y).properties(width=250, height=180)


def _color(part: str) -> str:
    return _style.COLORS[PARTS.get(part, "purple")]


def pictures(material: Material) -> list[Picture]:
    """One picture, once a run of the baseline was judged: its training images are in the plan, the others in its outcomes."""
    lock = material.study.lock
    baseline = str(lock["baseline"])
    entry = _data_of(lock, baseline)
    classes = [str(name) for name in entry["classes"]]
    judged = {part: counts for part in ("validation", "test") if (counts := _counted(material, baseline, part, len(classes))) is not None}
    if not judged:
        return []
    planned = {"train": list(entry["class_counts"])} if entry.get("class_counts") else {}
    data = prepare(planned | judged, classes)
    svg = panels(labelled(data, "class"), draw, "classes", "images of each class")
    return [Picture("classes", "Classes", _caption(data, lock), svg, data, methods=("counts",))]


def _data_of(lock: Mapping[str, Any], arm: str) -> Mapping[str, Any]:
    key = next((entry.get("data") for entry in lock["arms"] if entry["name"] == arm), None)
    found: Mapping[str, Any] = next((data for data in lock["data"] if data.get("key") == key), lock["data"][0])
    return found


def _counted(material: Material, arm: str, part: str, classes: int) -> list[int] | None:
    """Images of each class that the arm's first judged run saw of a part."""
    import numpy as np

    labels = next((labels for name, _, labels, _ in material.study.judged_images(part) if name == arm), None)
    return None if labels is None else [int(count) for count in np.bincount(labels, minlength=classes)[:classes]]


def _caption(data: pd.DataFrame, lock: Mapping[str, Any]) -> str:
    part = str(data["measure"].iloc[0])
    first = data[data["measure"] == part].sort_values("rank")
    most, least = first.iloc[0], first.iloc[-1]
    order = "" if len(first) <= MOST_NAMED else f" Classes stand from the most to the fewest {part} images."
    sets = " Of the baseline's data." if len(lock["data"]) > 1 else ""
    top, bottom = (f"“{shown(str(row['class']), 60)}”" for row in (most, least))
    ends = f"{top} has the most {part} images, {number(int(most['images']), 0)}; {bottom} the fewest, "
    same = f"Each class has {plural(int(most['images']), f'{part} image')}."
    told = same if most["images"] == least["images"] else f"{ends}{number(int(least['images']), 0)}."
    return f"Images of each of {len(first)} classes. {told}{order}{sets}"
