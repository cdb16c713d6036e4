"""Where a step's time goes: some steps of each distinct network, timed phase by phase, and a trace of a few; nothing is trained."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrast.engine.machine import forget_peak_memory, peak_memory
from contrast.engine.step import change, gradients
from contrast.engine.training import Training
from contrast.prepare import Prepared
from contrast.probe import distinct, short_training
from contrast.protocols import Places

STEPS, WARM_UP, TRACED = 20, 3, 3
PHASES = ("data", "forward", "backward", "optimizer")


@dataclasses.dataclass(frozen=True)
class Profile:
    """One network's step.

    Attributes:
        arm: the first arm that trains it.
        batch_size: images in a step.
        seconds: by phase (`PHASES`), the median over steps. Data is gathering and augmenting, backward has the loss in it.
        evaluation: seconds of one image in evaluation.
        keeping: seconds of one checkpoint.
        operations: floating-point operations of a step's forward and backward pass, a multiply-accumulate being two.
        peak_memory_bytes: the most that the process held.
        trace: a file for chrome://tracing or ui.perfetto.dev.
    """

    arm: str
    batch_size: int
    seconds: dict[str, float]
    evaluation: float
    keeping: float
    operations: int
    peak_memory_bytes: int
    trace: Path

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**dataclasses.asdict(self), "trace": str(self.trace)}


def profiles(prepared: Prepared, places: Places, folder: Path) -> Iterator[Profile]:
    """Profile each distinct network of a checked plan, one after another.

    Args:
        prepared: the plan.
        places: where its data is.
        folder: where the traces go, as ``ARM.json``; made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for order in distinct(prepared):
        with tempfile.TemporaryDirectory(prefix="contrast-profile-") as scratch:
            forget_peak_memory()
            training = short_training(order, places, WARM_UP + STEPS + TRACED + 1, Path(scratch))
            yield _profile(training, order.arm, folder / f"{order.folder.name}.json")


def _profile(training: Training, arm: str, trace: Path) -> Profile:
    forward, batches = _Forward(training.state.model), _endless(training)
    timed = [_step(training, forward, batches) for _ in range(WARM_UP + STEPS)][WARM_UP:]
    seconds = {phase: statistics.median(step[phase] for step in timed) for phase in PHASES}
    operations = _operations(training)
    with _traced(trace, training.machine.device):
        for _ in range(TRACED):
            _step(training, forward, batches)
    part = training.data.validation
    evaluation = _seconds(training, lambda: training.evaluator.outcomes(training.state.model, part)) / len(part)
    keeping = _seconds(training, training.keep)
    peak = peak_memory()["peak_memory_bytes"]
    return Profile(arm, training.recipe.batch_size, seconds, evaluation, keeping, operations, peak, trace)


class _Forward:
    """Seconds that a network's forward passes take; on a GPU it waits for them."""

    def __init__(self, model: nn.Module) -> None:
        self.seconds, self._began = 0.0, 0.0
        self._device = next(model.parameters()).device.type
        model.register_forward_pre_hook(lambda *_: self._start())
        model.register_forward_hook(lambda *_: self._stop())

    def _start(self) -> None:
        self._began = _now(self._device)

    def _stop(self) -> None:
        self.seconds += _now(self._device) - self._began


def _endless(training: Training) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in itertools.count():
        yield from training.batches.of_epoch(epoch)


def _step(training: Training, forward: _Forward, batches: Iterator[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """One step of the loop, with the clock looked at between its parts."""
    state, recipe, machine = training.state, training.recipe, training.machine
    state.model.train()
    began = _now(machine.device)
    images, labels = next(batches)
    gathered, forward.seconds = _now(machine.device), 0.0
    training.set_rate()
    state.moment.step = state.step
    gradients(state.model, recipe.loss, images, labels, machine, recipe.micro_batch, state.moment)
    propagated = _now(machine.device)
    change(state.model, state.optimizer, recipe.clip_norm, recipe.watch)
    state.step = min(state.step + 1, training.total_steps - 1)
    ended = _now(machine.device)
    backward = propagated - gathered - forward.seconds
    return dict(zip(PHASES, (gathered - began, forward.seconds, backward, ended - propagated), strict=True))


def _operations(training: Training) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counted:
        images, labels = next(training.batches.of_epoch(0))
        gradients(training.state.model, training.recipe.loss, images, labels, training.machine, training.recipe.micro_batch, training.state.moment)
    training.state.optimizer.zero_grad(set_to_none=True)
    return int(counted.get_total_flops())


@contextmanager
def _traced(path: Path, device: str) -> Iterator[None]:
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=kinds) as made:
        yield
    made.export_chrome_trace(str(path))


def _seconds(training: Training, work: Callable[[], object]) -> float:
    began = _now(training.machine.device)
    work()
    return _now(training.machine.device) - began


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
