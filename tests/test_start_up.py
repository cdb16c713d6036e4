"""What a command does not need, it does not load: start-up stays short, and a page can be written where torch is not even installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reading.made_study import Made, write

WALK = """
import contextlib, io, json, sys

heavy = ("torch", "torchvision", "numpy", "pandas", "pyarrow", "scipy", "statsmodels", "altair", "pydantic", "rich")
loaded = {}

def look(step):
    loaded[step] = [name for name in heavy if name in sys.modules]

import contrast
look("import contrast")
from contrast.cli import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        code = main(words)
    assert code == 0, (words, code)
    look(" ".join(words[:1] if words[:2] != ["run", "--help"] else words))
print(json.dumps(loaded))
"""


def walked(*steps: list[str], where: Path) -> dict[str, list[str]]:
    """Which heavy libraries a fresh process holds after each step, all steps in one process."""
    made = subprocess.run([sys.executable, "-c", WALK, json.dumps(steps)], cwd=where, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    where = tmp_path_factory.mktemp("start")
    write(where / "study", Made(images=50))
    commands = [["--help"], ["run", "--help"], ["list"], ["status", "study"], ["table", "study"], ["compare", "study"], ["report", "study"]]
    return walked(*commands, where=where)


def test_the_package_itself_loads_nothing(reading: dict[str, list[str]]) -> None:
    assert reading["import contrast"] == []


def test_help_loads_no_library_that_computes(reading: dict[str, list[str]]) -> None:
    assert set(reading["--help"]) <= {"rich", "pydantic"}
    assert set(reading["run --help"]) <= {"rich", "pydantic"}


def test_list_loads_no_library_that_computes(reading: dict[str, list[str]]) -> None:
    assert set(reading["list"]) <= {"rich", "pydantic"}


@pytest.mark.parametrize("command", ["status", "table", "compare", "report"])
def test_reading_a_study_never_loads_torch(reading: dict[str, list[str]], command: str) -> None:
    assert "pandas" in reading[command]
    assert not {"torch", "torchvision"} & set(reading[command])


def test_planning_a_study_loads_torch_but_not_torchvision(tmp_path: Path) -> None:
    loaded = walked(["run", "quickstart", "--dry-run"], where=tmp_path)["run"]
    assert "torch" in loaded
    assert not {"torchvision", "altair", "statsmodels"} & set(loaded)
