"""Which way of carrying runs out is fastest on this machine: each is tried for some steps of the study's commonest network."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from contrast import catalog
from contrast.engine.machine import Machine, cores
from contrast.errors import InputError, RunFailed
from contrast.orders import Event, ExecutorIngredient, Order, Tell, kind_of
from contrast.planned import Plan
from contrast.prepare import Prepared, check_reach, prepare
from contrast.probe import TIMED, WARM_UP, pace, read, steps_of, timed
from contrast.protocols import Places
from contrast.store import RunFolder, StudyFolder

SECONDS, MOST_STEPS = 1.0, 400
"""Each way is tried for about so long, as one run by itself would take; and at most for so many steps."""
WORTH = 1.1
"""Several runs at a time are taken only where they are so many times as fast as one by one; less may be chance."""
ON_CPU, ON_ACCELERATOR = ("local",), ("stacked", "local")
"""Executors of several runs at a time that are tried, on a CPU and elsewhere; a stack is slower than one by one on a CPU (decision 10)."""
PATIENCE = 120.0
"""Seconds that a process waits for the others to be ready."""
READY = "ready"


@dataclasses.dataclass(frozen=True)
class Tried:
    """A way that was tried.

    Attributes:
        executor: what carried runs out.
        images_per_second: of all its runs together; None where it failed.
        reason: why it failed.
    """

    executor: ExecutorIngredient
    images_per_second: float | None
    reason: str = ""

    def __str__(self) -> str:
        return f"{named(self.executor)} {self.reason if self.images_per_second is None else f'{self.images_per_second:,.0f} images/s'}"


def fastest(plan: Plan, folder: StudyFolder, places: Places, *, relock: bool = False) -> tuple[ExecutorIngredient, list[Tried]]:
    """Try the executors that a study could be carried out with.

    A study that was begun keeps its number of threads, so only what keeps it is tried. Nothing is written to its folder.

    Returns:
        The executor, and what was tried: nothing where there was nothing to choose.

    Raises:
        InputError: the study can't be carried out.
    """
    inline = _executor("inline")
    checked = prepare(plan, folder, places, inline, relock=relock)
    alike = _commonest(checked.orders)
    fitting = [executor for executor in _candidates(checked, len(alike)) if relock or _keeps(executor, folder)]
    if len(fitting) < 2:
        return next(iter(fitting), inline), []
    steps = _steps(alike[0], places)
    tries = [_tried(executor, plan, alike[0], steps) for executor in fitting]
    return chosen(tries), tries


def chosen(tries: Sequence[Tried]) -> ExecutorIngredient:
    """The fastest of what was tried; what comes first, one by one, unless another is clearly faster.

    Raises:
        RunFailed: none of them could carry out a step.
    """
    working = [(tried.images_per_second, tried.executor) for tried in tries if tried.images_per_second is not None]
    if not working:
        raise RunFailed(f"no executor could carry out a step: {'; '.join(map(str, tries))}")
    first, best = working[0], max(working, key=lambda way: way[0])
    return best[1] if best[0] >= WORTH * first[0] else first[1]


def named(executor: ExecutorIngredient) -> str:
    """An executor in words."""
    return executor.use if executor.side_by_side == 1 else f"{executor.use} with {executor.side_by_side} runs at a time"


def told(executor: ExecutorIngredient, tries: Sequence[Tried]) -> str:
    """A line that says what was chosen, and beside what."""
    return f"executor: {named(executor)}; tried: {'; '.join(map(str, tries)) or 'nothing, since nothing else fits'}"


def _executor(name: str, **settings: Any) -> ExecutorIngredient:
    return cast("ExecutorIngredient", catalog.parse("executor", {"use": name, **settings}))


def _commonest(orders: Sequence[Order]) -> list[Order]:
    """The orders of the network that most runs to come have."""
    kinds = collections.defaultdict[str, list[Order]](list)
    for order in orders:
        kinds[kind_of(order.recipe)].append(order)
    return max(kinds.values(), key=len, default=[])


def _candidates(prepared: Prepared, runs: int) -> Iterator[ExecutorIngredient]:
    """One by one, and several runs at a time in powers of two, as far as there are runs, and cores for their threads."""
    yield _executor("inline")
    on_cpu = Machine.from_lock(prepared.lock["machine"]).device == "cpu"
    for name in ON_CPU if on_cpu else ON_ACCELERATOR:
        room = min(runs, cores()) if name == "local" else runs
        for at_a_time in (2, 4, 8):
            if at_a_time <= room:
                yield _executor(name, workers=at_a_time)


def _keeps(executor: ExecutorIngredient, folder: StudyFolder) -> bool:
    """Whether an executor gives a run the threads that the study was planned with."""
    kept = folder.lock()
    return kept is None or executor.threads(cores()) == kept["machine"]["threads"]


def _steps(order: Order, places: Places) -> int:
    """Steps that a run by itself takes about a second for."""
    recipe, _, data = read(order, places)
    return min(steps_of(recipe, len(data.train)), MOST_STEPS, max(TIMED, math.ceil(SECONDS / pace(order, places).step)))


def _tried(executor: ExecutorIngredient, plan: Plan, like: Order, steps: int) -> Tried:
    """Carry out as many runs as the executor has at a time, all of one network, seeds of their own; together where they are processes."""
    try:
        check_reach(plan, executor)
    except InputError as error:  # an object of this process, say, which no other has
        return Tried(executor, None, f"does not fit: {error.what}")
    together, found = executor.side_by_side, list[Event]()
    with tempfile.TemporaryDirectory(prefix="contrast-fastest-") as scratch:
        orders = [_as(like, seed, executor, Path(scratch)) for seed in range(together)]
        work = functools.partial(_timed_alike, steps, together if executor.elsewhere else 1)
        try:
            executor.carry_out(orders, work, found.append)
        except RunFailed as error:
            return Tried(executor, None, str(error))
    failure = next((event.detail["cause"] for event in found if event.kind == "failed"), None)
    if failure is not None:
        return Tried(executor, None, f"failed: {failure}")
    return Tried(executor, sum(event.detail["images_per_second"] for event in found))


def _as(like: Order, seed: int, executor: ExecutorIngredient, scratch: Path) -> Order:
    machine = {**like.machine, "threads": executor.threads(cores())}
    return dataclasses.replace(like, seed=seed, recipe={**like.recipe, "seed": seed}, machine=machine, folder=scratch / str(seed))


def _timed_alike(steps: int, together: int, order: Order, tell: Tell) -> None:
    """Train for some steps, from the moment on at which so many processes are ready, and tell images per second."""
    folder = RunFolder(order.folder)
    with folder.owned() as mine:
        if not mine or (folder.path / READY).exists():
            return
        try:
            recipe, machine, data = read(order, Places(folders=order.places))
            machine.prepare()
            timed(recipe, WARM_UP, machine, data)
            (folder.path / READY).touch()
            _wait_for(together, folder.path.parent)
            seconds = timed(recipe, steps, machine, data)[0]["train"]
        except Exception as error:
            (folder.path / READY).touch()  # the others need not wait
            tell(Event("failed", order.arm, order.seed, {"cause": f"{type(error).__name__}: {error}"}))
        else:
            tell(Event("finished", order.arm, order.seed, {"images_per_second": steps * recipe.batch_size / seconds}))


def _wait_for(together: int, scratch: Path) -> None:
    end = time.monotonic() + PATIENCE
    while len(list(scratch.glob(f"*/{READY}"))) < together:
        if time.monotonic() > end:
            raise RunFailed(f"after {PATIENCE:.0f} s the other processes are not ready")
        time.sleep(0.005)
