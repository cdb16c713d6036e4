"""Loss and accuracy of train and validation over epochs, and the error on a watched test; the chosen epoch marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.figures import _style
from contrast.figures._picture import Material, Picture, labelled, panels

if TYPE_CHECKING:
    import pandas as pd

ORDER = 30
MEASURES = {"accuracy": "accuracy, %", "loss": "loss", "test error": "test error, %"}
PARTS = ["validation", "train", "test"]
SOLID = ("validation", "test")
"""Parts whose lines are solid and carry the dot of the chosen epoch; no measure has both."""
COLUMNS = ["arm", "baseline", "measure", "part", "epoch", "mean", "low", "high", "seeds", "chosen"]
LOG_FROM = 20.0
"""Losses that span more than this factor are drawn on a logarithmic axis."""


def prepare(epochs: pd.DataFrame, runs: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The numbers behind the curves.

    Args:
        epochs: one row an epoch and run: arm, seed, epoch, ``{train,validation}_{loss,accuracy}`` (accuracies in [0, 1]), and
            ``test_accuracy`` where the study watched test.
        runs: one row a run: arm, seed, status, best_epoch. Finished runs are drawn; where an arm has none, those that have begun.
        baseline: the arm that others are held against.

    Returns:
        One row per arm, measure (accuracy in percent, loss, test error in percent), part and epoch that every drawn seed has reached:
        `mean`, `low` and `high` (least and greatest) over `seeds` seeds, and whether the epoch is `chosen` (median of the best epochs).
    """
    import pandas as pd

    ended = runs[runs["status"] == "finished"]
    pairs, arms = set(zip(ended["arm"], ended["seed"], strict=True)), set(ended["arm"])
    drawn = [(arm, seed) in pairs or arm not in arms for arm, seed in zip(epochs["arm"], epochs["seed"], strict=True)]
    rows = epochs[np.array(drawn, dtype=bool)]
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    common = rows.groupby(["arm", "seed"])["epoch"].max().groupby("arm").min()
    long = _long(rows[rows["epoch"] <= rows["arm"].map(common)])
    groups = long.groupby(["arm", "measure", "part", "epoch"], sort=False)["value"]
    data = groups.agg(mean="mean", low="min", high="max", seeds="count").reset_index().dropna(subset="mean", ignore_index=True)
    chosen = {arm: _lower_median(best) for arm, best in ended.groupby("arm")["best_epoch"]}
    return data.assign(baseline=data["arm"] == baseline, chosen=data["epoch"] == data["arm"].map(chosen).astype("float64"))[COLUMNS]


def _long(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per run, epoch, measure and part, in the order in which arms, measures and parts are drawn; what is not finite is missing."""
    import pandas as pd

    values = {
        (measure, part): rows[f"{part}_{measure}"].astype("float64") * scale
        for measure, scale in (("accuracy", 100.0), ("loss", 1.0))
        for part in ("validation", "train")
    }
    if "test_accuracy" in rows.columns:
        values["test error", "test"] = 100.0 - 100.0 * rows["test_accuracy"].astype("float64")
    keys = rows[["arm", "seed", "epoch"]]
    frames = [keys.assign(measure=m, part=part, value=column.replace([np.inf, -np.inf], np.nan)) for (m, part), column in values.items()]
    return pd.concat(frames, ignore_index=True)


def _lower_median(epochs: pd.Series[int]) -> int:
    known = epochs.dropna().sort_values()
    return int(known.iloc[(len(known) - 1) // 2]) if len(known) else -1


def draw(data: pd.DataFrame) -> Any:
    """Draw the curves, an `altair.Chart`: a panel for each measure in the data; beyond seven arms a panel each, over the baseline."""
    import altair as alt

    arms = list(dict.fromkeys(data["arm"]))
    baseline = next(iter(data.loc[data["baseline"], "arm"]), "")
    measures = [measure for measure in MEASURES if (data["measure"] == measure).any()]
    make = _together if len(arms) <= _style.TOGETHER else _apart
    panels = [make(data[data["measure"] == measure], measure, arms, baseline) for measure in measures]
    return _style.finished(panels[0] if len(panels) == 1 else alt.hconcat(*panels))


def _together(data: pd.DataFrame, measure: str, arms: list[str], baseline: str) -> Any:
    scale = _style.by_arm(_style.palette(arms, baseline))
    return _layers(data, measure, "arm:N", scale).properties(width=390, height=260)


def _apart(data: pd.DataFrame, measure: str, arms: list[str], baseline: str) -> Any:
    import altair as alt
    import pandas as pd

    others = [arm for arm in arms if arm != baseline]
    behind = data[data["baseline"]]
    frames = [pd.concat([behind, data[data["arm"] == arm]]).assign(panel=arm) for arm in others]
    together = pd.concat(frames, ignore_index=True)
    scale = alt.Scale(domain=[True, False], range=[_style.COLORS["baseline"], _style.COLORS["blue"]])
    layers = _layers(together, measure, "baseline:N", scale).properties(width=250, height=150)
    return layers.facet(alt.Facet("panel:N", sort=others, header=alt.Header(labelOrient="top")), columns=3, spacing=18)


def _layers(data: pd.DataFrame, measure: str, color: str, scale: Any) -> Any:
    import altair as alt

    last = max(int(data["epoch"].max()), 2)
    # One table for all layers, since a facet needs that: the dot's height is missing where there is no dot.
    data = data.assign(dot=data["mean"].where(data["chosen"] & data["part"].isin(SOLID)))
    vertical = _vertical(data, measure)
    base = alt.Chart(data).encode(
        x=alt.X("epoch:Q", title="epoch", scale=alt.Scale(domain=[1, last], nice=False), axis=alt.Axis(tickMinStep=1, tickCount=8, format="d")),
        color=alt.Color(color, scale=scale, legend=None),
        detail=["arm:N", "part:N"],
    )
    bands = base.mark_area(opacity=0.14).encode(y=alt.Y("low:Q", **vertical), y2="high:Q")
    dash = alt.StrokeDash("part:N", scale=alt.Scale(domain=PARTS, range=[[1, 0], [3, 3], [1, 0]]), legend=None)
    width = alt.StrokeWidth("part:N", scale=alt.Scale(type="ordinal", domain=PARTS, range=[2.2, 1.3, 2.2]), legend=None)
    lines = base.mark_line().encode(y=alt.Y("mean:Q", **vertical), strokeDash=dash, strokeWidth=width)
    dots = base.mark_point(filled=True, size=62, opacity=1, stroke=_style.PAPER, strokeWidth=1.2).encode(y=alt.Y("dot:Q", **vertical))
    return alt.layer(bands, lines, dots)


def _vertical(data: pd.DataFrame, measure: str) -> dict[str, Any]:
    """Title, scale and axis of the upright axis: logarithmic for losses of very different size."""
    import altair as alt

    low, high = float(data["low"].min()), float(data["high"].max())
    if measure == "loss" and low > 0 and high / low > LOG_FROM:
        marks = [digit * 10.0**power for power in range(-9, 10) for digit in (1, 2, 5)]
        axis = alt.Axis(values=[mark for mark in marks if low / 1.05 <= mark <= high * 1.05], format="~g")
        return {"title": MEASURES[measure], "scale": alt.Scale(type="log", nice=False), "axis": axis}
    return {"title": MEASURES[measure], "scale": alt.Scale(zero=False), "axis": alt.Axis(tickCount=6)}


def pictures(material: Material) -> list[Picture]:
    """One picture, where a run has come to the end of an epoch."""
    study = material.study
    data = prepare(study.epochs(), study.runs(), str(study.lock["baseline"]))
    if data.empty:
        return []
    drawn = labelled(data)
    wide = drawn["arm"].nunique() > _style.TOGETHER
    seeds = int(data["seeds"].max())
    band = f" Band: least to greatest of {seeds} seeds." if seeds > 1 else ""
    watched = " Test was watched: its error, which chose nothing, is drawn apart." if (data["measure"] == "test error").any() else ""
    caption = (
        f"Accuracy and loss over epochs, mean over seeds. Solid: validation; dashed: train, a running mean under augmentation and while "
        f"weights still move.{band} Dot: the chosen epoch (median over seeds).{watched}"
    )
    svg = panels(drawn, draw, "curves", "over epochs")
    return [Picture("curves", "Curves", caption, svg, data, _keys(drawn, wide), wide, ("mean-range",))]


def _keys(drawn: pd.DataFrame, wide: bool) -> tuple[tuple[str, str], ...]:
    """What the colors mean: each arm, or in panels of an arm each, the arm and the baseline behind it."""
    arms, first = list(dict.fromkeys(drawn["arm"])), next(iter(drawn.loc[drawn["baseline"], "arm"]), "")
    colors = {"the arm": _style.COLORS["blue"], first: _style.COLORS["baseline"]} if wide else _style.palette(arms, first)
    return tuple((arm, _style.role(color)) for arm, color in colors.items())
