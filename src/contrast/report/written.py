"""What a report for papers and homework says: words, tables and figures of a study, before any format is chosen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contrast.errors import InputError
from contrast.figures._picture import Material, Picture
from contrast.report import contents, methods, presented, published, settings
from contrast.report.methods import Method
from contrast.report.pictures import drawn
from contrast.report.presented import Presented
from contrast.report.tables import render
from contrast.report.threats import threats
from contrast.store import write_durably
from contrast.study_tables import by_arm

if TYPE_CHECKING:
    from contrast.compare import Comparison
    from contrast.study_tables import StudyTables

COST = {
    "arm": "arm", "seconds": "time a run", "sum": "all runs", "speed": "images a second", "achieved": "TFLOP/s", "memory": "peak memory",
    "parameters": "parameters", "trainable": "trainable",
}  # fmt: skip
CHANGES = ("arm", "setting", "base", "value")
PUBLISHED = ("row", "arm", "what", "printed", "ours", "relation")
CONCLUSIONS = ("row", "says", "printed", "ours", "stands")
UNSAFE = re.compile(r"[^\w .,+()-]")
"""Characters that a link or a macro may take for its own, in the name of a written file."""


@dataclass(frozen=True)
class Table:
    """One table: a word that names it, a title, and its cells as they are printed; `left` names columns of words where the cells do not."""

    name: str
    title: str
    cells: Presented
    left: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Columns whose cells begin at one edge."""
        return self.left or self.cells.left


@dataclass(frozen=True)
class Written:
    """Everything that a written report says, as text that nobody has escaped yet.

    Attributes:
        question: the study's; its name where it asks none.
        name: the study's.
        answer: two sentences.
        facts: short ones for the line below the title.
        unfinished: a sentence where runs are still to come, else empty.
        verdicts: arm and what is said of it.
        results, designs, beside: tables of the answer, of the study's designs, and of all else.
        remarks: what the designs' answers leave open.
        figures: those of the page.
        threats: sentences.
        methods: behind the numbers.
        command: repeats the study; empty where it was run from Python.
        environment: name and value.
    """

    question: str
    name: str
    answer: str
    facts: tuple[str, ...]
    unfinished: str
    verdicts: tuple[tuple[str, str], ...]
    results: tuple[Table, ...]
    designs: tuple[Table, ...]
    remarks: tuple[str, ...]
    beside: tuple[Table, ...]
    figures: tuple[Picture, ...]
    threats: tuple[str, ...]
    methods: tuple[Method, ...]
    command: str
    environment: tuple[tuple[str, str], ...]


def written(study: StudyTables, comparison: Comparison) -> Written:
    """Put a study into words, tables and figures.

    Args:
        study: its tables.
        comparison: its answer.
    """
    material, arms, lock = Material(study, comparison), by_arm(study.runs()), study.lock
    answered = [answer for answer in material.answers if len(answer.table)]
    figures = drawn(material)
    told = contents.contents(study, comparison, material.answers, [name for figure in figures for name in figure.methods])
    return Written(
        question=str(lock["question"] or study.name),
        name=study.name,
        answer=contents.answer(comparison),
        facts=tuple(contents.facts(study)),
        unfinished=contents.unfinished(study),
        verdicts=tuple((verdict["arm"], verdict["sentence"]) for verdict in contents.verdicts(comparison)),
        results=(
            Table("results", "Every arm", presented.ablation(comparison, arms)),
            Table("final", "Final figures", presented.presented(study, "final")),
        ),
        designs=tuple(Table(f"design-{answer.design}", answer.title, presented.answer(answer)) for answer in answered),
        remarks=tuple(sentence for answer in answered for sentence in answer.sentences),
        beside=tuple(_beside(study, told["cost"])),
        figures=tuple(figures),
        threats=tuple(threats(study, comparison, arms, material.answers)),
        methods=tuple(methods.used(method.name for method in told["methods"])),
        command=str(lock["command"]),
        environment=tuple(contents.environment(study)),
    )


def _beside(study: StudyTables, cost: Sequence[dict[str, str]]) -> list[Table]:
    """What the arms change, what reports printed, and what the arms cost; tables without a row are left out."""
    changes = [(change.arm, change.setting, change.base, change.value) for change in settings.changes(study.lock)]
    reported = published.section(study)
    printed = [(row["row"], row["arm"], row["what"], row["printed"], row["ours"], row["sentence"]) for row in reported.numbers]
    found = [(row["row"], row["says"], row["printed"], row["ours"], row["stands"]) for row in reported.conclusions]
    paid = [tuple(row[key] for key in COST) for row in cost]
    tables = [
        Table("changes", "What the arms change", Presented(CHANGES, tuple(changes)), CHANGES),
        Table("published", "Published and found", Presented(PUBLISHED, tuple(printed)), PUBLISHED),
        Table("conclusions", "Conclusions of the reports", Presented(CONCLUSIONS, tuple(found)), CONCLUSIONS),
        Table("cost", "What each arm cost", Presented(tuple(COST.values()), tuple(paid), ("Means over finished runs.",))),
    ]
    return [table for table in tables if table.cells.rows]


def place(path: Path) -> Path:
    """The folder for what stands beside a written report: ``report-figures`` beside ``report.md``.

    Raises:
        InputError: the file's name has a character that a link or a macro would take for its own.
    """
    if UNSAFE.search(path.stem):
        raise InputError(f"{path.name!r} can't be named in a link", where="out", right="letters, digits, spaces, dots and hyphens")
    return path.parent / f"{path.stem}-figures"


def keep_numbers(figures: Sequence[Picture], folder: Path) -> None:
    """Write the numbers behind each figure as CSV, beside it."""
    for figure in figures:
        write_durably(folder / f"{figure.name}.csv", render(figure.data, "csv"))
