"""What finished runs tell before a study starts: the smallest effect of a design; and runs of several versions, which are flagged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.reading.made_study import Made, write

from contrast.compare import smallest_effect_from_one_run, smallest_effect_from_pilot
from contrast.pilot import pilot
from contrast.results import Results


@pytest.fixture
def study(tmp_path: Path) -> Results:
    return Results(write(tmp_path / "s", Made(images=50)))


def accuracies(study: Results) -> list[float]:
    runs = study.runs()
    return [float(value) for value in runs[runs["arm"] == "baseline"]["test_accuracy"]]


def without(study: Results, left: int) -> Results:
    """The study with `left` finished runs of the baseline."""
    own = [run for run in study.planned() if run.arm == "baseline"]
    for run in own[left:]:
        (run.folder / "summary.json").unlink(missing_ok=True)
    return Results(study.folder)


def test_several_runs_tell_by_their_spread_how_small_an_effect_can_be_seen(study: Results) -> None:
    told = pilot(study, {**study.lock, "seeds": list(range(10))})
    expected = smallest_effect_from_pilot([100 * value for value in accuracies(study)], 10, len(study.arms) - 1)
    assert told is not None
    assert f"10 seeds show, with 80 % power, {len(study.arms) - 1} arms judged together, differences from about {expected.effect:.2g} points" in told


def test_one_run_tells_by_its_test_images_and_none_tells_nothing(study: Results) -> None:
    one = without(study, 1)
    expected = smallest_effect_from_one_run(accuracies(one)[0], study.lock["data"][0]["counts"]["test"], 10, len(study.arms) - 1)
    assert f"about {expected:.2g} points (from its test images alone)" in str(pilot(one, {**study.lock, "seeds": list(range(10))}))
    assert pilot(without(one, 0), study.lock) is None


def test_a_race_is_judged_by_its_last_look(study: Results) -> None:
    lock = {**study.lock, "designs": {"race": {"start": 3, "up to": 20, "looks": [3, 20]}}}
    assert "20 seeds show" in str(pilot(study, lock))


def test_runs_of_several_versions_are_flagged(study: Results) -> None:
    assert not any("several versions" in warning for warning in study.warnings())
    path = study.planned()[0].folder / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"torch": "9.9.9"}))
    warning = next(warning for warning in Results(study.folder).warnings() if "several versions of torch" in warning)
    assert "9.9.9" in warning
