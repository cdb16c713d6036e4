"""Studies on folders of real photographs run from the plan to the page, and say what loading cost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import contrast as ct
from contrast.protocols import Places
from contrast.report.excerpt import text

pytestmark = pytest.mark.slow

CATS = {"use": "cats_vs_dogs", "train": 32, "validation": 16, "test": 16}
CALTECH = {"use": "caltech101", "size": 224, "train": 44}
SETS = {"dogs-vs-cats-64": CATS, "caltech-22": CALTECH}


def study(data: dict[str, object]) -> ct.Study:
    base = {
        "data": data,
        "augment": [{"use": "flip"}],
        "model": {"use": "convnet", "channels": [4, 4, 8]},
        "optimizer": {"use": "adam", "lr": 0.01},
        "steps": 2,
        "batch_size": 16,
    }
    return ct.Study(question="Does flipping help on photographs?", base=base, arms={"no flip": {"augment.flip": "off"}}, seeds=1)


@pytest.mark.parametrize("name", SETS)
def test_a_study_on_photographs_runs_to_its_page_and_says_what_loading_cost(
    name: str, real: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if real.find(name) is None:
        pytest.skip(f"needs $CONTRAST_DATA/{name}")
    results = ct.run(study(SETS[name]), runs=tmp_path / "runs", data=real.folders[0])
    shares = [json.loads(path.read_text())["loading_share"] for path in (tmp_path / "runs").glob("*/summary.json")]
    assert len(shares) == 2
    assert all(0 < share < 1 for share in shares)
    assert sorted(results.runs()["loading_share"]) == pytest.approx(sorted(shares))
    assert re.search(r", loading \d+\.\d % of the step time", capsys.readouterr().err)
    assert "loading, % of step time" in text(results, "run")
    results.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.search(r"<td class=\"n\">\d+\.\d %</td>", page)
    assert "loading, % of step time" in page
    if name == "caltech-22":
        of_the_report(tmp_path / "runs", real)


def of_the_report(runs: Path, real: Places) -> None:
    """Odd lines of train.txt train, even ones choose, test.txt judges, without the background; the study keeps it so."""
    kept = json.loads(next((runs / "splits").glob("*.json")).read_text())
    learning, judging = (
        [line for line in (real.find(f"caltech-22/{file}") or Path()).read_text().split() if not line.startswith("BACKGROUND_Google/")]
        for file in ("train.txt", "test.txt")
    )
    assert set(kept["train"]) <= set(learning[1::2])
    assert sorted(kept["validation"]) == sorted(learning[::2])
    assert sorted(kept["test"]) == sorted(judging)
