"""Is a network as sure as it is right? Calibration error of every arm, a fitted temperature, reliability; two classes: ROC and PR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrast.explain import reliability
from contrast.figures import _svg
from contrast.numbers import NOTHING, number
from contrast.shown import shown

if TYPE_CHECKING:
    from contrast.report.embedded import Restored

MOST_DIAGRAMS = 4
ABOUT_RIGHT = (0.95, 1.05)
"""Temperatures between which a network counts as about as sure as it is right."""


@dataclass(frozen=True)
class Chart:
    """A drawn chart: name of its anchor, title, caption, the drawing, and the methods that it names."""

    name: str
    title: str
    caption: str
    svg: str
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """The section.

    Attributes:
        rows: arm, calibration error, temperature, error with it, what that says.
        two_classes: arm, ROC area, average precision; empty where there are not two classes.
        charts: reliability diagrams, and both curves of two classes.
    """

    rows: tuple[tuple[str, ...], ...]
    two_classes: tuple[tuple[str, ...], ...]
    charts: tuple[Chart, ...]

    @property
    def is_fitted(self) -> bool:
        """Whether a temperature was fitted for any arm."""
        return any(row[2] != NOTHING for row in self.rows)


def of(study: Restored) -> Calibration | None:
    """What is known of calibration; None where no probability was kept."""
    errors = study.calibration()
    kept: Mapping[str, Any] = study.evidence.get("calibration", {})
    arms = [arm for arm in study.arms if (errors["arm"] == arm).any()]
    if not arms:
        return None
    rows = tuple(_row(arm, 100 * errors.loc[errors["arm"] == arm, "calibration_error"].to_numpy(float), kept.get(arm)) for arm in arms)
    baseline = str(study.lock["baseline"])
    drawn = sorted((arm for arm in arms if arm in kept), key=lambda arm: arm != baseline)[:MOST_DIAGRAMS]
    two: Mapping[str, Any] = study.evidence.get("two_classes", {})
    areas = tuple((arm, number(two[arm]["roc_area"], 4), number(two[arm]["average_precision"], 4)) for arm in study.arms if arm in two)
    charts = (*(_diagram(at, arm, kept[arm]) for at, arm in enumerate(drawn)), *_curves(two, baseline))
    return Calibration(rows, areas, charts)


def _row(arm: str, errors: Any, kept: Mapping[str, Any] | None) -> tuple[str, ...]:
    spread = f" ± {number(errors.std(ddof=1), 2)}" if len(errors) > 1 else ""
    fitted = (kept or {}).get("temperature")
    if not fitted:
        return arm, f"{number(errors.mean(), 2)}{spread}", NOTHING, NOTHING, ""
    low, high = ABOUT_RIGHT
    way = "about as sure as it is right" if low < fitted["value"] < high else "too sure" if fitted["value"] > 1 else "not sure enough"
    return arm, f"{number(errors.mean(), 2)}{spread}", number(fitted["value"], 2), number(100 * fitted["after"], 2), way


def _diagram(at: int, arm: str, kept: Mapping[str, Any]) -> Chart:
    import pandas as pd

    name = shown(arm, 60)
    drawn = _svg.svg(reliability.draw(pd.DataFrame(kept["bins"])), f"reliability diagram of {name}", f"reliability{'abcdefgh'[at]}")
    caption = f"Seed {kept['seed']}, the one that validation likes best. A dot is a bin of test images, its size their number; the line is the gap."
    return Chart(f"reliability-{at}", f"Reliability of {name}", caption, drawn, ("calibration",))


def _curves(two: Mapping[str, Any], baseline: str) -> list[Chart]:
    """ROC and precision-recall of one arm: the baseline, or the first that has them."""
    import pandas as pd

    arm = baseline if baseline in two else next(iter(two), None)
    if arm is None:
        return []
    found = two[arm]
    frames = [pd.DataFrame(points).assign(curve=curve) for curve, points in found["curves"].items()]
    curves = reliability.TwoClasses(pd.concat(frames, ignore_index=True), found["roc_area"], found["average_precision"], found["positives"])
    words = {"roc": ("ROC", found["roc_area"], "area"), "pr": ("Precision and recall", found["average_precision"], "average precision")}
    return [
        Chart(
            curve,
            f"{title} of {shown(arm, 60)}",
            f"The second class against the first; {what} {number(value, 4)}. Dashed: guessing.",
            _svg.svg(reliability.draw_two_classes(curves, curve), f"{title}, {what} {value:.4f}", f"two{curve}"),
            ("thresholds",),
        )
        for curve, (title, value, what) in words.items()
    ]
