"""Effects as rows: intervals thick, ticks where the deciding one ends, a thin line for other images, zero line, margin band."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from contrast.figures import _style

if TYPE_CHECKING:
    import pandas as pd

SIGNED = "datum.value === 0 ? '0' : format(datum.value, '+~g')"
COLUMNS = ["arm", "verdict", "effect", "low", "high", "deciding_low", "deciding_high", "images_low", "images_high", "margin"]
ENDS = ("effect", "low", "high", "deciding_low", "deciding_high", "images_low", "images_high")
ROW = 36
BELOW = 9
"""Pixels by which the interval with other images stands below the one without."""


def effects(data: pd.DataFrame, title: str) -> Any:
    """Draw effects, an `altair.Chart`; one without an interval is a dot alone, one without a number an empty line.

    Args:
        data: one row an effect, with the columns `COLUMNS`; those of images may be missing.
        title: of the axis.
    """
    import altair as alt
    import numpy as np

    data = data.assign(**{column: np.nan for column in COLUMNS if column not in data})
    names = list(data["arm"])
    axis = alt.Axis(labelPadding=10, grid=False, minExtent=_style.room_for(names) + 10)
    y = {"sort": names, "scale": alt.Scale(domain=names), "title": None, "axis": axis}
    x: dict[str, Any] = {"title": title, "scale": _domain(data), "axis": alt.Axis(grid=True, tickCount=7, labelExpr=SIGNED)}
    zero = alt.Chart(alt.Data(values=[{"at": 0}])).mark_rule(color=_style.INK, strokeWidth=1).encode(x=alt.X("at:Q", **x))
    chart = alt.layer(*_margin(data, x), zero, *_marks(data, x, alt.Y("arm:N", **y)))
    return _style.finished(chart.properties(width=560, height=max(64, ROW * len(names))))


def _marks(data: pd.DataFrame, x: dict[str, Any], y: Any) -> Iterator[Any]:
    import altair as alt

    color = alt.Color("verdict:N", scale=_colors(data), legend=None)
    for low, high, width, below in (
        ("images_low", "images_high", 1.4, BELOW),
        ("deciding_low", "deciding_high", 1.4, 0),
        ("low", "high", 5.0, 0),
    ):
        known = alt.Chart(data.dropna(subset=[low, high]))
        paint = {"color": alt.value(_style.SOFT)} if below else {"color": color}
        marked = known.mark_rule(strokeWidth=width, yOffset=below, strokeDash=[3, 2] if below else [1, 0])
        yield marked.encode(y=y, x=alt.X(f"{low}:Q", **x), x2=f"{high}:Q", **paint)
    for end in ("deciding_low", "deciding_high"):
        ticks = alt.Chart(data.dropna(subset=end)).mark_tick(thickness=1.6, size=13, opacity=1)
        yield ticks.encode(y=y, color=color, x=alt.X(f"{end}:Q", **x))
    dots = alt.Chart(data.dropna(subset="effect")).mark_point(filled=True, size=90, opacity=1, stroke=_style.PAPER, strokeWidth=1.4)
    yield dots.encode(y=y, color=color, x=alt.X("effect:Q", **x))


def _margin(data: pd.DataFrame, x: dict[str, Any]) -> list[Any]:
    import altair as alt

    margins = data["margin"].dropna()
    if margins.empty:
        return []
    margin = float(margins.iloc[0])
    band = alt.Chart(alt.Data(values=[{"from": -margin, "to": margin}]))
    return [band.mark_rect(color=_style.FAINT, opacity=0.6, clip=True).encode(x=alt.X("from:Q", **x), x2="to:Q")]


def _colors(data: pd.DataFrame) -> Any:
    import altair as alt

    kinds = list(dict.fromkeys(data["verdict"]))
    return alt.Scale(domain=kinds, range=[_style.VERDICTS.get(kind, _style.SOFT) for kind in kinds])


def _domain(data: pd.DataFrame) -> Any:
    import altair as alt
    import pandas as pd

    ends = pd.concat([data[column] for column in ENDS]).dropna()
    low, high = (min(float(ends.min()), 0.0), max(float(ends.max()), 0.0)) if len(ends) else (-1.0, 1.0)
    room = 0.06 * ((high - low) or 1.0)
    return alt.Scale(domain=[low - room, high + room], nice=False, zero=False)
