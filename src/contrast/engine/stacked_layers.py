"""Layers of several networks of one shape as one layer: convolutions in groups, norms over all channels, matrices in a batch.

Maps of N networks are ``[B, N·C, H, W]``, one network's channels after the other's, so that a pooling, a nonlinearity or a
batch norm is the same operation as for one network; features are ``[N, B, F]``. `torch.func.vmap` could make such a network
of any other, but moves the networks' axis to and fro between layers, and batch norm leaves it in another precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from contrast import keyed
from contrast.layers import PooledFirst, Scale

Layer = Callable[[Tensor], Tensor]
Held = Mapping[str, Tensor | None]
"""A layer's tensors by name, each with one place a network: ``[N, …]``; None where the layers have none of that name."""

_ONE_BY_ONE = (nn.ReLU, nn.Mish, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Tanh, nn.Sigmoid, nn.Identity, Scale, nn.MaxPool2d, nn.AvgPool2d)
"""Layers that do to each value, or to each map, the same, whatever else is there."""
_FOLLOWED = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.Flatten, *_ONE_BY_ONE, keyed.Dropout)


def layers(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of a plain sequence, of which some may be sequences themselves, in order."""
    if type(model) is nn.Sequential or type(model) is PooledFirst:
        for part in model:
            yield from layers(part)
    else:
        yield model


def reason_against(model: nn.Module) -> str | None:
    """Why a network can't be stacked with others of its shape, or None where it can be."""
    parameters = [parameter for layer in layers(model) for parameter in layer.parameters()]
    if model._compiled_call_impl is not None:
        return "it is compiled"
    if len({id(parameter) for parameter in parameters}) < len(parameters):
        return "it uses parameters twice"
    if not all(parameter.requires_grad for parameter in parameters):
        return "some of it is frozen"
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return "something hooks into it"
    return next((f"there is no way to stack {unknown}" for layer in layers(model) if (unknown := _unknown(layer))), None)


def _unknown(layer: nn.Module) -> str | None:
    """What of a layer has no place in a stack; a random one of torch's own draws other masks than in a network by itself, so never has."""
    name = type(layer).__name__
    kind = next((kind for kind in _FOLLOWED if isinstance(layer, kind)), None)
    if kind is None or type(layer).forward is not kind.forward:
        return name
    match layer:
        case nn.Conv2d() if layer.padding_mode != "zeros":
            return f"{name} with padding_mode {layer.padding_mode}"
        case nn.BatchNorm1d() | nn.BatchNorm2d() if layer.momentum is None or not layer.track_running_stats:
            return f"{name} without momentum or without running statistics"
        case nn.LayerNorm() if len(layer.normalized_shape) != 1:
            return f"{name} over several axes"
        case nn.Flatten() if (layer.start_dim, layer.end_dim) != (1, -1):
            return f"{name} of some axes"
    return None


@singledispatch
def layer_of(layer: nn.Module, held: Held, count: int) -> Layer:
    """One layer that does what `count` layers like `layer` do.

    Args:
        layer: one of them, for which `reason_against` has nothing to say.
        held: their tensors.
        count: how many they are.
    """
    assert isinstance(layer, _ONE_BY_ONE)
    return layer


@layer_of.register
def _(layer: nn.Conv2d, held: Held, count: int) -> Layer:
    settings = (layer.stride, layer.padding, layer.dilation, count * layer.groups)
    return lambda maps: functional.conv2d(maps, _row(held["weight"]), _row(held["bias"]), *settings)  # type: ignore[arg-type]


@layer_of.register
def _(layer: nn.Linear, held: Held, count: int) -> Layer:
    weight, bias = held["weight"], held["bias"]
    assert weight is not None
    if bias is None:
        return lambda features: torch.bmm(features, weight.mT)
    return lambda features: torch.baddbmm(bias[:, None], features, weight.mT)


@layer_of.register
def _(layer: nn.Flatten, held: Held, count: int) -> Layer:
    return lambda x: torch.unflatten(x, 1, (count, -1)).flatten(2).transpose(0, 1) if x.ndim == 4 else x


@layer_of.register(nn.BatchNorm1d)
@layer_of.register(nn.BatchNorm2d)
def _(layer: nn.BatchNorm1d | nn.BatchNorm2d, held: Held, count: int) -> Layer:
    seen, mean, variance = held["num_batches_tracked"], _row(held["running_mean"]), _row(held["running_var"])

    def normalized(maps: Tensor) -> Tensor:
        return functional.batch_norm(maps, mean, variance, _row(held["weight"]), _row(held["bias"]), layer.training, layer.momentum or 0.0, layer.eps)

    def counted(x: Tensor) -> Tensor:
        if layer.training and seen is not None:
            seen.add_(1)
        return _as_maps(x, normalized)

    return counted


@layer_of.register
def _(layer: nn.GroupNorm, held: Held, count: int) -> Layer:
    return lambda x: _in_groups(x, count * layer.num_groups, held, layer.eps)


@layer_of.register
def _(layer: nn.LayerNorm, held: Held, count: int) -> Layer:
    return lambda features: _in_groups(features, count, held, layer.eps)


def _in_groups(x: Tensor, groups: int, held: Held, eps: float) -> Tensor:
    return _as_maps(x, lambda maps: functional.group_norm(maps, groups, _row(held["weight"]), _row(held["bias"]), eps))


def _row(tensor: Tensor | None) -> Tensor | None:
    """``[N, C, …]`` as ``[N·C, …]``, without a copy."""
    return None if tensor is None else tensor.flatten(0, 1)


def _as_maps(x: Tensor, change: Layer) -> Tensor:
    """A change that takes the channels of all networks in one axis, of maps or of features."""
    if x.ndim == 4:
        return change(x)
    return torch.unflatten(change(x.transpose(0, 1).flatten(1)), 1, (len(x), -1)).transpose(0, 1)


class Dropouts:
    """The dropouts that stand at one place of several networks: each draws its own mask, the very one that it draws by itself.

    Args:
        own: the networks' dropouts; None for a network that has none there.
        entering: for each, a tensor that lies in memory as what enters it in a network by itself, since masks are drawn in that order.
    """

    def __init__(self, own: list[keyed.Dropout | None], entering: Mapping[keyed.Dropout, Tensor]) -> None:
        self.own, self.entering = own, entering

    def __call__(self, x: Tensor) -> Tensor:
        drawing = [dropout if dropout is not None and dropout.draws else None for dropout in self.own]
        if not any(drawing):
            return x
        axis = 1 if x.ndim == 4 else 0
        places = torch.unflatten(x, 1, (len(self.own), -1)).unbind(1) if axis else x.unbind(0)
        masks = [torch.ones_like(p) if d is None else d.mask(self.entering[d][: len(p)]) for d, p in zip(drawing, places, strict=True)]
        return x * (torch.cat(masks, 1) if axis else torch.stack(masks))


def shape_of(layer: nn.Module) -> tuple[Any, ...]:
    """What layers must have in common to be stacked: kind, settings, and their tensors' shapes, dtypes and layouts in memory."""
    settings = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    tensors = [
        (name, t.shape, t.dtype, t.device, t.stride()) for name, t in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False))
    ]
    return type(layer), repr(sorted(settings.items())), tuple(tensors)
