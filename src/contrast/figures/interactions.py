"""Cell means of a factorial: a line for each level of one factor over the levels of another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._picture import MOST_OF_A_LABEL, Material, Picture, panels
from contrast.shown import shown
from contrast.study_tables import designs_of

if TYPE_CHECKING:
    import pandas as pd

ORDER = 13
MOST_PAIRS = 6
LINE_OF_TEXT = 0.07
"""Height of a line's name, as a share of the span of the means."""
COLUMNS = ["measure", "factor", "level", "by", "line", "mean", "cells", "runs"]


def prepare(runs: pd.DataFrame, factorial: Mapping[str, Any], metric: str = "test_accuracy", scale: float = 100.0) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        runs: one row a run: arm, status, and the metric.
        factorial: the plan's: factors with names and levels, cells with levels and arm.
        metric: a column of `runs`.
        scale: what the metric is multiplied by.

    Returns:
        One row per pair of factors (`measure` names it) and cell of the two: the `level` of `factor`, the `line` (a level of the factor
        `by`), and the `mean` of the metric over the finished `runs` of the `cells` that have both. At most `MOST_PAIRS` pairs.
    """
    import pandas as pd

    finished = runs[runs["status"] == "finished"]
    means = finished.groupby("arm")[metric].mean() * scale
    counts = finished.groupby("arm")[metric].count()
    factors = list(factorial.get("factors") or ())
    rows = []
    for one, other in itertools.islice(itertools.combinations(range(len(factors)), 2), MOST_PAIRS):
        for i, j in itertools.product(range(len(factors[one]["levels"])), range(len(factors[other]["levels"]))):
            arms = [cell["arm"] for cell in factorial["cells"] if cell["levels"][one] == i and cell["levels"][other] == j and cell["arm"] in means]
            if not arms:
                continue
            told = {"factor": factors[one]["name"], "level": str(factors[one]["levels"][i]), "by": factors[other]["name"]}
            line = f"{str(factors[other]['name']).rpartition('.')[2]} {factors[other]['levels'][j]}"
            told |= {"line": line, "mean": float(means[arms].mean()), "cells": len(arms), "runs": int(counts[arms].sum())}
            rows.append({"measure": f"{told['factor']} by {told['by']}", **told})
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(data: pd.DataFrame, title: str = "mean of the metric") -> Any:
    """Draw the means, an `altair.Chart`: a panel for each pair of factors in the data."""
    import altair as alt

    made = [_panel(group, title) for _, group in data.groupby("measure", sort=False)]
    return _style.finished(made[0] if len(made) == 1 else alt.hconcat(*made))


def _panel(data: pd.DataFrame, title: str) -> Any:
    import altair as alt

    levels, lines = list(dict.fromkeys(data["level"])), list(dict.fromkeys(data["line"]))
    palette = [_style.COLORS["baseline"], *(color for name, color in _style.COLORS.items() if name != "baseline")]
    color = alt.Color("line:N", scale=alt.Scale(domain=lines, range=[palette[i % len(palette)] for i in range(len(lines))]), legend=None)
    axis = alt.Axis(labelAngle=0, labelPadding=8)
    x = alt.X("level:N", sort=levels, scale=alt.Scale(domain=levels, padding=0.5), title=str(data["factor"].iloc[0]), axis=axis)
    y = alt.Y("mean:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    base = alt.Chart(data).encode(x=x, y=y, color=color, detail="line:N")
    dots = base.mark_point(filled=True, size=64, opacity=1, stroke=_style.PAPER, strokeWidth=1.2)
    ends = alt.Chart(_apart(data[data["level"] == levels[-1]], data["mean"].max() - data["mean"].min())).mark_text(align="left", dx=10, fontSize=12)
    names = ends.encode(x=x, y=alt.Y("place:Q", title=title), text="line:N", color=color)
    return alt.layer(base.mark_line(strokeWidth=2), dots, names).properties(width=max(330, 110 * len(levels)), height=240)


def _apart(ends: pd.DataFrame, span: float) -> pd.DataFrame:
    """Where the lines' names stand: at their ends, pushed up where two would lie on each other."""
    placed = ends.sort_values("mean").assign(place=lambda frame: frame["mean"])
    least, last = LINE_OF_TEXT * span, float("-inf")
    for row in placed.index:
        last = max(float(placed.loc[row, "mean"]), last + least)
        placed.loc[row, "place"] = last
    return placed


def pictures(material: Material) -> list[Picture]:
    """One picture, where the study has a factorial with two finished cells or more."""
    design = designs_of(material.study.lock, "factorial")
    metric = material.comparison.metric
    runs = material.study.runs()
    data = (
        prepare(runs, design, metric.name, metric.scale) if metric.name in runs.columns else prepare(runs.iloc[:0].assign(**{metric.name: 0.0}), {})
    )
    if data.empty or data["mean"].nunique() < 2:
        return []
    words = {name: data[name].map(lambda text: shown(str(text), MOST_OF_A_LABEL)) for name in ("measure", "factor", "level", "by", "line")}
    title = f"{metric.words}, {'%' if metric.unit == 'points' else metric.unit}".rstrip(", ")
    svg = panels(data.assign(**words), lambda part: draw(part, title), "interactions", "as cell means")
    caption = (
        "Mean of each cell; a line for each level of the second factor. Parallel lines: the effects add up. Lines that spread or cross: they do not."
    )
    more = " Averaged over the other factors." if len(design["factors"]) > 2 else ""
    return [Picture("interactions", "Cell means", f"{caption}{more}", svg, data, methods=("factorial", "mean"))]
