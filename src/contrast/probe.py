"""How long a study will take: a few steps of each distinct network, timed before anything is written down."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrast.engine.batches import Part
from contrast.engine.machine import Machine
from contrast.engine.training import LoadedData, Training
from contrast.evaluation import PASSES
from contrast.loaded import data_of
from contrast.orders import ExecutorIngredient, Order
from contrast.prepare import Prepared
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import RunFolder

WARM_UP, TIMED = 2, 10
"""Steps: those before the clock counts, and those that it counts."""
EVALUATED = 256
"""Images of validation and test that are evaluated."""
MOST_PROBES = 12
"""Networks that are timed; further ones are taken to be like the mean of these."""
OF_NO_WEIGHT = ("seed", "epochs", "steps", "schedule", "choose", "patience")
"""Settings that change how many steps a run has, or their rate, but not what one costs."""


@dataclasses.dataclass(frozen=True)
class Expected:
    """How long what is left of a study will take.

    Attributes:
        seconds: of wall time, with the executor's runs side by side.
        probed: distinct networks that were timed.
        distinct: how many there are.
    """

    seconds: float
    probed: int
    distinct: int


@dataclasses.dataclass(frozen=True)
class Pace:
    """Seconds of one optimizer step, of one image in evaluation, and of one image's features where a frozen part computes them once."""

    step: float
    image: float
    features: float


def expected(prepared: Prepared, places: Places, executor: ExecutorIngredient) -> Expected:
    """Time a few steps of each distinct network among the runs to come, and add up what all of them will take.

    Args:
        prepared: the checked plan.
        places: where its data is.
        executor: what will carry it out; its runs side by side are taken not to slow each other, but those in one process to take turns.
    """
    first = _first_orders(prepared)
    paces = {shape: pace(order, places) for shape, order in list(first.items())[:MOST_PROBES]}
    if not paces:
        return Expected(0.0, 0, 0)
    held = {split: _held(order, places) for split, order in {order.split: order for order in prepared.orders}.items()}
    mean = Pace(*(sum(values) / len(paces) for values in zip(*map(dataclasses.astuple, paces.values()), strict=True)))
    each = [_seconds(order, paces.get(_shape(order.recipe), mean), held[order.split]) for order in prepared.orders]
    search = prepared.plan.study.search
    trials = (search.trials - len(prepared.plan.trials)) * sum(each) / len(each) if search else 0.0  # taken to be like the arms
    frozen = max(pace.features for pace in paces.values()) * max(map(sum, held.values()))  # arms mostly share them
    total = sum(each) + trials + frozen
    return Expected(total / (executor.side_by_side if executor.elsewhere else 1), len(paces), len(first))


def distinct(prepared: Prepared) -> list[Order]:
    """The first run to come of each distinct network, at most `MOST_PROBES`."""
    return list(_first_orders(prepared).values())[:MOST_PROBES]


def _first_orders(prepared: Prepared) -> dict[str, Order]:
    found: dict[str, Order] = {}
    for order in prepared.orders:
        found.setdefault(_shape(order.recipe), order)
    return found


def _shape(recipe: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in recipe.items() if key not in OF_NO_WEIGHT}
    data = {key: value for key, value in recipe["data"].items() if key not in ("split_seed", "fold")}
    return json.dumps({**kept, "optimizer": recipe["optimizer"]["use"], "data": data}, sort_keys=True)


def pace(order: Order, places: Places) -> Pace:
    """What a step, an image in evaluation and its features take in a planned run, by a few timed steps."""
    recipe, machine, data = read(order, places)
    machine.prepare()
    timed(recipe, WARM_UP, machine, data)
    clock, images, evaluated = timed(recipe, TIMED, machine, data)
    return Pace(clock["train"] / min(TIMED, steps_of(recipe, len(data.train))), clock["evaluate"] / evaluated, clock.get("features", 0.0) / images)


def timed(recipe: Recipe, steps: int, machine: Machine, data: LoadedData) -> tuple[dict[str, float], int, int]:
    """Seconds by purpose of a short training on few images, how many those are, and how many were evaluated; nothing of it is kept."""
    with tempfile.TemporaryDirectory(prefix="contrast-probe-") as folder:
        training = _short(recipe, steps, machine, data, Path(folder))
        recipe.loop.train(training)
        few = training.data
        images = len(few.train) + len(few.validation) + len(few.test)
        return dict(training.clock.seconds), images, len(few.validation) * training.state.epoch


def short_training(order: Order, places: Places, steps: int, folder: Path) -> Training:
    """A training of a planned run on few images, ready for its first step, all of whose files go to a folder that will be thrown away.

    Raises:
        InputError: its data is missing.
    """
    recipe, machine, data = read(order, places)
    machine.prepare()
    return _short(recipe, steps, machine, data, folder)


def _short(recipe: Recipe, steps: int, machine: Machine, data: LoadedData, folder: Path) -> Training:
    budget = min(steps, steps_of(recipe, len(data.train)))
    few = _few(data, recipe.batch_size * budget, folder)
    short = recipe.model_copy(update={"steps": budget, "evaluate": None})
    run = folder / "run"
    run.mkdir()
    return Training.begin(short, machine, few, RunFolder(run), lambda progress: None)


def _few(data: LoadedData, train: int, cache: Path) -> LoadedData:
    """The first images of each part; what would be kept in the user's cache goes to a folder that is thrown away."""
    places = data.places.model_copy(update={"folders": (*data.places.folders, cache)})
    validation, test = (_first(part, EVALUATED) for part in (data.validation, data.test))
    return dataclasses.replace(data, places=places, train=_first(data.train, train), validation=validation, test=test)


def _first(part: Part, count: int) -> Part:
    return Part(part.pixels[:count], part.labels[:count], part.keys[:count], part.ids[:count], part.classes)


def read(order: Order, places: Places) -> tuple[Recipe, Machine, LoadedData]:
    """What an order says: its recipe, the plan of the machine for it, and its data."""
    recipe = Recipe.parse(order.recipe, trust=True)
    machine = Machine.from_lock(order.machine).for_recipe(recipe)
    return recipe, machine, data_of(recipe, places, machine.device, order.split)


def steps_of(recipe: Recipe, train: int) -> int:
    """Optimizer steps of a run with so many training images."""
    return recipe.steps if recipe.steps is not None else recipe.epochs * (train // recipe.batch_size)


def _held(order: Order, places: Places) -> tuple[int, int, int]:
    """Images that train, choose and judge."""
    _, _, data = read(order, places)
    return len(data.train), len(data.validation), len(data.test)


def _seconds(order: Order, pace: Pace, held: tuple[int, int, int]) -> float:
    recipe = Recipe.parse(order.recipe, trust=True)
    train, validation, test = held
    watched = test if recipe.evaluate is not None and recipe.evaluate.test_every_epoch else 0
    steps = steps_of(recipe, train)
    epochs = math.ceil(steps / max(1, train // recipe.batch_size))
    passes = PASSES[recipe.evaluate.views] if recipe.evaluate is not None else 1
    spared = recipe.evaluate is not None and not recipe.evaluate.train
    images = passes * (epochs * (validation + watched) + validation + (test if order.judged else 0)) + (0 if spared else train)
    return steps * pace.step + images * pace.image
