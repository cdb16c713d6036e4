"""Every study that comes with the package trains every one of its arms, shrunk: synthetic images of the same shape, two steps."""

from __future__ import annotations

from typing import Any

import pytest

import contrast as ct
from contrast import study_file
from contrast.study import Study

SHAPES = {"mnist5k": (28, 1, 10), "mnist": (28, 1, 10), "cifar10": (32, 3, 10)}
"""Data set → size, channels, classes."""


def shrunk(study: Study) -> Study:
    """The study with few images, two steps a run and one seed; its arms and designs are as they were."""
    spec = study.spec()
    size, channels, classes = SHAPES[study.base.data.use]
    budget: dict[str, Any] = {"steps": 2, "batch_size": 8, "precision": "fp32"}
    data = {"use": "synthetic", "images": 5 * classes, "classes": classes, "size": size, "channels": channels}
    base = {key: value for key, value in spec["base"].items() if key not in ("epochs", "steps")}
    return Study.parse({**spec, "base": {**base, **budget, "data": data}, "seeds": [0]})


STUDIES = {name: study_file.read(path) for name, path in study_file.shipped().items()}
OFFLINE = sorted(name for name, study in STUDIES.items() if study.base.data.use in SHAPES)
"""Studies that need neither files of their own nor pretrained weights; `test_transfer_studies.py` has the others."""


WIDE = {"cifar10-batchnorm"}
"""Studies whose networks take long even for two steps."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in WIDE else []) for name in OFFLINE])
def test_a_shipped_study_trains_every_arm(name: str, tmp_path: Any) -> None:
    study = STUDIES[name]
    results = ct.run(shrunk(study), runs=tmp_path)
    assert results.arms == [arm.name for arm in study.plan().arms]
    assert set(results.runs()["status"]) <= {"finished", "diverged"}
