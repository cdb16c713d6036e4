"""Designs declare the arms that they say: spaced values, factorials and their halves, ladders, arms on arms, races, splits, searches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrast.designs import Factorial, Spaced, Trial
from contrast.errors import InputError
from contrast.planned import Plan
from contrast.study import Study

BASE = {"data": "synthetic", "model": {"use": "convnet", "channels": [8, 16]}, "optimizer": {"use": "sgd", "lr": 0.05}}
NORM, DROPOUT, MOMENTUM = {"model.norm": "batch"}, {"model.dropout": 0.2}, {"optimizer.momentum": 0.9}


def study(**given: Any) -> Study:
    return Study.parse({"base": BASE, **given})


def names(plan: Plan) -> list[str]:
    return [arm.name for arm in plan.arms[1:]]


def settings_of(plan: Plan, name: str) -> tuple[Any, Any, Any]:
    spec = next(arm for arm in plan.arms if arm.name == name).recipe.spec()
    return spec["model"]["norm"], spec["model"]["dropout"], spec["optimizer"]["momentum"]


class TestSpaced:
    def test_even_steps_and_even_factors_hold_both_ends(self) -> None:
        assert Spaced(linspace=(0.1, 0.9, 9)).values() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        assert Spaced(logspace=(0.1, 0.0001, 4)).values() == [0.1, 0.01, 0.001, 0.0001]

    def test_whole_steps_stay_whole_numbers_as_batch_sizes_need(self) -> None:
        values = Spaced(logspace=(4, 64, 5)).values()
        assert values == [4, 8, 16, 32, 64]
        assert all(type(value) is int for value in values)

    @given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 30))
    def test_agrees_with_numpy_to_six_digits(self, first: float, last: float, count: int) -> None:
        if f"{first:.6g}" != f"{last:.6g}":
            np.testing.assert_allclose(Spaced(logspace=(first, last, count)).values(), np.geomspace(first, last, count), rtol=1e-5)
            np.testing.assert_allclose(Spaced(linspace=(first, last, count)).values(), np.linspace(first, last, count), rtol=1e-5)

    def test_makes_arms_on_an_axis(self) -> None:
        plan = study(sweep={"optimizer.lr": {"logspace": [0.0001, 0.1, 4]}}).plan()
        assert [arm.axis for arm in plan.arms[1:]] == [
            ("optimizer.lr", 0.0001),
            ("optimizer.lr", 0.001),
            ("optimizer.lr", 0.01),
            ("optimizer.lr", 0.1),
        ]

    def test_serves_a_grid_too(self) -> None:
        plan = study(grid={"model.dropout": {"linspace": [0.1, 0.2, 2]}, "model.norm": ["batch"]}).plan()
        assert names(plan) == ["dropout 0.1, norm batch", "dropout 0.2, norm batch"]


class TestArmsOnArms:
    def test_an_arm_has_the_changes_of_those_it_builds_on(self) -> None:
        plan = study(arms={"a": NORM, "b": {"from": "a", **DROPOUT}, "c": {"from": "b", **MOMENTUM}}).plan()
        assert settings_of(plan, "c") == ("batch", 0.2, 0.9)
        assert plan.arms[-1].parent == "b"

    def test_the_order_in_the_file_does_not_matter(self) -> None:
        plan = study(arms={"b": {"from": "a", **DROPOUT}, "a": NORM}).plan()
        assert settings_of(plan, "b") == ("batch", 0.2, 0.0)


class TestFactorial:
    def test_every_cell_but_the_baseline_is_an_arm(self) -> None:
        plan = study(factorial={"model.norm": ["none", "batch"], "model.dropout": [0.0, 0.2]}).plan()
        assert names(plan) == ["norm none, dropout 0.2", "norm batch, dropout 0.0", "norm batch, dropout 0.2"]
        assert [(cell["levels"], cell["arm"]) for cell in plan.layout["factorial"]["cells"]][:2] == [
            ([0, 0], "baseline"),
            ([0, 1], "norm none, dropout 0.2"),
        ]

    def test_levels_may_be_named_sets_of_changes(self) -> None:
        plan = study(factorial={"noise": {"off": {}, "on": {**DROPOUT, "data.wrong_labels": 0.1}}, "model.norm": ["none", "batch"]}).plan()
        assert names(plan) == ["noise off, norm batch", "noise on, norm none", "noise on, norm batch"]
        assert settings_of(plan, "noise on, norm batch")[:2] == ("batch", 0.2)
        assert plan.layout["factorial"]["factors"][0] == {"name": "noise", "levels": ["off", "on"]}

    @given(st.integers(3, 6))
    def test_a_half_is_half_of_the_cells_balanced_pairwise_with_the_reference_among_them(self, count: int) -> None:
        made = Factorial(factors={f"f{i}": [0, 1] for i in range(count)}, fraction="half")
        levels = np.array([indices for indices, _, _ in made.cells()])
        assert len(levels) == 2 ** (count - 1)
        assert (levels == 0).all(axis=1).any()
        for one, other in itertools.combinations(range(count), 2):
            assert {
                tuple(pair): int((levels[:, [one, other]] == pair).all(axis=1).sum()) for pair in ([0, 0], [0, 1], [1, 0], [1, 1])
            } == dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], len(levels) // 4)


class TestLadder:
    def test_adding_one_by_one_keeps_what_came_before(self) -> None:
        plan = study(ladder={"add": {"norm": NORM, "dropout": DROPOUT, "momentum": MOMENTUM}}).plan()
        assert [settings_of(plan, name) for name in names(plan)] == [("batch", 0.0, 0.0), ("batch", 0.2, 0.0), ("batch", 0.2, 0.9)]
        assert [(step["arm"], step["against"]) for step in plan.layout["ladder"]["add"]] == [
            ("+ norm", "baseline"),
            ("+ dropout", "+ norm"),
            ("+ momentum", "+ dropout"),
        ]

    def test_dropping_one_by_one_leaves_just_that_one_out(self) -> None:
        plan = study(ladder={"drop": {"norm": NORM, "dropout": DROPOUT, "momentum": MOMENTUM}}).plan()
        assert {name: settings_of(plan, name) for name in names(plan)} == {
            "all": ("batch", 0.2, 0.9),
            "all but norm": ("none", 0.2, 0.9),
            "all but dropout": ("batch", 0.0, 0.9),
            "all but momentum": ("batch", 0.2, 0.0),
        }
        assert plan.layout["ladder"]["drop"][0] == {"name": "norm", "arm": "all", "against": "all but norm"}


class TestSeeds:
    def test_a_race_plans_its_first_look_then_more_for_the_arms_that_are_named_and_the_baseline(self) -> None:
        asked = study(arms={"a": NORM, "b": DROPOUT}, seeds={"start": 2, "up to": 5})
        assert [run.seed for run in asked.plan().runs] == [0, 0, 0, 1, 1, 1]
        more = asked.plan(seeds={"baseline": 3, "a": 2, "b": 3})
        assert [(run.arm, run.seed) for run in more.runs][6:] == [("baseline", 2), ("b", 2)]

    def test_folds_go_round_with_the_seeds_and_begin_anew_with_another_split(self) -> None:
        runs = study(splits={"folds": 2}, seeds=4, arms={"a": NORM}).plan().runs
        base = [run.recipe.data for run in runs if run.arm == "baseline"]
        assert [(data.split_seed, data.folds, data.fold) for data in base] == [(0, 2, 0), (0, 2, 1), (1, 2, 0), (1, 2, 1)]
        assert base == [run.recipe.data for run in runs if run.arm == "a"]  # paired: arms share the split of their seed

    def test_splits_without_folds_are_a_new_split_a_seed(self) -> None:
        runs = study(splits={}, seeds=3).plan().runs
        assert [run.recipe.data.split_seed for run in runs] == [0, 1, 2]

    def test_trials_of_a_search_have_a_seed_that_judges_nothing(self) -> None:
        asked = study(search={"over": {"optimizer.lr": [0.1, 0.2]}, "trials": 2}, seeds=2)
        plan = asked.plan(trials=[Trial(0, {"optimizer.lr": 0.1})], found={"optimizer.lr": 0.2})
        assert names(plan) == ["best found"]
        assert not {run.seed for run in plan.trial_runs} & {run.seed for run in plan.runs}

    def test_a_search_that_finds_the_baseline_adds_no_arm(self) -> None:
        plan = study(search={"over": {"optimizer.lr": [0.05, 0.2]}, "trials": 2}).plan(found={"optimizer.lr": 0.05})
        assert names(plan) == []
        assert plan.layout["search"]["winner"] is None


@pytest.mark.parametrize(
    "asked",
    [
        {"factorial": {"factors": {"model.norm": ["none", "batch"], "model.dropout": [0.0, 0.2], "epochs": [1, 2]}, "fraction": "half"}},
        {"factorial": {"model.norm": ["none", "batch"], "noise": {"off": {}, "on": DROPOUT}}},
        {"ladder": {"add": {"norm": NORM}, "drop": {"norm": NORM, "dropout": DROPOUT}}},
        {"sweep": {"optimizer.lr": {"logspace": [0.001, 0.1, 3]}}, "seeds": {"start": 3, "up to": 8}},
        {
            "search": {"over": {"optimizer.lr": {"low": 0.001, "high": 1.0, "log": True}}, "trials": 3, "at once": 2},
            "splits": {"folds": 2},
            "seeds": 2,
        },
        {"arms": {"a": NORM, "b": {"from": "a", **DROPOUT}}, "splits": {}},
    ],
    ids=str,
)
def test_a_design_reads_back_as_it_was_written(asked: dict[str, Any]) -> None:
    assert Study.parse(study(**asked).spec()) == study(**asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"factorial": {"model.norm": ["none", "batch"]}}, "factorial: a factorial has two factors or more; a single one is a sweep"),
        ({"factorial": {"model.norm": ["none"], "epochs": [1, 2]}}, "factorial: factor 'model.norm' needs two levels or more"),
        (
            {"factorial": {"factors": {"model.norm": ["none", "batch"], "epochs": [1, 2]}, "fraction": "half"}},
            "factorial: half a factorial needs three",
        ),
        ({"factorial": {"fraction": "half"}}, "factorial.factors: is missing"),
        ({"factorial": {"model.nrm": ["none", "batch"], "epochs": [1, 2]}}, "factorial.nrm none, epochs 1.model.nrm: unknown setting"),
        ({"ladder": {}}, "ladder: give add: or drop:"),
        ({"ladder": {"drop": {"norm": NORM}}}, "ladder: dropping one by one needs two changes or more"),
        ({"arms": {"a": {"from": "z", **NORM}}}, "arms.a.from: there is no arm 'z' to build on"),
        ({"arms": {"a": {"from": "b", **NORM}, "b": {"from": "a", **DROPOUT}}}, "arms.a.from: builds on itself in the end"),
        ({"sweep": {"optimizer.lr": {"logspace": [0, 0.1, 4]}}}, "sweep.optimizer.lr: logspace has both ends above 0"),
        ({"sweep": {"optimizer.lr": {"linspce": [0, 0.1, 4]}}}, "sweep.optimizer.lr.linspce: unknown setting; did you mean 'linspace'?"),
        ({"sweep": {"optimizer.lr": {"linspace": [0.1, 0.1, 4]}}}, "sweep.optimizer.lr: an axis has 2 to 1000 values, and two ends that differ"),
        ({"seeds": {"start": 3, "up to": 2}}, "seeds: up to 2 is less than the start, 3"),
        ({"seeds": {"start": 3}}, "seeds.up to: is missing"),
        ({"splits": {"folds": 3}, "seeds": 4}, "seeds: 4 seeds do not go through 3 folds"),
        ({"splits": {"folds": 3}, "seeds": {"start": 3, "up to": 6}}, "splits.folds: a race can't end between two folds"),
        ({"splits": {}, "arms": {"a": {"data.split_seed": 3}}}, "arms.a.data.split_seed: an arm can't set the split"),
        ({"search": {"over": {"optimizer.lr": {"low": 0, "high": 1, "log": True}}, "trials": 3}}, "search.over.optimizer.lr: log needs low above 0"),
        ({"search": {"over": {"optimizer.lr": []}, "trials": 3}}, "search: optimizer.lr has no values to choose from"),
        (
            {"search": {"over": {"optimizer.lr": [0.1]}, "trials": 3}, "seeds": [1_000_000]},
            "seeds: a search has the seeds from 1,000,000 on for itself",
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_what_can_not_be_asked_is_told_in_one_line(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as told:
        study(**asked).plan()
    assert str(told.value).startswith(message)
    assert str(told.value).isprintable()
