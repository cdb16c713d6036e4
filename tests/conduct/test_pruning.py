"""Pruned studies carried out: what goes on is what it would have been, what is given up has no test figure and no verdict."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contrast as ct
from contrast import conduct
from contrast.designs import Prune
from contrast.doors import Doing, carry_out, plan
from contrast.engine.training import Training
from contrast.errors import InputError
from contrast.planned import Plan
from contrast.pruning import figure_at, going_on
from contrast.report.plan import lines
from contrast.results import Results, load
from contrast.rungs import families
from contrast.store import StudyFolder

BASE = {
    "data": {"use": "mnist5k"},
    "model": {"use": "mlp", "hidden": [8]},
    "optimizer": {"use": "sgd", "lr": 0.1},
    "schedule": {"use": "cosine"},
    "epochs": 4,
    "batch_size": 500,
    "precision": "fp32",
    "evaluate": {"train": False},
}
RATES = [0.5, 0.0001, 0.03, 0.00001]
TIMES = ("seconds", "train_seconds", "evaluation_seconds", "keeping_seconds", "loading_share")
TIMES += ("images_per_second", "tflop_per_second", "peak_memory_bytes", "peak_gpu_memory_bytes", "started")


def study(**changes: Any) -> ct.Study:
    asked = {"name": "pruned", "question": "Which rate?", "base": BASE, "arms": {"poor": {"optimizer.lr": 1e-6}}}
    return ct.Study.parse({**asked, "sweep": {"optimizer.lr": RATES}, "seeds": 2, "prune": {"reduction": 2}, **changes})


def carried_out(asked: ct.Study, folder: Path, **more: Any) -> Results:
    return carry_out(asked, Doing.of(asked, runs=folder, level="quiet", **more))


def told(folder: Path) -> dict[str, Any]:
    """Every file of every run, times left out."""
    files = [
        path for path in sorted(folder.glob("*/*")) if path.suffix in (".json", ".csv", ".parquet", ".safetensors") and path.parent.name != "splits"
    ]
    return {str(path.relative_to(folder)): _without_times(path) for path in files}


def _without_times(path: Path) -> Any:
    if path.suffix == ".json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES}
    if path.suffix == ".csv":
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(path.read_text().splitlines())]
    return path.read_bytes()


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return carried_out(study(), tmp_path_factory.mktemp("runs") / "pruned")


def test_a_run_at_a_rung_is_told_to_wait_and_not_to_be_interrupted(tmp_path: Path) -> None:
    doing = Doing.of(study(), runs=tmp_path, level="quiet")
    prepared = plan(study(), doing)
    conduct.write_down(prepared, StudyFolder(tmp_path), doing.places)
    conduct.carry_out(replace(prepared.orders[0], until_epoch=prepared.lock["designs"]["prune"]["rungs"][0]), lambda event: None)
    status = Results(tmp_path).status()
    assert status["status"].tolist() == ["waiting", *["planned"] * (len(status) - 1)]
    assert Results(tmp_path).runs()["status"].tolist() == status["status"].tolist()


def test_stacked_runs_are_pruned_like_runs_one_by_one(pruned: Results, tmp_path: Path) -> None:
    stacked = carried_out(study(), tmp_path, executor="stacked")
    assert stacked.status()[["arm", "seed", "status", "epoch"]].equals(pruned.status()[["arm", "seed", "status", "epoch"]])
    one, other = (results.runs()["last_validation_loss"].tolist() for results in (stacked, pruned))
    assert one == pytest.approx(other, rel=1e-4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    asked = study(prune=None, sweep={"optimizer.lr": RATES[:2]}, arms={})
    return carried_out(asked, tmp_path_factory.mktemp("runs") / "whole")


class TestOutcome:
    def test_each_rung_gives_up_the_worse_half_and_what_is_left_has_its_whole_budget(self, pruned: Results) -> None:
        runs = pruned.runs()
        assert {arm: set(own) for arm, own in runs.groupby("arm")["epochs"]} == {
            "baseline": {4}, "poor": {4}, "lr 0.5": {4}, "lr 0.03": {2}, "lr 0.0001": {1}, "lr 1e-05": {1},
        }  # fmt: skip
        gone = runs[runs["status"] == "pruned"]
        assert set(gone["arm"]) == {"lr 0.03", "lr 0.0001", "lr 1e-05"}
        assert set(gone["planned_epochs"]) == {4}

    def test_what_goes_on_equals_bit_for_bit_what_it_is_without_pruning_learning_rates_included(self, pruned: Results, whole: Results) -> None:
        ours, theirs = told(pruned.folder), told(whole.folder)
        same = [name for name in theirs if name.startswith(("baseline-", "lr-0-5-"))]
        assert len(same) >= 4 * 8
        for name in same:
            assert ours[name] == theirs[name], name

    def test_what_is_given_up_stands_where_the_whole_run_stood_at_that_epoch(self, pruned: Results, whole: Results) -> None:
        ours, theirs = told(pruned.folder), told(whole.folder)
        rows = [name for name in theirs if name.startswith("lr-0-0001-") and name.endswith("steps.csv")]
        assert len(rows) == 2
        for name in rows:
            assert ours[name] == theirs[name][: len(ours[name])]
            assert 0 < len(ours[name]) < len(theirs[name])

    def test_test_stays_closed_for_what_is_given_up_and_validation_and_weights_stay(self, pruned: Results) -> None:
        runs = pruned.runs()
        for row in runs[runs["status"] == "pruned"].to_dict("records"):
            folder = pruned.folder / row["folder"]
            assert row["test_accuracy"] != row["test_accuracy"]
            assert row["validation_accuracy"] > 0
            names = {path.name for path in folder.iterdir()}
            assert {"validation.parquet", "best.safetensors", "epochs.csv"} <= names
            assert not names & {"test.parquet", "checkpoint"}

    def test_the_baseline_and_named_arms_are_never_pruned_however_poor(self, pruned: Results) -> None:
        runs = pruned.runs()
        assert set(runs.loc[runs["arm"].isin(["baseline", "poor"]), "status"]) == {"finished"}

    def test_a_second_start_runs_nothing(self, pruned: Results) -> None:
        before = {path: path.stat().st_mtime_ns for path in pruned.folder.glob("*/*") if path.name != "owner.lock"}
        asked = study()
        assert not plan(asked, Doing.of(asked, runs=pruned.folder, level="quiet")).orders
        carried_out(asked, pruned.folder)
        assert {path: path.stat().st_mtime_ns for path in pruned.folder.glob("*/*") if path.name != "owner.lock"} == before


class TestToldAs:
    def test_unfinished_without_a_verdict_and_counted_in_holms_family(self, pruned: Results) -> None:
        comparison = pruned.compare()
        contrasts = {contrast.arm: contrast for contrast in comparison.contrasts}
        gone = contrasts["lr 0.03"]
        assert (gone.verdict.kind, gone.verdict.short) == ("pruned", "unfinished (pruned after 2 of 4 epochs)")
        assert (gone.effect, gone.p, gone.p_holm, gone.interval) == (None, None, None, None)
        assert contrasts["lr 0.5"].family == contrasts["poor"].family == 5
        assert "3 were pruned unfinished" in comparison.answer
        remark = next(remark for remark in comparison.remarks if remark.startswith("pruned by validation"))
        assert "lr 0.0001 (after 1 of 4 epochs)" in remark
        assert not any("one side only" in remark or "not finished" in remark for remark in comparison.remarks)

    @pytest.mark.slow
    def test_the_page_and_its_restored_tables_mark_them(self, pruned: Results, tmp_path: Path) -> None:
        path = pruned.report(tmp_path / "page.html")
        page = path.read_text(encoding="utf-8")
        assert "is unfinished (pruned after 1 of 4 epochs): no verdict." in page
        assert "After 1 and 2 of 4 epochs, the best one in 2 by validation accuracy went on" in page
        assert 'id="method-successive-halving"' in page
        restored = load(path)
        assert str(restored.compare()) == str(pruned.compare())
        assert sum(restored.runs()["status"] == "pruned") == 6

    def test_the_terminal_and_the_status_mark_them(self, pruned: Results) -> None:
        from contrast.report import status, terminal

        printed = [str(line) for line in terminal.lines(pruned, pruned.compare())]
        assert any("lr 1e-05" in line and line.endswith("unfinished (pruned after 1 of 4 epochs)") for line in printed)
        assert "12 runs" in printed[0]
        assert any("standard deviation over 2 seeds" in line for line in printed)
        assert any(line.endswith("test was opened once per run that was not pruned.") for line in printed)
        standing = status.lines(pruned.status())
        assert standing[0] == "12 runs: 6 finished, 6 pruned"
        assert "run time left" not in standing[-1]

    def test_a_dry_run_says_what_pruning_saves_at_most(self, tmp_path: Path) -> None:
        asked = study()
        prepared = plan(asked, Doing.of(asked, runs=tmp_path / "new", level="quiet"))
        spared = 2 * (2 * 3 + 1 * 2)
        rule = "prune: after 1 and 2 of 4 epochs the best one in 2 by validation goes on"
        assert f"{rule}, which saves at most {spared} of 32 epochs (50 %)" in lines(prepared.lock, 1, 1, 1.0)


class TestTiming:
    @pytest.mark.slow
    def test_a_study_cut_off_between_and_inside_rungs_comes_to_the_same_files(
        self, pruned: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A KeyboardInterrupt at the 3rd epoch of each start, as a kill would come; starts go on until one comes through."""
        whole_epoch, starts = Training.validate, 0
        for starts in range(1, 40):
            calls = iter(range(1, 1000))
            after = 5 if starts % 2 else 8

            def validate(training: Training, calls: Any = calls, after: int = after) -> None:
                if next(calls) == after:
                    raise KeyboardInterrupt
                whole_epoch(training)

            monkeypatch.setattr(Training, "validate", validate)
            try:
                carried_out(study(), tmp_path / "cut")
                break
            except KeyboardInterrupt:
                continue
        assert starts > 3
        assert told(tmp_path / "cut") == told(pruned.folder)

    @pytest.mark.slow
    def test_one_and_two_workers_come_to_the_same_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("contrast.prepare.cores", lambda: 1)  # one thread a run on both sides: more of them add in another order
        one, two = carried_out(study(), tmp_path / "one"), carried_out(study(), tmp_path / "two", executor="local", workers=2)
        assert one.lock["machine"] == two.lock["machine"]
        assert told(one.folder) == told(two.folder)

    @pytest.mark.slow
    def test_under_another_declaration_what_was_given_up_is_taken_up_again(self, tmp_path: Path) -> None:
        small = {"arms": {}, "seeds": 1, "sweep": {"optimizer.lr": RATES[:2]}}
        first = carried_out(study(**small), tmp_path / "one")
        assert sorted(first.runs()["status"]) == ["finished", "finished", "pruned"]
        again = carried_out(study(**small, prune=None), tmp_path / "one")
        anew = carried_out(study(**small, prune=None), tmp_path / "other")
        assert set(again.runs()["status"]) == {"finished"}
        assert told(tmp_path / "one") == told(tmp_path / "other")
        assert len(anew.runs()) == 3


@pytest.mark.slow
class TestSearch:
    ASKED = {
        "arms": {},
        "sweep": {},
        "seeds": 1,
        "search": {"over": {"optimizer.lr": [0.1, 0.3, 1e-5, 1e-6]}, "trials": 6, "at once": 3, "name": "found"},
    }

    @pytest.fixture(scope="class")
    @classmethod
    def searched(cls, tmp_path_factory: pytest.TempPathFactory) -> Results:
        return carried_out(study(**cls.ASKED), tmp_path_factory.mktemp("runs") / "searched")

    def test_poor_trials_are_given_up_and_the_best_that_came_to_its_end_is_found(self, searched: Results) -> None:
        trials = searched.search()
        assert {"finished", "pruned"} == set(trials["status"])
        finished = trials[trials["status"] == "finished"]
        assert trials["figure"].max() == finished["figure"].max()
        best = finished.sort_values("figure", ascending=False, kind="stable").iloc[0]
        assert json.loads(best["changes"]) == searched.lock["designs"]["search"]["changes"] or searched.arms == ["baseline"]
        assert all(searched.trial(int(number))["test_accuracy"] is None for number in trials["trial"])

    def test_a_second_start_proposes_the_same_and_runs_nothing(self, searched: Results) -> None:
        before = {path: path.stat().st_mtime_ns for path in searched.folder.glob("*/summary.json")}
        again = carried_out(study(**self.ASKED), searched.folder)
        assert {path: path.stat().st_mtime_ns for path in searched.folder.glob("*/summary.json")} == before
        assert again.lock["designs"]["search"] == searched.lock["designs"]["search"]


@pytest.mark.slow
def test_an_arm_that_diverged_goes_nowhere_and_a_run_that_lost_patience_waits_with_the_others(tmp_path: Path) -> None:
    base = BASE | {"patience": 1, "epochs": 5}
    asked = study(base=base, arms={}, seeds=1, sweep={"optimizer.lr": [1e30, 1e-9, 0.5]}, prune={"reduction": 3, "least_epochs": 3})
    results = carried_out(asked, tmp_path / "runs")
    runs = results.runs().set_index("arm")
    assert dict(runs["status"]) == {"baseline": "finished", "lr 1e+30": "diverged", "lr 1e-09": "pruned", "lr 0.5": "finished"}
    assert runs.loc["lr 1e-09", "epochs"] < 3
    assert runs["test_accuracy"].isna().to_dict() == {"baseline": False, "lr 1e+30": True, "lr 1e-09": True, "lr 0.5": False}


@pytest.mark.slow
def test_test_stays_closed_for_an_arm_that_diverged_on_its_way_to_a_rung_after_epochs_that_went_well(tmp_path: Path) -> None:
    asked = study(arms={}, seeds=1, sweep={"optimizer.weight_decay": [1000.0, 0.001]}, prune={"reduction": 2, "least_epochs": 3})
    runs = carried_out(asked, tmp_path / "runs").runs().set_index("arm")
    gone = runs.loc["weight_decay 1000.0"]
    assert gone["status"] == "diverged"
    assert 1 <= gone["epochs"] < 3
    assert gone["validation_accuracy"] > 0
    assert gone["test_accuracy"] != gone["test_accuracy"]
    assert runs.loc["weight_decay 0.001", "status"] == "finished"


class TestRule:
    def test_a_figure_is_the_best_up_to_the_rung_whatever_came_later(self, tmp_path: Path) -> None:
        rows = ["epoch,validation_accuracy,validation_loss", "1,0.3,1.0", "2,0.2,0.5", "3,0.9,nan", "4,0.1,0.1"]
        (tmp_path / "epochs.csv").write_text("\n".join(rows) + "\n")
        assert [figure_at(tmp_path, rung, "validation_accuracy") for rung in (1, 2, 3, 4)] == [0.3, 0.3, 0.9, 0.9]
        assert [figure_at(tmp_path, rung, "validation_loss") for rung in (1, 2, 3, 4)] == [-1.0, -0.5, -0.5, -0.1]

    def test_what_diverged_after_a_rung_had_its_figure_there_and_has_none_at_later_ones(self, tmp_path: Path) -> None:
        (tmp_path / "epochs.csv").write_text("epoch,validation_accuracy\n1,0.3\n2,0.4\n")
        (tmp_path / "summary.json").write_text('{"status": "diverged"}')
        assert [figure_at(tmp_path, rung, "validation_accuracy") for rung in (1, 2, 3)] == [0.3, 0.4, float("-inf")]

    @given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1), st.integers(2, 6))
    def test_the_best_one_in_so_many_goes_on_rounded_up_with_its_ties_and_none_that_is_worse_than_what_is_given_up(
        self, figures: dict[str, float], reduction: int
    ) -> None:
        best = going_on(figures, reduction)
        assert len(best) >= -(-len(figures) // reduction)
        worst = min(figures[name] for name in best)
        assert all(figure < worst for name, figure in figures.items() if name not in best)
        assert sum(figures[name] > worst for name in best) < -(-len(figures) // reduction)

    def test_what_diverged_never_goes_on(self) -> None:
        assert going_on({"a": float("-inf"), "b": 0.1, "c": float("-inf"), "d": float("-inf")}, 2) == {"b"}
        assert going_on({"a": float("-inf")}, 2) == set()

    def test_rungs_lie_below_the_budget_each_so_many_times_as_far(self) -> None:
        assert Prune().rungs(9) == (1, 3)
        assert Prune().rungs(10) == (1, 3, 9)
        assert Prune(reduction=2, least_epochs=3).rungs(3) == ()
        assert Prune().saves(9, 9) == 6 * 8 + 2 * 6


class TestDeclared:
    def test_each_sweep_and_the_grid_are_families_without_what_shares_runs_with_an_arm_that_stays(self) -> None:
        planned: Plan = study(
            arms={"three": {"optimizer.lr": 0.03}},
            sweep={"optimizer.lr": RATES[:3], "model.hidden": [[4], [16]]},
            grid={"optimizer.lr": [0.2, 0.5], "model.hidden": [[8]]},
        ).plan()
        assert families(planned.arms) == {
            ("sweep", "optimizer.lr"): ("lr 0.5", "lr 0.0001"),
            ("sweep", "model.hidden"): ("hidden [4]", "hidden [16]"),
        }

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"sweep": {}}, "prune: there is nothing to prune"),
            ({"prune": {"reduction": 1}}, "prune.reduction"),
            ({"sweep": {"epochs": [2, 8]}}, "sweep.epochs 2: arms of different budgets"),
            ({"base": {key: value for key, value in BASE.items() if key != "epochs"} | {"steps": 40}}, "prune: counts epochs"),
            ({"sweep": {"evaluate": [{"test_every_epoch": True}]}}, "test would be seen"),
        ],
    )
    def test_what_cannot_be_pruned_is_refused_in_one_line(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            study(**changes).plan()

    def test_the_setting_goes_round_through_plain_data_and_is_absent_where_it_is_not_given(self) -> None:
        assert ct.Study.parse(study().spec()) == study()
        assert "prune" not in study(prune=None).spec()
        assert study(prune={}).prune == Prune()
