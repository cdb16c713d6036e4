"""Several processes on this machine, the cores shared out among them."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Sequence
from multiprocessing.context import SpawnProcess
from typing import Any

from pydantic import Field

from contrast.errors import RunFailed
from contrast.orders import Event, ExecutorIngredient, Order, Tell, Work


class Local(ExecutorIngredient):
    """N processes. Each goes through the whole list and leaves out what another owns, so none ever waits for a run."""

    workers: int = Field(default=2, ge=1, description="processes side by side")

    @property
    def side_by_side(self) -> int:
        return self.workers

    @property
    def elsewhere(self) -> bool:
        return True

    def threads(self, cores: int) -> int:
        return max(1, cores // self.workers)

    def carry_out(self, orders: Sequence[Order], work: Work, tell: Tell) -> None:
        """Carry orders out.

        Raises:
            RunFailed: a worker process died (killed, out of memory); its runs stay resumable.
        """
        context = multiprocessing.get_context("spawn")
        events: Any = context.Queue()
        workers = [  # no daemons: those may not have processes of their own, which decode images, say
            context.Process(target=_work_off, args=(list(orders), work, events, os.getpid())) for _ in range(min(self.workers, len(orders)))
        ]
        try:
            for worker in workers:
                worker.start()
            _pass_on(events, workers, tell)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join()


def _pass_on(events: Any, workers: Sequence[SpawnProcess], tell: Tell) -> None:
    while True:
        alive = any(worker.is_alive() for worker in workers)
        try:
            while True:
                tell(events.get(timeout=0.2))
        except queue.Empty:
            if not alive:
                break
    died = [worker.exitcode for worker in workers if worker.exitcode]
    if died:
        raise RunFailed(f"{len(died)} of {len(workers)} worker processes died (exit code {died[0]}); run the same command again to go on")


def _work_off(orders: list[Order], work: Work, events: Any, parent: int) -> None:
    """What a worker does: every order that no other process owns, until the parent is gone."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends the workers
    for order in orders:
        if os.getppid() != parent:
            return
        work(order, lambda event: _quietly_unless_owned(event, events))
    events.close()
    events.join_thread()


def _quietly_unless_owned(event: Event, events: Any) -> None:
    if event.kind != "elsewhere":
        events.put(event)
