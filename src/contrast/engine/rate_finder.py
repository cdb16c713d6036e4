"""The learning-rate range test: how a rising rate changes the training loss, and the rate that follows from it."""

from __future__ import annotations

import copy
import csv
import io
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from contrast import keyed
from contrast.engine.learning import Learning
from contrast.engine.step import change, gradients
from contrast.errors import InputError
from contrast.rates import RateFinder

if TYPE_CHECKING:
    from contrast.engine.training import Training

FILE = "find_lr.csv"
COLUMNS = ("step", "lr", "loss", "smoothed")
WIDTH = 20
"""The loss is smoothed over a window of about one in so many of all steps on either side."""


def found(training: Training, settings: RateFinder) -> float:
    """The rate that a training's range test gives: read from its folder where the training goes on, else searched and kept there.

    Raises:
        InputError: the loss falls nowhere between the rates, or to the end.
    """
    path = training.folder.path / FILE
    if training.state.step == 0 or not path.exists():
        rates = settings.rates()
        training.folder.write(FILE, _as_csv(rates, losses(training, rates)))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))  # of the file in any case, so that a resumed run has the same
    return choose([float(row["lr"]) for row in rows], np.array([float(row["smoothed"]) for row in rows]))


def losses(training: Training, rates: Sequence[float]) -> NDArray[np.float64]:
    """Train a copy of the network, one step a rate, on the training batches in the order of the first epochs.

    Everything is drawn from the run's seed and nothing of the training changes. The loss is read at the end, so that no
    step waits for the device.

    Returns:
        Each batch's loss before its step, ``float64 [len(rates)]``; not finite after a divergence.
    """
    recipe, machine = training.recipe, training.machine
    model = copy.deepcopy(training.state.model).train()
    learning = Learning(recipe, model, len(training.data.classes), fused=machine.device in ("cpu", "cuda"))
    moment = keyed.bind(model, recipe.seed)
    base = learning.optimizer.defaults["lr"]
    batches = itertools.chain.from_iterable(training.batches.of_epoch(epoch) for epoch in itertools.count())
    measured = []
    for number, (rate, (images, labels)) in enumerate(zip(rates, batches, strict=False)):
        for group in learning.optimizer.param_groups:
            group["lr"] = group["initial_lr"] / base * rate
        moment.step = number
        with keyed.seeded(recipe.seed, "find_lr", number):
            measured.append(gradients(model, recipe.loss, images, labels, machine, recipe.micro_batch, moment)[0])
        change(model, learning.optimizer, recipe.clip_norm)
    return torch.stack(measured).double().cpu().numpy()


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over a window around each value, narrower at both ends; what is not finite counts as infinite."""
    half = max(1, len(values) // WIDTH)
    counted = np.where(np.isfinite(values), values, np.inf)
    return np.array([counted[max(0, i - half) : i + half + 1].mean() for i in range(len(counted))])


def choose(rates: Sequence[float], smoothed: NDArray[np.float64]) -> float:
    """A tenth of the rate at which the smoothed loss is least.

    Raises:
        InputError: the loss is least at the first or at the last rate, so the range does not hold the answer.
    """
    least = int(np.argmin(smoothed))
    if least == 0 or not np.isfinite(smoothed[least]):
        raise InputError(
            f"the loss falls at no rate from {rates[0]:g} on", where="optimizer.find_lr", right="start from a lower rate (low), or give lr"
        )
    if least == len(rates) - 1:
        raise InputError(
            f"the loss still falls at a rate of {rates[-1]:g}", where="optimizer.find_lr", right="end at a higher rate (high), or give lr"
        )
    return rates[least] / 10


def _as_csv(rates: Sequence[float], values: NDArray[np.float64]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, (rate, loss, smoothed) in enumerate(zip(rates, values, smooth(values), strict=True), start=1):
        writer.writerow([number, f"{rate:.7g}", f"{loss:.7g}", f"{smoothed:.7g}"])
    return text.getvalue()
