"""What every ingredient promises, whoever wrote it: each class finds the files of its kind's folder by itself."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from contrast import catalog, keyed
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import (
    AugmentIngredient,
    AveragingIngredient,
    Ingredient,
    LossIngredient,
    ModelIngredient,
    OptimizerIngredient,
    ScheduleIngredient,
)

KINDS = [kind for kind in catalog.FOLDERS if kind != "figure"]
EVERY = [(kind, name) for kind in KINDS for name in catalog.names(kind)]
CLASSES = 10
WORDS = {"torchvision": "squeezenet1_1", "timm": "test_resnet"}
"""What is given where a setting must be, of those that take no word."""
DRAWN = {"speednet": {"identity": False}}
"""What makes every matrix of a model start at random, where some start as copies of their input."""
FOREIGN = ("torchvision", "timm")
"""Models that another library defines: their names, values and sizes are its own, see `tests/models`."""


def made(kind: str, name: str, **settings: Any) -> Ingredient:
    """An ingredient with its defaults; a required setting gets a word."""
    fields = catalog.ingredient(kind, name).model_fields
    needed = {key: WORDS.get(name, "somewhere") for key, field in fields.items() if field.is_required() and field.annotation is str}
    return catalog.parse(kind, {"use": name, **needed, **settings})


def of_kind(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", catalog.names(kind))


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[f"{kind}-{name}" for kind, name in EVERY])
class TestEveryIngredient:
    def test_file_defines_one_config_class_whose_name_in_a_study_is_the_files(self, kind: str, name: str) -> None:
        assert made(kind, name).use == name

    def test_settings_written_as_plain_data_read_back_as_the_same_ingredient(self, kind: str, name: str) -> None:
        item = made(kind, name)
        plain = json.loads(json.dumps({"use": name, **item.settings()}))
        assert catalog.parse(kind, plain) == item

    def test_is_frozen_and_hashable(self, kind: str, name: str) -> None:
        item = made(kind, name)
        assert hash(item) == hash(made(kind, name))
        for field in type(item).model_fields or ["anything"]:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(item, field, 1)

    def test_unknown_setting_is_refused(self, kind: str, name: str) -> None:
        with pytest.raises((ValidationError, InputError), match="no_such_setting"):
            made(kind, name, no_such_setting=1)

    def test_every_setting_is_described(self, kind: str, name: str) -> None:
        fields = type(made(kind, name)).model_fields
        assert [key for key, field in fields.items() if not (field.description or "").strip()] == []

    def test_file_says_in_one_line_what_it_is(self, kind: str, name: str) -> None:
        line = catalog.listing(kind)[name]
        assert line.endswith(".")
        assert 10 < len(line) <= 120


@pytest.mark.parametrize("name", [name for name in catalog.names("model") if name not in FOREIGN])
class TestModels:
    def model(self, name: str, **settings: Any) -> ModelIngredient:
        item = made("model", name, **settings)
        assert isinstance(item, ModelIngredient)
        return item

    @pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
    def test_builds_on_the_meta_device_and_gives_a_row_of_logits_an_image(self, name: str, shape: tuple[int, int, int]) -> None:
        with torch.device("meta"):
            net = self.model(name).build(shape, CLASSES)
            assert net(torch.empty(5, *shape)).shape == (5, CLASSES)
        assert {p.device.type for p in net.parameters()} == {"meta"}

    def test_modules_are_named_by_role_not_by_number(self, name: str) -> None:
        net = self.model(name).build((3, 32, 32), CLASSES)
        parts = {part for path, _ in net.named_modules() for part in path.split(".")}
        assert [part for part in parts if part.isdigit()] == []

    def test_initial_values_follow_from_the_seed_alone(self, name: str) -> None:
        item = self.model(name, **DRAWN.get(name, {}))
        first, second, other = (item.build((1, 16, 16), CLASSES) for _ in range(3))
        before = torch.random.get_rng_state()
        for net, seed in ((first, 3), (second, 3), (other, 4)):
            item.initialize(net, seed)
        assert torch.equal(torch.random.get_rng_state(), before)
        pairs = list(zip(first.parameters(), second.parameters(), other.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b, _ in pairs)
        assert not any(torch.equal(a, c) for a, _, c in pairs if a.ndim > 1)

    def test_arms_that_differ_in_norm_activation_or_dropout_share_every_initial_value_that_both_have(self, name: str) -> None:
        item = self.model(name)
        changes = {"norm": "batch", "activation": "mish", "dropout": 0.5}
        wanted = {key: value for key, value in changes.items() if key in type(item).model_fields}
        plain, changed = item.build((3, 32, 32), CLASSES), self.model(name, **wanted).build((3, 32, 32), CLASSES)
        for net in (plain, changed):
            item.initialize(net, 7)
        values, shared = dict(changed.named_parameters()), dict(plain.named_parameters())
        assert set(shared) <= set(values)
        assert all(torch.equal(value, values[key]) for key, value in shared.items())

    def test_learns_in_bf16_with_channels_last(self, name: str) -> None:
        net = self.model(name).build((3, 32, 32), CLASSES).to(memory_format=torch.channels_last)
        images = torch.rand(4, 3, 32, 32).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            net(images).float().square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def some_images(count: int = 12, shape: tuple[int, int, int] = (8, 8, 3), seed: int = 0) -> Images:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int64) % 2
    return Images(pixels, labels, tuple(f"train/{i}" for i in range(count)), ("a", "b"), np.array(["train"] * count))


@of_kind("augment")
class TestAugmentations:
    def applied(self, name: str, images: Tensor, draws: keyed.Draws) -> tuple[Tensor, Tensor]:
        item = made("augment", name)
        assert isinstance(item, AugmentIngredient)
        labels = torch.eye(2)[torch.arange(len(images)) % 2]
        return item.prepare(some_images())(images, labels, draws)

    def batch(self) -> tuple[Tensor, keyed.Draws]:
        images = some_images()
        return torch.from_numpy(images.pixels).permute(0, 3, 1, 2), keyed.Draws.of(1, 2, keyed.words(images.ids))

    def test_keeps_shape_layout_and_all_but_a_normalizations_dtype(self, name: str) -> None:
        images, draws = self.batch()
        out, labels = self.applied(name, images, draws)
        always = type(made("augment", name)).always
        assert out.shape == images.shape
        assert out.dtype == (torch.float32 if always else torch.uint8)
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert (labels.shape, labels.dtype) == ((len(images), 2), torch.float32)

    def test_is_pure_and_draws_from_its_keys_alone(self, name: str) -> None:
        images, draws = self.batch()
        kept, state = images.clone(), torch.random.get_rng_state()
        first, _ = self.applied(name, images, draws)
        torch.rand(1)
        again, _ = self.applied(name, images, keyed.Draws(draws.keys.clone()))
        assert torch.equal(first, again)
        assert torch.equal(images, kept)
        torch.random.set_rng_state(state)

    def test_an_image_comes_out_the_same_alone_or_in_any_batch(self, name: str) -> None:
        if made("augment", name).mixes:
            pytest.skip("takes from other images; tests/augment holds what it promises")
        images, draws = self.batch()
        whole, _ = self.applied(name, images, draws)
        order = torch.tensor([7, 3, 11])
        part, _ = self.applied(name, images[order], keyed.Draws(draws.keys[order]))
        alone, _ = self.applied(name, images[7:8], keyed.Draws(draws.keys[7:8]))
        assert torch.equal(part, whole[order])
        assert torch.equal(alone[0], whole[7])

    def test_equal_images_of_one_batch_come_out_different_unless_it_holds_at_evaluation_too(self, name: str) -> None:
        if made("augment", name).mixes:
            pytest.skip("takes from other images; tests/augment holds what it promises")
        images, draws = self.batch()
        out, _ = self.applied(name, images[:1].expand(len(images), -1, -1, -1), draws)
        distinct = len(out.flatten(1).unique(dim=0))
        assert distinct == 1 if type(made("augment", name)).always else distinct > 1

    def test_what_holds_at_evaluation_can_be_neutralized(self, name: str) -> None:
        item = made("augment", name)
        assert isinstance(item, AugmentIngredient)
        assert bool(item.neutral) == item.always
        assert isinstance(made("augment", name, **item.neutral), AugmentIngredient)


@of_kind("optimizer")
class TestOptimizers:
    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
        return [("weight", nn.Parameter(torch.full((3, 2), 2.0))), ("bias", nn.Parameter(torch.full((3,), -1.0))), ("frozen", frozen)]

    def optimizer(self, name: str, parameters: list[tuple[str, nn.Parameter]], fused: bool = False, **settings: Any) -> torch.optim.Optimizer:
        item = made("optimizer", name, **settings)
        assert isinstance(item, OptimizerIngredient)
        return item.build(parameters, fused=fused)

    def trained(self, name: str, steps: int, fused: bool) -> list[Tensor]:
        parameters = self.parameters()
        optimizer = self.optimizer(name, parameters, fused, lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            sum((p.square() * (1 + i)).sum() for i, (_, p) in enumerate(parameters)).backward()
            optimizer.step()
        return [p.detach() for _, p in parameters]

    @pytest.mark.parametrize("fused", [False, True])
    def test_lowers_a_quadratic_and_leaves_frozen_parameters_alone(self, name: str, fused: bool) -> None:
        weight, bias, frozen = self.trained(name, 60, fused)
        assert weight.square().sum() < 3 * 2 * 2.0**2
        assert bias.square().sum() < 3
        assert torch.equal(frozen, torch.ones(2, 2))

    def test_fused_steps_are_the_plain_ones(self, name: str) -> None:
        for plain, fused in zip(self.trained(name, 5, False), self.trained(name, 5, True), strict=True):
            torch.testing.assert_close(plain, fused)

    def test_weight_decay_acts_on_all_parameters_or_on_matrices_alone(self, name: str) -> None:
        everything = self.optimizer(name, self.parameters(), weight_decay=0.1)
        assert [(len(g["params"]), g["weight_decay"]) for g in everything.param_groups] == [(2, 0.1)]
        matrices = self.optimizer(name, self.parameters(), weight_decay=0.1, decay="matrices")
        found = [([p.ndim for p in g["params"]], g["weight_decay"]) for g in matrices.param_groups]
        assert found == [([2], 0.1), ([1], 0.0)]

    def test_settings_reach_torchs_optimizer(self, name: str) -> None:
        settings = made("optimizer", name, lr=0.0123, weight_decay=0.0456).settings()
        group = self.optimizer(name, self.parameters(), lr=0.0123, weight_decay=0.0456).param_groups[0]
        ours = ("decay", "scale_with_batch", "find_lr")
        kept = {key: list(group[key]) if isinstance(group[key], tuple) else group[key] for key in settings if key not in ours}
        assert kept == {key: value for key, value in settings.items() if key not in ours}


@of_kind("schedule")
class TestSchedules:
    @pytest.mark.parametrize("warmup", [0.0, 0.2])
    def test_factor_is_finite_and_not_negative_at_every_progress_and_a_pure_function_of_it(self, name: str, warmup: float) -> None:
        item, twin = made("schedule", name, warmup=warmup), made("schedule", name, warmup=warmup)
        assert isinstance(item, ScheduleIngredient)
        assert isinstance(twin, ScheduleIngredient)
        progress = [i / 1000 for i in range(1001)]
        factors = [item.factor(p) for p in progress]
        assert all(isinstance(f, float) and math.isfinite(f) and f >= 0 for f in factors)
        assert [twin.factor(p) for p in reversed(progress)] == factors[::-1]
        assert max(factors) <= 1

    def test_warm_up_rises_from_nothing_to_where_the_shape_begins(self, name: str) -> None:
        item = made("schedule", name, warmup=0.25)
        assert isinstance(item, ScheduleIngredient)
        assert item.factor(0.0) == 0
        assert item.factor(0.125) == 0.5
        assert item.factor(0.25) == item.shape(0.0)
        assert item.factor(1.0) == item.shape(1.0)


@of_kind("loss")
class TestLosses:
    def loss(self, name: str) -> LossIngredient:
        item = made("loss", name)
        assert isinstance(item, LossIngredient)
        return item

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_value_is_one_float32_number_with_a_gradient(self, name: str, dtype: torch.dtype) -> None:
        logits = torch.randn(6, 4, generator=keyed.generator(0, "test")).to(dtype).requires_grad_()
        value = self.loss(name).value(logits, torch.eye(4)[torch.arange(6) % 4])
        assert (value.shape, value.dtype) == ((), torch.float32)
        value.backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert (logits.grad != 0).any()

    def test_right_predictions_cost_less_than_wrong_ones(self, name: str) -> None:
        labels = torch.eye(3)
        assert self.loss(name).value(5 * labels, labels) < self.loss(name).value(5 * labels.roll(1, 0), labels)

    def test_is_the_mean_over_the_batch(self, name: str) -> None:
        logits = torch.randn(6, 3, generator=keyed.generator(1, "test"))
        labels = torch.eye(3)[torch.arange(6) % 3]
        each = [self.loss(name).value(logits[i : i + 1], labels[i : i + 1]) for i in range(6)]
        torch.testing.assert_close(self.loss(name).value(logits, labels), torch.stack(each).mean())


def small_net() -> nn.Module:
    return catalog.parse("model", {"use": "convnet", "channels": [4], "norm": "batch", "dropout": 0.2}).build((1, 8, 8), 3)


def disturb(net: nn.Module, amount: float) -> None:
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.add_(amount) if tensor.is_floating_point() else tensor.add_(1)


@of_kind("averaging")
class TestAveraging:
    def build(self, name: str, net: nn.Module) -> Any:
        item = made("averaging", name)
        assert isinstance(item, AveragingIngredient)
        return item.build(net)

    def test_is_none_or_follows_a_model_that_it_leaves_alone(self, name: str) -> None:
        net = small_net()
        average = self.build(name, net)
        if average is None:
            return
        assert list(average.model.state_dict()) == list(net.state_dict())
        for amount in (0.1, 0.2):
            disturb(net, amount)
            kept = {key: value.clone() for key, value in net.state_dict().items()}
            average.update(net)
            assert all(torch.equal(value, kept[key]) for key, value in net.state_dict().items())
        assert not average.model.training
        assert not any(p.requires_grad for p in average.model.parameters())
        assert average.model(torch.zeros(1, 1, 8, 8)).shape == (1, 3)

    def test_goes_on_exactly_from_a_kept_state(self, name: str) -> None:
        net, other = small_net(), small_net()
        average, restored = self.build(name, net), self.build(name, other)
        if average is None:
            return
        for _ in range(3):
            disturb(net, 0.3)
            average.update(net)
        state = average.state_dict()
        assert all(isinstance(value, Tensor) for value in state.values())
        restored.load_state_dict({key: value.clone() for key, value in state.items()})
        disturb(net, -0.7)
        average.update(net)
        restored.update(net)
        for key, value in average.state_dict().items():
            assert torch.equal(value, restored.state_dict()[key])
