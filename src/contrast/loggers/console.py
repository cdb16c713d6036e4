"""Live progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field
from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table as Grid
from rich.text import Text

from contrast.numbers import clock, share
from contrast.orders import Event, LoggerIngredient, Order, Tell
from contrast.shown import shown

ENDS = ("finished", "diverged", "pruned", "paused", "failed", "elsewhere")
MOST_OF_A_NAME = 60
MOST_OF_A_CAUSE = 300


class Console(LoggerIngredient):
    """Tells on standard error, so that standard output stays free for results."""

    level: Literal["quiet", "normal", "verbose"] = Field(default="normal", description="verbose: a line for every epoch")

    @contextlib.contextmanager
    def listening(self, orders: Sequence[Order]) -> Iterator[Tell]:
        terminal = Terminal(stderr=True, highlight=False, soft_wrap=True)
        board = Board(len(orders))
        if self.level == "quiet":
            yield board.take
        elif not terminal.is_terminal:
            yield lambda event: self._tell(terminal, board, event)
        else:
            with Live(board.drawn(), console=terminal, refresh_per_second=4, transient=True) as live:

                def tell(event: Event) -> None:
                    self._tell(terminal, board, event)
                    live.update(board.drawn())

                yield tell
        if self.level != "quiet" and orders:
            terminal.print()  # the answer comes next

    def _tell(self, terminal: Terminal, board: Board, event: Event) -> None:
        board.take(event)
        if event.kind in ENDS:
            terminal.print(Text(board.ended(event)))
        elif self.level == "verbose" and event.detail.get("validation_accuracy") is not None:
            terminal.print(Text(board.epoch(event)))


class Board:
    """What is known of the runs: how many are done, and where each running one stands."""

    def __init__(self, runs: int) -> None:
        self.runs, self.done, self.began = runs, 0, time.monotonic()
        self.running: dict[tuple[str, int], dict[str, Any]] = {}

    def take(self, event: Event) -> None:
        """Take an event in."""
        key = (event.arm, event.seed)
        if event.kind in ENDS:
            self.running.pop(key, None)
            self.done += 1
        else:
            self.running[key] = event.detail

    def share_done(self) -> float:
        """Share of all steps that are done, in [0, 1]."""
        part: float = sum(detail["step"] / detail["steps"] for detail in self.running.values() if detail.get("steps"))
        return float(min(1.0, (self.done + part) / max(1, self.runs)))

    def seconds_left(self) -> float | None:
        """Expected seconds to the end, or None while nothing can be said."""
        share = self.share_done()
        return (time.monotonic() - self.began) * (1 - share) / share if share > 0.01 else None

    def ended(self, event: Event) -> str:
        """One line about a run that ended."""
        head = f"[{self.done}/{self.runs}] {_run(event.arm, event.seed)}"
        detail = event.detail
        if event.kind == "failed":
            return f"{head}: failed: {shown(str(detail['cause']), MOST_OF_A_CAUSE)}"
        if event.kind == "elsewhere":
            return f"{head}: another process is at work on it, or has finished it"
        if event.kind == "diverged":
            return f"{head}: diverged at step {detail['diverged_step']}"
        if event.kind == "paused":
            return f"{head}: at its rung, epoch {detail['epoch']} of {detail['epochs']}"
        if event.kind == "pruned":
            head = f"{head}: pruned after {detail['epochs']} of {detail['planned_epochs']} epochs"
        parts = ((part, detail[f"{part}_accuracy"]) for part in ("validation", "test"))  # a search's trials have no figure on test
        figures = ", ".join(f"{part} {100 * accuracy:.2f} %" for part, accuracy in parts if accuracy is not None)
        loading = f", loading {share(detail['loading_share'])} of the step time" if detail.get("loading_share") is not None else ""
        return f"{head}: {figures}, best epoch {detail['best_epoch']} of {detail['epochs']}, {detail['seconds']:.1f} s{loading}"

    def epoch(self, event: Event) -> str:
        """One line about an epoch that ended."""
        detail = event.detail
        reached = f"epoch {detail['epoch']}/{detail['epochs']}: validation {100 * detail['validation_accuracy']:.2f} %"
        return f"      {_run(event.arm, event.seed)} · {reached}, {detail['images_per_second']:,.0f} images/s"

    def drawn(self) -> Grid:
        """The board as a table for the terminal."""
        grid = Grid.grid(padding=(0, 2))
        left = self.seconds_left()
        grid.add_row(Text(f"{self.done} of {self.runs} runs", style="bold"), Text(f"about {clock(left)} left" if left is not None else "starting"))
        for (arm, seed), detail in self.running.items():
            grid.add_row(Text(_run(arm, seed)), Text(_standing(detail)))
        return grid


def _run(arm: str, seed: int) -> str:
    return f"{shown(arm, MOST_OF_A_NAME)} · seed {seed}"


def _standing(detail: dict[str, Any]) -> str:
    if not detail:
        return "starting"
    best = f", best validation {100 * detail['best_accuracy']:.2f} %" if detail["best_accuracy"] is not None else ""
    epoch = min(detail["epoch"] + 1, detail["epochs"])
    return f"epoch {epoch}/{detail['epochs']}, step {detail['step']}/{detail['steps']}, {detail['images_per_second']:,.0f} images/s{best}"
