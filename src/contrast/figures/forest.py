"""Effects against the baseline: both 95 % intervals, ticks where the deciding one ends, zero line, margin band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.figures import _svg
from contrast.figures._effects import COLUMNS, effects
from contrast.figures._picture import Material, Picture, labelled
from contrast.numbers import plural
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison

ORDER = 10


def prepare(comparison: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        comparison: `Comparison.table()`.

    Returns:
        One row an arm but the baseline: `effect` (arm minus baseline, in the metric's unit), `low` and `high` of the interval at
        the study's level, `images_low` and `images_high` of the one over seeds and images, `deciding_low` and `deciding_high` of the one
        that agrees with the verdict (at the level that Holm decides at; for "no difference" that of the two one-sided tests), `margin`
        and `verdict`. What can't be said is missing.
    """
    arms = comparison[comparison["verdict"] != "baseline"]
    ends = {"interval_low": "low", "interval_high": "high", "images_interval_low": "images_low", "images_interval_high": "images_high"}
    named = arms.rename(columns=ends)
    equal = named["verdict"] == "no difference"
    for end in ("low", "high"):
        named[f"deciding_{end}"] = named[f"deciding_{end}"].mask(equal, named[f"equivalence_interval_{end}"])
    return named[COLUMNS].reset_index(drop=True)


def draw(data: pd.DataFrame, title: str = "difference against the baseline") -> Any:
    """Draw the effects, an `altair.Chart`; an arm without an interval is a dot alone, one without an effect an empty line."""
    return effects(data, title)


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
    methods = ("paired-t", *(("two-way",) if data["images_low"].notna().any() else ()), "holm", "tost")
    return [Picture("effects", "Effects", _caption(comparison), (_svg.svg(chart, shown(label, 2000), "effects"),), data, methods=methods)]


def _caption(comparison: Comparison) -> str:
    margin = comparison.metric.amount(f"{comparison.margin:g}") if comparison.margin else ""
    tested = sum(contrast.p is not None for contrast in comparison.contrasts)
    holm = f" after Holm's correction over {plural(tested, 'arm')}" if tested > 1 else ""
    ticks = f" Ticks: ends of the interval that decides{holm}, or, for “no difference”, of the one that lies in the grey band."
    band = f" Grey band: ± {margin}, differences too small to matter." if margin else ""
    level = f"{100 * comparison.level:g} %"
    images = any(contrast.images_interval for contrast in comparison.contrasts)
    dashed = f" Dashed, below: {level} interval for other seeds and other test images." if images else ""
    thick = f"Thick: {level} interval for other seeds on these test images."
    return f"Difference of each arm from {shown(comparison.baseline.arm)}, paired by seed. {thick}{dashed}{ticks}{band}"
