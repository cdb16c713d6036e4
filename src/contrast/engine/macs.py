"""What one image costs a network: multiply-accumulate operations of its convolutions and linear layers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

_COUNTED = (nn.Conv2d, nn.Linear)
_FREE = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.Embedding)


@torch.no_grad()
def macs(model: nn.Module, shape: tuple[int, int, int]) -> int | None:
    """Multiply-accumulates of one forward pass, as the layer table of `contrast model` counts them.

    Normalization, activations, pooling and the products inside an attention are left out, as is usual.

    Args:
        model: on any device; it comes back in the mode that it was in.
        shape: channels, height, width of an image.

    Returns:
        The number, or None where a module with parameters of its own is none that is counted.
    """
    own = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    if not all(isinstance(module, (*_COUNTED, *_FREE)) for module in own):
        return None
    counts: list[int] = []
    some = next(model.parameters(), torch.empty(0))
    modes = [(module, module.training) for module in model.modules()]
    with ExitStack() as hooks:
        for module in own:
            if isinstance(module, _COUNTED):
                hooks.enter_context(module.register_forward_hook(lambda layer, _, output: counts.append(_of_layer(layer, output))))
        model.eval().forward(torch.zeros(1, *shape, device=some.device, dtype=some.dtype))  # not called: a compiled model would pass the hooks by
    for module, mode in modes:
        module.training = mode
    return sum(counts)


def _of_layer(layer: Any, output: Tensor) -> int:
    """Each value of the output takes as many as it has weights."""
    return int(output[0].numel() * layer.weight[0].numel())
