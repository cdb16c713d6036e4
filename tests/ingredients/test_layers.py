"""Layers by name, and initial values that follow from the seed and each parameter's own name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contrast import catalog, layers
from contrast.errors import InputError


def convnet(**settings: Any) -> nn.Module:
    return catalog.parse("model", {"use": "convnet", "channels": [8, 16], "head": [32], **settings}).build((3, 16, 16), 10)


def started(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    layers.initialize(model, seed)
    return model.state_dict()


GOLDEN_BIAS = [0.461204, 0.02098]
GOLDEN_WEIGHT = [0.368416, -0.366646, 0.143282, 0.238666]


def test_initial_values_keep_their_golden_numbers() -> None:
    """Changing these numbers changes every run's start, and so is a breach unless a release says so."""
    values = started(nn.Sequential(nn.Linear(4, 2)), seed=3)
    torch.testing.assert_close(values["0.bias"], torch.tensor(GOLDEN_BIAS), rtol=0, atol=1e-6)
    torch.testing.assert_close(values["0.weight"][0], torch.tensor(GOLDEN_WEIGHT), rtol=0, atol=1e-6)


@pytest.mark.parametrize("module", [nn.Linear(400, 300), nn.Conv2d(16, 64, 5), nn.Conv1d(16, 64, 5), nn.Conv2d(32, 64, 3, groups=4)])
def test_values_are_distributed_as_torch_would_draw_them(module: nn.Module) -> None:
    module.reset_parameters()
    torchs = [p.detach().clone() for p in module.parameters()]
    layers.initialize(nn.Sequential(module), 0)
    bound = 1 / (module.weight[0].numel() ** 0.5)
    for ours, theirs in zip(module.parameters(), torchs, strict=True):
        assert ours.abs().max() <= bound
        assert not torch.equal(ours, theirs)
        tolerance = 6 * bound / ours.numel() ** 0.5
        assert abs(ours.mean().item()) < tolerance
        assert abs(ours.std().item() - bound / 3**0.5) < tolerance
        assert abs(theirs.std().item() - bound / 3**0.5) < tolerance


def test_each_parameter_is_independent_of_all_others() -> None:
    small, large = started(convnet()), started(convnet(channels=[8, 16, 16], norm="batch", head=[32, 32]))
    for name in ("block1.conv.weight", "block1.conv.bias", "block2.conv.weight", "head.output.bias"):
        assert torch.equal(small[name], large[name])
    assert not torch.equal(small["block1.conv.bias"], small["block2.conv.bias"][:8])


def test_norms_start_neutral_with_fresh_running_statistics() -> None:
    model = convnet(norm="batch")
    model(torch.rand(4, 3, 16, 16))
    with torch.no_grad():
        model.get_submodule("block1.norm").weight.fill_(3)
    values = started(model)
    assert torch.equal(values["block1.norm.weight"], torch.ones(8))
    assert torch.equal(values["block1.norm.bias"], torch.zeros(8))
    assert torch.equal(values["block1.norm.running_mean"], torch.zeros(8))
    assert torch.equal(values["block1.norm.running_var"], torch.ones(8))
    assert values["block1.norm.num_batches_tracked"] == 0


@pytest.mark.parametrize("norm", ["none", "batch", "group", "layer"])
def test_model_laid_out_empty_gets_every_value(norm: str) -> None:
    with torch.device("meta"):
        model = convnet(norm=norm, head_norm=norm)
    empty = model.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*empty.parameters(), *empty.buffers()):
            tensor.fill_(float("nan") if tensor.is_floating_point() else 9)
    ours, plain = started(empty), started(convnet(norm=norm, head_norm=norm))
    assert list(ours) == list(plain)
    assert all(torch.equal(ours[name], plain[name]) for name in plain)


def test_values_are_the_same_in_another_dtype_and_memory_format() -> None:
    plain, changed = started(convnet()), started(convnet().to(torch.float64).to(memory_format=torch.channels_last))
    assert all(torch.equal(value.double(), changed[name]) for name, value in plain.items())


def test_module_with_parameters_that_no_rule_covers_is_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.PReLU())
    with pytest.raises(InputError, match=r"module '1': PReLU has parameters"):
        layers.initialize(model, 0)


def test_every_activation_has_a_module_and_none_has_none() -> None:
    x = torch.linspace(-2, 2, 9)
    for name in layers.Activation.__args__:
        module = layers.activation(name)
        if module is None:
            assert name == "none"
            continue
        kept = x.clone()
        function = getattr(nn.functional, name, None) or getattr(torch, name)
        torch.testing.assert_close(module(x), function(x))
        assert torch.equal(x, kept)  # a hook on the layer before must see that layer's output
