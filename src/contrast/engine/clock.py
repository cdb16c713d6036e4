"""The clock: where a run's time goes, pauses between two processes left out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Seconds by purpose.

    Args:
        seconds: what earlier processes have spent on the run; updated in place.
    """

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def on(self, purpose: str) -> Iterator[None]:
        """Count the time of a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[purpose] = self.seconds.get(purpose, 0.0) + time.perf_counter() - start

    def total(self) -> float:
        """Seconds of the run in all, up to now."""
        now = time.perf_counter()
        self.seconds["total"] = self.seconds.get("total", 0.0) + now - self._since
        self._since = now
        return self.seconds["total"]
