"""Studies carried out with several runs stacked: the same folders, interrupted and gone on with like any other."""

import csv
import json
import signal
import subprocess
import sys

import pyarrow.parquet as parquet
import pytest

import contrast as ct
from contrast import conduct
from contrast.doors import Doing, carry_out, plan
from contrast.errors import InputError
from contrast.store import RunFolder, StudyFolder

BASE = {
    "data": {"use": "synthetic", "images": 120, "size": 8, "validation": 24},
    "model": {"use": "convnet", "channels": [8], "head": [16], "norm": "batch"},
    "optimizer": {"use": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 3,
    "batch_size": 8,
}
ARMS = {"dropout": {"model.dropout": 0.3}, "slower": {"optimizer.lr": 0.01}}


def study(**changes):
    given = {"name": "stacked", "question": "Does dropout help?", "base": BASE, "arms": ARMS, "seeds": 1}
    return ct.Study.parse({**given, **changes})


def doing(asked, folder, executor="stacked", **more):
    return Doing.of(asked, runs=folder, level="quiet", executor=executor, **more)


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def numbers(row, but=("seconds", "images_per_second")):
    return {name: float(value) for name, value in row.items() if name not in but}


def assert_alike(stacked, inline):
    """Two studies' folders: the same files, rows and columns, and the same numbers but for rounding and time."""
    files = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) for folder in (stacked, inline)]
    assert files[0] == files[1]
    for path in inline.glob("*/summary.json"):
        one, other = (json.loads((folder / path.parent.name / "summary.json").read_text()) for folder in (stacked, inline))
        assert one.keys() == other.keys()
        assert [one[key] for key in ("status", "steps", "epochs", "best_epoch", "id")] == [
            other[key] for key in ("status", "steps", "epochs", "best_epoch", "id")
        ]
        assert one["test_loss"] == pytest.approx(other["test_loss"], rel=1e-4)
    for path in [*inline.glob("*/steps.csv"), *inline.glob("*/epochs.csv")]:
        mine, theirs = rows(stacked / path.relative_to(inline)), rows(path)
        assert [list(row) for row in mine] == [list(row) for row in theirs]
        assert [numbers(row) for row in mine] == [pytest.approx(numbers(row), rel=1e-4, abs=1e-5) for row in theirs]
    for path in inline.glob("*/test.parquet"):
        mine, theirs = parquet.read_table(stacked / path.relative_to(inline)), parquet.read_table(path)
        assert mine.schema == theirs.schema
        assert mine["id"] == theirs["id"]


@pytest.fixture(scope="module")
def inline(tmp_path_factory):
    folder, asked = tmp_path_factory.mktemp("inline"), study(base={**BASE, "precision": "fp32"})
    carry_out(asked, doing(asked, folder, "inline"))
    return folder


def test_a_stacked_study_leaves_the_same_files_rows_and_columns_as_one_by_one(inline, tmp_path, capsys):
    asked = study(base={**BASE, "precision": "fp32"})
    carry_out(asked, doing(asked, tmp_path))
    assert_alike(tmp_path, inline)
    assert "one by one" not in capsys.readouterr().err


def test_interrupted_runs_let_their_locks_go_and_go_on_where_they_were(inline, tmp_path):
    asked = study(base={**BASE, "precision": "fp32"})
    prepared = plan(asked, doing(asked, tmp_path))
    conduct.write_down(prepared, StudyFolder(tmp_path), doing(asked, tmp_path).places)
    validated = []

    def tell(event):
        validated.extend([event.arm] if event.detail.get("validation_accuracy") is not None else [])
        if len(validated) == 5:  # the first epoch of three runs, the second of one, and of one that has no checkpoint of it yet
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doing(asked, tmp_path).executor.carry_out(prepared.orders, conduct.carry_out, tell)
    assert {RunFolder(order.folder).status() for order in prepared.orders} == {"interrupted"}
    epochs = [len(rows(order.folder / "epochs.csv")) for order in prepared.orders]
    assert sorted(set(epochs)) == [1, 2]
    carry_out(asked, doing(asked, tmp_path))
    assert_alike(tmp_path, inline)


PROGRAM = """
import os, signal, sys
from pathlib import Path
from contrast import doors, study_file
from contrast.engine.training import Training
from contrast.study import Study
import json
kept, whole = [], Training.keep
def keep(self):
    whole(self)
    kept.append(1)
    if len(kept) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
Training.keep = keep
asked = Study.parse(json.loads(sys.argv[1]))
doors.carry_out(asked, doors.Doing.of(asked, runs=Path(sys.argv[2]), executor="stacked", level="quiet"))
"""


@pytest.mark.slow
def test_killed_runs_that_stand_at_different_steps_are_stacked_again_and_equal_those_never_killed(inline, tmp_path):
    given = {"name": "stacked", "question": "Does dropout help?", "base": {**BASE, "precision": "fp32"}, "arms": ARMS, "seeds": 1}
    killed = subprocess.run([sys.executable, "-c", PROGRAM, json.dumps(given), str(tmp_path)], check=False, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = {path.name for path in tmp_path.glob("*/checkpoint/0*.safetensors")}
    assert kept == {"000000000009-000001.safetensors", "000000000018-000002.safetensors"}
    asked = ct.Study.parse(given)
    carry_out(asked, doing(asked, tmp_path))
    assert_alike(tmp_path, inline)


def test_a_failed_run_is_named_and_does_not_stop_those_that_it_is_stacked_with(tmp_path, monkeypatch):
    asked = study(base={**BASE, "epochs": 1})
    whole = conduct.finish

    def broken(training, arm, keep, *, judged):
        if arm == "dropout":
            raise OSError(28, "No space left on device")
        return whole(training, arm, keep, judged=judged)

    monkeypatch.setattr(conduct, "finish", broken)
    with pytest.raises(ct.RunFailed, match=r"1 of 3 runs failed: dropout seed 0: .*No space left on device"):
        carry_out(asked, doing(asked, tmp_path))
    assert len(list(tmp_path.glob("*/summary.json"))) == 2


def test_alike_networks_begin_after_each_other_each_kind_in_the_order_given(tmp_path):
    asked = study(arms={"wide": {"model.channels": [16]}, **ARMS}, seeds=2)
    prepared = plan(asked, doing(asked, tmp_path))
    begun = []
    doing(asked, tmp_path).executor.carry_out(prepared.orders, lambda order, tell: begun.append((order.arm, order.seed)), print)
    alike = [("baseline", 0), ("dropout", 0), ("slower", 0), ("baseline", 1), ("dropout", 1), ("slower", 1)]
    assert begun == [*alike, ("wide", 0), ("wide", 1)]


def test_workers_say_how_many_runs_at_a_time_and_are_not_taken_for_processes_that_crowd_the_cores(tmp_path):
    asked = study(seeds=3)
    three = doing(asked, tmp_path, workers=3)
    assert (three.executor.side_by_side, doing(asked, tmp_path).executor.side_by_side) == (3, 8)
    assert plan(asked, three).remarks == ()
    with pytest.raises(InputError, match=r"^--workers: 0 is wrong; it should be a whole number from 1 to 1024"):
        doing(asked, tmp_path, workers=0)
