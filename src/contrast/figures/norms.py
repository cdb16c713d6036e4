"""Norms that the recipe watches at every update: of the parameters, of the gradient, of the update against them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._picture import Material, Picture, labelled, panels
from contrast.numbers import plural
from contrast.shown import MOST, shown

if TYPE_CHECKING:
    import pandas as pd

ORDER = 34
TITLES = {
    "weight_norm": "L2 norm of all parameters",
    "gradient_norm": "L2 norm of the gradient",
    "update_ratio": "norm of the update / norm of the parameters",
}
COLUMNS = ["arm", "baseline", "measure", "first", "last", "mean", "low", "high", "seeds"]
LOG_FROM = 20.0
"""Norms that span more than this factor are drawn on a logarithmic axis."""


def prepare(updates: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        updates: one row per arm, seed, measure and window of updates (`Results.updates`).
        baseline: the arm that others are held against.

    Returns:
        One row per arm, measure and window (updates `first` to `last`) that every seed of the arm has reached: the `mean` over its
        updates and seeds, `low` and `high` (least and greatest of all of them), `seeds`. Empty where nothing was watched.
    """
    import pandas as pd

    if updates.empty:
        return pd.DataFrame(columns=COLUMNS)
    places = {arm: place for place, arm in enumerate(dict.fromkeys(updates["arm"]))}
    groups = updates.groupby(["measure", "arm", "first"], sort=False)
    table = groups.agg(last=("last", "max"), mean=("mean", "mean"), low=("low", "min"), high=("high", "max"), seeds=("seed", "nunique")).reset_index()
    whole = table[table["seeds"] == table.groupby(["measure", "arm"])["seeds"].transform("max")]
    kinds = {measure: place for place, measure in enumerate(dict.fromkeys([*TITLES, *whole["measure"]]))}
    order = whole.assign(kind=whole["measure"].map(kinds), place=whole["arm"].map(places)).sort_values(["kind", "place", "first"])
    return order.assign(baseline=order["arm"] == baseline)[COLUMNS].reset_index(drop=True)


def draw(data: pd.DataFrame) -> Any:
    """Draw the norms, an `altair.Chart`: a panel for each measure in the data."""
    import altair as alt

    made = [_panel(group, str(measure)) for measure, group in data.groupby("measure", sort=False)]
    return _style.finished(made[0] if len(made) == 1 else alt.concat(*made, columns=2))


def _panel(data: pd.DataFrame, measure: str) -> Any:
    import altair as alt

    low, high = float(data["low"].min()), float(data["high"].max())
    log = low > 0 and high / low > LOG_FROM
    y = {"title": TITLES.get(measure, shown(measure, MOST)), "scale": alt.Scale(type="log" if log else "linear", zero=False, nice=not log)}
    y["axis"] = alt.Axis(tickCount=6, format="~g")
    arms, first = list(dict.fromkeys(data["arm"])), next(iter(data.loc[data["baseline"], "arm"]), "")
    color = alt.Color("arm:N", scale=_style.by_arm(colors_of(arms, first)), legend=None)
    x = alt.X("update:Q", title="update", axis=alt.Axis(tickCount=7, format="~s"))
    banded = data["baseline"] | (len(arms) <= _style.TOGETHER)
    base = alt.Chart(data.assign(update=(data["first"] + data["last"]) / 2, banded=banded)).encode(x=x, color=color)
    bands = base.transform_filter("datum.banded").mark_area(opacity=0.14).encode(y=alt.Y("low:Q", **y), y2="high:Q")
    lines = base.mark_line(strokeWidth=1.8).encode(y=alt.Y("mean:Q", **y))
    return alt.layer(bands, lines).properties(width=390, height=240)


def colors_of(arms: list[str], baseline: str) -> dict[str, str]:
    """A color for each of a few arms; many are drawn in one color over the baseline."""
    if len(arms) <= _style.TOGETHER:
        return _style.palette(arms, baseline)
    return {arm: _style.COLORS["baseline" if arm == baseline else "blue"] for arm in arms}


def pictures(material: Material) -> list[Picture]:
    """One picture, where a run has watched a norm."""
    data = prepare(material.study.updates(), str(material.study.lock["baseline"]))
    if data.empty:
        return []
    drawn = labelled(data)
    size = int((data["last"] - data["first"]).max()) + 1
    thinned = f"Each point stands for {size} updates: their mean." if size > 1 else "Every update."
    whose = "Band" if data["arm"].nunique() <= _style.TOGETHER else "Band, of the baseline alone"
    over = f" {whose}: least to greatest of these updates and {plural(int(data['seeds'].max()), 'seed')}."
    caption = f"What the recipe watches while it trains. {thinned}{over}"
    svg = panels(drawn, draw, "norms", "over updates")
    arms, first = list(dict.fromkeys(drawn["arm"])), next(iter(drawn.loc[drawn["baseline"], "arm"]), "")
    keys = {arm: _style.role(color) for arm, color in colors_of(arms, first).items()}
    if len(arms) > _style.TOGETHER:
        keys = {"the arms": "blue"} | ({first: "baseline"} if first else {})
    return [Picture("norms", "Norms", caption, svg, data, tuple(keys.items()), methods=("mean-range",))]
