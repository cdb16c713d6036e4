"""One optimizer step."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contrast.engine.machine import Machine
from contrast.keyed import Moment
from contrast.protocols import LossIngredient
from contrast.recipe import Watched


def step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: LossIngredient,
    images: Tensor,
    labels: Tensor,
    machine: Machine,
    clip_norm: float | None = None,
) -> Tensor:
    """Forward, backward, update: `gradients` and `change` in one."""
    measured = gradients(model, loss, images, labels, machine)
    change(model, optimizer, clip_norm)
    return measured


def gradients(
    model: nn.Module,
    loss: LossIngredient,
    images: Tensor,
    labels: Tensor,
    machine: Machine,
    micro_batch: int | None = None,
    moment: Moment | None = None,
) -> Tensor:
    """Forward and backward.

    Args:
        images: ``float32 [B, C, H, W]``.
        labels: probability rows, ``float32 [B, classes]``.
        micro_batch: images that go through the network together; None for all.
        moment: is told which part of the batch is on its way, so that dropout draws another mask for each.

    Returns:
        The batch's loss and its accuracy before the update, ``float32 [2]``, on the device: nothing waits for it here.
    """
    if micro_batch is None or micro_batch >= len(images):
        return _of_part(model, loss, images, labels, machine)
    measured = []
    for number, part in enumerate(zip(torch.split(images, micro_batch), torch.split(labels, micro_batch), strict=True)):
        if moment is not None:
            moment.part = number
        share = len(part[0]) / len(images)
        measured.append(_of_part(model, loss, *part, machine, share) * share)
    if moment is not None:
        moment.part = 0
    return torch.stack(measured).sum(0)


def _of_part(model: nn.Module, loss: LossIngredient, images: Tensor, labels: Tensor, machine: Machine, share: float = 1.0) -> Tensor:
    """Add a part's gradients, by its share of the batch; its own mean loss and accuracy."""
    with machine.autocast():
        logits = model(images)
    value = loss.value(logits.float(), labels)
    torch.autograd.backward(value if share == 1.0 else value * share)
    right = (logits.detach().argmax(1) == labels.argmax(1)).float().mean()
    return torch.stack((value.detach().float(), right))


def change(model: nn.Module, optimizer: torch.optim.Optimizer, clip_norm: float | None = None, watch: Sequence[Watched] = ()) -> Tensor:
    """Update the weights by their gradients, and drop these.

    Args:
        clip_norm: the gradient's L2 norm is cut to this.
        watch: what to measure: ``gradient_norm`` (before it is cut), ``weight_norm`` (of all parameters, after the update),
            ``update_ratio`` (the L2 norm of the change over that of all parameters before it; costs a copy of them).

    Returns:
        What was asked for in that order, ``float32 [len(watch)]``, on the device: nothing waits for it here.
    """
    parameters = list(model.parameters())
    measured: dict[str, Tensor] = {}
    if "gradient_norm" in watch:
        measured["gradient_norm"] = l2_norm([p.grad for p in parameters if p.grad is not None])
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, clip_norm)
    before = _copied(parameters) if "update_ratio" in watch else []
    update(optimizer)
    if "weight_norm" in watch:
        measured["weight_norm"] = l2_norm(parameters)
    if "update_ratio" in watch:
        measured["update_ratio"] = _moved(before, parameters)
    optimizer.zero_grad(set_to_none=True)
    return torch.stack([measured[name].float() for name in watch]) if watch else torch.empty(0, device=parameters[0].device)


@torch.no_grad()
def l2_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm of all values of some tensors (at least one) as of one vector, a scalar on their device."""
    return nn.utils.get_total_norm(tensors)


@torch.no_grad()
def _copied(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


@torch.no_grad()
def _moved(before: list[Tensor], after: Sequence[Tensor]) -> Tensor:
    size = l2_norm(before)
    torch._foreach_sub_(before, list(after))
    return l2_norm(before) / size


@torch.no_grad()
def update(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()` without the wrapper that torch puts around it.

    The wrapper serves the profiler and the compiler, and imports the latter at its first call, which takes nearly as
    long as importing torch itself; a test compares the two.
    """
    inspect.unwrap(type(optimizer).step)(optimizer)
