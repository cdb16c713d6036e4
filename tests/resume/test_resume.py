"""A run killed with SIGKILL and resumed is the run that was never killed: every file equal but for times."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_runs.py")
TIMES = {
    "seconds",
    "train_seconds",
    "evaluation_seconds",
    "keeping_seconds",
    "loading_share",
    "images_per_second",
    "tflop_per_second",
    "peak_memory_bytes",
    "peak_gpu_memory_bytes",
    "started",
}
EVENTS = (
    "mid_epoch",
    "mid_epoch_after_a_checkpoint_there",
    "inside_a_checkpoint_write",
    "checkpoint_written_old_one_not_pruned",
    "between_a_row_and_its_checkpoint",
    "half_a_row_written",
    "during_test",
    "before_the_summary",
    "after_the_summary",
)


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory):
    root = tmp_path_factory.mktemp("resume")
    done = subprocess.run([sys.executable, PROGRAM, root], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout), done.stderr


def contents(folder: Path) -> dict[str, object]:
    """Every file of a study's folder, by its path, with times taken out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): without_times(path) for path in files}


def without_times(path: Path) -> object:
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        return {key: value for key, value in content.items() if key not in TIMES} if isinstance(content, dict) else content
    if path.suffix == ".csv":
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(path.read_text().splitlines())]
    return path.read_bytes()


def test_the_undisturbed_run_finishes(carried_out):
    root, told, stderr = carried_out
    assert told["whole"] == 0, stderr
    (summary,) = (root / "whole").glob("*/summary.json")
    assert json.loads(summary.read_text())["status"] == "finished"


@pytest.mark.parametrize("event", EVENTS)
def test_both_kills_hit_their_event(carried_out, event):
    _, told, stderr = carried_out
    assert told[event]["killed"] == [signal.SIGKILL, signal.SIGKILL], stderr
    assert told[event]["reached"] == 2


@pytest.mark.parametrize("event", EVENTS)
def test_a_run_killed_twice_and_resumed_equals_the_undisturbed_one_in_every_file(carried_out, event):
    root, told, stderr = carried_out
    assert told[event]["resumed"] == 0, stderr
    whole, resumed = contents(root / "whole"), contents(root / event)
    assert resumed.keys() == whole.keys()
    for name, content in whole.items():
        assert resumed[name] == content, f"{name} differs after a kill at {event}"


def test_every_step_and_epoch_has_exactly_one_row(carried_out):
    root, _, _ = carried_out
    for event in EVENTS:
        (folder,) = (path.parent for path in (root / event).glob("*/summary.json"))
        summary = json.loads((folder / "summary.json").read_text())
        steps = [int(row["step"]) for row in csv.DictReader((folder / "steps.csv").read_text().splitlines())]
        epochs = [int(row["epoch"]) for row in csv.DictReader((folder / "epochs.csv").read_text().splitlines())]
        assert steps == list(range(1, summary["steps"] + 1))
        assert epochs == list(range(1, summary["epochs"] + 1))
