"""What `contrast table` prints for people: the few columns that are read, accuracies in percent. Programs get all columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrast.numbers import NOTHING, duration, number, significant
from contrast.report import contents, result_rows, speed
from contrast.report.presented import presented
from contrast.report.tables import MOST_OF_A_CELL, aligned, records, render
from contrast.shown import shown
from contrast.study_designs import table
from contrast.study_metrics import judged
from contrast.study_tables import by_arm

if TYPE_CHECKING:
    from rich.console import Console

    from contrast.study_tables import StudyTables

    Rows = list[list[str]]

LEFT = ("arm", "status", "verdict")
NOTE = "These are a few of the columns; --format csv, json and parquet hold all."
PRESENTED = ("ablation", "factors", "final", "latest")
"""Tables that are made to be printed: few columns, rounded numbers."""
PERCENT = ("test_accuracy", "validation_accuracy", "train_accuracy")


def show(study: StudyTables, by: str, console: Console) -> None:
    """Print a study's table; its last line says, dimly, where there is more.

    Args:
        study: its tables.
        by: see `contrast.results.Results.table`.
        console: where to; lines are never broken by it.
    """
    from rich.text import Text

    console.print(Text(text(study, by)), end="", soft_wrap=True)
    if by in PRESENTED:
        for note in presented(study, by).notes:
            console.print(Text(shown(note, 400), "dim"), soft_wrap=True)
    if by != "image":
        console.print(Text(NOTE, "dim"), soft_wrap=True)


def written(study: StudyTables, by: str, format: str) -> str | bytes:
    """A table in a format for a file or a paper: what is printed (Markdown, LaTeX, HTML) is rounded where the table is one of
    `PRESENTED`; CSV, JSON and Parquet hold every column and digit.

    Args:
        study: its tables.
        by: see `contrast.results.Results.table`.
        format: see `contrast.report.tables.render`.

    Raises:
        InputError: there is no such format, or the study has no such table.
    """
    if by in PRESENTED and format in ("text", "markdown", "latex", "html"):
        told = presented(study, by)
        return render(told.frame, format, left=told.left)
    return render(table(study, by), format)


def text(study: StudyTables, by: str) -> str:
    """The lines of `show` but the last; a table by image has few columns and is shown whole."""
    if by == "image":
        return str(render(study.images()))
    if by in PRESENTED:
        told = presented(study, by)
        return str(render(told.frame, left=told.left))
    heads, *rows = {"arm": _arms, "run": _runs, "epoch": _epochs}[by](study)
    return aligned([heads, *([shown(cell, MOST_OF_A_CELL) for cell in row] for row in rows)], [head not in LEFT for head in heads])


def _arms(study: StudyTables) -> Rows:
    comparison, arms = judged(study), by_arm(study.runs())
    level = f"{100 * comparison.level:g} % interval"
    heads = ["arm", "seeds", "test accuracy, %", "difference", level, "p", "verdict", "validation accuracy, %", "time"]
    heads += ["TFLOP/s", "memory", "parameters"]
    costs = {str(row["arm"]): row for row in arms.to_dict("records")}
    rows = []
    for row in result_rows.rows(comparison, arms):
        mean = f"{row['mean']} ± {row['sd']}" if row["sd"] else row["mean"]
        told = [row[name] for name in ("effect", "interval", "p", "kind", "validation", "seconds")]
        cost = costs[row["arm"]]
        rows.append([row["arm"], row["seeds"], mean, *told, speed.achieved(cost), speed.memory(cost), number(cost["parameters"], 0)])
    return [heads, *rows]


def _runs(study: StudyTables) -> Rows:
    columns = {name: f"{words}, %" if name in PERCENT else words for name, words in contents.RUN_COLUMNS.items() if name != "folder"}
    return [list(columns.values()), *([row[name] for name in columns] for row in contents.runs(study.runs()))]


def _epochs(study: StudyTables) -> Rows:
    heads = ["arm", "seed", "epoch", "train loss", "train, %", "validation loss", "validation, %", "learning rate", "time"]
    return [heads, *(_epoch(row) for row in records(study.epochs()))]


def _epoch(row: dict[str, object]) -> list[str]:
    losses = {part: number(row[f"{part}_loss"], 4) for part in ("train", "validation")}
    right = {part: _percent(row[f"{part}_accuracy"]) for part in ("train", "validation")}
    measured = [losses["train"], right["train"], losses["validation"], right["validation"]]
    return [str(row["arm"]), str(row["seed"]), str(row["epoch"]), *measured, significant(row["lr"]), duration(row["seconds"])]


def _percent(fraction: object) -> str:
    return number(100 * fraction, 2) if isinstance(fraction, float) else NOTHING
