from __future__ import annotations

from pathlib import Path

import pytest
from tests.reading import made_designs
from tests.reading.made_study import Made, write

from contrast.results import Results


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(write(tmp_path_factory.mktemp("runs") / "quickstart"))


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Results:
    rates = {f"model.dropout {p / 10}": p / 10 for p in range(1, 10)}
    gains = {"baseline": 0.0} | {arm: 0.5 * rate - 1.2 * rate**3 for arm, rate in rates.items()}
    changes = {arm: {"model.dropout": rate} for arm, rate in rates.items()}
    axes = {arm: ("model.dropout", rate) for arm, rate in rates.items()}
    made = Made(gains=gains, changes=changes, axes=axes, images=300, name="sweep", question="Which dropout rate is best?")
    return Results(write(tmp_path_factory.mktemp("runs") / "sweep", made))


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All designs in one study."""
    return Results(write(tmp_path_factory.mktemp("runs") / "everything", made_designs.everything()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of its own for a test that changes files."""
    return write(tmp_path / "study", Made(images=50))
