"""Pooling before the ReLU saves work and changes no bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from contrast.layers import PooledFirst, sequence
from tests.models.made import small, trained

WIDE = {"channels": [[8, 8], 8], "norm": "batch", "norm_on": "first", "head": [16]}


def pooled(window: int = 2, stride: int = 2, padding: int = 0) -> nn.Sequential:
    return sequence([("activation", nn.ReLU()), ("pool", nn.MaxPool2d(window, stride, padding))])


@contextlib.contextmanager
def as_named() -> Iterator[None]:
    """Every layer is computed in the order in which it is named."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledFirst, "forward", nn.Sequential.forward)
        yield


def bits(layers: nn.Module, maps: Tensor) -> tuple[Tensor, Tensor]:
    """The output, and the gradient of a sum in which each value has a weight of its own."""
    maps = maps.clone().requires_grad_()
    out = layers(maps)
    (out * torch.arange(1.0, out.numel() + 1).reshape(out.shape).to(out.dtype)).sum().backward()
    assert maps.grad is not None
    return out.detach(), maps.grad


@given(
    seed=st.integers(0, 2**31),
    height=st.integers(4, 11),
    pool=st.sampled_from([(2, 2, 0), (3, 2, 1), (3, 1, 0), (3, 3, 1)]),
    coarse=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    channels_last=st.booleans(),
)
def test_outputs_and_gradients_have_the_bits_of_the_layers_in_the_order_of_their_names(
    seed: int, height: int, pool: tuple[int, int, int], coarse: bool, dtype: torch.dtype, channels_last: bool
) -> None:
    maps = torch.randn(2, 3, height, 7, generator=torch.Generator().manual_seed(seed))
    maps = (maps.round() if coarse else maps).to(dtype)  # rounded, a window has its greatest value often twice, or only zeros
    maps = maps.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    ours = bits(pooled(*pool), maps)
    with as_named():
        plain = bits(pooled(*pool), maps)
    assert torch.equal(ours[0], plain[0])
    assert torch.equal(ours[1], plain[1])


def test_the_relu_goes_over_the_pooled_values_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, forward = list[torch.Size](), nn.ReLU.forward
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, values: (seen.append(values.shape), forward(self, values))[1])
    pooled()(torch.zeros(1, 2, 8, 8))
    assert seen == [(1, 2, 4, 4)]


@pytest.mark.parametrize("layer", ["activation", "pool"])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"])
def test_who_hooks_into_a_layer_finds_the_order_of_the_names(layer: str, kind: str) -> None:
    model = pooled()
    found: list[Any] = []
    hook = getattr(model.get_submodule(layer), kind)(lambda *call: found.append(call))
    model(torch.zeros(1, 2, 8, 8, requires_grad=True)).sum().backward()
    assert [type(layer) for layer in model._order()] == [nn.ReLU, nn.MaxPool2d]
    assert found
    hook.remove()
    assert [type(layer) for layer in model._order()] == [nn.MaxPool2d, nn.ReLU]


@pytest.mark.parametrize("function", ["mish", "leaky_relu", "gelu"])
def test_other_nonlinearities_stay_where_they_are(function: str) -> None:
    model = small({"activation": function}).model.build((1, 28, 28), 10)
    assert not any(isinstance(module, PooledFirst) for module in model.modules())


def test_a_training_keeps_every_bit(tmp_path: Path) -> None:
    recipe = small(WIDE)
    first = trained(recipe, tmp_path / "pooled first").state.model
    assert any(isinstance(module, PooledFirst) for module in first.modules())
    with as_named():
        second = trained(recipe, tmp_path / "as named").state.model
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
