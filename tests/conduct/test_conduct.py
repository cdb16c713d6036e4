"""From a plan to finished runs: what is skipped, what is refused, what a failure does to the others."""

import json
import multiprocessing
import shutil
import types

import numpy as np
import pytest
from filelock import FileLock

import contrast as ct
from contrast import conduct
from contrast.doors import Doing, carry_out, plan
from contrast.store import StudyFolder

BASE = {
    "data": {"use": "synthetic", "images": 120, "size": 8, "validation": 24},
    "model": {"use": "mlp", "hidden": [8]},
    "optimizer": {"use": "sgd", "lr": 0.05},
    "epochs": 1,
    "batch_size": 24,
}


def study(**changes):
    given = {"name": "small", "question": "Is wider better?", "base": BASE, "arms": {"wide": {"model.hidden": [16]}}, "seeds": 2}
    return ct.Study.parse({**given, **changes})


def doing(asked, folder, **more):
    return Doing.of(asked, runs=folder, level="quiet", **more)


def finished(folder):
    return sorted(path.parent.name for path in folder.glob("*/summary.json"))


def test_a_study_carried_out_has_every_run_finished_and_twice_is_once(tmp_path):
    asked = study()
    carry_out(asked, doing(asked, tmp_path))
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    assert len(finished(tmp_path)) == 4
    assert not plan(asked, doing(asked, tmp_path)).orders
    carry_out(asked, doing(asked, tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*") if path.name != "owner.lock"} == {
        path: when for path, when in written.items() if path.name != "owner.lock"
    }


def test_editing_a_study_runs_only_what_is_new(tmp_path):
    first = study()
    carry_out(first, doing(first, tmp_path))
    edited = study(arms={"wide": {"model.hidden": [16]}, "deep": {"model.hidden": [8, 8]}}, seeds=3)
    waiting = [(order.arm, order.seed) for order in plan(edited, doing(edited, tmp_path)).orders]
    assert waiting == [("deep", 0), ("deep", 1), ("baseline", 2), ("wide", 2), ("deep", 2)]


def test_twins_train_once_and_both_read_the_run(tmp_path):
    asked = study(arms={"wide": {"model.hidden": [16]}, "broad": {"model.hidden": [16]}}, seeds=1)
    results = carry_out(asked, doing(asked, tmp_path))
    assert len(finished(tmp_path)) == 2
    assert list(results.runs()["arm"]) == ["baseline", "wide", "broad"]


def test_a_failed_run_is_named_with_its_cause_and_does_not_stop_the_others(tmp_path, monkeypatch):
    asked = study()
    whole = conduct.finish

    def broken(training, arm, keep, *, judged):
        if arm == "wide" and training.recipe.seed == 0:
            raise OSError(28, "No space left on device")
        return whole(training, arm, keep, judged=judged)

    monkeypatch.setattr(conduct, "finish", broken)
    with pytest.raises(ct.RunFailed, match=r"1 of 4 runs failed: wide seed 0: .*No space left on device"):
        carry_out(asked, doing(asked, tmp_path))
    assert len(finished(tmp_path)) == 3
    (failure,) = tmp_path.glob("*/failure.json")
    assert "No space left" in json.loads(failure.read_text())["cause"]
    assert list(failure.parent.glob("checkpoint/*.safetensors"))  # the last checkpoint survives a full disk
    monkeypatch.setattr(conduct, "finish", whole)
    carry_out(asked, doing(asked, tmp_path))
    assert len(finished(tmp_path)) == 4
    assert not failure.exists()


@pytest.mark.slow
def test_a_run_owned_by_another_process_is_left_to_it(tmp_path):
    asked = study(seeds=1)
    prepared = plan(asked, doing(asked, tmp_path))
    conduct.write_down(prepared, StudyFolder(tmp_path), doing(asked, tmp_path).places)
    events = []
    prepared.orders[0].folder.mkdir()
    with FileLock(prepared.orders[0].folder / "owner.lock"):
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        worker = context.Process(target=_take_all, args=(prepared.orders, queue))
        worker.start()
        events = [queue.get(timeout=60) for _ in range(2)]
        worker.join()
    assert events == [("elsewhere", "baseline"), ("finished", "wide")]


def _take_all(orders, queue):
    for order in orders:
        conduct.carry_out(order, lambda event: queue.put((event.kind, event.arm)) if event.kind not in ("started", "progress") else None)


@pytest.mark.slow
def test_local_processes_give_the_same_bits_as_one_process_with_as_many_threads(tmp_path):
    asked = study(seeds=1)
    local = doing(asked, tmp_path / "local", executor="local", workers=2)
    carry_out(asked, local)
    alone = plan(asked, doing(asked, tmp_path / "alone"))
    threads = json.loads((tmp_path / "local/study.lock").read_text())["machine"]["threads"]
    conduct.write_down(alone, StudyFolder(tmp_path / "alone"), local.places)
    for order in alone.orders:
        conduct.carry_out(conduct.dataclasses.replace(order, machine={**order.machine, "threads": threads}), lambda event: None)
    for name in finished(tmp_path / "local"):
        for file in ("best.safetensors", "test.parquet", "steps.csv"):
            assert (tmp_path / "local" / name / file).read_bytes() == (tmp_path / "alone" / name / file).read_bytes()


@pytest.mark.slow
def test_local_processes_tell_the_end_of_every_run_exactly_once(tmp_path):
    asked = study()
    local = doing(asked, tmp_path, executor="local", workers=2)
    prepared = plan(asked, local)
    conduct.write_down(prepared, StudyFolder(tmp_path), local.places)
    events = []
    local.executor.carry_out(prepared.orders, conduct.carry_out, events.append)
    ends = [(event.arm, event.seed) for event in events if event.kind not in ("started", "progress")]
    assert sorted(ends) == sorted((order.arm, order.seed) for order in prepared.orders)


def test_the_plan_refuses_what_the_disk_can_not_hold_and_starts_nothing(tmp_path, monkeypatch):
    asked = study()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(total=10**6, used=10**6, free=1000))
    with pytest.raises(ct.RunFailed, match=r"the runs take \d+ MB and the disk has 0 MB left; free some, or set keep"):
        carry_out(asked, doing(asked, tmp_path))
    assert not finished(tmp_path)


def test_changed_data_is_refused_at_resume_and_nothing_is_touched(tmp_path):
    asked = study(seeds=1)
    carry_out(asked, doing(asked, tmp_path))
    lock = json.loads((tmp_path / "study.lock").read_text())
    lock["data"][0]["fingerprint"] = "0" * 64
    (tmp_path / "study.lock").write_text(json.dumps(lock))
    with pytest.raises(ct.InputError, match=r"base\.data: the images or labels are not those that the study was planned with"):
        carry_out(asked, doing(asked, tmp_path))


def test_a_plan_that_this_machine_can_not_keep_is_refused_and_relock_sets_the_old_runs_aside(tmp_path):
    asked = study(seeds=1)
    carry_out(asked, doing(asked, tmp_path))
    lock = json.loads((tmp_path / "study.lock").read_text())
    lock["machine"]["device"] = "a quantum annealer"
    (tmp_path / "study.lock").write_text(json.dumps(lock))
    with pytest.raises(ct.InputError, match=r"study\.lock: the study was planned on a quantum annealer.*--relock"):
        carry_out(asked, doing(asked, tmp_path))
    before = finished(tmp_path)
    carry_out(asked, doing(asked, tmp_path, relock=True))
    (aside,) = tmp_path.glob("aside-*")
    assert finished(aside) == before == finished(tmp_path)


def test_the_split_is_kept_by_image_id_and_held_by_later_plans(tmp_path):
    asked = study(seeds=1)
    carry_out(asked, doing(asked, tmp_path))
    (path,) = (tmp_path / "splits").glob("*.json")
    kept = json.loads(path.read_text())
    assert {name: len(ids) for name, ids in kept.items()} == {"train": 72, "validation": 24, "test": 24}
    kept["train"], kept["validation"] = kept["train"][1:] + kept["validation"][:1], kept["validation"][1:] + kept["train"][:1]
    path.write_text(json.dumps(kept))
    later = study(seeds=[7])
    carry_out(later, doing(later, tmp_path))
    parquet = ct.load(tmp_path).images("validation")
    assert set(parquet["id"]) == set(kept["validation"])


@pytest.mark.slow
def test_an_arm_trained_on_wrong_labels_is_found_to_hurt_and_one_that_changes_an_unused_draw_is_not_judged(tmp_path):
    base = {
        "data": {"use": "mnist5k", "train": 1000},
        "augment": [{"use": "flip", "p": 0.0}],
        "model": {"use": "mlp", "hidden": [64]},
        "optimizer": {"use": "sgd", "lr": 0.1, "momentum": 0.9},
        "epochs": 12,
        "batch_size": 50,
    }
    arms = {"wrong labels": {"data.wrong_labels": 0.1}, "unused draw": {"augment.flip": "off"}}
    asked = ct.Study.parse({"name": "planted", "question": "Is the planted difference found?", "base": base, "arms": arms, "seeds": 5})
    comparison = carry_out(asked, doing(asked, tmp_path)).compare()
    verdicts = {contrast.arm: contrast.verdict for contrast in comparison.contrasts}
    assert verdicts["wrong labels"].kind == "hurts"
    assert verdicts["unused draw"].kind not in ("helps", "hurts")
    effects = {contrast.arm: contrast.effect for contrast in comparison.contrasts}
    assert effects["unused draw"] == 0
    assert np.isfinite(effects["wrong labels"])


def test_more_threads_than_cores_are_remarked_where_a_study_planned_for_one_run_at_a_time_goes_on_side_by_side(tmp_path):
    asked = study(seeds=1)
    carry_out(asked, doing(asked, tmp_path))
    more = study(seeds=2)
    assert not plan(more, doing(more, tmp_path)).remarks
    (remark,) = plan(more, doing(more, tmp_path, executor="local", workers=2)).remarks
    assert "2 runs side by side take 2 threads on 1 cores, which is slower than one by one" in remark
