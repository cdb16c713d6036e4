"""A figure against the value of a swept setting, train and validation, with 95 % intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._interval import mean_interval
from contrast.figures._picture import MOST_OF_A_LABEL, Material, Picture, panels
from contrast.shown import shown
from contrast.study_tables import setting_at as at

if TYPE_CHECKING:
    import pandas as pd

ORDER = 20
MEASURES = {"accuracy": "accuracy, %", "loss": "loss"}
PARTS = ("validation", "train")
COLUMNS = ["path", "arm", "value", "measure", "part", "mean", "low", "high", "seeds"]
LOG_FROM = 50.0
"""Values that span more than this factor stand on a logarithmic axis."""
MOST_TICKS = 12


def prepare(runs: pd.DataFrame, arms: Sequence[Mapping[str, Any]], base: Mapping[str, Any], baseline: str, level: float = 0.95) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        runs: one row a run: arm, seed, status, ``{train,validation}_{loss,accuracy}`` of the chosen weights.
        arms: the plan's arms; those with an `axis` (path and number) are drawn.
        base: the base recipe, which says where the baseline stands on the axis.
        baseline: its name.
        level: of the t interval for the mean over seeds.

    Returns:
        One row per path, value, measure (accuracy in percent, loss) and part: `mean`, `low` and `high` over `seeds` finished
        runs (equal to the mean where one seed gives no interval). Empty without a sweep over numbers.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    finished = runs[runs["status"] == "finished"]
    for path, arm, value in _points(arms, base, baseline):
        for measure in MEASURES:
            for part in PARTS:
                values = finished.loc[finished["arm"] == arm, f"{part}_{measure}"].dropna() * (100 if measure == "accuracy" else 1)
                if len(values):
                    rows.append({"path": path, "arm": arm, "value": value, "measure": measure, "part": part, **mean_interval(values, level)})
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["path", "measure", "part", "value"], ignore_index=True)


def _points(arms: Sequence[Mapping[str, Any]], base: Mapping[str, Any], baseline: str) -> list[tuple[str, str, float]]:
    swept = [(str(arm["axis"]["path"]), str(arm["name"]), float(arm["axis"]["value"])) for arm in arms if arm.get("axis")]
    stands = [(path, baseline, float(value)) for path in dict.fromkeys(path for path, _, _ in swept) if _number(value := at(base, path))]
    return swept + stands


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def draw(data: pd.DataFrame) -> Any:
    """Draw one path's sweep, an `altair.Chart`: a panel for each measure in the data."""
    import altair as alt

    measures = [measure for measure in MEASURES if (data["measure"] == measure).any()]
    panels = [_panel(data[data["measure"] == measure], measure) for measure in measures]
    return _style.finished(panels[0] if len(panels) == 1 else alt.hconcat(*panels))


def _panel(data: pd.DataFrame, measure: str) -> Any:
    import altair as alt

    low, high = float(data["value"].min()), float(data["value"].max())
    scale = alt.Scale(type="log" if low > 0 and high / low > LOG_FROM else "linear", zero=False, nice=False, padding=14)
    values = sorted(set(data["value"]))
    ticks = alt.Axis(values=values, format="~g", labelOverlap=True) if len(values) <= MOST_TICKS else alt.Axis(format="~g")
    color = alt.Color("part:N", scale=alt.Scale(domain=list(PARTS), range=[_style.COLORS["blue"], _style.COLORS["orange"]]), legend=None)
    base = alt.Chart(data).encode(x=alt.X("value:Q", title=str(data["path"].iloc[0]), scale=scale, axis=ticks), color=color)
    y = alt.Y("mean:Q", title=MEASURES[measure], scale=alt.Scale(zero=False))
    dash = alt.StrokeDash("part:N", scale=alt.Scale(domain=list(PARTS), range=[[1, 0], [3, 3]]), legend=None)
    lines = base.mark_line(strokeWidth=1.6).encode(y=y, strokeDash=dash)
    bars = base.mark_rule(strokeWidth=1.6).encode(y=alt.Y("low:Q", title=MEASURES[measure], scale=alt.Scale(zero=False)), y2="high:Q")
    dots = base.mark_point(filled=True, size=52, opacity=1, stroke=_style.PAPER, strokeWidth=1).encode(y=y)
    return alt.layer(bars, lines, dots).properties(width=390, height=260)


def pictures(material: Material) -> list[Picture]:
    """A picture for each swept setting."""
    lock = material.study.lock
    data = prepare(material.study.runs(), lock["arms"], lock["base"], str(lock["baseline"]))
    return [_picture(str(path), rows, number) for number, (path, rows) in enumerate(data.groupby("path", sort=False))]


def _picture(path: str, rows: pd.DataFrame, number: int) -> Picture:
    drawn = panels(rows.assign(path=shown(path, MOST_OF_A_LABEL)), draw, f"sweep{number}", f"against {shown(path)}")
    keys = (("validation", "blue"), ("train", "orange"))
    caption = f"Accuracy and loss of the chosen weights against {shown(path)}: mean over seeds with its 95 % interval. Choose by validation."
    return Picture(f"sweep-{number}", "Sweep", caption, drawn, rows, keys, methods=("mean-t",))
