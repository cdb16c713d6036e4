"""What `contrast status` prints: which runs are finished, running or failed, and about how long the rest takes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from contrast.numbers import clock, plural
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from contrast.results import Results

STATES = ("finished", "diverged", "pruned", "running", "waiting", "interrupted", "failed", "planned")


def render(results: Results, console: Console) -> None:
    """Print a study's standing, a line for each run that is not finished, and the totals."""
    from rich.text import Text

    for line in lines(results.status()):
        console.print(Text(line))


def lines(status: pd.DataFrame) -> list[str]:
    """The lines that `render` prints.

    Args:
        status: one row a planned run: arm, seed, folder, status, epoch, epochs, seconds.
    """
    distinct = status.drop_duplicates("folder")
    counts = distinct["status"].value_counts()
    total = ", ".join(f"{counts[name]} {name}" for name in STATES if name in counts)
    rows = [_row(row) for row in distinct.to_dict("records") if row["status"] != "finished"]
    left = seconds_left(distinct)
    rest = [f"about {clock(left)} of run time left"] if left else []
    return [f"{plural(len(distinct), 'run')}: {total}", *rows, *rest]


def _row(row: Mapping[Hashable, Any]) -> str:
    reached = f"epoch {row['epoch']} of {row['epochs']}" if row["epoch"] == row["epoch"] and row["epoch"] else ""
    cause = f": {shown(str(row['cause']), 300)}" if row.get("cause") else ""
    return "  ".join(part for part in (f"  {row['status']:<12}", f"{shown(row['arm'], 60)} · seed {row['seed']}", reached) if part) + cause


def seconds_left(status: pd.DataFrame) -> float | None:
    """Run time of what is not finished, from the seconds that an epoch has taken so far; None where nothing is known."""
    known = status[(status["seconds"] > 0) & (status["epoch"] > 0)]
    if known.empty:
        return None
    an_epoch = float((known["seconds"] / known["epoch"]).mean())
    rest = status[~status["status"].isin(["finished", "diverged", "pruned"])]
    return float(((rest["epochs"] - rest["epoch"].fillna(0)) * an_epoch).sum())
