"""Schedules, optimizers, the loss and the average, each against what it is meant to equal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from contrast import catalog, keyed
from contrast.averaging.ema import MovingAverage
from contrast.errors import InputError


def factor(progress: float, **settings: Any) -> float:
    return catalog.parse("schedule", settings).factor(progress)


class TestSchedules:
    def test_constant_is_1(self) -> None:
        assert [factor(p, use="constant") for p in (0.0, 0.5, 1.0)] == [1, 1, 1]

    def test_step_falls_when_its_point_is_reached(self) -> None:
        step = {"use": "step", "at": [0.5, 0.75], "gamma": 0.1}
        assert [factor(p, **step) for p in (0, 0.4999, 0.5, 0.7499)] == [1, 1, 0.1, 0.1]
        assert factor(0.75, **step) == pytest.approx(0.01)
        assert factor(1.0, **step) == pytest.approx(0.01)

    def test_cosine_goes_from_1_to_its_end(self) -> None:
        assert [factor(p, use="cosine", end=0.2) for p in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.6, 0.2])
        assert factor(0.25, use="cosine") == pytest.approx((1 + 0.5**0.5) / 2)

    def test_onecycle_equals_torchs(self) -> None:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=101, pct_start=0.3, cycle_momentum=False)
        for step in range(101):
            # torch's peak stands one step before 0.3 of its steps
            progress = step / 29.3 * 0.3 if step <= 29.3 else 0.3 + 0.7 * (step - 29.3) / 70.7
            assert cycle.get_last_lr()[0] == pytest.approx(factor(progress, use="onecycle"), abs=1e-6)
            optimizer.step()
            if step < 100:
                cycle.step()

    @pytest.mark.parametrize("at", [[], [0.5, 0.5], [0.7, 0.3], [0.0], [1.0]])
    def test_points_that_are_no_ascending_shares_are_refused(self, at: list[float]) -> None:
        with pytest.raises(InputError):
            factor(0, use="step", at=at)


class TestOptimizers:
    def test_momentum_is_the_velocity_of_the_reports_formula(self) -> None:
        """U7: b_t = μ b_{t−1} + (1 − τ) g_t."""
        weight = nn.Parameter(torch.tensor([1.0]))
        built: torch.optim.Optimizer = catalog.parse("optimizer", {"use": "sgd", "lr": 1.0, "momentum": 0.9, "dampening": 0.5}).build(
            [("weight", weight)], fused=False
        )
        gradients, velocity, value = [2.0, -1.0, 4.0], 0.0, 1.0
        for step, gradient in enumerate(gradients):
            weight.grad = torch.tensor([gradient])
            built.step()
            velocity = gradient if step == 0 else 0.9 * velocity + 0.5 * gradient  # torch starts from the first gradient
            value -= velocity
            assert weight.item() == pytest.approx(value)

    @pytest.mark.parametrize("settings", [{"nesterov": True}, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}])
    def test_nesterov_without_momentum_is_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="nesterov"):
            catalog.parse("optimizer", {"use": "sgd", **settings})


def loss(logits: Tensor, rows: Tensor, **settings: Any) -> Tensor:
    return catalog.parse("loss", {"use": "cross_entropy", **settings}).value(logits, rows)


class TestCrossEntropy:
    logits = torch.randn(32, 5, generator=keyed.generator(0, "logits"))
    labels = torch.arange(32) % 5
    rows = torch.eye(5)[labels]

    @pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 4.0, 1.0]])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_one_hot_rows_cost_what_torch_says_of_integers(self, weights: list[float] | None, smoothing: float) -> None:
        labels = self.labels.clone()
        labels[:7] = 3  # unequal counts, so that the weighted mean shows
        weight = None if weights is None else torch.tensor(weights)
        wanted = functional.cross_entropy(self.logits, labels, weight=weight, label_smoothing=smoothing)
        torch.testing.assert_close(loss(self.logits, torch.eye(5)[labels], label_smoothing=smoothing, class_weights=weights), wanted)

    def test_mixed_rows_cost_the_mixture(self) -> None:
        other = torch.eye(5)[(self.labels + 1) % 5]
        mixed = 0.3 * loss(self.logits, self.rows) + 0.7 * loss(self.logits, other)
        torch.testing.assert_close(loss(self.logits, 0.3 * self.rows + 0.7 * other), mixed)

    def test_equal_weights_change_nothing(self) -> None:
        torch.testing.assert_close(loss(self.logits, self.rows, class_weights=[2.0] * 5), loss(self.logits, self.rows))

    def test_bf16_logits_are_reckoned_in_float32(self) -> None:
        logits = self.logits.bfloat16()
        torch.testing.assert_close(loss(logits, self.rows), loss(logits.float(), self.rows), rtol=0, atol=0)

    def test_weights_for_another_number_of_classes_are_refused(self) -> None:
        with pytest.raises(InputError, match="3 weights for 5 classes"):
            loss(self.logits, self.rows, class_weights=[1.0, 1.0, 1.0])

    def test_weights_first_used_in_inference_can_be_trained_with(self) -> None:
        weights = [1.0, 2.0, 3.0, 4.0, 5.5]
        with torch.inference_mode():
            loss(self.logits, self.rows, class_weights=weights)
        logits = self.logits.clone().requires_grad_()
        loss(logits, self.rows, class_weights=weights).backward()
        assert logits.grad is not None


def net() -> nn.Module:
    built: nn.Module = catalog.parse("model", {"use": "convnet", "channels": [4], "norm": "batch", "dropout": 0.5}).build((1, 8, 8), 3)
    return built


def average(model: nn.Module, **settings: Any) -> MovingAverage:
    made: MovingAverage = catalog.parse("averaging", {"use": "ema", **settings}).build(model)
    return made


class TestMovingAverage:
    def test_is_the_exponential_mean_of_weights_and_running_statistics(self) -> None:
        model = net()
        kept = average(model, decay=0.9, ramp=False)
        wanted = {name: value.clone() for name, value in model.state_dict().items()}
        for step in range(4):
            with torch.no_grad():
                for tensor in (*model.parameters(), *model.buffers()):
                    tensor += step + 1
            kept.update(model)
            wanted = {n: 0.9 * wanted[n] + 0.1 * v if v.is_floating_point() else v.clone() for n, v in model.state_dict().items()}
        for name, value in kept.model.state_dict().items():
            torch.testing.assert_close(value, wanted[name])

    def test_decay_ramps_up_so_that_the_first_weights_are_soon_forgotten(self) -> None:
        model = nn.Linear(1, 1)
        kept = average(model, decay=0.999)
        value = model.weight.item()
        for step in range(30):
            with torch.no_grad():
                model.weight.fill_(step)
            kept.update(model)
            share = min(0.999, (1 + step) / (10 + step))
            value = share * value + (1 - share) * step
            assert kept.model.weight.item() == pytest.approx(value, rel=1e-5)

    def test_recomputed_statistics_are_those_of_the_batches_read(self) -> None:
        model = net().train()
        model(torch.rand(4, 1, 8, 8))  # the copy starts from statistics and a count that must not stay
        kept = average(model, statistics="recomputed")
        kept.update(model)
        seen: dict[str, Tensor] = {}
        kept.model.get_submodule("block1.conv").register_forward_hook(lambda _, __, out: seen.__setitem__("maps", out))
        batches = torch.rand(3, 16, 1, 8, 8, generator=keyed.generator(0, "images"))
        means = []
        for batch in batches:
            kept.model(batch)
            means.append(seen["maps"].mean((0, 2, 3)))
        kept.settle(iter(batches))
        norm = kept.model.get_submodule("block1.norm")
        torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
        assert norm.momentum == 0.1
        assert not any(module.training for module in kept.model.modules())

    def test_averaged_statistics_read_no_batch(self) -> None:
        def forbidden() -> Any:
            raise AssertionError("a batch was read")
            yield

        average(net()).settle(forbidden())
        average(nn.Linear(2, 2), statistics="recomputed").settle(forbidden())

    def test_recomputing_from_nothing_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no batch"):
            average(net(), statistics="recomputed").settle([])

    def test_copies_a_model_that_has_drawn_masks(self) -> None:
        model = net()
        keyed.bind(model, 0)
        model.train()(torch.rand(2, 1, 8, 8))
        assert average(model).model(torch.rand(2, 1, 8, 8)).shape == (2, 3)
