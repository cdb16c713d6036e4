"""A Recipe is one thing however it is written, its id changes exactly when the training does, and a wrong one is told in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from contrast import catalog, changes, faults
from contrast.errors import InputError
from contrast.protocols import OptimizerIngredient, added
from contrast.recipe import KINDS, Recipe
from contrast.study_file import read_yaml

WRITTEN = """
data: {use: mnist5k, validation: 500}
augment: [flip, {use: crop, padding: 2}]
model: {use: convnet, channels: [16, [32, 32]], norm: batch, head: [64]}
optimizer: {use: sgd, lr: 5e-2, momentum: 0.9, weight_decay: 5e-4}
schedule: cosine
epochs: 8
batch_size: 64
clip_norm: 1
"""
GOLDEN = "f94f6d7ab4197fffc34b9c0bc9fbce95ca8ef075827549235367204e1b61b819"
"""The id of the recipe above. Every finished run is found by its id, so a change of this value makes all that people have
trained start anew. It is legitimate only where the same settings now mean another training (a corrected computation, say),
and then the changelog says so. A new setting comes with `protocols.added`, which leaves ids alone."""

BASE = {"data": "synthetic", "model": "mlp"}

GOLDEN_DEFAULTS = {
    ("data", "cifar10"): "6d0126268f25707a",
    ("data", "folder"): "eef3796ab2d9b648",
    ("data", "mnist"): "c73ba20e935e8ad8",
    ("data", "mnist5k"): "7eb4649a343240e6",
    ("data", "synthetic"): "34dafa6a85f5940c",
    ("model", "convnet"): "42f58e54748adc0e",
    ("model", "mlp"): "34dafa6a85f5940c",
    ("augment", "crop"): "a1f0dc39b7d59468",
    ("augment", "flip"): "2996e87b8e2b858a",
    ("augment", "normalize"): "34dafa6a85f5940c",
    ("optimizer", "adam"): "70c2865ac4bb9a33",
    ("optimizer", "adamw"): "6bb2aba1a45efbf1",
    ("optimizer", "rmsprop"): "8c92acc4e8bead7a",
    ("optimizer", "sgd"): "34dafa6a85f5940c",
    ("schedule", "constant"): "34dafa6a85f5940c",
    ("schedule", "cosine"): "e74df898fad1a678",
    ("schedule", "onecycle"): "e7f33ad6ae975dd0",
    ("schedule", "step"): "ceb9a4d3125f244e",
    ("loss", "cross_entropy"): "34dafa6a85f5940c",
    ("averaging", "ema"): "6eef680938b25bf1",
    ("averaging", "none"): "34dafa6a85f5940c",
    ("loop", "standard"): "34dafa6a85f5940c",
}
"""First half of an id for each ingredient with its defaults: an ingredient that is changed by accident is seen here. A new one is added."""


def from_yaml(text: str = WRITTEN) -> Recipe:
    return Recipe.parse(read_yaml(text, "test"), trust=False)


def told(**given: Any) -> str:
    """The message for a recipe that is wrong."""
    with pytest.raises(InputError) as raised:
        Recipe(**{**BASE, **given})
    assert raised.value.exit_code == 2
    return str(raised.value)


class TestIdentity:
    def test_yaml_and_python_say_the_same(self) -> None:
        convnet = catalog.ingredient("model", "convnet")
        python = Recipe(
            data={"use": "mnist5k", "validation": 500},
            augment=[{"use": "flip"}, {"use": "crop", "padding": 2}],
            model=convnet(channels=(16, (32, 32)), norm="batch", head=(64,)),  # type: ignore[call-arg]
            optimizer={"use": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0005},
            schedule="cosine",
            epochs=8,
            batch_size=64,
            clip_norm=1.0,
        )
        assert python == from_yaml()
        assert hash(python) == hash(from_yaml())
        assert python.id == from_yaml().id

    def test_golden_id_stands(self) -> None:
        assert from_yaml().id == GOLDEN

    @pytest.mark.parametrize(("kind", "name"), list(GOLDEN_DEFAULTS))
    def test_defaults_of_every_ingredient_stand(self, kind: str, name: str) -> None:
        part: Any = {"use": name, "path": "x"} if name == "folder" else name
        recipe = Recipe(**BASE | {kind: [part] if kind == "augment" else part})
        assert recipe.id[:16] == GOLDEN_DEFAULTS[kind, name]

    @pytest.mark.parametrize("plain", ["spec", "given"])
    def test_what_is_written_down_reads_back_as_the_same_recipe(self, plain: str) -> None:
        recipe = from_yaml()
        written = json.loads(json.dumps(getattr(recipe, plain)()))
        again = Recipe.parse(written, trust=False)
        assert again == recipe
        assert again.id == recipe.id

    def test_id_does_not_depend_on_the_order_of_keys(self) -> None:
        def reversed_keys(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: reversed_keys(value[key]) for key in reversed(value)}
            return value

        spec = read_yaml(WRITTEN, "test")
        assert list(reversed_keys(spec)) != list(spec)
        assert Recipe.parse(reversed_keys(spec), trust=False).id == from_yaml().id

    @pytest.mark.parametrize(
        ("short", "long"),
        [
            ({"optimizer": "adam"}, {"optimizer": {"use": "adam"}}),
            ({"optimizer": {"use": "adam"}}, {"optimizer": {"use": "adam", "lr": 0.001, "betas": [0.9, 0.999]}}),
            ({"augment": ["flip"]}, {"augment": [{"use": "flip", "p": 0.5}, {"use": "normalize"}]}),
            ({}, {"augment": [], "epochs": 10, "schedule": {"use": "constant"}, "steps": None}),
            ({"model": {"use": "convnet", "channels": [[8], 16]}}, {"model": {"use": "convnet", "channels": [8, 16]}}),
            ({"optimizer": {"use": "sgd", "lr": 1}}, {"optimizer": {"use": "sgd", "lr": 1.0}}),
        ],
    )
    def test_short_and_long_forms_are_one_recipe(self, short: dict[str, Any], long: dict[str, Any]) -> None:
        assert Recipe(**BASE | short) == Recipe(**BASE | long)
        assert Recipe(**BASE | short).id == Recipe(**BASE | long).id

    def test_each_setting_changes_the_id(self) -> None:
        single: list[dict[str, Any]] = [
            {"data": "synthetic"}, {"data.validation": 501}, {"data.split_seed": 1}, {"data.wrong_labels": 0.1}, {"data.train": 100},
            {"augment.flip": "off"}, {"augment.flip.p": 0.4}, {"augment.crop.padding": 3}, {"augment.normalize": "off"},
            {"augment": ["flip", {"use": "crop", "padding": 2}, "normalize"], "augment.crop.mode": "reflect"},
            {"augment": [{"use": "crop", "padding": 2}, "flip"]},
            {"model.norm": "none"}, {"model.channels": [16, 32]}, {"model.dropout": 0.1}, {"model": "mlp"},
            {"optimizer.lr": 0.1}, {"optimizer.nesterov": True}, {"optimizer": "adam"}, {"optimizer.decay": "matrices"},
            {"schedule": "step"}, {"schedule.warmup": 0.1}, {"loss.label_smoothing": 0.1}, {"averaging": "ema"},
            {"epochs": 9}, {"steps": 9}, {"batch_size": 65}, {"micro_batch": 32}, {"clip_norm": None}, {"choose": "validation_loss"}, {"patience": 3},
            {"device": "cpu"}, {"precision": "fp32"}, {"memory_format": "contiguous"}, {"compile": False}, {"deterministic": True}, {"seed": 1},
            {"watch": ["weight_norm"]}, {"evaluate": {"latest": True}}, {"sampler": {"use": "balanced"}},
        ]  # fmt: skip
        recipe = from_yaml()
        ids = [Recipe.parse(changes.apply(recipe.given(), change)[0], trust=False).id for change in single]
        assert recipe.id not in ids
        assert len(set(ids)) == len(ids)
        told = {path.partition(".")[0] for change in single for path in change}
        assert told == set(Recipe.model_fields) - {"loop"}, "a setting of a recipe is not tried"

    def test_another_seed_is_another_run_of_an_else_equal_recipe(self) -> None:
        recipe = from_yaml()
        other = recipe.with_seed(7)
        assert (recipe.seed, other.seed) == (0, 7)
        assert other.id != recipe.id
        assert other.id == Recipe.parse({**recipe.spec(), "seed": 7}, trust=False).id
        assert other.with_seed(0) == recipe
        assert other.with_seed(0).id == recipe.id

    def test_is_frozen_and_not_changed_by_what_it_was_made_from(self) -> None:
        channels = [8, 16]
        recipe = Recipe(data="synthetic", model={"use": "convnet", "channels": channels})
        channels.append(32)
        assert recipe.model.settings()["channels"] == [8, 16]
        for owner, name in ((recipe, "epochs"), (recipe.model, "channels")):
            with pytest.raises(ValidationError, match="frozen"):
                setattr(owner, name, 3)

    @settings(max_examples=40, deadline=None)
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 10**6),
                "batch_size": st.integers(1, 4096),
                "clip_norm": st.none() | st.floats(1e-6, 1e6),
                "optimizer": st.fixed_dictionaries({"use": st.sampled_from(["sgd", "adam"])}, optional={"lr": st.floats(0, 1e9) | st.integers(0, 3)}),
                "augment": st.permutations([{"use": "flip"}, "crop", {"use": "normalize", "statistics": "none"}]),
                "data": st.fixed_dictionaries({"use": st.just("synthetic")}, optional={"validation": st.integers(1, 99) | st.floats(0.01, 0.99)}),
                "model": st.fixed_dictionaries({"use": st.just("mlp")}, optional={"hidden": st.lists(st.integers(1, 99), max_size=4)}),
            },
        )
    )
    def test_any_recipe_reads_back_from_json_with_the_same_id(self, given_: dict[str, Any]) -> None:
        recipe = Recipe(**{**BASE, **given_})
        for plain in (recipe.spec(), recipe.given()):
            again = Recipe.parse(json.loads(json.dumps(plain)), trust=False)
            assert (again, again.id) == (recipe, recipe.id)


class TestOutsideCode:
    @pytest.fixture
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        path = tmp_path / "nets_of_a_test.py"
        path.write_text("def small(classes, width=4):\n    return width\n\nclass Not:\n    pass\n\nnumber = 3\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        yield path
        sys.modules.pop("nets_of_a_test", None)

    def made(self, **settings: Any) -> Recipe:
        return Recipe(data="synthetic", model={"use": "nets_of_a_test:small", **settings})

    def test_its_source_and_settings_are_part_of_the_id(self, module: Path) -> None:
        first = self.made().id
        assert self.made().id == first
        assert self.made(width=5).id != first
        module.write_text(module.read_text(encoding="utf-8") + "# another source\n", encoding="utf-8")
        assert self.made().id != first

    def test_reads_back_as_the_same_recipe(self, module: Path) -> None:
        recipe = self.made(width=5)
        for plain in (recipe.spec(), recipe.given()):
            again = Recipe.parse(json.loads(json.dumps(plain)), trust=True)
            assert again.model.use == "nets_of_a_test:small"
            assert again.model.model_extra == {"width": 5}
            assert again.id == recipe.id

    def test_is_not_imported_without_trust(self, module: Path) -> None:
        with pytest.raises(InputError, match=r"model 'nets_of_a_test:small' is code from outside .* --trust-code"):
            Recipe.parse({"data": "synthetic", "model": "nets_of_a_test:small"}, trust=False)
        assert "nets_of_a_test" not in sys.modules

    @pytest.mark.parametrize(
        ("use", "message"),
        [
            ("no_such_module_here:Net", "model: there is no module 'no_such_module_here' to take 'no_such_module_here:Net' from"),
            ("nets_of_a_test:smal", "model: module 'nets_of_a_test' has no 'smal'; did you mean 'small'?"),
            ("nets_of_a_test:number", "model: 'nets_of_a_test:number' is not usable as model; name a subclass of contrast.protocols.ModelIngredient"),
            ("contrast.optimizers.adam:Adam", "model: 'contrast.optimizers.adam:Adam' is not usable as model"),
            ("contrast.protocols:ModelIngredient", "model: 'contrast.protocols:ModelIngredient' is not usable as model"),
            ("math:sqrt", "model: 'math:sqrt' has no source file"),
        ],
    )
    def test_what_can_not_be_a_model_is_told(self, module: Path, use: str, message: str) -> None:
        assert told(model=use).startswith(message)

    def test_a_module_that_fails_when_imported_is_told(self, module: Path) -> None:
        module.write_text("1 / 0\n", encoding="utf-8")
        assert told(model="nets_of_a_test:small").startswith("model: 'nets_of_a_test:small' can't be imported: ZeroDivisionError: division by zero")

    def test_settings_that_no_file_can_hold_are_told(self, module: Path) -> None:
        assert told(model={"use": "nets_of_a_test:small", "width": object()}).startswith("model: its settings can't be written to a file")
        assert told(model={"use": "nets_of_a_test:small", "width": float("nan")}).startswith("model: its settings can't be written to a file")


class First(OptimizerIngredient):
    """An optimizer as its first release had it."""

    lr: float = 0.1

    def build(self, parameters: Any, fused: bool) -> Any:
        raise NotImplementedError


class Second(First):
    """The second release: a new setting whose default does what was done before."""

    clip: float | None = added(None, absent=None, gt=0)


class Third(First):
    """A third release, in which the new setting is on unless told otherwise."""

    clip: float | None = added(1.0, absent=None, gt=0)


class TestLaterSettings:
    @pytest.fixture(autouse=True)
    def _one_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for release in (First, Second, Third):
            monkeypatch.setattr(release, "__module__", "contrast.optimizers.thing")

    def made(self, optimizer: OptimizerIngredient) -> Recipe:
        return Recipe(**BASE, optimizer=optimizer)

    def test_a_setting_added_later_with_its_old_behavior_as_default_keeps_old_ids(self) -> None:
        assert self.made(Second()).id == self.made(First()).id
        assert self.made(Second(lr=0.2)).id == self.made(First(lr=0.2)).id
        assert self.made(Second(clip=1.0)).id != self.made(First()).id

    def test_a_changed_default_changes_the_id_and_the_old_value_finds_the_old_runs(self) -> None:
        assert self.made(Third()).id != self.made(First()).id
        assert self.made(Third()).id == self.made(Second(clip=1.0)).id
        assert self.made(Third(clip=None)).id == self.made(First()).id

    def test_a_setting_added_to_the_recipe_itself_keeps_old_ids(self) -> None:
        class Later(Recipe):
            noise: float = added(0.0, absent=0.0)

        assert "noise" in Later(**BASE).spec()
        assert Later(**BASE).id == Recipe(**BASE).id
        assert Later(**BASE, noise=0.1).id != Recipe(**BASE).id


UNKNOWN = [
    ({"optimiser": "adam"}, "optimiser: unknown setting; did you mean 'optimizer'? (allowed: augment, averaging, "),
    ({"model": {"use": "convnet", "chanels": [1]}}, "model.chanels: unknown setting; did you mean 'channels'? (allowed: activation, channels, "),
    ({"model": {"use": "mlp", "a": 1, "b": 2}}, "model.a: unknown setting (and 1 more); allowed: activation, "),
    ({"augment": [{"use": "crop", "paddin": 4}]}, "augment.crop.paddin: unknown setting; did you mean 'padding'? (allowed: mode, padding)"),
    ({"optimizer": "adm"}, "optimizer: there is no optimizer 'adm'; did you mean 'adam'? (allowed: adam, adamw, muon, rmsprop, sgd)"),
    ({"augment": ["flp"]}, "augment.flp: there is no augment 'flp'; did you mean 'flip'? (allowed: "),
    ({"model": {"use": "convnet", "norm": "bach"}}, "model.norm: \"bach\" is wrong; did you mean 'batch'? (allowed: batch, group, layer, none)"),
    ({"device": "gpu"}, "device: \"gpu\" is wrong; did you mean 'cpu'? (allowed: auto, cpu, cuda, mps)"),
    ({"optimizer": {"use": "sgd", "decay": "some"}}, 'optimizer.decay: "some" is wrong; allowed: all, matrices'),
]
WRONG = [
    ({"epochs": "3"}, 'epochs: "3" is wrong; it should be a whole number from 1 to 1000000 (budget: passes over the training images)'),
    ({"epochs": True}, "epochs: true is wrong; it should be a whole number from 1 to 1000000 (budget: passes over the training images)"),
    ({"epochs": 1.5}, "epochs: 1.5 is wrong; it should be a whole number from 1 to 1000000 (budget: passes over the training images)"),
    ({"epochs": 0}, "epochs: 0 is wrong; it should be a whole number from 1 to 1000000 (budget: passes over the training images)"),
    (
        {"deterministic": 1},
        "deterministic: 1 is wrong; it should be true or false (repeat bit for bit on a GPU too, at some cost (a CPU always does))",
    ),
    ({"optimizer": {"use": "sgd", "lr": "0.1"}}, 'optimizer.lr: "0.1" is wrong; it should be a number of at least 0 (learning rate)'),
    ({"optimizer": {"use": "sgd", "lr": True}}, "optimizer.lr: true is wrong; it should be a number of at least 0 (learning rate)"),
    ({"optimizer": {"use": "sgd", "lr": float("inf")}}, "optimizer.lr: Infinity is wrong; it should be a number of at least 0 (learning rate)"),
    ({"optimizer": {"use": "sgd", "lr": 10**400}}, "optimizer.lr: 100000"),
    ({"clip_norm": 0}, "clip_norm: 0 is wrong; it should be a number above 0 or null (the gradient's L2 norm is cut to this)"),
    ({"compile": "yes"}, 'compile: "yes" is wrong; it should be true or false or "auto" ('),
    ({"model": {"use": "mlp", "dropout": 1}}, "model.dropout: 1 is wrong; it should be a number of at least 0 and below 1 ("),
    (
        {"model": {"use": "mlp", "hidden": 10}},
        "model.hidden: 10 is wrong; it should be [a whole number from 1 to 1048576, …] (widths of the hidden layers)",
    ),
    (
        {"model": {"use": "mlp", "hidden": [10, 0]}},
        "model.hidden.1: 0 is wrong; it should be a whole number from 1 to 1048576 (widths of the hidden layers)",
    ),
    ({"model": {"use": "convnet", "channels": []}}, "model.channels: [] is wrong; it should have at least 1 items ("),
    ({"model": {"use": "convnet", "padding": "sam"}}, 'model.padding: "sam" is wrong; it should be "same" or a whole number from 0 to 63 ('),
    ({"optimizer": {"use": "adam", "betas": [0.9]}}, "optimizer.betas: [0.9] is wrong; it should be [a number of at least 0 and below 1, a number "),
    (
        {"data": {"use": "synthetic", "train": -3}},
        "data.train: -3 is wrong; it should be a whole number of at least 1, a number above 0 and below 1 or null (",
    ),
    ({"data": {"use": "folder", "path": "x", "exclude": "cat"}}, 'data.exclude: "cat" is wrong; it should be [text, …] (classes to leave out)'),
    ({"data": {"use": "folder", "path": "x", "channels": 2}}, "data.channels: 2 is wrong; it should be 1 or 3 ("),
    ({"schedule": {"use": "step", "at": [0.7, 0.5]}}, "schedule.at: [0.7, 0.5] is wrong; the points must ascend"),
    ({"optimizer": {"use": "sgd", "nesterov": True}}, "optimizer: nesterov needs momentum above 0 and dampening 0"),
    ({"optimizer": {"lr": 1}}, "optimizer: this names no optimizer; write {use: NAME, …}; allowed: adam, adamw, muon, rmsprop, sgd"),
    ({"optimizer": None}, "optimizer: this names no optimizer; write {use: NAME, …}; allowed: adam, adamw, muon, rmsprop, sgd"),
    ({"augment": "flip"}, "augment: is not a list of augmentations; write [{use: flip}, {use: crop, padding: 4}]"),
    ({"augment": [{"padding": 3}]}, "augment: this names no augment; write {use: NAME, …}; allowed: "),
    ({"augment": ["flip", {"use": "flip", "p": 0.1}]}, "augment.flip: stands twice in the list; give each augmentation once"),
    ({"epochs": 3, "steps": 100}, "steps: both epochs and steps are given; give one budget"),
    ({"data": {"use": "folder"}}, "data.path: is missing; give text (the folder, or a .zip or .tar of it: absolute, or below one of the places"),
    ({"model": {"use": "mlp", "x\ny\x1b[31m\u202e": 1}}, "model.x\\ny\\x1b[31m\\u202e: unknown setting; "),
]


class TestMessages:
    @pytest.mark.parametrize(("given", "message"), [*UNKNOWN, *WRONG], ids=lambda value: str(value)[:40] if isinstance(value, dict) else "")
    def test_names_the_key_path_and_what_would_be_right_in_one_line(self, given: dict[str, Any], message: str) -> None:
        line = told(**given)
        assert line.startswith(message)
        assert line.isprintable()
        assert len(line) < 700

    @pytest.mark.parametrize("wrong", ["x", 0, 1.5, True, [], -1])
    def test_a_union_names_all_that_is_allowed(self, wrong: Any) -> None:
        line = told(data={"use": "mnist", "validation": wrong})
        right = "it should be a whole number of at least 1 or a number above 0 and below 1 ("
        assert line.startswith(f"data.validation: {json.dumps(wrong)} is wrong; {right}")

    @pytest.mark.parametrize(("kind", "names"), [("data", "mnist5k"), ("model", "convnet")])
    def test_what_a_recipe_can_not_do_without_is_asked_for(self, kind: str, names: str) -> None:
        with pytest.raises(InputError, match=f"^{kind}: is missing; name one of: .*{names}"):
            Recipe(**{key: value for key, value in BASE.items() if key != kind})

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_nothing_that_a_file_can_hold_gives_anything_but_a_recipe_or_one_line(self, data: st.DataObject) -> None:
        leaf = (
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=4)
            | st.sampled_from(["off", "own", "flip", "batch", "os:path"])
        )
        word = st.sampled_from(["use", "norm", "lr", "padding", "hidden", "validation", "statistics", "mean", "p"]) | st.text(max_size=3)
        value = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=3), max_leaves=6)
        name = data.draw(st.sampled_from(sorted(Recipe.model_fields)))
        known = {"use": data.draw(st.sampled_from(catalog.names(name)))} if name in KINDS else {}
        wild = data.draw(st.dictionaries(word, value, max_size=3)) if known else data.draw(value)
        message = name
        try:
            Recipe(**{**BASE, name: {**wild, **known} if known else wild}).spec()
        except InputError as error:
            message = str(error)
        assert message.startswith(name)
        assert message.isprintable()

    def test_settings_of_outside_code_that_json_can_not_spell_are_told_in_pydantics_words(self) -> None:
        class Odd(BaseModel):
            kind: type[int] = Field(default=bool)
            call: Any = Field(default=print)
            count: int = 3

            model_config = {"arbitrary_types_allowed": True}

        with pytest.raises(ValidationError) as raised:
            Odd(count="x")  # type: ignore[arg-type]
        assert str(faults.told(raised.value, Odd)).startswith('count: "x" is wrong; ')
