"""Effects against the baseline: 95 % intervals thick, ticks where the deciding one ends, zero line, margin band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.figures import _style, _svg
from contrast.figures._picture import Material, Picture, labelled
from contrast.numbers import plural
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison

ORDER = 10
SIGNED = "datum.value === 0 ? '0' : format(datum.value, '+~g')"
COLUMNS = ["arm", "verdict", "effect", "low", "high", "deciding_low", "deciding_high", "margin"]


def prepare(comparison: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        comparison: `Comparison.table()`.

    Returns:
        One row an arm but the baseline: `effect` (arm minus baseline, in the metric's unit), `low` and `high` of the interval at
        the study's level, `deciding_low` and `deciding_high` of the one that agrees with the verdict (at the level that Holm decides at; for
        "no difference" that of the two one-sided tests), `margin` and `verdict`. What can't be said is missing.
    """
    arms = comparison[comparison["verdict"] != "baseline"]
    named = arms.rename(columns={"interval_low": "low", "interval_high": "high"})
    equal = named["verdict"] == "no difference"
    for end in ("low", "high"):
        named[f"deciding_{end}"] = named[f"deciding_{end}"].mask(equal, named[f"equivalence_interval_{end}"])
    return named[COLUMNS].reset_index(drop=True)


def draw(data: pd.DataFrame, title: str = "difference against the baseline") -> Any:
    """Draw the effects, an `altair.Chart`; an arm without an interval is a dot alone, one without an effect an empty line."""
    import altair as alt

    arms = list(data["arm"])
    color = alt.Color("verdict:N", scale=_colors(data), legend=None)
    names = alt.Axis(labelPadding=10, grid=False, minExtent=_style.room_for(arms) + 10)
    y = alt.Y("arm:N", sort=arms, scale=alt.Scale(domain=arms), title=None, axis=names)
    x: dict[str, Any] = {"title": title, "scale": _domain(data), "axis": alt.Axis(grid=True, tickCount=7, labelExpr=SIGNED)}

    def interval(low: str, high: str, width: float) -> Any:
        known = alt.Chart(data.dropna(subset=[low, high]))
        return known.mark_rule(strokeWidth=width).encode(y=y, color=color, x=alt.X(f"{low}:Q", **x), x2=f"{high}:Q")

    def ends(column: str) -> Any:
        known = alt.Chart(data.dropna(subset=column))
        return known.mark_tick(thickness=1.6, size=13, opacity=1).encode(y=y, color=color, x=alt.X(f"{column}:Q", **x))

    dots = alt.Chart(data.dropna(subset="effect")).mark_point(filled=True, size=90, opacity=1, stroke=_style.PAPER, strokeWidth=1.4)
    zero = alt.Chart(alt.Data(values=[{"at": 0}])).mark_rule(color=_style.INK, strokeWidth=1).encode(x=alt.X("at:Q", **x))
    intervals = [interval("deciding_low", "deciding_high", 1.4), interval("low", "high", 5.0), ends("deciding_low"), ends("deciding_high")]
    chart = alt.layer(*_margin(data, x), zero, *intervals, dots.encode(y=y, color=color, x=alt.X("effect:Q", **x)))
    return _style.finished(chart.properties(width=560, height=max(64, 32 * len(arms))))


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

    ends = pd.concat([data[c] for c in ("effect", "low", "high", "deciding_low", "deciding_high")]).dropna()
    low, high = (min(float(ends.min()), 0.0), max(float(ends.max()), 0.0)) if len(ends) else (-1.0, 1.0)
    room = 0.06 * ((high - low) or 1.0)
    return alt.Scale(domain=[low - room, high + room], nice=False, zero=False)


def pictures(material: Material) -> list[Picture]:
    """One picture, where an arm has a difference from the baseline."""
    comparison = material.comparison
    data = prepare(comparison.table())
    if data.empty or not data["effect"].notna().any():
        return []
    metric = comparison.metric
    better = "right" if metric.greater_is_better else "left"
    unit = f" ({metric.unit})" if metric.unit else ""
    chart = draw(labelled(data), f"difference in {metric.words}{unit}; better to the {better}")
    label = "Effects with intervals: " + "; ".join(comparison.sentences()[:20])
    return [Picture("effects", "Effects", _caption(comparison), (_svg.svg(chart, shown(label, 2000), "effects"),), data)]


def _caption(comparison: Comparison) -> str:
    margin = comparison.metric.amount(f"{comparison.margin:g}") if comparison.margin else ""
    tested = sum(contrast.p is not None for contrast in comparison.contrasts)
    holm = f" after Holm's correction over {plural(tested, 'arm')}" if tested > 1 else ""
    ticks = f" Ticks: ends of the interval that decides{holm}, or, for “no difference”, of the one that lies in the grey band."
    band = f" Grey band: ± {margin}, differences too small to matter." if margin else ""
    thick = f"Thick: {100 * comparison.level:g} % interval."
    return f"Difference of each arm from {shown(comparison.baseline.arm)}, paired by seed. {thick}{ticks}{band}"
