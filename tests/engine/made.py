"""Small real trainings for tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from contrast.engine.machine import resolve
from contrast.engine.training import Training, load
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import RunFolder

SMALL = {
    "data": {"use": "synthetic", "images": 120, "size": 8, "validation": 24},
    "augment": [{"use": "flip"}, {"use": "crop", "padding": 1}],
    "model": {"use": "convnet", "channels": [8], "head": [16]},
    "optimizer": {"use": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 3,
    "batch_size": 8,
}


def small(**changes: object) -> Recipe:
    """The small recipe with some keys replaced."""
    return Recipe(**{**SMALL, **changes})


def begun(recipe: Recipe, folder: Path, *, precision: str = "fp32", memory_format: str = "contiguous") -> Training:
    """A training on one thread of this CPU, ready to go."""
    machine = dataclasses.replace(resolve(1), device="cpu", precision=precision, memory_format=memory_format, deterministic=True).for_recipe(recipe)
    machine.prepare()
    folder.mkdir(parents=True, exist_ok=True)
    data = load(recipe, Places(), "cpu")
    return Training.begin(recipe, machine, data, RunFolder(folder), lambda progress: None)


def trained(recipe: Recipe, folder: Path, **machine: str) -> Training:
    """A training carried to its end."""
    training = begun(recipe, folder, **machine)
    recipe.loop.train(training)
    return training
