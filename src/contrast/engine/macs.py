"""What one image costs a network: multiply-accumulates of a forward pass, and the floating-point operations of training on it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_COUNTED = (nn.Conv2d, nn.Linear)
_FREE = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.Embedding)


def macs(model: nn.Module, shape: tuple[int, int, int]) -> int | None:
    """Multiply-accumulates of one forward pass, as the layer table of `contrast model` counts them.

    Normalization, activations, pooling and the products inside an attention are left out, as is usual.

    Args:
        model: on any device; it comes back in the mode that it was in.
        shape: channels, height, width of an image.

    Returns:
        The number, or None where a module with parameters of its own is none that is counted.
    """
    uses = _uses(model, shape)
    return None if uses is None else sum(use.macs for use in uses)


def training_operations(model: nn.Module, trained: Iterable[nn.Parameter], shape: tuple[int, int, int]) -> int | None:
    """Floating-point operations of one image's forward and backward pass, a multiply-accumulate being two of them.

    Each layer's forward pass is done once more for the gradient of a weight that is trained, and once more for that of its input
    where something before it is trained: backward is twice the forward but for the first layer and for what is frozen.

    Args:
        model: the whole network, as it is trained at the end: what is frozen takes no gradient.
        trained: parameters of the part that works in a step; layers of none of them, whose features are kept, cost nothing.
        shape: channels, height, width of an image.

    Returns:
        The number, or None as for `macs`.
    """
    uses, working = _uses(model, shape), {id(parameter) for parameter in trained}
    return None if uses is None else sum(2 * use.macs * use.passes for use in uses if id(use.layer.weight) in working)


@dataclass(frozen=True)
class _Use:
    """One call of a layer: its multiply-accumulates, and how often a training step does them."""

    layer: Any
    macs: int
    passes: int


def _uses(model: nn.Module, shape: tuple[int, int, int]) -> list[_Use] | None:
    """Every call of a convolution or linear layer in a forward pass, or None where other modules have parameters of their own."""
    own = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    if not all(isinstance(module, (*_COUNTED, *_FREE)) for module in own):
        return None
    uses: list[_Use] = []
    some = next(model.parameters(), torch.empty(0))
    modes = [(module, module.training) for module in model.modules()]
    with ExitStack() as hooks, torch.enable_grad():
        for module in own:
            if isinstance(module, _COUNTED):
                hooks.enter_context(module.register_forward_hook(lambda *call: uses.append(_use(*call)), with_kwargs=True))
        model.eval().forward(torch.zeros(1, *shape, device=some.device, dtype=some.dtype))  # not called: a compiled model would pass the hooks by
    for module, mode in modes:
        module.training = mode
    return uses


def _use(layer: Any, given: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor) -> _Use:
    """Each value of the output takes as many multiply-accumulates as it has weights."""
    passes = 1 + layer.weight.requires_grad + any(entered.requires_grad for entered in (*given, *named.values()))
    return _Use(layer, int(output[0].numel() * layer.weight[0].numel()), passes)
