"""The figures of the page: drawn, captioned, with a legend in words and the numbers behind each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contrast.figures import _style, _svg, curves, forest, sweep
from contrast.report.numbers import plural
from contrast.report.shown import shown

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.report.study_tables import StudyTables

MOST_OF_A_LABEL = 60


@dataclass(frozen=True)
class Picture:
    """One figure: SVG panels (`wide` ones below each other), a caption, (name, color role) of each key, and the numbers behind it."""

    name: str
    title: str
    caption: str
    panels: tuple[str, ...]
    data: pd.DataFrame
    keys: tuple[tuple[str, str], ...] = field(default=())
    wide: bool = False


def pictures(study: StudyTables, comparison: Comparison) -> list[Picture]:
    """All figures that the study has numbers for."""
    return [*_forest(comparison), *_sweeps(study), *_curves(study)]


def labelled(data: pd.DataFrame, column: str = "arm") -> pd.DataFrame:
    """The same table with names fit to be drawn: visible characters, not too long, still different from one another."""
    names = list(dict.fromkeys(data[column]))
    labels: dict[str, str] = {}
    for name in names:
        label = shown(str(name), MOST_OF_A_LABEL)
        labels[name] = label if label not in labels.values() else f"{label} ({len(labels) + 1})"
    return data.assign(**{column: data[column].map(labels)})


def _forest(comparison: Comparison) -> list[Picture]:
    data = forest.prepare(comparison.table())
    if data.empty or not data["effect"].notna().any():
        return []
    metric = comparison.metric
    better = "right" if metric.greater_is_better else "left"
    unit = f" ({metric.unit})" if metric.unit else ""
    chart = forest.draw(labelled(data), f"difference in {metric.words}{unit}; better to the {better}")
    margin = metric.amount(f"{comparison.margin:g}") if comparison.margin else ""
    tested = sum(contrast.p is not None for contrast in comparison.contrasts)
    holm = f" after Holm's correction over {plural(tested, 'arm')}" if tested > 1 else ""
    ticks = f" Ticks: ends of the interval that decides{holm}, or, for “no difference”, of the one that lies in the grey band."
    band = f" Grey band: ± {margin}, differences too small to matter." if margin else ""
    thick = f"Thick: {100 * comparison.level:g} % interval."
    caption = f"Difference of each arm from {shown(comparison.baseline.arm)}, paired by seed. {thick}{ticks}{band}"
    label = "Effects with intervals: " + "; ".join(comparison.sentences()[:20])
    return [Picture("effects", "Effects", caption, (_svg.svg(chart, shown(label, 2000), "effects"),), data)]


def _sweeps(study: StudyTables) -> list[Picture]:
    data = sweep.prepare(study.runs(), study.lock["arms"], study.lock["base"], str(study.lock["baseline"]))
    made = []
    for number, (path, rows) in enumerate(data.groupby("path", sort=False)):
        panels = _panels(rows.assign(path=shown(str(path), MOST_OF_A_LABEL)), sweep.draw, f"sweep{number}", f"against {shown(str(path))}")
        keys = (("validation", "blue"), ("train", "orange"))
        caption = f"Accuracy and loss of the chosen weights against {shown(str(path))}: mean over seeds with its 95 % interval. Choose by validation."
        made.append(Picture(f"sweep-{number}", "Sweep", caption, panels, rows, keys))
    return made


def _curves(study: StudyTables) -> list[Picture]:
    baseline = str(study.lock["baseline"])
    data = curves.prepare(study.epochs(), study.runs(), baseline)
    if data.empty:
        return []
    drawn = labelled(data)
    together = drawn["arm"].nunique() <= _style.TOGETHER
    arms, first = list(dict.fromkeys(drawn["arm"])), next(iter(drawn.loc[drawn["baseline"], "arm"]), "")
    colors = _style.palette(arms, first) if together else {"the arm": _style.COLORS["blue"], first: _style.COLORS["baseline"]}
    keys = tuple((arm, _style.role(color)) for arm, color in colors.items())
    seeds = int(data["seeds"].max())
    band = f" Band: least to greatest of {seeds} seeds." if seeds > 1 else ""
    caption = (
        f"Accuracy and loss over epochs, mean over seeds. Solid: validation; dashed: train, a running mean under augmentation and while "
        f"weights still move.{band} Dot: the chosen epoch (median over seeds)."
    )
    panels = _panels(drawn, curves.draw, "curves", "of train and validation over epochs")
    return [Picture("curves", "Curves", caption, panels, data, keys, wide=not together)]


def _panels(data: pd.DataFrame, draw: Any, prefix: str, what: str) -> tuple[str, ...]:
    """One picture a measure, so that a narrow page can put them below one another."""
    return tuple(
        _svg.svg(draw(data[data["measure"] == measure]), f"{measure} {what}; the numbers can be downloaded below the figure", f"{prefix}{number}")
        for number, measure in enumerate(dict.fromkeys(data["measure"]))
    )
