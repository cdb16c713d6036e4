"""Races and searches carried out: who gets more seeds, what chose, and that a second start changes nothing."""

import json

import pytest

import contrast as ct
from contrast.designs import Search
from contrast.doors import Doing, carry_out, plan
from contrast.probe import expected
from contrast.searching import Searching

BASE = {
    "data": {"use": "synthetic", "images": 160, "size": 8, "validation": 40},
    "model": {"use": "mlp", "hidden": [8]},
    "optimizer": {"use": "sgd", "lr": 0.05},
    "epochs": 1,
    "batch_size": 20,
}


def study(**given):
    return ct.Study.parse({"name": "small", "question": "Which?", "base": BASE, **given})


def carried_out(asked, folder):
    return carry_out(asked, Doing.of(asked, runs=folder, level="quiet"))


def summaries(folder):
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/summary.json")}


class TestRace:
    @pytest.fixture(scope="class")
    @classmethod
    def raced(cls, tmp_path_factory):
        """One arm that learns nothing (settled at once), and one that is the baseline but for a hair (never settled)."""
        folder = tmp_path_factory.mktemp("race")
        arms = {"no learning": {"optimizer.lr": 1e-9}, "alike": {"optimizer.lr": 0.0499}}
        asked = study(arms=arms, seeds={"start": 3, "up to": 6}, margin=0.01, base=BASE | {"epochs": 4})
        return folder, asked, carried_out(asked, folder)

    def test_further_seeds_go_to_the_undecided_arms_and_the_baseline_alone(self, raced):
        _, _, results = raced
        counts = results.runs()["arm"].value_counts().to_dict()
        assert counts == {"baseline": 6, "alike": 6, "no learning": 3}

    def test_the_arm_that_was_settled_keeps_its_verdict_and_the_looks_are_counted_in_it(self, raced):
        _, _, results = raced
        verdict = {contrast.arm: contrast for contrast in results.compare().contrasts}["no learning"]
        assert verdict.verdict.kind == "hurts"
        assert [look.pairs for look in verdict.looks] == [3]
        assert verdict.looks[0].share < 1

    def test_a_second_start_runs_nothing(self, raced):
        folder, asked, _ = raced
        before = summaries(folder)
        carried_out(asked, folder)
        assert summaries(folder) == before


class TestSearch:
    ASKED = {
        "search": {"over": {"optimizer.lr": {"low": 1e-6, "high": 1.0, "log": True}}, "trials": 5, "at once": 2, "name": "found"},
        "seeds": 2,
    }

    @pytest.fixture(scope="class")
    @classmethod
    def searched(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("search")
        return folder, carried_out(study(**cls.ASKED), folder)

    def test_the_winner_joins_the_arms_with_seeds_that_did_not_choose_it(self, searched):
        _, results = searched
        told = results.lock["designs"]["search"]
        assert results.arms == ["baseline", "found"]
        assert sorted(results.runs()["seed"].unique()) == [0, 1]
        assert {run["seed"] for run in told["runs"]} == {1_000_000}
        best = max(told["runs"], key=lambda run: results.trial(run["trial"])["validation_accuracy"])
        assert told["changes"] == best["changes"]

    def test_no_trial_opens_test(self, searched):
        folder, results = searched
        for run in results.lock["designs"]["search"]["runs"]:
            assert not (folder / run["folder"] / "test.parquet").exists()
            assert results.trial(run["trial"])["test_accuracy"] is None

    def test_a_second_start_proposes_the_same_trials_and_runs_nothing(self, searched):
        folder, results = searched
        before = summaries(folder)
        again = carried_out(study(**self.ASKED), folder)
        assert summaries(folder) == before
        assert again.lock["designs"]["search"] == results.lock["designs"]["search"]

    def test_a_trial_that_failed_is_named_and_the_search_goes_on_when_started_again(self, searched, tmp_path):
        folder, results = searched
        first = results.lock["designs"]["search"]["runs"][0]["folder"]
        summary = json.loads((folder / first / "summary.json").read_text())
        searching = Searching(Search.model_validate(self.ASKED["search"]), "validation_accuracy")
        assert searching.ask()

        class Broken:
            def trial(self, number):
                return {} if number == 1 else summary

        with pytest.raises(ct.RunFailed, match="search 1 has no validation_accuracy"):
            searching.tell(Broken())


class TestProbe:
    def test_times_each_distinct_network_once_and_writes_nothing(self, tmp_path):
        asked = study(sweep={"optimizer.lr": [0.1, 0.2], "model.hidden": [[16]]}, seeds=2)
        doing = Doing.of(asked, runs=tmp_path / "runs", level="quiet")
        prepared = plan(asked, doing)
        told = expected(prepared, doing.places, doing.executor)
        assert (told.probed, told.distinct) == (2, 2)  # three learning rates are one network
        assert told.seconds > 0
        assert not (tmp_path / "runs").exists()

    def test_a_finished_study_takes_no_more_time(self, tmp_path):
        asked = study(seeds=2)
        carried_out(asked, tmp_path)
        doing = Doing.of(asked, runs=tmp_path, level="quiet")
        assert expected(plan(asked, doing), doing.places, doing.executor).seconds == 0
