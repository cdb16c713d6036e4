"""What a finished study prints: the question, a line for each arm, where the page lies, how to run it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrast.numbers import clock, plural
from contrast.report import speed
from contrast.report.published import in_short
from contrast.shown import shown
from contrast.study_tables import watched

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

    from contrast.compare import Comparison
    from contrast.study_tables import StudyTables

STYLES = {"helps": "green", "hurts": "red", "diverged": "red", "no difference": "cyan"}
MOST_OF_A_NAME = 40
MOST_DESIGN_LINES = 7
DESIGNS = {"factors": "factor", "trend": "trend", "best": "best", "steps": "step"}
"""What a line about a design begins with."""


def render(results: StudyTables, comparison: Comparison, console: Console, page: Path | None = None) -> None:
    """Print the answer of a study; plain lines where the console is no terminal.

    Args:
        results: the study's tables.
        comparison: its answer.
        console: where to; lines are never broken by it.
        page: path of the report, named where there is one.
    """
    for line in lines(results, comparison, page):
        console.print(line, soft_wrap=True, highlight=False)


def lines(results: StudyTables, comparison: Comparison, page: Path | None = None) -> list[Text]:
    """The lines that `render` prints."""
    from rich.text import Text

    title = shown(str(results.lock["question"] or results.name), 2000)
    head = Text.assemble((title, "bold"), "          ", (_circumstances(results), "dim"))
    notes = [f"({shown(remark, 400)})" for remark in (*results.warnings(), *comparison.remarks)]
    rate = speed.line(results.runs(), str(results.lock["baseline"]))
    ways = [Text.assemble(("  speed  ", "dim"), rate)] if rate else []
    ways += [Text.assemble(("  page   ", "dim"), str(page))] if page is not None else []
    command = str(results.lock["command"])
    again = [Text.assemble(("  again  ", "dim"), shown(command, 1000))] if command else []
    closing = [Text(f"  {line}", "dim") for line in (_method(results, comparison), *notes)]
    found = [*_designs(results, comparison), *(Text(f"  {shown(line, 400)}") for line in in_short(results))]
    return [head, Text(""), *_table(comparison), Text(""), *found, *([Text("")] if found else []), *closing, *ways, *again]


def _designs(results: StudyTables, comparison: Comparison) -> list[Text]:
    """What the designs answer, the surest first where there is more than fits."""
    from rich.text import Text

    from contrast.study_designs import answers

    told, order = [], 0
    for answer in answers(results, comparison.metric.name):
        for sentence, p in zip(answer.sentences, answer.table["p_holm"] if len(answer.table) else (), strict=True):
            told.append((p if p == p else 2.0, order, f"{DESIGNS[answer.design]:<8} {sentence}"))
            order += 1
    kept = sorted(sorted(told)[:MOST_DESIGN_LINES], key=lambda line: line[1])
    rest = len(told) - len(kept)
    more = [Text(f"  … and {rest} more on the page", "dim")] if rest else []
    return [*(Text(f"  {shown(line, 400)}") for _, _, line in kept), *more]


def _circumstances(results: StudyTables) -> str:
    """``9 runs · 0:54 · cpu, bf16, 2 threads``; a run that two arms share is counted once."""
    runs = results.runs().drop_duplicates("folder")
    done = runs["status"].isin(["finished", "diverged", "pruned"])
    count = plural(len(runs), "run") if done.all() else f"{int(done.sum())} of {plural(len(runs), 'run')}"
    return " · ".join([count, clock(float(runs["seconds"].sum())), machine_line(results.lock["machine"])])


def machine_line(machine: dict[str, object]) -> str:
    """``cpu, bf16, 2 threads``."""
    threads = machine.get("threads")
    parts = [str(machine.get("device", "")), str(machine.get("precision", ""))]
    if machine.get("device") == "cpu" and isinstance(threads, int):
        parts.append(plural(threads, "thread"))
    return shown(", ".join(part for part in parts if part))


def _method(results: StudyTables, comparison: Comparison) -> str:
    counts = {len(arm.seeds) for arm in (comparison.baseline, *comparison.arms) if not arm.pruned}
    seeds = plural(counts.pop(), "seed") if len(counts) == 1 else "the seeds that finished"
    spread = f"± is the standard deviation over {seeds}. " if seeds not in ("1 seed", "0 seeds") else ""
    opened = "test was watched in every epoch" if watched(results.epochs()) else "test was opened once per run"
    opened += " that was not pruned" if any(arm.pruned for arm in comparison.arms) else ""
    return f"{spread}Weights were chosen on validation; {opened}."


def _table(comparison: Comparison) -> list[Text]:
    from rich.cells import cell_len
    from rich.text import Text

    from contrast.compare.telling import cells

    rows = [(shown(row[0], MOST_OF_A_NAME), *row[1:]) for row in cells(comparison)]
    against = f"against {shown(comparison.baseline.arm, MOST_OF_A_NAME)}, {100 * comparison.level:g} % interval" if comparison.contrasts else ""
    widths = [max([cell_len(row[i]) for row in rows] or [0]) for i in range(4)]
    widths[0], widths[1] = max(widths[0], 3), max(widths[1], cell_len(comparison.metric.words))
    # The heading of the difference stands over the column of p values too.
    widths[3] = max(widths[3], cell_len(against) - widths[2] - 2)

    def line(arm: str, mean: str, middle: str, last: str, style: str = "") -> Text:
        padded = ((arm, widths[0]), (mean, widths[1]), (middle, widths[2] + widths[3] + 2))
        text = "  " + "   ".join(cell + " " * (width - cell_len(cell)) for cell, width in padded)
        return Text.assemble(text, "   ", (last, style)) if last else Text(text.rstrip())

    head = line("arm", comparison.metric.words, against, "verdict" if comparison.contrasts else "")
    head.stylize("dim")
    kinds = {contrast.arm: contrast.verdict.kind for contrast in comparison.contrasts}
    arms = [comparison.baseline.arm, *(contrast.arm for contrast in comparison.contrasts)]
    body = []
    for arm, (name, mean, difference, p, verdict) in zip(arms, rows, strict=True):
        middle = difference + " " * (widths[2] + 2 - cell_len(difference)) + p if p else difference
        body.append(line(name, mean, middle, verdict, STYLES.get(kinds.get(arm, ""), "")))
    return [head, *body]
