"""How every figure looks: colors that color-blind readers tell apart, thin axes, no frame."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

INK, SOFT, FAINT, PAPER = "#1b1b1b", "#6b6b6b", "#dcdcdc", "#ffffff"
COLORS: Mapping[str, str] = {
    "baseline": "#565656",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
}
"""Okabe & Ito 2008 without yellow, which a white page swallows; the baseline is grey, so that color means a change."""
HEAT = ("#f3f0e6", "#dbe4e6", "#b9d3de", "#8fbcd2", "#3a78a0", "#2a6490", "#184d78", "#06304f")
"""One hue from light to dark, so that it reads in grey; ink is legible on the first half, paper on the second. A dark page turns it round."""
ROLES: Mapping[str, str] = {
    INK: "ink",
    SOFT: "soft",
    FAINT: "faint",
    PAPER: "paper",
    **{color: name for name, color in COLORS.items()},
    **{color: f"heat{step}" for step, color in enumerate(HEAT)},
}
"""Color → the name under which a page may set it anew, for a dark screen say."""
TOGETHER = len(COLORS)
"""More arms than this are drawn in a panel each."""
LABEL_LIMIT = 240
VERDICTS = {"helps": COLORS["blue"], "hurts": COLORS["vermillion"], "no difference": COLORS["green"]}


def palette(arms: Sequence[str], baseline: str) -> dict[str, str]:
    """Arm → color: grey for the baseline, then one each; they come round again after six."""
    colors = [color for name, color in COLORS.items() if name != "baseline"]
    others = [arm for arm in arms if arm != baseline]
    return {arm: COLORS["baseline"] if arm == baseline else colors[others.index(arm) % len(colors)] for arm in arms}


def room_for(labels: Sequence[str]) -> int:
    """Pixels that the longest label may take in any reader's font, which is not the one that the drawing is measured in."""
    widths = [sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in label) for label in labels]
    return min(LABEL_LIMIT, round(7.4 * max(widths, default=0)))


def role(color: str) -> str:
    """The name of one of our colors."""
    return ROLES[color.lower()]


def finished(chart: Any) -> Any:
    """A chart with the style of the house."""
    axis = {"domainColor": SOFT, "tickColor": SOFT, "gridColor": FAINT, "labelColor": INK, "titleColor": INK, "titleFontWeight": "normal"}
    sizes = {"labelFontSize": 12, "titleFontSize": 12, "titlePadding": 12, "labelPadding": 5, "labelLimit": LABEL_LIMIT}
    # One call: each would copy the whole chart.
    return chart.configure(
        background=PAPER,
        font="sans-serif",
        padding=4,
        view={"stroke": None},
        axis={**axis, **sizes, "tickSize": 4, "gridWidth": 0.6},
        axisX={"grid": False},
        axisY={"domain": False, "ticks": False},
        header={"labelColor": INK, "labelFontSize": 12, "labelLimit": 200, "title": None},
    )


def by_arm(colors: Mapping[str, str]) -> alt.Scale:
    """The color scale of arms; their names stand in it as data."""
    import altair as alt

    return alt.Scale(domain=list(colors), range=list(colors.values()))
