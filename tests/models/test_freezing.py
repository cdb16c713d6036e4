"""What is frozen stays bit for bit, what is not changes, and counts say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from contrast import catalog, freezing, networks
from contrast.engine.finish import finish
from contrast.engine.training import Training
from contrast.errors import InputError
from contrast.recipe import Recipe
from tests.models.made import FLIP, begun, small, trained


def net(**more: Any) -> nn.Module:
    made = catalog.parse("model", {"use": "convnet", "channels": [4, 4, 4], "norm": "batch", "head": [6], **more})
    return networks.network(made, (1, 16, 16), 3)  # type: ignore[arg-type]


def frozen(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


HEAD = {"head.linear.weight", "head.linear.bias", "head.output.weight", "head.output.bias"}
EVERY = {name for name, _ in net().named_parameters()}


class TestWhatIsMeant:
    @pytest.mark.parametrize(
        ("freeze", "names"),
        [
            ("none", set()),
            ("head", HEAD),
            ("features", EVERY - HEAD),
            ("all but head", EVERY - HEAD),
            ({"until": "block2"}, {name for name in EVERY if name.startswith("block1.")}),
            (["block1", "block3"], {name for name in EVERY if name[:6] in ("block1", "block3")}),
            (["*.norm"], {name for name in EVERY if ".norm." in name}),
            (["block1.conv.weight"], {"block1.conv.weight"}),
            (["block1.*", "*.bias"], {name for name in EVERY if name.startswith("block1.") or name.endswith(".bias")}),
        ],
    )
    def test_each_form_freezes_just_that(self, freeze: Any, names: set[str]) -> None:
        assert frozen(net(freeze=freeze)) == names

    def test_the_head_of_an_mlp_is_its_output(self) -> None:
        made = catalog.parse("model", {"use": "mlp", "hidden": [4], "freeze": "all but head"})
        assert frozen(networks.network(made, (1, 4, 4), 3)) == {"linear.weight", "linear.bias"}  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("freeze", "message"),
        [
            (["blok1"], r"model\.freeze: 'blok1' matches nothing in the network; did you mean 'block1'"),
            (["block1", "haed.*"], r"'haed\.\*' matches nothing in the network; did you mean 'head'"),
            ({"until": "bloc2"}, r"model\.freeze\.until: the network has no module 'bloc2' with parameters; did you mean 'block2'"),
            (["*"], r"model\.freeze: everything is frozen, and nothing is left to train"),
        ],
    )
    def test_what_is_not_there_is_told_with_what_is_near(self, freeze: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            net(freeze=freeze)

    @given(st.sets(st.sampled_from(sorted(EVERY)), min_size=1, max_size=len(EVERY) - 1))
    @settings(max_examples=25, deadline=None)
    def test_still_parts_hold_just_the_modules_that_nothing_trained_is_in(self, names: set[str]) -> None:
        model = net(freeze=sorted(names))
        inside = {id(module) for part in freezing.still_parts(model) for module in part.modules()}
        for module in model.modules():
            parameters = list(module.parameters())
            assert not parameters or (id(module) in inside) == (not any(p.requires_grad for p in parameters))


def tensors(training: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training.state.network.state_dict().items()}


FREEZES: list[Any] = ["features", "head", {"until": "block2"}, ["*.norm"]]


class TestTraining:
    @pytest.mark.parametrize("freeze", FREEZES, ids=str)
    @pytest.mark.parametrize("augment", [[], FLIP], ids=["features kept", "features computed"])
    def test_frozen_tensors_and_buffers_stay_bit_for_bit_and_every_trainable_one_changes(self, freeze: Any, augment: Any, tmp_path: Path) -> None:
        training = begun(small({"freeze": freeze}, augment=augment), tmp_path)
        network, before = training.state.network, tensors(training)
        training.recipe.loop.train(training)
        still = {id(module) for part in freezing.still_parts(network) for module in part.modules()}
        for name, value in network.state_dict().items():
            owner, _, last = name.rpartition(".")
            module = network.get_submodule(owner)
            tensor = getattr(module, last)
            stays = not tensor.requires_grad if isinstance(tensor, nn.Parameter) else id(module) in still
            assert torch.equal(value, before[name]) == stays, name

    def test_frozen_parameters_get_no_gradient_and_no_place_in_the_optimizer(self, tmp_path: Path) -> None:
        training = trained(small({"freeze": "features"}, augment=FLIP), tmp_path)
        own = {id(p) for group in training.state.optimizer.param_groups for p in group["params"]}
        for name, parameter in training.state.model.named_parameters():
            assert (id(parameter) in own) == (parameter in training.state.optimizer.state) == name.startswith("head")
            assert parameter.grad is None

    def test_no_graph_is_built_through_a_frozen_prefix(self, tmp_path: Path) -> None:
        training = begun(small({"freeze": "features"}, augment=FLIP), tmp_path)
        seen: list[bool] = []
        training.state.model.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].requires_grad))  # type: ignore[union-attr]
        training.recipe.loop.train(training)
        assert seen
        assert not any(seen)

    def test_counts_in_the_summary_are_those_of_the_network(self, tmp_path: Path) -> None:
        for name, augment in (("kept", []), ("computed", FLIP)):
            summary = finish(trained(small({"freeze": "features"}, augment=augment), tmp_path / name), "baseline", "both")
            head, body = (8 * 2 * 2 + 1) * 16 + (16 + 1) * 4, (3 * 9 + 1) * 8 + (8 * 9 + 1) * 8 + 2 * 2 * 8
            assert (summary["trainable_parameters"], summary["frozen_parameters"], summary["parameters"]) == (head, body, head + body)

    def test_a_networks_weights_are_kept_whole(self, tmp_path: Path) -> None:
        training = trained(small({"freeze": "features"}), tmp_path)
        assert training.state.whole is not None
        assert training.state.weights().keys() == training.state.network.state_dict().keys()


class TestUnfreezing:
    def recipe(self, **more: Any) -> Any:
        return small({"freeze": "features", "unfreeze": 3, **more}, epochs=4)

    def test_what_was_frozen_stays_until_the_epoch_begins_and_is_trained_from_then_on(self, tmp_path: Path) -> None:
        training = begun(self.recipe(), tmp_path)
        start = tensors(training)
        real, seen = training.validate, []

        def validate() -> None:
            seen.append({name for name, value in training.state.network.state_dict().items() if not torch.equal(value, start[name])})
            real()

        training.validate = validate  # type: ignore[method-assign]
        training.recipe.loop.train(training)
        assert all(name.startswith("head") for name in seen[0] | seen[1])
        assert seen[2] == seen[3] == set(start)

    def test_a_run_interrupted_before_or_after_it_goes_on_bit_for_bit(self, tmp_path: Path) -> None:
        whole = trained(self.recipe(lr_factor={"block1": 0.5}), tmp_path / "whole")
        for stop_after in (1, 2, 3):
            folder = tmp_path / str(stop_after)
            first = begun(self.recipe(lr_factor={"block1": 0.5}), folder)
            real = first.validate

            def validate(first: Training = first, stop_after: int = stop_after, real: Any = real) -> None:
                real()
                if first.state.epoch == stop_after:
                    first.state.stopped = "here"

            first.validate = validate  # type: ignore[method-assign]
            keep = first.keep

            def kept(first: Training = first, keep: Any = keep) -> None:
                stopped, first.state.stopped = first.state.stopped, ""
                keep()
                first.state.stopped = stopped

            first.keep = kept  # type: ignore[method-assign]
            first.recipe.loop.train(first)
            resumed = trained(self.recipe(lr_factor={"block1": 0.5}), folder)
            for name, value in whole.state.weights().items():
                assert torch.equal(value, resumed.state.weights()[name]), (stop_after, name)

    def test_needs_something_that_is_frozen(self) -> None:
        with pytest.raises(InputError, match=r"unfreeze needs something that is frozen"):
            small({"unfreeze": 2})


class TestRates:
    def test_a_factor_acts_on_the_parts_that_its_pattern_names(self, tmp_path: Path) -> None:
        training = begun(small({"lr_factor": {"block*": 0.1, "head.output": 2.0}}), tmp_path)
        training.set_rate()
        names = {id(p): name for name, p in training.state.model.named_parameters()}
        rates = {names[id(p)]: group["lr"] for group in training.state.optimizer.param_groups for p in group["params"]}
        assert rates.keys() == set(names.values())
        for name, rate in rates.items():
            expected = 0.005 if name.startswith("block") else 0.1 if name.startswith("head.output") else 0.05
            assert rate == pytest.approx(expected)

    def test_the_rate_that_is_logged_is_the_one_without_a_factor(self, tmp_path: Path) -> None:
        assert begun(small({"lr_factor": {"block1": 0.1}}), tmp_path).set_rate() == 0.05

    def test_weight_decay_on_matrices_alone_holds_in_every_part(self, tmp_path: Path) -> None:
        optimizer = {"use": "sgd", "lr": 0.05, "weight_decay": 0.1, "decay": "matrices"}
        training = begun(small({"lr_factor": {"block1": 0.1}}, optimizer=optimizer), tmp_path)
        for group in training.state.optimizer.param_groups:
            assert {p.ndim >= 2 for p in group["params"]} == {group["weight_decay"] > 0}

    @pytest.mark.parametrize(
        ("factors", "message"),
        [
            ({"blck1": 0.1}, r"model\.lr_factor: 'blck1' matches nothing in the network; did you mean 'block1'"),
            ({"block1": 0.1, "*.conv": 0.2}, r"two patterns match 'block1\.conv\.weight'"),
        ],
    )
    def test_a_pattern_that_matches_nothing_or_twice_is_told(self, factors: dict[str, float], message: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=message):
            begun(small({"lr_factor": factors}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("freeze", "part"), [("features", "classifier"), (["classifier"], "features")], ids=["P7", "P6"])
def test_both_parts_of_alexnet_are_trained_with_the_other_frozen(freeze: Any, part: str, tmp_path: Path) -> None:
    data = {"use": "synthetic", "images": 160, "size": 64, "validation": 32}
    recipe = Recipe(data=data, model={"use": "torchvision/alexnet", "freeze": freeze}, epochs=1, batch_size=32, optimizer={"use": "sgd", "lr": 0.1})
    training = begun(recipe, tmp_path)
    before = tensors(training)
    recipe.loop.train(training)
    changed = {name for name, value in training.state.weights().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.startswith(part)}
