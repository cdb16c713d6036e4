"""The gallery's index: a card for every study, made from what was kept of its runs; one page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.figures._picture import Material
from contrast.figures._style import ROLES
from contrast.numbers import NOTHING, number, plural
from contrast.published import ROWS
from contrast.report.contents import answer
from contrast.report.page import named, visible
from contrast.report.pictures import drawn
from contrast.report.published import Section, section

if TYPE_CHECKING:
    from contrast.report.embedded import Restored
    from contrast.study import Study

FOLDER = Path(__file__).parent
PICTURES = ("effects", "sweep-1", "heatmap", "curves")
"""Names of the figures that may stand on a card, the first that a study has."""


@dataclass(frozen=True)
class Elsewhere:
    """A row of the reports that is no study: what does it, and where it is told."""

    row: str
    says: str
    command: str
    page: str


ELSEWHERE = (
    Elsewhere("U1", "Data exploration: split sizes, images with labels, channel statistics", "contrast data cifar10", "../how-to/gallery.md"),
    Elsewhere("U7", "Softmax, momentum, dropout at test time, 1-D convolution: questions answered", "", "../questions.md"),
    Elsewhere("P1", "Caltech-101: classes, lists of images, sizes of the parts", "contrast data caltech101", "../how-to/gallery.md"),
    Elsewhere("P2", "Resizing, cropping the center, normalizing by own or by ImageNet statistics", "", "../how-to/gallery.md"),
    Elsewhere("N1", "Convolution by hand, and two wrong cells of the report", "contrast teach convolution", "../how-to/gallery.md"),
    Elsewhere("N2", "Parameters, layer by layer", 'contrast model convnet "channels=[32,64,128]" kernel=5 "head=[64]"', "../how-to/gallery.md"),
)
"""Rows that commands and pages of the docs answer."""


@dataclass(frozen=True)
class Card:
    """What the index shows of one study.

    Attributes:
        name: of its file.
        question: what it asks.
        sources: rows of the reports.
        command: runs it.
        has_short: whether it has a short budget.
        answer: what came out; empty where it has not been run.
        reported: published against found, conclusions, choices.
        picture: SVG of `figures`; empty where there is none.
        caption: what the picture shows.
        facts: seeds, minutes, machine, date.
        page: address of the kept report, relative to the index; empty where there is none.
        why_not: why it could not be run, where somebody tried.
    """

    name: str
    question: str
    sources: tuple[str, ...]
    command: str
    has_short: bool
    answer: str = ""
    reported: Section | None = None
    picture: str = ""
    caption: str = ""
    facts: tuple[str, ...] = field(default=())
    page: str = ""
    why_not: str = ""

    @property
    def verdict(self) -> str:
        """One clause a conclusion, or the answer where there is none; ``not run``."""
        if not self.answer:
            return "not run"
        found = self.reported.conclusions if self.reported else ()
        told = [f"{one['row']} {one['stands']}" for one in found]
        short = " (short budget)" if self.reported and self.reported.short else ""
        return f"{', '.join(told)}{short}" if told else self.answer


def order(study: Study) -> tuple[Any, ...]:
    """Where a study stands: by the first row of the reports that it claims, then by name; those without a row come last."""
    letters = list(ROWS)
    rows = sorted((letters.index(row[0]), int(row[1:])) for row in study.source)
    return (*(rows[0] if rows else (len(letters), 0)), study.name)


def card(study: Study, kept: Restored | None = None, record: Mapping[str, Any] | None = None) -> Card:
    """The card of a study.

    Args:
        study: as its file says it.
        kept: its page, read back; None where there is none.
        record: what was noted beside the page: `command`, `minutes`, `date`, `why_not` …
    """
    noted = record or {}
    blank = Card(study.name, study.question or study.name, study.source, f"contrast run {study.name}", study.short is not None)
    if kept is None:
        return replace(blank, why_not=str(noted.get("why_not", "")))
    comparison = kept.compare()
    figures = {picture.name: picture for picture in drawn(Material(kept, comparison))}
    shown = next((figures[name] for name in PICTURES if name in figures), None)
    return replace(
        blank,
        command=str(noted.get("command", blank.command)),
        answer=answer(comparison),
        reported=section(kept),
        picture=_apart(shown.panels[0], study.name) if shown else "",
        caption=f"{shown.title}. {shown.caption}" if shown else "",
        facts=_facts(kept, noted),
        page=f"{study.name}/report.html",
    )


def _apart(svg: str, name: str) -> str:
    """A figure whose ids are like no other card's: the same figure of another study has the same ones."""
    prefix = hashlib.sha256(name.encode()).hexdigest()[:8]
    return svg.replace('id="', f'id="g{prefix}-').replace("url(#", f"url(#g{prefix}-")


def _facts(kept: Restored, noted: Mapping[str, Any]) -> tuple[str, ...]:
    budget = str(noted.get("budget", "full"))
    seconds = float(kept.runs().drop_duplicates("folder")["seconds"].sum())
    runs = plural(kept.runs()["folder"].nunique(), "run")
    machine = " ".join(str(noted[key]) for key in ("device", "processor") if noted.get(key))
    told = (f"{budget} budget", f"{plural(len(kept.lock['seeds']), 'seed')}, {runs}", f"{number(seconds / 60, 1)} minutes of training", machine)
    return tuple(part for part in (*told, str(noted.get("date", ""))) if part)


def page(cards: Sequence[Card]) -> str:
    """The index as HTML: no script, no request; everything from studies is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"named": named, "visible": visible, "svg": Markup}
    return made.get_template("cards.html.j2").render(
        cards=cards,
        done=sum(bool(one.answer) for one in cards),
        elsewhere=ELSEWHERE,
        style=Markup(style),  # noqa: S704 (our own style sheet)
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
    )


def _style() -> str:
    uses = {"fill": "fill", "stroke": "stroke", "key": "background"}
    rules = [f".{kind}-{role}{{{attribute}:var(--{role})}}" for role in ROLES.values() for kind, attribute in uses.items()]
    return "\n".join([*((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "cards.css")), *rules])


def markdown(cards: Sequence[Card]) -> str:
    """The index as Markdown, for places that show files: a table of studies, and one of rows that are no studies."""
    lines = ["# Gallery", "", f"{sum(bool(one.answer) for one in cards)} of {plural(len(cards), 'study', 'studies')} have been run.", ""]
    lines += ["| question | rows | conclusions | kept | command |", "|---|---|---|---|---|"]
    for one in cards:
        kept = f"[{', '.join(one.facts[:1])}]({one.page})" if one.page else f"not run{': ' if one.why_not else ''}{one.why_not}"
        cells = (one.question, ", ".join(one.sources) or NOTHING, one.verdict if one.answer else NOTHING)
        lines.append(f"| {' | '.join(map(_cell, cells))} | {kept if one.page else _cell(kept)} | `{one.command}` |")
    lines += ["", "Rows of the reports that commands and pages answer:", "", "| row | what | command | told in |", "|---|---|---|---|"]
    for other in ELSEWHERE:
        command = f"`{other.command}`" if other.command else NOTHING
        lines.append(f"| {other.row} | {other.says} | {command} | [{Path(other.page).stem}]({other.page}) |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that neither ends a cell nor marks anything up."""
    words = " ".join(str(visible(text)).split())
    return "".join(f"\\{character}" if character in "\\|`*_<>[]" else character for character in words)
