"""Main effects and interactions of a factorial, with their 95 % intervals and those that decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.figures import _svg
from contrast.figures._effects import COLUMNS, effects
from contrast.figures._picture import Material, Picture, labelled

if TYPE_CHECKING:
    import pandas as pd

ORDER = 12


def prepare(factors: pd.DataFrame, greater_is_better: bool = True) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        factors: one row an effect: name, effect, ``{interval,deciding}_{low,high}``, in the metric's unit.
        greater_is_better: whether more of the metric is better.

    Returns:
        One row an effect under the name of its factors: `effect`, `low` and `high`, `deciding_low` and `deciding_high`, and
        `verdict`: helps or hurts where the deciding interval leaves out zero (of an interaction: adds to or takes from the sum).
    """
    import numpy as np

    named = factors.rename(columns={"name": "arm", "interval_low": "low", "interval_high": "high"})
    shows = (named["deciding_low"] > 0) | (named["deciding_high"] < 0)
    better = (named["effect"] > 0) == greater_is_better
    kinds = np.where(shows, np.where(better, "helps", "hurts"), "undecided")
    missing = {column: np.nan for column in COLUMNS if column not in named and column != "verdict"}
    return named.assign(verdict=kinds, **missing)[COLUMNS].reset_index(drop=True)


def draw(data: pd.DataFrame, title: str = "main effect or interaction") -> Any:
    """Draw the effects, an `altair.Chart`: a row each."""
    return effects(data, title)


def pictures(material: Material) -> list[Picture]:
    """One picture, where the study has a factorial with numbers."""
    answer = material.answer("factors")
    if answer is None:
        return []
    metric = answer.metric
    data = prepare(answer.table, metric.greater_is_better)
    unit = f" ({metric.unit})" if metric.unit else ""
    better = "right" if metric.greater_is_better else "left"
    chart = draw(labelled(data), f"effect on {metric.words}{unit}; better to the {better}")
    caption = (
        "A factor's row: what its level does against the first one, averaged over the other factors. A row with ×: what the two "
        "do together beyond the sum of both. Thick: 95 % interval; ticks: ends of the interval that decides after Holm's correction over all rows."
    )
    svg = _svg.svg(chart, "main effects and interactions with intervals; the numbers can be downloaded below the figure", "factors")
    return [Picture("factors", "Factors", caption, (svg,), data, methods=answer.methods)]
