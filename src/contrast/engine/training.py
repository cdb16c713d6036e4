"""A training: what a loop works with, built from a Recipe, and where its rows and checkpoints go."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contrast import catalog, exclusions, keyed, networks
from contrast.cautions import cautions
from contrast.engine import features, mc_dropout, rate_finder
from contrast.engine.batches import Batches, Bound, Part, bound
from contrast.engine.clock import Clock
from contrast.engine.evaluate import Evaluator, Outcomes
from contrast.engine.learning import Learning
from contrast.engine.machine import Machine
from contrast.engine.sampling import order_of
from contrast.engine.state import Best, TrainState, weights_to_bytes
from contrast.errors import InputError
from contrast.images import PARTS, TRAIN, Images, Split, divided, with_wrong_labels
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import Rows, RunFolder
from contrast.weights import Loaded

CHECKPOINT_SECONDS = 60.0
"""Longest time between two checkpoints inside an epoch."""

WATCHED_TEST = ("test_loss", "test_accuracy")
"""Columns of epochs.csv where a recipe watches test."""

PAUSED = "paused"
"""Why a training has stopped that waits for another order; it is no end, and a checkpoint that says so goes on."""

ROWS_AT_ONCE = 100
"""Step rows that wait on the device before they are handed over in one copy."""

SETTLING_IMAGES = 5000
"""Training images over which an average's batch-norm statistics are recomputed, and from which a network learns before its first step."""


@dataclass(frozen=True)
class Progress:
    """What listeners are told after each epoch and now and then inside one."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float
    validation_accuracy: float | None
    best_accuracy: float | None


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class LoadedData:
    """A data set, split, on the device; the training labels are those that are trained on."""

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    places: Places = field(default_factory=Places)

    @cached_property
    def training_images(self) -> Images:
        """The images that are trained on, as a set of their own (for statistics); on a CPU the pixels are shared."""
        part = self.train
        names = np.full(len(part), TRAIN)
        return Images(part.pixels.cpu().numpy(), part.labels.cpu().numpy(), tuple(part.ids), self.classes, names)

    @cached_property
    def cautions(self) -> tuple[str, ...]:
        """What could spoil a result: the same image in two parts, classes of very different size."""
        parts = {name: getattr(self, name).pixels for name in PARTS}
        held = {name: pixels.cpu().numpy() if isinstance(pixels, Tensor) else pixels for name, pixels in parts.items()}
        return cautions(held, self.train.labels.cpu().numpy(), self.classes)

    def split(self) -> dict[str, list[str]]:
        """The split by image id."""
        return {name: list(getattr(self, name).ids) for name in PARTS}


def load(recipe: Recipe, places: Places, device: str, kept_split: Mapping[str, list[str]] | None = None) -> LoadedData:
    """Decode a recipe's data, split it (or find a kept split again) and bring it to the device.

    Raises:
        InputError: the data is missing, damaged, or can't be split so.
    """
    data = recipe.data
    images = exclusions.sound(data, places)
    split = Split.from_ids(kept_split, images) if kept_split is not None else divided(images, data)
    labels = with_wrong_labels(images, split.train, data.wrong_labels, data.split_seed)
    parts = {name: Part.of(images, getattr(split, name), labels, device) for name in PARTS}
    return LoadedData(images.shape, images.classes, images.fingerprint, images.notes, **parts, places=places)


@dataclass
class Training:
    """All that a loop needs."""

    recipe: Recipe
    machine: Machine
    data: LoadedData
    folder: RunFolder
    state: TrainState
    batches: Batches
    evaluator: Evaluator
    clock: Clock
    learning: Learning
    loaded: Loaded | None
    listener: Listener
    rate_factor: float = 1.0
    until_epoch: int | None = None
    _waiting: list[tuple[int, int, Tensor, float]] = field(default_factory=list)
    _kept_at: float = field(default_factory=time.perf_counter)
    _epoch_images: int = 0
    _epoch_began: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, recipe: Recipe, machine: Machine, data: LoadedData, folder: RunFolder, listener: Listener, *, once: bool = True) -> Training:
        """Build the ingredients into a state, and take up the folder's newest checkpoint if there is one.

        Args:
            once: whether the frozen part's output may be computed once for all images, and kept (`engine.features`).

        Raises:
            InputError: the recipe does not fit the data.
        """
        if recipe.batch_size > len(data.train):
            raise InputError(
                f"{recipe.batch_size} is more than the {len(data.train)} training images", where="batch_size", right=f"at most {len(data.train)}"
            )
        clock, classes = Clock({}), len(data.classes)
        model, loaded = initial_model(recipe, machine, data)
        mc_dropout.check(recipe, model)
        augment = bound(recipe.augment, data.training_images)
        evaluator, whole = Evaluator(augment.always, machine, recipe.evaluate.views if recipe.evaluate is not None else "none"), None
        if loaded is None:
            recipe.model.settle(model, evaluator.inputs(data.train, SETTLING_IMAGES))
        with clock.on("features"):
            kept = features.once(recipe, model, data, evaluator) if once else None
        if kept is not None:
            whole, (model, data), augment, evaluator = model, kept, Bound(), Evaluator([], machine)
        learning = Learning(recipe, model, classes, fused=machine.device in ("cpu", "cuda"))
        state = initial_state(recipe, machine, model, learning.optimizer)
        state.whole, state.seconds = whole, clock.seconds
        order = order_of(recipe.sampler, data, recipe.batch_size)
        batches = Batches(data.train, augment, recipe.batch_size, recipe.seed, machine, order, clock)
        folder.steps = Rows(folder.steps.path, (*folder.STEPS, *recipe.watch))
        training = cls(recipe, machine, data, folder, state, batches, evaluator, clock, learning, loaded, listener)
        if training.watches_test:
            folder.epochs = Rows(folder.epochs.path, (*folder.EPOCHS, *WATCHED_TEST))
        training._resume()
        training.rate_factor = training._rate_factor()
        return training

    def _resume(self) -> None:
        path = self.folder.newest_checkpoint()
        if path is None:
            self.folder.start_anew()
            return
        self.state.load(str(path), self.learning.enter)
        if self.state.stopped == PAUSED:
            self.state.stopped = ""
        self.clock.seconds = self.state.seconds
        self.folder.steps.cut("step", self.state.step)
        self.folder.epochs.cut("epoch", self.state.epoch)
        self.folder.learning.cut("epoch", self.state.epoch)
        if self.state.best is not None:
            from safetensors.torch import load_file

            self.state.best_weights = load_file(self._best_path(), device=self.machine.device)

    def _best_path(self) -> str:
        assert self.state.best is not None
        return str(self.folder.best_checkpoint(self.state.best.epoch))

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole budget."""
        return self.recipe.steps if self.recipe.steps is not None else self.recipe.epochs * len(self.batches)

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole budget, a last part of one counted as one."""
        return math.ceil(self.total_steps / len(self.batches))

    def set_rate(self) -> float:
        """Set the learning rate for the coming step and return it; what is frozen is held still, and what is due is unfrozen."""
        self.learning.enter(self.state.epoch)
        self.learning.set_rates(self.state.step / self.total_steps, self.rate_factor)
        return float(self.state.optimizer.param_groups[0]["lr"])

    def _rate_factor(self) -> float:
        """What the recipe's learning rate is multiplied by: the batch size's factor, or what a range test finds."""
        optimizer = self.recipe.optimizer
        if optimizer.find_lr is not None:
            with self.clock.on("find"):
                return rate_finder.found(self, optimizer.find_lr) / float(self.state.optimizer.defaults["lr"])
        return optimizer.scale_with_batch.factor(self.recipe.batch_size) if optimizer.scale_with_batch is not None else 1.0

    @property
    def learning_rate(self) -> float:
        """The learning rate that the schedule multiplies: as given, scaled with the batch, or found."""
        return float(self.state.optimizer.defaults["lr"]) * self.rate_factor

    def outside_randomness(self) -> contextlib.AbstractContextManager[None]:
        """Seed torch's global generator by step where a network from outside may draw from it."""
        if not (self.recipe.model.foreign or catalog.is_outside(self.recipe.model.use)):
            return contextlib.nullcontext()
        return keyed.seeded(self.recipe.seed, "outside", self.state.step)

    @property
    def watches_test(self) -> bool:
        """Whether test is evaluated at every epoch, for a figure; choosing never sees it."""
        return self.recipe.evaluate is not None and self.recipe.evaluate.test_every_epoch

    def pause_after(self, epoch: int) -> None:
        """Stop after so many epochs of the whole budget, and wait; the schedule and all draws stay those of the whole."""
        self.until_epoch = epoch
        self._pause_if_due()

    def _pause_if_due(self) -> None:
        if not self.state.stopped and self.until_epoch is not None and self.state.epoch >= self.until_epoch:
            self.state.stopped = PAUSED

    def give_up(self) -> None:
        """End where the training stands; one that diverged stays so."""
        if self.state.stopped != "diverged":
            self.state.stopped = "pruned"

    def out_of_steps(self) -> bool:
        """Whether the budget is used up."""
        return self.state.step >= self.total_steps

    def log_step(self, measured: Tensor, lr: float) -> None:
        """Take a step's loss, accuracy and what the recipe watches (``float32 [2 + watched]``, on the device); written a hundred at a time."""
        self._epoch_images += self.recipe.batch_size
        self._waiting.append((self.state.step, self.state.epoch + 1, measured, lr))
        if len(self._waiting) >= ROWS_AT_ONCE:
            self.hand_over()

    def hand_over(self) -> None:
        """Write the waiting step rows; the one place in an epoch that waits for the device."""
        if not self._waiting:
            return
        values = torch.stack([measured for _, _, measured, _ in self._waiting]).tolist()
        rows: list[dict[str, Any]] = []
        for (step, epoch, _, lr), (loss, accuracy, *watched) in zip(self._waiting, values, strict=True):
            norms: dict[str, str] = {name: f"{value:.7g}" for name, value in zip(self.recipe.watch, watched, strict=True)}
            rows.append({"step": step, "epoch": epoch, "loss": f"{loss:.7g}", "accuracy": f"{accuracy:.6g}", "lr": f"{lr:.7g}", **norms})
            if not math.isfinite(loss):
                self.state.diverged_step, self.state.stopped = step, "diverged"
                break
        self._waiting.clear()
        self.folder.steps.append(rows)
        self._tell(None)

    def diverged(self, *, up_to_now: bool = False) -> bool:
        """Whether a loss was not finite, as far as rows were handed over (or up to now)."""
        if up_to_now:
            self.hand_over()
        return self.state.stopped == "diverged"

    def validate(self) -> None:
        """Close the epoch: evaluate on validation, write its row, choose the best, decide whether to go on."""
        state, trained = self.state, max(1, self.state.position)
        with self.clock.on("evaluate"):
            if state.average is not None:
                state.average.settle(self.evaluator.inputs(self.data.train, SETTLING_IMAGES))
            outcomes = self.evaluator.outcomes(state.evaluated, self.data.validation)
            watched = self.evaluator.outcomes(state.evaluated, self.data.test) if self.watches_test else None
        train_loss, train_accuracy = (state.running / trained).tolist()
        state.epoch, state.position = state.epoch + 1, 0
        state.running.zero_()
        self.folder.epochs.append([self._epoch_row(train_loss, train_accuracy, outcomes, watched)])
        self.folder.learning.append([{"epoch": state.epoch, "right": outcomes.right_bits}])
        state.last = {"last_validation_loss": outcomes.loss, "last_validation_accuracy": outcomes.accuracy}
        self._choose(Best(state.epoch, outcomes.accuracy, outcomes.loss))
        self._tell(outcomes.accuracy)
        self._epoch_images, self._epoch_began = 0, time.perf_counter()

    def _epoch_row(self, train_loss: float, train_accuracy: float, outcomes: Outcomes, watched: Outcomes | None) -> dict[str, Any]:
        measured = {
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "validation_loss": outcomes.loss,
            "validation_accuracy": outcomes.accuracy,
        }
        return {
            "epoch": self.state.epoch,
            "step": self.state.step,
            **{name: f"{value:.7g}" for name, value in measured.items()},
            "lr": f"{self.state.optimizer.param_groups[0]['lr']:.7g}",
            "seconds": f"{self.clock.total():.3f}",
            "images_per_second": f"{self._images_per_second():.1f}",
            **({"test_loss": f"{watched.loss:.7g}", "test_accuracy": f"{watched.accuracy:.7g}"} if watched is not None else {}),
        }

    def _images_per_second(self) -> float:
        return self._epoch_images / max(1e-9, time.perf_counter() - self._epoch_began)

    def _choose(self, candidate: Best) -> None:
        state = self.state
        if candidate.beats(state.best, self.recipe.choose):
            state.best, state.stale, state.best_weights = candidate, 0, state.weights()
            self.folder.keep_best(candidate.epoch, weights_to_bytes(state.best_weights))
        else:
            state.stale += 1
        if self.out_of_steps():
            state.stopped = "budget"
        elif self.recipe.patience is not None and state.stale >= self.recipe.patience:
            state.stopped = "patience"
        self._pause_if_due()

    def keep_now_and_then(self) -> None:
        """Keep a checkpoint inside an epoch if the last one is long ago."""
        if time.perf_counter() - self._kept_at >= CHECKPOINT_SECONDS:
            self.hand_over()
            if not self.state.stopped:
                self.keep()

    def keep(self) -> None:
        """Keep a checkpoint: from here the run goes on bit for bit."""
        self.hand_over()
        with self.clock.on("keep"):
            self.clock.total()
            self.folder.keep_checkpoint(self.state.step, self.state.epoch, self.state.to_bytes(), self.state.best.epoch if self.state.best else None)
        self._kept_at = time.perf_counter()

    def _tell(self, validation_accuracy: float | None) -> None:
        best = self.state.best.accuracy if self.state.best else None
        speed = self._images_per_second()
        self.listener(Progress(self.state.epoch, self.total_epochs, self.state.step, self.total_steps, speed, validation_accuracy, best))


def initial_model(recipe: Recipe, machine: Machine, data: LoadedData) -> tuple[nn.Module, Loaded | None]:
    """A network before the first step, on the device: initial values from (seed, parameter name), or from a weights file, and what came of that."""
    with keyed.seeded(recipe.seed, "construct"):
        model, loaded = networks.started(recipe.model, data.shape, len(data.classes), recipe.seed, data.places)
    return model.to(device=machine.device).to(memory_format=machine.format), loaded


def initial_state(recipe: Recipe, machine: Machine, model: nn.Module, optimizer: torch.optim.Optimizer) -> TrainState:
    """A state before the first step: nothing learnt."""
    moment = keyed.bind(model, recipe.seed)
    average = recipe.averaging.build(model)
    if machine.compile:
        model.compile()
    running = torch.zeros(2, dtype=torch.float64, device=machine.device)
    return TrainState(model, optimizer, average, moment, running)
