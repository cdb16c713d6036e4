"""Every study that comes with the package trains every one of its arms, shrunk: synthetic images of the same shape, two steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import contrast as ct
from contrast import study_file
from contrast.recipe import Recipe
from contrast.study import Study
from tests.models.made import trained

SHAPES = {"mnist5k": (28, 1, 10), "mnist": (28, 1, 10), "cifar10": (32, 3, 10)}
"""Data set → size, channels, classes."""
PHOTOGRAPHS = (64, 3, 4)
"""The same for studies whose images lie in files of their own: as small as AlexNet takes them."""


def synthetic(study: Study) -> dict[str, Any]:
    """A data set that looks like the study's."""
    size, channels, classes = SHAPES.get(study.base.data.use, PHOTOGRAPHS)
    return {"use": "synthetic", "images": 5 * classes, "classes": classes, "size": size, "channels": channels}


def shrunk(study: Study) -> Study:
    """The study with few images, two steps a run and one seed; its arms and designs are as they were."""
    spec = study.spec()
    budget: dict[str, Any] = {"steps": 2, "batch_size": 8, "precision": "fp32"}
    base = {key: value for key, value in spec["base"].items() if key not in ("epochs", "steps")}
    return Study.parse({**spec, "base": {**base, **budget, "data": synthetic(study)}, "seeds": [0]})


def alone(study: Study, recipe: Recipe) -> Recipe:
    """One arm's recipe, whatever it changes, with few images, two steps, and no weights from a file."""
    spec = {key: value for key, value in recipe.spec().items() if key not in ("epochs", "steps")}
    model = spec["model"] | ({"weights": "none"} if "weights" in spec["model"] else {})
    return Recipe.parse({**spec, "data": synthetic(study), "model": model, "steps": 2, "batch_size": 8, "precision": "fp32"}, trust=False)


STUDIES = {name: study_file.read(path) for name, path in study_file.shipped().items()}
QUICK = ["cifar10-dropout", "cifar10-norm-and-rate", "cifar10-optimizers", "quickstart"]
WHOLE = [name for name in QUICK if name in STUDIES]
"""Studies that are run as studies, designs and all, with the fast tests; of all others each arm is trained alone."""
ARMS = [(name, arm.name) for name, study in STUDIES.items() if name not in WHOLE for arm in study.plan().arms if arm.twin is None]


@pytest.mark.parametrize("name", WHOLE)
def test_a_shipped_study_trains_every_arm(name: str, tmp_path: Any) -> None:
    study = STUDIES[name]
    results = ct.run(shrunk(study), runs=tmp_path)
    assert results.arms == [arm.name for arm in study.plan().arms]
    assert set(results.runs()["status"]) <= {"finished", "diverged"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_each_arm_of_a_shipped_study_trains_two_steps(name: str, arm: str, tmp_path: Path) -> None:
    study = STUDIES[name]
    recipe = next(planned.recipe for planned in study.plan().arms if planned.name == arm)
    assert trained(alone(study, recipe), tmp_path).state.step == 2
