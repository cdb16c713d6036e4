"""The shipped studies of transfer learning: every arm, shrunk to small made images, with weights where they lie there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contrast import networks, study_file
from contrast.recipe import Recipe
from tests.models.made import trained

TRAINABLE = {
    ("transfer-dogs-vs-cats", "baseline"): 2_562,
    ("transfer-dogs-vs-cats", "hidden layer"): 1_313_794,
    ("transfer-caltech", "baseline"): 28_182,
    ("transfer-caltech", "last blocks too"): 1_709_526,
    ("transfer-caltech", "all but the head"): 2_223_872,
    ("transfer-caltech", "all layers"): 2_252_054,
    ("transfer-caltech", "from scratch"): 2_252_054,
}
"""Study and arm → values that are trained, with 2 and 22 classes; `tests/test_shipped.py` has the other studies."""

STUDIES = {name: study_file.read(study_file.shipped()[name]) for name in sorted({study for study, _ in TRAINABLE})}


def recipe_of(study: str, arm: str) -> Recipe:
    return next(planned.recipe for planned in STUDIES[study].plan().arms if planned.name == arm)


@pytest.mark.parametrize(("study", "arm"), TRAINABLE)
def test_each_arm_trains_what_its_name_says(study: str, arm: str) -> None:
    with torch.device("meta"):
        model = networks.network(recipe_of(study, arm).model, (3, 128, 128), 2 if study.endswith("cats") else 22)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == TRAINABLE[study, arm]


@pytest.mark.slow
@pytest.mark.parametrize(("study", "arm"), [(name, arm.name) for name, study in STUDIES.items() for arm in study.plan().arms])
def test_each_arm_trains_two_steps_on_small_images(study: str, arm: str, tmp_path: Path) -> None:
    spec: dict[str, Any] = recipe_of(study, arm).spec()
    data = {"use": "synthetic", "images": 60, "size": 32, "validation": 12}
    del spec["epochs"]
    shrunk = Recipe.parse({**spec, "data": data, "steps": 2, "batch_size": 16, "model": {**spec["model"], "weights": "none"}}, trust=False)
    assert trained(shrunk, tmp_path).state.step == 2
