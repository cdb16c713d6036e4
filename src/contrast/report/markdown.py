"""The report as Markdown: one file, its figures as SVG and their numbers as CSV in a folder beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.figures._alone import alone
from contrast.report.tables import markdown_text, render
from contrast.report.written import Table, keep_numbers, place, written
from contrast.shown import shown
from contrast.store import write_durably

if TYPE_CHECKING:
    from contrast.compare import Comparison
    from contrast.study_tables import StudyTables

FOLDER = Path(__file__).parent
MOST_OF_A_TEXT = 2000


class Marked(str):
    """Text in which characters of Markdown may act: ours, or escaped before."""

    __slots__ = ()


def write(study: StudyTables, comparison: Comparison, path: Path) -> Path:
    """Write the report and what stands beside it.

    Args:
        study: its tables.
        comparison: its answer.
        path: of the Markdown file.

    Returns:
        The path.

    Raises:
        InputError: the file's name can't stand in a link.
    """
    folder, told = place(path), written(study, comparison)
    for figure in told.figures:
        write_durably(folder / f"{figure.name}.svg", alone(figure))
    keep_numbers(told.figures, folder)
    template = _environment().get_template("report.md.j2")
    write_durably(path, template.render(told=told, folder=Marked(folder.name), table=_table))
    return path


def _environment() -> Any:
    """Templates in which every value that is not ours is escaped for Markdown (jinja's own escaping is for HTML)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(FOLDER)
    made = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_escaped)  # noqa: S701  see above
    made.filters |= {"ours": Marked, "code": _code}
    return made


def _escaped(value: object) -> str:
    return value if isinstance(value, Marked) else markdown_text(str(value), MOST_OF_A_TEXT)


def _table(table: Table) -> Marked:
    return Marked(str(render(table.cells.frame, "markdown", left=table.words)).rstrip("\n"))


def _code(text: str) -> Marked:
    """A block that holds any text: its fence is longer than any run of the fence's sign in it."""
    line = shown(text, MOST_OF_A_TEXT)
    fence = "```"
    while fence in line:
        fence += "`"
    return Marked(f"{fence}\n{line}\n{fence}")
