"""`contrast run --profile`: where a step's time goes, with a trace, and nothing trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import contrast as ct
from contrast import cli, doors
from contrast.doors import Doing
from contrast.report import profiled

STUDY = ct.Study(
    question="Does width help?",
    base=ct.Recipe(
        data={"use": "synthetic", "images": 400, "classes": 4, "size": 8, "channels": 3},
        model={"use": "convnet", "channels": [4]},
        epochs=1,
        batch_size=8,
        precision="fp32",
    ),
    arms={"wide": {"model.channels": [8]}, "slower": {"optimizer.lr": 0.003}},
    seeds=2,
)
MULTIPLY_ACCUMULATES = 8 * 8 * 4 * 3 * 9 + 4 * 4 * 4 * 4  # of one image: a 3×3 convolution from 3 to 4 maps of 8×8, then 64 values to 4 classes


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], Path]:
    folder = tmp_path_factory.mktemp("runs") / "width"
    doing = Doing.of(STUDY, runs=folder, level="quiet")
    return list(doors.profiled(doors.plan(STUDY, doing), doing)), folder


def test_each_distinct_network_is_profiled_once(profiles: tuple[list[dict[str, object]], Path]) -> None:
    assert [profile["arm"] for profile in profiles[0]] == ["baseline", "wide"]


def test_the_parts_of_a_step_are_data_forward_backward_and_optimizer(profiles: tuple[list[dict[str, object]], Path]) -> None:
    for profile in profiles[0]:
        seconds = profile["seconds"]
        assert isinstance(seconds, dict)
        assert list(seconds) == ["data", "forward", "backward", "optimizer"]
        assert all(0 < value < 5 for value in seconds.values())


def test_operations_are_those_of_forward_and_backward(profiles: tuple[list[dict[str, object]], Path]) -> None:
    first_layer = 8 * 8 * 4 * 3 * 9  # whose input needs no gradient
    assert profiles[0][0]["operations"] == 8 * 2 * (3 * MULTIPLY_ACCUMULATES - first_layer)


def test_a_trace_that_a_viewer_opens_is_written_and_nothing_else(profiles: tuple[list[dict[str, object]], Path]) -> None:
    made, folder = profiles
    for profile in made:
        assert json.loads(Path(str(profile["trace"])).read_text(encoding="utf-8"))["traceEvents"]
    assert [path.name for path in folder.iterdir()] == ["profile"]


def test_the_shares_that_are_printed_add_up(profiles: tuple[list[dict[str, object]], Path]) -> None:
    shares = [float(line.split()[-2]) for line in profiled.lines(profiles[0][0]) if line.endswith("%")]
    assert len(shares) == 4
    assert sum(shares) == pytest.approx(100, abs=0.3)


@pytest.mark.slow
def test_the_command_prints_the_profile_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "quickstart", "--profile", "--runs", str(tmp_path / "runs")]) == 0
    told = capsys.readouterr().out
    assert "ms a step of" in told
    assert "TFLOP/s achieved" in told
    assert not list((tmp_path / "runs").glob("*/summary.json"))
