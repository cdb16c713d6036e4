"""What one image costs a network, counted as the layer table counts it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from contrast import catalog
from contrast.engine.macs import macs
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
