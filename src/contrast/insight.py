"""A look inside a finished run: its network, its data and its outcomes become a page, PNG files and findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contrast import insight_network, insight_outcomes
from contrast.errors import InputError, in_one_line
from contrast.explain.page import Section, build, files
from contrast.opened import Asked, Opened
from contrast.protocols import Places
from contrast.store import write_durably

if TYPE_CHECKING:
    from contrast.results import Results
    from contrast.run_files import RunFiles

PAGE, PICTURES, CAUSES = "explain.html", "explain", "causes.csv"


@dataclass(frozen=True)
class Insight:
    """What was found.

    Attributes:
        page: the HTML file.
        pictures: the PNG files.
        findings: sentences.
        left_out: sentences about what could not be shown, and why.
    """

    page: Path
    pictures: tuple[Path, ...]
    findings: tuple[str, ...]
    left_out: tuple[str, ...]


def explain(results: Results, run: RunFiles, places: Places, asked: Asked | None = None, out: Path | None = None) -> Insight:
    """Look inside a finished run, and write ``explain.html`` and the folder ``explain`` of PNG files.

    Args:
        results: the study.
        run: one of its finished runs.
        places: where its data, and the weights that it started from, lie.
        asked: images and a layer to look at.
        out: the folder to write into; the run's own by default. A file ``causes.csv`` there, saved by the page, is counted.

    Raises:
        InputError: an image or a layer is not there, or nothing can be written.
    """
    opened = Opened(results, run, places, asked or Asked())
    folder = out if out is not None else run.folder
    made = _sections(opened, folder / CAUSES)
    page = build(f"{results.name}: {run.arm}, seed {run.seed}", list(_facts(opened)), made)
    pictures = {folder / PICTURES / f"{name}.png": content for name, content in files(made).items()}
    try:
        for path, content in pictures.items():
            write_durably(path, content)
        write_durably(folder / PAGE, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror or error}", where=str(folder), right="give another folder with --out DIR") from error
    return Insight(folder / PAGE, tuple(pictures), tuple(opened.findings), tuple(opened.left_out))


def _sections(opened: Opened, causes: Path) -> list[Section]:
    """Everything that the page shows; what was found and what was left out come first, though they are known last."""
    yours = insight_outcomes.given(opened)
    made = [*([yours] if yours else []), *insight_network.sections(opened), *insight_outcomes.sections(opened, causes)]
    found = Section("findings", "Findings", items=tuple(opened.findings) or ("Nothing stands out.",))
    missing = [Section("left-out", "What is not shown", items=tuple(opened.left_out))] if opened.left_out else []
    return [found, *made, *missing]


def _facts(opened: Opened) -> Iterator[str]:
    summary = opened.run.summary or {}
    if summary.get("test_accuracy") is not None:
        yield f"test accuracy {100 * summary['test_accuracy']:.2f} %"
    if summary.get("validation_accuracy") is not None:
        yield f"validation {100 * summary['validation_accuracy']:.2f} %"
    yield f"best epoch {summary.get('best_epoch')} of {summary.get('epochs')}"
    if summary.get("parameters"):
        yield f"{summary['parameters']:,} parameters"
    yield f"{len(opened.classes)} classes"
    yield f"run {opened.run.folder.name}"


def told(insight: Insight) -> str:
    """What was found and where it lies, as lines for a terminal."""
    lines = [f"· {in_one_line(line)}" for line in insight.findings]
    lines += [f"  left out: {in_one_line(line)}" for line in insight.left_out]
    return "\n".join([*lines, f"page      {insight.page}", f"pictures  {insight.page.parent / PICTURES} ({len(insight.pictures)} PNG files)"])
