"""A study is planned as it was written: which runs, in which order, under which changes; and what can't be planned is told."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrast import changes
from contrast.designs import value_name
from contrast.errors import InputError
from contrast.planned import Arm, Plan, slug
from contrast.recipe import Recipe
from contrast.study import Study

BASE = {
    "data": "synthetic",
    "augment": [{"use": "crop", "padding": 2}],
    "model": {"use": "convnet", "channels": [8, 16]},
    "optimizer": {"use": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4},
}


def study(**given: Any) -> Study:
    return Study(**{"base": BASE, **given})


def planned(**given: Any) -> Plan:
    return study(**given).plan()


def told(**given: Any) -> str:
    """The message for a study that can't be planned; the same whether it is made from Python or from plain data."""
    with pytest.raises(InputError) as from_python:
        planned(**given)
    with pytest.raises(InputError) as parsed:
        Study.parse({"base": BASE, **given}).plan()
    assert str(parsed.value).replace("unknown key", "unknown setting") == str(from_python.value)
    assert str(parsed.value).isprintable()
    return str(from_python.value)


def changed(change: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings of the one arm of a study, and what it lost."""
    arm = planned(arms={"arm": change}).arms[1]
    return arm.recipe.spec(), arm.lost


def augmentations(change: Mapping[str, Any]) -> list[dict[str, Any]]:
    return changed(change)[0]["augment"]  # type: ignore[no-any-return]


class TestPlan:
    def test_base_alone_is_a_plain_training(self) -> None:
        plan = planned()
        assert [(run.arm, run.seed) for run in plan.runs] == [("baseline", 0)]
        assert plan.remarks == ()

    def test_arms_are_interleaved_inside_each_seed(self) -> None:
        plan = planned(arms={"a": {"epochs": 3}, "b": {"epochs": 4}}, seeds=2)
        assert [(run.arm, run.seed) for run in plan.runs] == [("baseline", 0), ("a", 0), ("b", 0), ("baseline", 1), ("a", 1), ("b", 1)]
        assert [run.recipe.epochs for run in plan.runs] == [10, 3, 4] * 2
        assert [run.recipe.seed for run in plan.runs] == [0, 0, 0, 1, 1, 1]

    @pytest.mark.parametrize(("given_", "seeds"), [(3, (0, 1, 2)), ([5, 2], (5, 2)), ((7,), (7,)), (range(2, 4), (2, 3))])
    def test_seeds_are_a_count_or_a_list(self, given_: Any, seeds: tuple[int, ...]) -> None:
        assert tuple(run.seed for run in planned(seeds=given_).runs) == seeds

    def test_each_value_of_a_sweep_is_an_arm_and_numbers_are_an_axis(self) -> None:
        arms = planned(sweep={"model.dropout": [0.1, 0.5], "model.norm": ["batch"]}).arms[1:]
        assert [(arm.name, arm.axis, arm.origin) for arm in arms] == [
            ("dropout 0.1", ("model.dropout", 0.1), "sweep"),
            ("dropout 0.5", ("model.dropout", 0.5), "sweep"),
            ("norm batch", None, "sweep"),
        ]
        assert arms[1].recipe.model.settings()["dropout"] == 0.5

    def test_every_combination_of_a_grid_is_an_arm(self) -> None:
        optimizers = ["adam", {"use": "sgd", "momentum": 0.5}]
        arms = planned(grid={"optimizer": optimizers, "optimizer.lr": [0.1, 0.01]}).arms[1:]
        assert [arm.name for arm in arms] == ["adam, lr 0.1", "adam, lr 0.01", "sgd momentum=0.5, lr 0.1", "sgd momentum=0.5, lr 0.01"]
        assert [(arm.recipe.optimizer.use, arm.recipe.optimizer.settings()["lr"]) for arm in arms] == [
            ("adam", 0.1),
            ("adam", 0.01),
            ("sgd", 0.1),
            ("sgd", 0.01),
        ]

    def test_a_point_of_a_grid_may_be_the_baseline_and_shares_its_runs(self) -> None:
        plan = planned(grid={"model.norm": ["none", "batch"]}, seeds=2)
        assert plan.arms[1].twin == "baseline"
        assert len(plan.runs) == 6
        assert [run.arm for run in plan.distinct] == ["baseline", "norm batch"] * 2

    def test_two_names_for_one_recipe_share_runs_and_the_plan_says_so(self) -> None:
        plan = planned(arms={"a": {"model.norm": "batch"}, "b": {"model": {"norm": "batch"}}}, seeds=3)
        assert [arm.twin for arm in plan.arms] == [None, None, "a"]
        assert [run.arm for run in plan.distinct] == ["baseline", "a"] * 3
        by_arm = {run.arm: plan.folder_of(run) for run in plan.runs if run.seed == 1}
        assert by_arm["b"] == by_arm["a"] != by_arm["baseline"]
        assert by_arm["a"].startswith("a-seed1-")
        assert plan.remarks == ("'b' and 'a' are one recipe: they share their runs.",)

    def test_one_seed_gives_no_verdict_and_the_plan_says_so(self) -> None:
        assert planned(arms={"a": {"epochs": 3}}).remarks[0].startswith("One seed gives no verdict")
        assert planned(arms={"a": {"epochs": 3}}, seeds=2).remarks == ()

    def test_paths_that_end_alike_name_their_arms_in_full(self) -> None:
        arms = planned(sweep={"data.seed": [1], "data.noise": [0.1], "model.dropout": [0.1], "optimizer.dampening": [0.1]}).arms[1:]
        assert [arm.name for arm in arms] == ["seed 1", "noise 0.1", "dropout 0.1", "dampening 0.1"]
        assert [value_name(path, 3, ["a.p", "b.p", "c.q"]) for path in ("a.p", "b.p", "c.q")] == ["a.p 3", "b.p 3", "q 3"]

    def test_a_thousand_runs_are_planned_in_seconds(self) -> None:
        began = time.perf_counter()
        plan = planned(sweep={"optimizer.lr": [0.001 * (k + 1) for k in range(200) if k != 49]}, seeds=5)
        assert len(plan.runs) == 1000
        assert len(plan.distinct) == 1000
        assert len({plan.folder_of(run) for run in plan.runs}) == 1000
        assert time.perf_counter() - began < 10  # 2 s are the aim; the bound leaves room for a busy machine


class TestNames:
    HOSTILE = [
        "../../etc/passwd",
        "a/b\\c",
        "..",
        "-rf *",
        "$(id)",
        "\x00\x1b[31m",
        "a" * 255,
        "Ünïcödé",
        "批归一化",
        "🎉",
        " x ",
        "CON",
        "\u202egnp",
    ]

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_any_name_gives_a_folder_of_safe_letters(self, name: str) -> None:
        run = planned(arms={name: {"epochs": 3}}).runs[1]
        words, seed, identity = run.folder.rsplit("-", 2)
        assert 1 <= len(words) <= 40
        assert all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in run.folder)
        assert words[0].isalnum()
        assert (seed, identity) == ("seed0", run.recipe.id[:8])

    def test_names_that_look_alike_in_a_folder_stay_apart(self) -> None:
        plan = planned(arms={"a b": {"epochs": 3}, "a-b": {"epochs": 4}, "A B!": {"epochs": 5}, "批": {"epochs": 6}, "归": {"epochs": 7}})
        assert len({run.folder for run in plan.runs}) == 6

    @given(st.text(max_size=300))
    def test_slug_is_short_and_safe_for_any_text(self, name: str) -> None:
        assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 1 <= len(slug(name)) <= 40


class TestChanges:
    def test_a_mapping_with_use_replaces_and_the_plan_names_what_is_lost(self) -> None:
        plan = planned(arms={"adam": {"optimizer": {"use": "adam", "lr": 0.01}}})
        arm = plan.arms[1]
        assert arm.recipe.optimizer.settings()["weight_decay"] == 0.0
        assert arm.lost == ("optimizer.momentum 0.9", "optimizer.weight_decay 0.0005")
        assert "'adam' replaces an ingredient and loses: optimizer.momentum 0.9, optimizer.weight_decay 0.0005." in plan.remarks

    def test_a_bare_name_replaces_too(self) -> None:
        spec, lost = changed({"optimizer": "adam"})
        assert spec["optimizer"]["lr"] == 0.001
        assert "optimizer.lr 0.05" in lost

    def test_what_the_arm_sets_itself_again_is_not_lost(self) -> None:
        assert changed({"optimizer": "adam", "optimizer.lr": 0.01, "optimizer.weight_decay": 0.1})[1] == ("optimizer.momentum 0.9",)

    def test_a_mapping_without_use_merges(self) -> None:
        spec, lost = changed({"optimizer": {"momentum": 0.8, "nesterov": True}})
        optimizer = spec["optimizer"]
        assert (optimizer["use"], optimizer["lr"], optimizer["momentum"], optimizer["weight_decay"]) == ("sgd", 0.05, 0.8, 5e-4)
        assert optimizer["nesterov"] is True
        assert lost == ()

    @pytest.mark.parametrize("order", [1, -1])
    def test_shorter_paths_are_applied_before_longer_ones_whatever_their_order(self, order: int) -> None:
        change = dict([("optimizer.lr", 0.3), ("optimizer", {"use": "adam", "lr": 0.2})][::order])
        assert changed(change)[0]["optimizer"]["lr"] == 0.3

    def test_a_default_ingredient_can_be_changed_by_path(self) -> None:
        assert changed({"schedule.warmup": 0.1})[0]["schedule"] == {"use": "constant", "warmup": 0.1}

    def test_lists_are_replaced_whole(self) -> None:
        assert changed({"model.channels": [4]})[0]["model"]["channels"] == [4]

    def test_a_budget_in_steps_takes_the_place_of_epochs_and_back(self) -> None:
        in_steps, _ = changed({"steps": 100})
        assert in_steps["steps"] == 100
        assert "epochs" not in in_steps
        back = Study(base={**BASE, "steps": 100}, arms={"a": {"epochs": 3}}).plan().arms[1].recipe
        assert (back.epochs, back.steps) == (3, None)

    def test_an_augmentation_is_addressed_by_name(self) -> None:
        assert augmentations({"augment.crop.padding": 4})[0] == {"use": "crop", "padding": 4, "mode": "zero"}
        assert augmentations({"augment.crop": {"mode": "reflect"}})[0] == {"use": "crop", "padding": 2, "mode": "reflect"}

    @pytest.mark.parametrize("off", ["off", False, None])
    def test_an_augmentation_is_switched_off(self, off: Any) -> None:
        assert [step["use"] for step in augmentations({"augment.crop": off})] == ["normalize"]

    @pytest.mark.parametrize(
        ("change", "flip"),
        [
            ({"augment.flip": {"p": 0.3}}, 0.3),
            ({"augment.flip": {"use": "flip", "p": 0.3}}, 0.3),
            ({"augment.flip": "on"}, 0.5),
            ({"augment.flip.p": 0.2}, 0.2),
        ],
    )
    def test_an_augmentation_is_added_at_the_end_but_before_normalize(self, change: dict[str, Any], flip: float) -> None:
        steps = augmentations(change)
        assert [step["use"] for step in steps] == ["crop", "flip", "normalize"]
        assert steps[1]["p"] == flip

    def test_added_augmentations_stand_in_the_order_in_which_they_are_named(self) -> None:
        base = {**BASE, "augment": []}
        for names in (["flip", "crop"], ["crop", "flip"]):
            arm = Study(base=base, arms={"a": {f"augment.{name}": "on" for name in names}}).plan().arms[1]
            assert [step.use for step in arm.recipe.augment] == [*names, "normalize"]

    def test_normalize_can_not_be_left_out_but_is_neutralized(self) -> None:
        steps = augmentations({"augment.normalize": "off"})
        assert steps[-1] == {"use": "normalize", "statistics": "none", "mean": None, "std": None}
        assert [step["use"] for step in augmentations({"augment": []})] == ["normalize"]

    def test_an_augmentation_from_outside_is_addressed_by_its_module_and_class_or_its_class(self) -> None:
        use = "contrast.augment.flip:Flip"
        for change in ({f"augment.{use}": "on", f"augment.{use}.p": 0.3}, {"augment.Flip": {"use": use, "p": 0.3}}):
            applied, _ = changes.apply(Recipe(**BASE).given(), change)
            assert applied["augment"] == [{"use": "crop", "padding": 2}, {"use": use, "p": 0.3}, {"use": "normalize"}]
            assert changes.apply(applied, {"augment.Flip": "off"})[0]["augment"] == [{"use": "crop", "padding": 2}, {"use": "normalize"}]

    def test_neither_base_nor_changes_are_touched(self) -> None:
        lists = {"augment": [{"use": "crop"}], "augment.crop.padding": 3, "model": {"channels": [1]}, "model.kernel": 5}
        for change in (lists, {"augment.crop.padding": 3, "augment.flip": "on", "augment.normalize": "off", "model.norm": "batch"}):
            base = Recipe(**BASE).given()
            before = json.dumps([base, change])
            changes.apply(base, change)
            assert json.dumps([base, change]) == before

    def test_differences_name_each_setting_by_its_path(self) -> None:
        plan = planned(arms={"a": {"augment.crop": "off", "augment.flip.p": 0.3, "model.norm": "batch", "model.channels": [8]}})
        found = changes.differences(plan.arms[0].recipe.spec(), plan.arms[1].recipe.spec())
        assert found == {
            "augment.crop": ("on", None), "augment.crop.padding": (2, None), "augment.crop.mode": ("zero", None),
            "augment.flip": (None, "on"), "augment.flip.p": (None, 0.3), "augment.flip.alternate": (None, False),
            "model.norm": ("none", "batch"), "model.channels": ([8, 16], [8]),
        }  # fmt: skip

    ANY = st.fixed_dictionaries(
        {},
        optional={
            "epochs": st.integers(1, 9),
            "batch_size": st.integers(1, 9),
            "model": st.sampled_from(["mlp", {"use": "convnet", "kernel": 5}, {"activation": "mish"}]),
            "model.dropout": st.sampled_from([0.1, 0.2]),
            "model.norm": st.sampled_from(["batch", "group"]),
            "optimizer": st.sampled_from(["adam", {"use": "sgd"}, {"lr": 0.3}]),
            "optimizer.lr": st.floats(0, 1),
            "schedule": st.sampled_from(["cosine", {"warmup": 0.2}]),
            "schedule.warmup": st.sampled_from([0.3, 0.4]),
            "augment.crop": st.sampled_from(["off", "on", {"padding": 7}]),
            "augment.crop.padding": st.integers(1, 9),
            "augment.normalize": st.sampled_from(["off", {"statistics": "imagenet"}]),
            "data": st.sampled_from(["mnist5k", {"split_seed": 3}]),
            "data.validation": st.sampled_from([0.2, 30]),
        },
    )

    @settings(max_examples=60, deadline=None)
    @given(ANY, st.randoms())
    def test_the_order_of_a_mapping_does_not_matter(self, change: dict[str, Any], random: Any) -> None:
        base, items = Recipe(**BASE).given(), list(change.items())
        random.shuffle(items)
        (one, lost), (other, lost_too) = changes.apply(base, change), changes.apply(base, dict(items))
        assert one == other
        assert sorted(lost) == sorted(lost_too)


class TestPlainData:
    ARMS = st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name.strip() and name != "baseline"), TestChanges.ANY, max_size=3)

    @settings(max_examples=40, deadline=None)
    @given(
        ARMS,
        st.lists(st.sampled_from([0.1, 0.3, 0.7]), max_size=3, unique=True),
        st.integers(1, 3) | st.lists(st.integers(0, 2**31), min_size=1, max_size=3, unique=True),
    )
    def test_a_study_written_as_plain_data_reads_back_with_the_same_plan(self, arms: dict[str, Any], dropouts: list[float], seeds: Any) -> None:
        made = study(question="Why?", arms=arms, sweep={"model.dropout": dropouts} if dropouts else {}, grid={"model.kernel": [3, 5]}, seeds=seeds)
        again = Study.parse(made.spec())
        assert again == made
        assert json.loads(json.dumps(made.spec())) == json.loads(json.dumps(again.spec()))
        outcomes = [self.outcome(each) for each in (made, again, Study.parse(json.loads(json.dumps(made.spec()))))]
        assert outcomes[0] == outcomes[1] == outcomes[2]

    def outcome(self, made: Study) -> Any:
        try:
            return [(run.arm, run.seed, run.recipe.id, run.folder) for run in made.plan().runs]
        except InputError as error:  # an arm that changes nothing, say: then each of them must say so
            return str(error)


class TestOverrides:
    def test_paths_change_the_base_and_the_study_itself(self) -> None:
        made = study(arms={"a": {"model.norm": "batch"}}).with_changes(
            {"epochs": 3, "model.dropout": 0.2, "augment.crop": "off", "seeds": 4, "keep": "none"}
        )
        assert (made.base.epochs, made.base.model.settings()["dropout"], made.seeds, made.keep) == (3, 0.2, (0, 1, 2, 3), "none")
        assert [step.use for step in made.base.augment] == ["normalize"]
        assert [arm.recipe.epochs for arm in made.plan().arms] == [3, 3]

    def test_a_path_may_begin_with_base(self) -> None:
        assert study().with_changes({"base.epochs": 3}).base.epochs == 3

    def test_the_study_itself_stays(self) -> None:
        made = study()
        made.with_changes({"epochs": 3})
        assert made.base.epochs == 10

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"epoch": 3}, "epoch: unknown setting; did you mean 'epochs'? ("),
            ({"seed": 3}, "base.seed: a study has its seeds for all arms; write seeds: [3]"),
            ({"seeds": "x"}, 'seeds: "x" is wrong; give a count'),
            ({"model.nrm": "batch"}, "model.nrm: unknown setting; did you mean 'norm'?"),
            ({"epochs": "x"}, 'epochs: "x" is wrong; it should be a whole number'),
            ({"arms": {}}, "arms: unknown setting; "),
            ({"keep": "all"}, 'keep: "all" is wrong; allowed: best, both, none'),
        ],
    )
    def test_a_path_that_leads_nowhere_is_told(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError) as raised:
            study().with_changes(change)
        assert str(raised.value).startswith(message)

    def test_trust_is_kept(self) -> None:
        made = Study.parse({"base": BASE}, trust=False)
        with pytest.raises(InputError, match="--trust-code"):
            made.with_changes({"model": "os.path:join"})
        with pytest.raises(InputError, match="--trust-code"):
            Study.parse({"base": BASE, "arms": {"a": {"model": "os.path:join"}}}, trust=False).with_changes({"epochs": 3}).plan()


NOTHING = "changes nothing: its recipe is the baseline's; change a setting, or leave it out"


class TestMessages:
    @pytest.mark.parametrize(
        ("given_", "message"),
        [
            ({"base": None}, "base: is missing; give the recipe of the baseline: data, model, optimizer …"),
            ({"base": "x"}, 'base: "x" is wrong; give the recipe of the baseline: data, model, optimizer …'),
            ({"base": {}}, "base.data: is missing; name one of: "),
            ({"base": {**BASE, "optimiser": 3}}, "base.optimiser: unknown setting; did you mean 'optimizer'?"),
            ({"base": {**BASE, "seed": 3}}, "base.seed: a study has its seeds for all arms; write seeds: [3]"),
            ({"questoin": "x"}, "questoin: unknown setting; did you mean 'question'? (allowed: arms, base, "),
            ({"question": 3}, "question: 3 is wrong; it should be text (what the study asks, one sentence)"),
            ({"question": "x" * 3000}, 'question: "xxx'),
            ({"name": ""}, 'name: "" is wrong; it should have at least 1 characters ('),
            ({"margin": 0}, "margin: 0 is wrong; it should be a number above 0 (points below which a difference does not matter)"),
            ({"margin": float("inf")}, "margin: Infinity is wrong; it should be a number above 0 ("),
            ({"keep": "all"}, 'keep: "all" is wrong; allowed: best, both, none'),
            ({"arms": "x"}, 'arms: "x" is wrong; it should be a mapping (name → changes (dotted path → value))'),
            ({"arms": {"a": None}}, "arms.a: null is wrong; it should be a mapping (name → changes (dotted path → value))"),
            ({"arms": {1: {"epochs": 3}}}, "arms: 1 is wrong; write it as text, in quotes"),
            ({"arms": {"a": {}}}, f"arms.a: {NOTHING}"),
            ({"arms": {"a": {"epochs": 10}}}, f"arms.a: {NOTHING}"),
            ({"arms": {"a": {"augment.normalize": "on"}}}, f"arms.a: {NOTHING}"),
            ({"arms": {"baseline": {"epochs": 3}}}, "arms.baseline: is the base itself; give the arm another name"),
            ({"arms": {" ": {"epochs": 3}}}, "arms.' ': is no name for an arm; give it 1 to 255 characters"),
            ({"arms": {"a" * 256: {"epochs": 3}}}, "arms.'aaaa"),
            ({"arms": {"\ud800": {"epochs": 3}}}, "arms.'\\ud800': is no name for an arm; "),
            ({"arms": {"dropout 0.1": {"epochs": 3}}, "sweep": {"model.dropout": [0.1]}}, "sweep.dropout 0.1: two arms have this name; "),
            ({"arms": {"a\nb": {"epochs": "x"}}}, 'arms.a\\nb.epochs: "x" is wrong; it should be a whole number'),
            ({"arms": {"a": {"seed": 3}}}, "arms.a.seed: an arm can't set the seed; every arm runs with the study's seeds"),
            ({"arms": {"a": {"epochs": 3, "steps": 4}}}, "arms.a.steps: both epochs and steps are given; give one budget"),
            ({"arms": {"a": {"modl.norm": 3}}}, "arms.a.modl.norm: unknown setting; did you mean 'model'? ("),
            ({"arms": {"a": {"model.nrm": "batch"}}}, "arms.a.model.nrm: unknown setting; did you mean 'norm'? ("),
            ({"arms": {"a": {"model.": 3}}}, "arms.a.model.: is no path: a name beside a dot is missing; write e.g. model.NAME"),
            ({"arms": {"a": {"epochs.x": 3}}}, "arms.a.epochs.x: 'epochs' has no settings of its own; write epochs=VALUE"),
            ({"arms": {"a": {"model": None}}}, "arms.a.model: None is wrong; give a name or a mapping"),
            ({"arms": {"a": {"augment": "flip", "augment.crop": "on"}}}, "arms.a.augment: is not a list of augmentations; write [{use: flip}, "),
            ({"arms": {"a": {"augment": [3, "flip"], "augment.flip.p": 0.1}}}, "arms.a.augment: is not a list of augmentations; write ["),
            ({"arms": {"a": {"augment.flop": "on"}}}, "arms.a.augment.flop: there is no augment 'flop'; did you mean 'flip'?"),
            ({"arms": {"a": {"augment.flip": "off"}}}, "arms.a.augment.flip: 'flip' is not among the augmentations; "),
            ({"arms": {"a": {"augment.flip": 3}}}, "arms.a.augment.flip: 3 is wrong; give a name or a mapping"),
            (
                {"sweep": {"model.dropout": 3}},
                "sweep.model.dropout: 3 is wrong; it should be a list or a mapping (dotted path → values, or linspace, logspace; ",
            ),
            ({"sweep": {"model.dropout": []}}, "sweep.model.dropout: has no values; give a list of values, each of which makes an arm"),
            ({"sweep": {"model.dropout": [0.1, 0.1]}}, "sweep.dropout 0.1: two arms have this name; give each arm a name, and each value once"),
            ({"sweep": {"model.dropout": [0.0]}}, f"sweep.dropout 0.0: {NOTHING}"),
            ({"grid": {"model.dropout": []}}, "grid.model.dropout: has no values; "),
            ({"grid": {"model.drpout": [1]}}, "grid.drpout 1.model.drpout: unknown setting; did you mean 'dropout'?"),
            ({"grid": {f"model.x{k}": list(range(10)) for k in range(6)}}, "1,000,001 arms × 1 seeds are too many runs; at most 100,000"),
            ({"seeds": 0}, "seeds: 0 is wrong; give 1 to 10,000"),
            ({"seeds": 10**9}, "seeds: 1000000000 is wrong; give 1 to 10,000"),
            ({"seeds": []}, "seeds: 0 is wrong; give 1 to 10,000"),
            (
                {"seeds": [1, 1]},
                "seeds: [1, 1] is wrong; give a count, e.g. 5, a list in which each stands once, e.g. [0, 1, 2], or {start: 3",
            ),
            ({"seeds": [-1]}, "seeds: [-1] is wrong; give a count"),
            ({"seeds": [2**31 + 1]}, "seeds: [2147483649] is wrong; give a count"),
            ({"seeds": True}, "seeds: true is wrong; give a count"),
        ],
        ids=lambda value: str(value)[:50] if isinstance(value, dict) else "",
    )
    def test_names_the_place_and_what_would_be_right_in_one_line(self, given_: dict[str, Any], message: str) -> None:
        line = told(**given_)
        assert line.startswith(message)
        assert len(line) < 700

    def test_arms_are_not_imported_without_trust(self) -> None:
        with pytest.raises(InputError, match=r"^arms\.a\.model: model 'os\.path:join' is code from outside"):
            Study.parse({"base": BASE, "arms": {"a": {"model": "os.path:join"}}}, trust=False).plan()

    def test_an_arm_names_where_it_was_declared(self) -> None:
        arms: tuple[Arm, ...] = planned(arms={"a": {"epochs": 3}}, sweep={"epochs": [4]}, grid={"epochs": [5]}).arms
        assert [arm.origin for arm in arms] == ["base", "arms", "sweep", "grid"]
