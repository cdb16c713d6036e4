"""The network of fast CIFAR-10 training and its optimizer: each idea does what it says, and can be switched off."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import contrast as ct
from contrast import catalog, keyed
from contrast.classifier import Classifier
from contrast.engine.state import weights_to_bytes
from contrast.engine.step import update
from contrast.engine.training import Training
from contrast.errors import InputError
from contrast.optimizers.muon import orthogonal, scaled
from contrast.protocols import Places
from contrast.recipe import Recipe
from tests.models.made import begun, trained

SMALL: dict[str, Any] = {
    "data": {"use": "synthetic", "images": 120, "size": 16, "channels": 3, "validation": 24},
    "augment": [{"use": "flip", "alternate": True}, {"use": "crop", "padding": 2, "mode": "reflect"}],
    "model": {"use": "speednet", "channels": [8, 8], "freeze_out": {"whiten": 0.5}, "lr_factor": {"head": 3.0}},
    "optimizer": {"use": "muon", "lr": 0.1, "sgd_lr": 0.5, "weight_decay": 0.01},
    "schedule": {"use": "linear"},
    "epochs": 4,
    "batch_size": 16,
    "micro_batch": 8,
}


def small(model: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    return Recipe(**{**SMALL, "model": {**SMALL["model"], **(model or {})}, **changes})


def whitening(training: Training) -> nn.Conv2d:
    return training.state.model.get_submodule("whiten")  # type: ignore[return-value]


class TestWhitening:
    def test_outputs_on_the_training_images_are_uncorrelated_and_of_variance_one_each_beside_its_negative(self, tmp_path: Path) -> None:
        training = begun(small(), tmp_path)
        images = torch.cat(list(training.evaluator.inputs(training.data.train, 10_000)))
        first = whitening(training)
        values = nn.functional.conv2d(images, first.weight).transpose(0, 1).flatten(1).double()
        half = len(values) // 2
        assert torch.equal(values[half:], -values[:half])
        moments = values[:half] @ values[:half].T / values.shape[1]
        torch.testing.assert_close(moments, torch.eye(half).double(), atol=0.03, rtol=0)

    def test_is_the_same_for_every_seed_and_follows_the_training_images(self, tmp_path: Path) -> None:
        first, seed, data = (
            begun(small(**more), tmp_path / str(i)) for i, more in enumerate(({}, {"seed": 5}, {"data": {**SMALL["data"], "split_seed": 9}}))
        )
        assert torch.equal(whitening(first).weight, whitening(seed).weight)
        assert not torch.equal(whitening(first).weight, whitening(data).weight)

    def test_is_left_as_a_weights_file_has_it(self, tmp_path: Path) -> None:
        other = trained(small(data={**SMALL["data"], "split_seed": 9}), tmp_path / "other")
        path = tmp_path / "other.safetensors"
        path.write_bytes(weights_to_bytes(other.state.weights()))
        loaded = begun(small({"weights": str(path)}), tmp_path / "loaded")
        assert torch.equal(whitening(loaded).weight, whitening(other).weight)

    def test_switched_off_its_filters_are_trained(self, tmp_path: Path) -> None:
        training = begun(small({"whiten": False}), tmp_path)
        before = whitening(training).weight.detach().clone()
        training.recipe.loop.train(training)
        assert not torch.equal(whitening(training).weight, before)

    def test_a_run_opened_later_knows_it_before_and_after_training(self, tmp_path: Path) -> None:
        results = ct.run(ct.Study(name="s", base=small(epochs=1, evaluate={"views": "mirror"})), runs=tmp_path)
        classifier = Classifier.of_run(results.best("baseline"))
        before = classifier.before_training(Places())
        assert torch.equal(before.get_submodule("whiten").weight, classifier.model.get_submodule("whiten").weight)
        assert not torch.equal(before.get_submodule("head").weight, classifier.model.get_submodule("head").weight)


class TestNetwork:
    def net(self, **settings: Any) -> nn.Module:
        config = catalog.parse("model", {"use": "speednet", **settings})
        net = config.build((3, 32, 32), 10)
        config.initialize(net, 0)
        return net

    def test_each_3x3_convolution_starts_as_a_copy_of_its_inputs_in_its_first_outputs(self) -> None:
        net = self.net(channels=[32, 40])
        maps = torch.randn(2, 24, 9, 9, generator=keyed.generator(0, "test"))
        out = net.get_submodule("group1.conv")(maps)
        torch.testing.assert_close(out[:, :24], maps)
        assert not torch.allclose(out[:, 24:], torch.zeros(()))
        assert not torch.allclose(self.net(channels=[32, 40], identity=False).get_submodule("group1.conv")(maps)[:, :24], maps)

    def test_batch_norm_has_a_scale_only_where_asked(self) -> None:
        names = {name for name, _ in self.net().named_parameters() if "norm" in name}
        assert {name.rpartition(".")[2] for name in names} == {"bias"}
        assert len([name for name, _ in self.net(norm_scale=True).named_parameters() if "norm" in name]) == 2 * len(names)

    def test_batch_norm_without_scale_is_torchs_whose_scale_is_one(self) -> None:
        own, plain = self.net().get_submodule("group1.norm"), nn.BatchNorm2d(64, eps=1e-12, momentum=0.4)
        maps = torch.randn(4, 64, 5, 5, generator=keyed.generator(1, "test"))
        for _ in range(2):
            assert torch.equal(own(maps), plain(maps))
        assert torch.equal(own.eval()(maps), plain.eval()(maps))

    def test_images_too_small_for_its_groups_are_refused_by_the_layer(self) -> None:
        with pytest.raises(InputError, match=r"group4\.pool"):
            catalog.parse("model", {"use": "speednet", "channels": [8, 8, 8, 8]}).build((3, 16, 16), 10)


class TestMuon:
    @given(rows=st.integers(2, 12), columns=st.integers(2, 12), seed=st.integers(0, 1000))
    def test_the_iteration_keeps_singular_vectors_and_brings_singular_values_near_one(self, rows: int, columns: int, seed: int) -> None:
        u, _, v = torch.linalg.svd(torch.randn(rows, columns, generator=keyed.generator(seed, "muon")), full_matrices=False)
        values = torch.linspace(1.0, 0.3, min(rows, columns))
        found = u.T @ orthogonal((u * values) @ v, 5).float() @ v.T
        assert (found - found.diag().diag()).abs().max() < 0.1
        assert 0.6 < found.diag().min() <= found.diag().max() < 1.3

    def test_without_iterations_the_step_is_as_long_and_along_the_gradient(self) -> None:
        matrix = torch.randn(4, 9, generator=keyed.generator(0, "muon"))
        assert scaled(matrix).norm().item() == pytest.approx(2.0)
        torch.testing.assert_close(scaled(matrix) / 2.0, matrix / matrix.norm())

    def optimizer(self, parameter: nn.Parameter, **settings: Any) -> torch.optim.Optimizer:
        return catalog.parse("optimizer", {"use": "muon", **settings}).build([("p", parameter)], fused=False)

    def test_filters_are_held_at_the_root_of_their_outputs_and_their_step_does_not_depend_on_the_gradients_length(self) -> None:
        ends = []
        for factor in (1.0, 1024.0):  # a power of two, so that bfloat16 rounds alike
            filters = nn.Parameter(3 * torch.randn(8, 4, 3, 3, generator=keyed.generator(2, "muon")))
            optimizer = self.optimizer(filters, lr=0.1)
            for number in range(3):
                filters.grad = factor * torch.randn(filters.shape, generator=keyed.generator(number, "gradient"))
                before = filters.detach().clone()
                optimizer.step()
            start = before * math.sqrt(8) / before.norm()
            assert 0.1 < (filters - start).norm() < 0.4
            ends.append(filters.detach())
        torch.testing.assert_close(ends[0], ends[1])

    def test_everything_else_is_torchs_sgd_whose_decay_is_a_share_a_step(self) -> None:
        own, plain = (nn.Parameter(torch.ones(5)) for _ in range(2))
        optimizers = (
            self.optimizer(own, lr=0.2, sgd_lr=0.3, weight_decay=0.06),
            torch.optim.SGD([plain], lr=0.3, momentum=0.85, nesterov=True, weight_decay=0.06 / 0.3),
        )
        for number in range(6):
            for parameter, optimizer in zip((own, plain), optimizers, strict=True):
                parameter.grad = torch.randn(5, generator=keyed.generator(number, "gradient"))
                optimizer.param_groups[0]["lr"] *= 0.9
                optimizer.param_groups[0].setdefault("initial_lr", optimizer.defaults["lr"])
                update(optimizer)
        torch.testing.assert_close(own, plain)


class TestFreezeOut:
    def test_the_rate_goes_through_the_whole_schedule_until_the_part_stands_still(self, tmp_path: Path) -> None:
        training = begun(small(), tmp_path)
        bias, total, seen = whitening(training).bias, training.total_steps, []
        real = training.log_step

        def log_step(measured: Tensor, lr: float) -> None:
            (group,) = (group for group in training.state.optimizer.param_groups if any(p is bias for p in group["params"]))
            seen.append((lr, group["lr"], bias.detach().clone()))
            real(measured, lr)

        training.log_step = log_step  # type: ignore[method-assign]
        training.recipe.loop.train(training)
        half = total // 2
        for step, (lr, own, _) in enumerate(seen):
            assert lr == pytest.approx(0.1 * (1 - step / total))
            assert own == pytest.approx(max(0.0, 0.1 * (1 - step / half)))
        moved = [not torch.equal(one[2], other[2]) for one, other in itertools.pairwise(seen)]
        assert moved == [True] * (half - 1) + [False] * (total - half)
        assert not bias.requires_grad  # or every step would go on to compute its gradient

    def test_a_pattern_that_matches_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"model\.freeze_out: 'whitten' matches nothing in the network; did you mean 'whiten'"):
            begun(small({"freeze_out": {"whitten": 0.5}}), tmp_path)


class Killed(Exception):
    pass


def killed(folder: Path, epoch: int) -> None:
    """A training that goes no further than an epoch's checkpoint."""
    training = begun(small(), folder)
    real = training.keep

    def keep() -> None:
        real()
        if training.state.epoch == epoch:
            raise Killed

    training.keep = keep  # type: ignore[method-assign]
    with pytest.raises(Killed):
        training.recipe.loop.train(training)


@pytest.mark.parametrize("epoch", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_run_interrupted_before_or_after_the_freezing_goes_on_bit_for_bit(epoch: int, tmp_path: Path) -> None:
    whole = trained(small(), tmp_path / "whole")
    killed(tmp_path / "cut", epoch)
    resumed = trained(small(), tmp_path / "cut")
    assert resumed.state.step == whole.state.step
    for name, value in whole.state.weights().items():
        assert torch.equal(value, resumed.state.weights()[name]), name


class TestAlternatingFlip:
    IDS = keyed.words(f"train/{number}" for number in range(400))

    def flipped(self, epoch: int, *, alternate: bool = True, batch: slice = slice(None)) -> Tensor:
        images = torch.tensor([0, 255], dtype=torch.uint8).repeat(400, 1, 1, 1)[batch]
        draws = keyed.Draws.of(3, epoch, self.IDS[batch])
        out, _ = catalog.parse("augment", {"use": "flip", "alternate": alternate}).apply(images, torch.zeros(len(images), 2), draws)
        return out[:, 0, 0, 0] == 255

    def test_two_epochs_in_a_row_show_every_image_from_both_sides(self) -> None:
        first = self.flipped(0)
        assert torch.equal(first, self.flipped(0, alternate=False))
        assert 150 < first.sum() < 250
        for epoch in range(1, 6):
            assert torch.equal(self.flipped(epoch), first ^ bool(epoch % 2))
        assert not torch.equal(self.flipped(1, alternate=False), ~first)

    def test_is_the_same_in_any_batch_and_where_batches_are_drawn_together(self) -> None:
        assert torch.equal(self.flipped(3, batch=slice(40, 60)), self.flipped(3)[40:60])
        parts = keyed.Draws.of(3, 3, self.IDS).batches(150)
        whole, epochs = keyed.Draws.of(3, 3, self.IDS).first()
        assert epochs == 3
        assert torch.equal(torch.cat([part.first()[0].uniform("flip") for part in parts]), whole.uniform("flip"))
        assert {part.first()[1] for part in parts} == {3}

    def test_where_the_epoch_is_not_known_it_says_so(self) -> None:
        step = catalog.parse("augment", {"use": "flip", "alternate": True})
        with pytest.raises(InputError, match="stand in the list by itself"):
            step.apply(torch.zeros(2, 1, 1, 2, dtype=torch.uint8), torch.zeros(2, 2), keyed.Draws(torch.arange(2)))
