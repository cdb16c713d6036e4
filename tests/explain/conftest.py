"""One small study, trained once, that all tests of this folder look into."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import contrast as ct
from contrast.protocols import Places
from contrast.results import Results
from contrast.run_files import RunFiles

PLACES = Places()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two networks with convolutions and one without, two seeds of the first two."""
    base = ct.Recipe(
        data={"use": "mnist5k", "train": 400, "validation": 150, "test": 200},
        model={"use": "convnet", "channels": [4, 6], "kernel": 3},
        optimizer={"use": "adam", "lr": 0.01},
        epochs=2,
        batch_size=50,
        device="cpu",
        precision="fp32",
    )
    arms = {"batch/norm": {"model.norm": "batch"}, "no convolution": {"model": {"use": "mlp", "hidden": [16]}}}
    asked = ct.Study(question="Can it be looked into?", base=base, arms=arms, seeds=2, name="inside")
    return ct.run(asked, runs=tmp_path_factory.mktemp("runs") / "inside")


@pytest.fixture(scope="session")
def run(study: Results) -> RunFiles:
    """A finished run with convolutions."""
    return next(run for run in study.planned() if run.arm == "batch/norm" and run.seed == 1)


@pytest.fixture
def copied(study: Results, tmp_path: Path) -> Results:
    """The study in a folder of its own, for a test that changes files."""
    return Results(shutil.copytree(study.folder, tmp_path / "inside"))
