"""What a figure gives to the page, what it is made from, and how both are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contrast.figures import _svg
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.design_values import Answer
    from contrast.study_tables import StudyTables

MOST_OF_A_LABEL = 60


@dataclass(frozen=True)
class Material:
    """All that a figure can be made from: the study's tables and its answer."""

    study: StudyTables
    comparison: Comparison

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What the study's designs answer."""
        from contrast.study_designs import answers

        return tuple(answers(self.study, self.comparison.metric.name))

    def answer(self, design: str) -> Answer | None:
        """One of them: factors, trend, best or steps; None where it has no numbers."""
        return next((answer for answer in self.answers if answer.design == design and len(answer.table)), None)


@dataclass(frozen=True)
class Picture:
    """One figure of the page.

    Args:
        name: lowercase letters, digits and hyphens, like no other picture's: the name of its download.
        title: one or two words.
        caption: full sentences; text from the user in it went through `shown`.
        panels: SVG from `_svg.svg`, beside each other.
        data: the numbers behind it, as `prepare` gave them.
        keys: (name, color role of `_style.COLORS`) for each color that means something.
        wide: the panels stand below each other.
        methods: what the numbers come from: names that `contrast.report.methods` explains, which the page links to.
    """

    name: str
    title: str
    caption: str
    panels: tuple[str, ...]
    data: pd.DataFrame
    keys: tuple[tuple[str, str], ...] = field(default=())
    wide: bool = False
    methods: tuple[str, ...] = ()


def labelled(data: pd.DataFrame, column: str = "arm") -> pd.DataFrame:
    """The same table with names fit to be drawn: visible characters, not too long, still different from one another."""
    names = list(dict.fromkeys(data[column]))
    labels: dict[str, str] = {}
    for name in names:
        label = shown(str(name), MOST_OF_A_LABEL)
        labels[name] = label if label not in labels.values() else f"{label} ({len(labels) + 1})"
    return data.assign(**{column: data[column].map(labels)})


def panels(data: pd.DataFrame, draw: Callable[[pd.DataFrame], Any], prefix: str, what: str) -> tuple[str, ...]:
    """One drawing for each `measure` of the data, so that a narrow page can put them below one another.

    Args:
        data: what `draw` draws, with a column `measure`.
        draw: the figure's own function.
        prefix: letters that no other picture's ids begin with.
        what: the rest of a sentence that begins with the measure, for readers who do not see the drawing.
    """
    return tuple(
        _svg.svg(draw(data[data["measure"] == measure]), f"{measure} {what}; the numbers can be downloaded below the figure", f"{prefix}{number}")
        for number, measure in enumerate(dict.fromkeys(data["measure"]))
    )
