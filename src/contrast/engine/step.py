"""One optimizer step."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from contrast.engine.machine import Machine
from contrast.protocols import LossIngredient


def step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: LossIngredient,
    images: Tensor,
    labels: Tensor,
    machine: Machine,
    clip_norm: float | None = None,
) -> Tensor:
    """Forward, backward, update.

    Args:
        images: ``float32 [B, C, H, W]``.
        labels: probability rows, ``float32 [B, classes]``.
        clip_norm: the gradient's L2 norm is cut to this.

    Returns:
        The batch's loss and its accuracy before the update, ``float32 [2]``, on the device: nothing waits for it here.
    """
    with machine.autocast():
        logits = model(images)
    value = loss.value(logits.float(), labels)
    torch.autograd.backward(value)
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    update(optimizer)
    optimizer.zero_grad(set_to_none=True)
    right = (logits.detach().argmax(1) == labels.argmax(1)).float().mean()
    return torch.stack((value.detach().float(), right))


@torch.no_grad()
def update(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()` without the wrapper that torch puts around it.

    The wrapper serves the profiler and the compiler, and imports the latter at its first call, which takes nearly as
    long as importing torch itself; a test compares the two.
    """
    inspect.unwrap(type(optimizer).step)(optimizer)
