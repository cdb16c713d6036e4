"""Test accuracy against what it costs: seconds, parameters, multiply-accumulates; a point an arm, with its interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._interval import mean_interval
from contrast.figures._picture import Material, Picture, labelled, panels

if TYPE_CHECKING:
    import pandas as pd

ORDER = 40
COSTS = {"seconds": "seconds a run", "parameters": "parameters", "macs": "multiply-accumulates an image"}
COLUMNS = ["arm", "baseline", "measure", "cost", "cost_low", "cost_high", "mean", "low", "high", "seeds", "unbeaten"]
MEASURED = ["arm", "measure", "cost", "cost_low", "cost_high", "mean", "low", "high", "seeds"]
LOG_FROM = 10.0
"""Costs that span more than this factor stand on a logarithmic axis."""


def prepare(runs: pd.DataFrame, baseline: str, level: float = 0.95) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        runs: one row a run: arm, status, test_accuracy (in [0, 1]), and the costs: seconds, parameters, macs.
        baseline: the arm that others are held against.
        level: of the t interval for the mean accuracy over seeds.

    Returns:
        One row per arm and cost in which arms differ: the `cost`, a mean over seeds, with its least and greatest; `mean`, `low` and `high` of
        the test accuracy in percent over `seeds` finished runs; and whether the arm is `unbeaten`: none is as cheap and as accurate, and
        better in one. Empty below two arms.
    """
    import pandas as pd

    finished = runs[runs["status"] == "finished"]
    every = (pd.DataFrame(_rows(finished, cost, level), columns=MEASURED) for cost in COSTS if cost in runs.columns)
    frames = [rows for rows in every if rows["cost"].nunique() > 1]
    if not frames:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat([rows.assign(unbeaten=_unbeaten(rows)) for rows in frames], ignore_index=True)
    return table.assign(baseline=table["arm"] == baseline)[COLUMNS]


def _rows(finished: pd.DataFrame, cost: str, level: float) -> Iterator[dict[str, Any]]:
    for arm, own in finished.groupby("arm", sort=False):
        known = own.dropna(subset=[cost, "test_accuracy"])
        if len(known):
            paid = known[cost].astype("float64")
            spent = {"cost": float(paid.mean()), "cost_low": float(paid.min()), "cost_high": float(paid.max())}
            yield {"arm": arm, "measure": cost, **spent, **mean_interval(100.0 * known["test_accuracy"].astype("float64"), level)}


def _unbeaten(rows: pd.DataFrame) -> list[bool]:
    pairs = list(zip(rows["cost"], rows["mean"], strict=True))
    return [not any(c <= cost and m >= mean and (c, m) != (cost, mean) for c, m in pairs) for cost, mean in pairs]


def draw(data: pd.DataFrame) -> Any:
    """Draw the points, an `altair.Chart`: a panel for each measure in the data; of many arms the unbeaten ones are named."""
    import altair as alt

    made = [_panel(group, str(measure)) for measure, group in data.groupby("measure", sort=False)]
    return _style.finished(made[0] if len(made) == 1 else alt.concat(*made, columns=2))


def _panel(data: pd.DataFrame, measure: str) -> Any:
    import altair as alt

    arms, first = list(dict.fromkeys(data["arm"])), next(iter(data.loc[data["baseline"], "arm"]), "")
    least, most = float(data["cost_low"].min()), float(data["cost_high"].max())
    log = least > 0 and most / least > LOG_FROM
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=False, padding=24)
    x = {"title": COSTS[measure], "scale": scale, "axis": alt.Axis(format="~s", tickCount=5, labelOverlap=True)}
    y = {"title": "test accuracy, %", "scale": alt.Scale(zero=False), "axis": alt.Axis(tickCount=6)}
    base = alt.Chart(data).encode(color=alt.Color("arm:N", scale=_style.by_arm(_colors(arms, first)), legend=None))
    heights = base.mark_rule(strokeWidth=1.6).encode(x=alt.X("cost:Q", **x), y=alt.Y("low:Q", **y), y2="high:Q")
    widths = base.mark_rule(strokeWidth=1.6).encode(x=alt.X("cost_low:Q", **x), x2="cost_high:Q", y=alt.Y("mean:Q", **y))
    dots = base.mark_point(filled=True, size=76, opacity=1, stroke=_style.PAPER, strokeWidth=1.2).encode(
        x=alt.X("cost:Q", **x), y=alt.Y("mean:Q", **y)
    )
    named = alt.Chart(_apart(data, log=log) if len(arms) > _style.TOGETHER else data.head(0)).mark_text(
        align="left", dx=7, dy=-8, fontSize=11, color=_style.INK
    )
    words = named.encode(x=alt.X("cost:Q", **x), y=alt.Y("mean:Q", **y), text="arm:N")
    return alt.layer(heights, widths, dots, words).properties(width=390, height=240)


def _apart(data: pd.DataFrame, *, log: bool) -> pd.DataFrame:
    """The unbeaten arms whose names have room in the panel, the most accurate first: no name is written over another."""
    import numpy as np

    ends = [np.log(data[name]) if log else data[name] for name in ("cost_low", "cost_high")]
    width, height = float(ends[1].max() - ends[0].min()), float(data["high"].max() - data["low"].min())
    named = data[data["unbeaten"]].sort_values("mean", ascending=False, kind="stable")
    across, up = (np.log(named["cost"]) if log else named["cost"]).to_numpy(), named["mean"].to_numpy()
    kept: list[int] = []
    for at in range(len(named)):
        if all(abs(across[at] - across[one]) > 0.25 * width or abs(up[at] - up[one]) > 0.06 * height for one in kept):
            kept.append(at)
    return named.iloc[kept]


def _colors(arms: list[str], baseline: str) -> dict[str, str]:
    """A color for each of a few arms; many are blue beside the baseline's grey."""
    if len(arms) <= _style.TOGETHER:
        return _style.palette(arms, baseline)
    return {arm: _style.COLORS["baseline" if arm == baseline else "blue"] for arm in arms}


def pictures(material: Material) -> list[Picture]:
    """One picture, where two arms have finished runs that differ in a cost."""
    baseline = str(material.study.lock["baseline"])
    data = prepare(material.study.runs(), baseline)
    if data.empty:
        return []
    drawn = labelled(data)
    first = next(iter(drawn.loc[drawn["baseline"], "arm"]), "")
    arms = list(dict.fromkeys(drawn["arm"]))
    many = len(arms) > _style.TOGETHER
    named = " Named, where there is room: arms that none beats, being as cheap and as accurate." if many else ""
    caption = f"Test accuracy with its 95 % interval over seeds, against what an arm costs, with the least and greatest over seeds.{named}"
    svg = panels(drawn, draw, "cost", "against test accuracy")
    keys = {"the arms": "blue", first: "baseline"} if many else {arm: _style.role(color) for arm, color in _colors(arms, first).items()}
    return [Picture("cost", "Cost", caption, svg, data, tuple((name, role) for name, role in keys.items() if name), methods=("mean-t",))]
