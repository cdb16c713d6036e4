"""Steps of a ladder: what each change does on top of the others, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.figures import _svg
from contrast.figures._effects import COLUMNS, effects
from contrast.figures._picture import Material, Picture, labelled

if TYPE_CHECKING:
    import pandas as pd

ORDER = 14


def prepare(steps: pd.DataFrame, margin: float | None = None) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        steps: one row a step: name, ladder (add, drop), effect, verdict, the ends of its intervals, in the metric's unit.
        margin: difference too small to matter.

    Returns:
        One row a step, named after the change and what it came on top of: `effect`, `low` and `high`, `images_low` and `images_high`,
        `deciding_low` and `deciding_high` (for "no difference" the interval of the two one-sided tests), `margin`, `verdict`.
    """
    ends = {"interval_low": "low", "interval_high": "high", "images_interval_low": "images_low", "images_interval_high": "images_high"}
    named = steps.drop(columns="arm").rename(columns=ends)
    tops = [f"{name}, on {against}" if kind == "add" else f"{name}, on the rest" for name, against, kind in _keys(steps)]
    named = named.assign(arm=tops, margin=float("nan") if margin is None else margin)
    equal = named["verdict"] == "no difference"
    for end in ("low", "high"):
        named[f"deciding_{end}"] = named[f"deciding_{end}"].mask(equal, named[f"equivalence_interval_{end}"])
    return named[COLUMNS].reset_index(drop=True)


def _keys(steps: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(zip(steps["name"], steps["against"], steps["ladder"], strict=True))


def draw(data: pd.DataFrame, title: str = "what the step does") -> Any:
    """Draw the steps, an `altair.Chart`: a row each."""
    return effects(data, title)


def pictures(material: Material) -> list[Picture]:
    """One picture, where the study has a ladder with numbers."""
    answer = material.answer("steps")
    if answer is None or not answer.table["effect"].notna().any():
        return []
    metric = answer.metric
    data = prepare(answer.table, material.comparison.margin)
    unit = f" ({metric.unit})" if metric.unit else ""
    chart = draw(labelled(data), f"change in {metric.words}{unit} by the step")
    kinds = set(answer.table["ladder"])
    ways = ["added to the rung below it"] * ("add" in kinds) + ["taken from the arm that has all, and told as what it adds there"] * ("drop" in kinds)
    caption = (
        f"Each change {', or '.join(ways)}. Thick: 95 % interval for other seeds; dashed: for other seeds and other test images; ticks: ends of the "
        "interval that decides after Holm's correction over all steps."
    )
    svg = _svg.svg(chart, "steps of the ladder with intervals; the numbers can be downloaded below the figure", "ladder")
    return [Picture("ladder", "Ladder", caption, (svg,), data, methods=answer.methods)]
