"""What one image costs a network, counted as the layer table counts it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from contrast import catalog
from contrast.engine.macs import macs, training_operations
from contrast.explain.layers import layer_table


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_count_is_that_of_the_layer_table(norm: str) -> None:
    model = catalog.parse("model", {"use": "convnet", "channels": [4, 8], "norm": norm}).build((1, 12, 12), 10)
    assert macs(model, (1, 12, 12)) == layer_table(model, (1, 12, 12)).macs > 0


def test_a_layer_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, stride=2, groups=1), nn.Flatten(), nn.Linear(4 * 3 * 3, 5))
    assert macs(model, (3, 6, 6)) == 4 * 3 * 3 * 27 + 36 * 5


def test_weights_that_no_rule_counts_make_it_unknown() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :3] * self.weight

    assert macs(Scaled(), (1, 2, 2)) is None


def test_the_mode_of_every_part_comes_back() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).train()
    model[1].eval()
    before = model[1].running_mean.clone()
    macs(model, (1, 4, 4))
    assert [module.training for module in model] == [True, False]
    assert torch.equal(model[1].running_mean, before)


LAYERS = [4 * 8 * 8 * 3 * 9, 4 * 8 * 8 * 4 * 9, 256 * 5]


def three_layers() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.Flatten(), nn.Linear(256, 5))


def operations(model: nn.Module) -> int | None:
    return training_operations(model, model.parameters(), (3, 8, 8))


def test_backward_is_twice_the_forward_but_for_the_first_layer_whose_input_needs_no_gradient() -> None:
    first, second, last = LAYERS
    assert operations(three_layers()) == 2 * (2 * first + 3 * second + 3 * last)


def test_frozen_layers_cost_a_forward_pass_and_those_behind_what_is_trained_the_gradient_of_their_input() -> None:
    first, second, last = LAYERS
    model = three_layers()
    model[0].requires_grad_(False)
    model[1].requires_grad_(False)
    assert operations(model) == 2 * (first + 2 * second + 3 * last)
    model[0].requires_grad_(True)
    model[3].requires_grad_(False)
    assert operations(model) == 2 * (2 * first + 2 * second + 3 * last)


def test_what_is_kept_as_features_costs_nothing_in_a_step() -> None:
    model = three_layers()
    for part in model[:5]:
        part.requires_grad_(False)
    assert training_operations(model, model[5].parameters(), (3, 8, 8)) == 2 * 2 * LAYERS[2]


def test_operations_are_unknown_where_multiply_accumulates_are() -> None:
    model = three_layers()
    model.weight = nn.Parameter(torch.ones(3))
    assert operations(model) is None


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"use": "convnet", "channels": [8, 16], "norm": "batch"}, {"use": "torchvision", "name": "resnet18"}])
def test_operations_are_those_that_torch_counts_while_it_does_them(settings: dict[str, object]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = catalog.parse("model", settings).build((3, 32, 32), 10)
    assert not model.training or model.eval()
    with FlopCounterMode(display=False) as counted:
        torch.autograd.grad(model(torch.zeros(1, 3, 32, 32)).sum(), list(model.parameters()))
    assert training_operations(model, model.parameters(), (3, 32, 32)) == counted.get_total_flops()
