"""The page of a study, written anew while its runs go on: for at most a hundredth of the time, and never at the study's cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from contrast.errors import in_one_line

if TYPE_CHECKING:
    from contrast.orders import Event

SHARE = 0.01
"""Of the time since the study began, the part that its page may take."""
BETWEEN = 60.0
"""Seconds from one page to the next while no run has ended."""
FIRST_GUESS = 2.0
"""Seconds that the first page is taken to cost, before one has been written."""


class LivePage:
    """Writes report.html with what stands, where events of runs leave time for it.

    Args:
        folder: the study's.
        clock: seconds that never go back.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._began = self._last = clock()
        self._spent, self._cost = 0.0, FIRST_GUESS
        self._told = ""
        self.written = 0

    def noted(self, event: Event) -> None:
        """Write the page, if this is a moment for it."""
        has_ended = event.kind in ("finished", "diverged", "pruned", "failed")
        now = self._clock()
        is_affordable = self._spent + self._cost <= SHARE * (now - self._began)
        if is_affordable and (has_ended or now - self._last >= BETWEEN):
            self.write()

    def ended(self) -> None:
        """Write the page once more where one stands that says that runs are still to come."""
        if self.written:
            self.write()

    def write(self) -> None:
        """Write what stands; why that fails is told in a line, once, and the next moment tries again."""
        began = self._clock()
        try:
            write(self._folder)
            self.written += 1
        except Exception as error:  # whatever it is, the study goes on
            cause = in_one_line(str(error) or type(error).__name__)[:300]
            if cause != self._told:
                print(f"contrast: the page could not be written, and will be tried again: {cause}", file=sys.stderr)
            self._told = cause
        self._last = self._clock()
        self._cost = self._last - began
        self._spent += self._cost


def write(folder: Path) -> None:
    """Write the page of a study with what is known of it now, without pictures, which take longest.

    Raises:
        InputError: the folder holds no study.
        OSError: it can't be written; what stood there before still stands.
    """
    from contrast.report.page import build
    from contrast.results import Results
    from contrast.store import write_durably

    results = Results(folder)
    write_durably(results.path_of_page, build(results, results.compare()))
