"""Small real transfer trainings for tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from contrast.engine.machine import resolve
from contrast.engine.training import Training, load
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import RunFolder

NET = {"use": "convnet", "channels": [8, 8], "norm": "batch", "dropout": 0.2, "head": [16], "head_dropout": 0.3}
SMALL = {
    "data": {"use": "synthetic", "images": 120, "size": 8, "validation": 24},
    "model": NET,
    "optimizer": {"use": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 3,
    "batch_size": 8,
}
FLIP = [{"use": "flip"}]


def small(model: dict[str, object] | None = None, **changes: object) -> Recipe:
    """The small recipe with settings of its network changed, and other keys replaced."""
    return Recipe(**{**SMALL, "model": {**NET, **(model or {})}, **changes})


def begun(recipe: Recipe, folder: Path, places: Places | None = None) -> Training:
    """A training on one thread of this CPU, ready to go."""
    machine = dataclasses.replace(resolve(1), device="cpu", precision="fp32", memory_format="contiguous", deterministic=True).for_recipe(recipe)
    machine.prepare()
    folder.mkdir(parents=True, exist_ok=True)
    data = load(recipe, places or Places(), "cpu")
    return Training.begin(recipe, machine, data, RunFolder(folder), lambda progress: None)


def trained(recipe: Recipe, folder: Path, places: Places | None = None) -> Training:
    """A training carried to its end."""
    training = begun(recipe, folder, places)
    recipe.loop.train(training)
    return training
