"""Train and validation accuracy over a grid of two settings or more, cells without evidence hatched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._picture import MOST_OF_A_LABEL, Material, Picture, panels
from contrast.shown import shown
from contrast.study_tables import in_words

if TYPE_CHECKING:
    import pandas as pd

ORDER = 22
PARTS = ("validation", "train")
COLUMNS = ["arm", "row", "column", "rows", "columns", "measure", "mean", "seeds", "why"]
HATCH = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
CELL = (112, 44)


def prepare(runs: pd.DataFrame, arms: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        runs: one row a run: arm, status, ``{train,validation}_accuracy`` of the chosen weights (in [0, 1]).
        arms: the plan's arms; those of a grid are drawn.

    Returns:
        One row per arm of the grid and measure: its `row` and `column` (values of the settings `rows` and `columns`), `mean` accuracy in
        percent over `seeds` finished runs, and `why` there is none: diverged, or not finished. Empty without a grid.
    """
    import pandas as pd

    gridded = [arm for arm in arms if arm.get("origin") == "grid"]
    paths = [path for path in dict.fromkeys(path for arm in gridded for path in arm["changes"]) if _varies(gridded, path)]
    if not paths:
        return pd.DataFrame(columns=COLUMNS)
    *first, last = paths
    rows = []
    for arm in gridded:
        own = runs[runs["arm"] == arm["name"]]
        finished = own[own["status"] == "finished"]
        place = {"row": ", ".join(_value(arm, path) for path in first), "column": _value(arm, last)}
        ended = [status for status in ("pruned", "diverged") if (own["status"] == status).any()]
        why = "" if len(finished) else next(iter(ended), "not finished")
        for part in PARTS:
            mean = 100 * float(finished[f"{part}_accuracy"].astype("float64").mean()) if len(finished) else float("nan")
            told = {"rows": ", ".join(first), "columns": last, "measure": f"{part} accuracy", "mean": mean, "seeds": len(finished), "why": why}
            rows.append({"arm": arm["name"], **place, **told})
    return pd.DataFrame(rows, columns=COLUMNS)


def _varies(arms: Sequence[Mapping[str, Any]], path: str) -> bool:
    return len({json.dumps(arm["changes"].get(path), sort_keys=True) for arm in arms}) > 1


def _value(arm: Mapping[str, Any], path: str) -> str:
    value = arm["changes"].get(path)
    return in_words(value) if value is not None else "as in the base"


def draw(data: pd.DataFrame) -> Any:
    """Draw the grid, an `altair.Chart`: a heatmap for each measure in the data, all on one scale."""
    import altair as alt

    measures = list(dict.fromkeys(data["measure"]))
    low, high = float(data["mean"].min()), float(data["mean"].max())
    made = [_panel(data[data["measure"] == measure], measure, _steps(low, high)) for measure in measures]
    return _style.finished(made[0] if len(made) == 1 else alt.hconcat(*made))


def _steps(low: float, high: float) -> list[float]:
    """Where each shade begins but the first."""
    count = len(_style.HEAT)
    return [low + (high - low) * step / count for step in range(1, count)] if high > low else []


def _panel(data: pd.DataFrame, measure: str, steps: list[float]) -> Any:
    import altair as alt
    import numpy as np

    shade = np.searchsorted(steps, data["mean"].fillna(-np.inf), side="right") if steps else np.full(len(data), len(_style.HEAT) // 2)
    data = data.assign(shade=[_style.HEAT[int(one)] for one in shade], ink=np.where(np.asarray(shade) >= 4, _style.PAPER, _style.INK))
    rows, columns = list(dict.fromkeys(data["row"])), list(dict.fromkeys(data["column"]))
    names = alt.Axis(labelPadding=8, minExtent=_style.room_for(rows) + 8)
    x = {"sort": columns, "title": str(data["columns"].iloc[0]), "scale": alt.Scale(domain=columns, padding=0.03)}
    y = {"sort": rows, "title": str(data["rows"].iloc[0]) or None, "scale": alt.Scale(domain=rows, padding=0.05), "axis": names}
    axis = alt.Axis(labelAngle=0, domain=False, ticks=False)
    known, unknown = alt.Chart(data[data["mean"].notna()]), alt.Chart(data[data["mean"].isna()])
    place = {"x": alt.X("column:N", axis=axis, **x), "y": alt.Y("row:N", **y)}
    cells = known.mark_rect().encode(color=alt.Color("shade:N", scale=None, legend=None), **place)
    numbers = known.mark_text(fontSize=12).encode(text=alt.Text("mean:Q", format=".1f"), color=alt.Color("ink:N", scale=None), **place)
    frame = unknown.mark_rect(filled=False, stroke=_style.SOFT, strokeWidth=1).encode(**place)
    hatched = [_stripe(unknown, start, end, x | {"axis": axis}, y) for start, end in HATCH]
    told = unknown.mark_text(fontSize=11, color=_style.INK, stroke=_style.PAPER, strokeWidth=4, strokeOpacity=1)
    words = [told.encode(text="why:N", **place), unknown.mark_text(fontSize=11, color=_style.INK).encode(text="why:N", **place)]
    size = {"width": CELL[0] * len(columns), "height": CELL[1] * len(rows)}
    return alt.layer(cells, numbers, frame, *hatched, *words).properties(title=_title(measure), **size)


def _stripe(cells: Any, start: float, end: float, x: dict[str, Any], y: dict[str, Any]) -> Any:
    """A slanted line through each cell."""
    import altair as alt

    across = {"x": alt.X("column:N", bandPosition=start, **x), "x2": alt.X2("column", bandPosition=end)}
    return cells.mark_rule(color=_style.SOFT, strokeWidth=0.8).encode(
        y=alt.Y("row:N", bandPosition=1.0, **y), y2=alt.Y2("row", bandPosition=0.0), **across
    )


def _title(measure: str) -> Any:
    import altair as alt

    return alt.TitleParams(f"{measure}, %", anchor="start", fontSize=12, fontWeight="normal", color=_style.INK, offset=8)


def pictures(material: Material) -> list[Picture]:
    """One picture, where the study has a grid of which a run has finished."""
    data = prepare(material.study.runs(), material.study.lock["arms"])
    if data.empty or not data["mean"].notna().any():
        return []
    words = {column: data[column].map(lambda text: shown(str(text), MOST_OF_A_LABEL)) for column in ("row", "column", "rows", "columns")}
    drawn = data.assign(**words)
    low, high = float(data["mean"].min()), float(data["mean"].max())
    hatched = " Hatched: no finished run." if data["mean"].isna().any() else ""
    span = f"{low:.1f} % (nearest to the color of the page) to {high:.1f} %"
    caption = f"Mean over seeds of the chosen weights' accuracy, {span}.{hatched} Choose by validation."

    def one(part: pd.DataFrame) -> Any:
        return _style.finished(_panel(part, str(part["measure"].iloc[0]), _steps(low, high)))

    svg = panels(drawn, one, "heatmap", "over the grid")
    return [Picture("heatmap", "Grid", caption, svg, data, methods=("mean",))]
