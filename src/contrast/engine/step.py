"""One optimizer step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import NamedTuple

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


class Asked(NamedTuple):
    """What forward and backward passes are asked of; see `gradients`."""

    model: nn.Module
    loss: LossIngredient
    images: Tensor
    labels: Tensor
    machine: Machine
    micro_batch: int | None = None
    moment: Moment | None = None

    def parts(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Images, labels and share of the batch of each part that goes through the network together; the moment is told which it is."""
        if self.micro_batch is None or self.micro_batch >= len(self.images):
            yield self.images, self.labels, 1.0
            return
        parts = zip(torch.split(self.images, self.micro_batch), torch.split(self.labels, self.micro_batch), strict=True)
        for number, (images, labels) in enumerate(parts):
            if self.moment is not None:
                self.moment.part = number
            yield images, labels, len(images) / len(self.images)
        if self.moment is not None:
            self.moment.part = 0


ELSEWHERE: ContextVar[Callable[[Asked], Tensor] | None] = ContextVar("ELSEWHERE", default=None)
"""What computes gradients in place of `alone`, for the steps of this thread: several runs' together, say (`contrast.engine.stacked`)."""


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
    asked = Asked(model, loss, images, labels, machine, micro_batch, moment)
    elsewhere = ELSEWHERE.get()
    return alone(asked) if elsewhere is None else elsewhere(asked)


def alone(asked: Asked) -> Tensor:
    """Forward and backward through one network by itself; see `gradients`."""
    return summed([_of_part(asked, *part) for part in asked.parts()])


def summed(measured: Sequence[Tensor]) -> Tensor:
    """A batch's figures from those of its parts, each by its share."""
    return measured[0] if len(measured) == 1 else torch.stack(list(measured)).sum(0)


def _of_part(asked: Asked, images: Tensor, labels: Tensor, share: float) -> Tensor:
    """Add a part's gradients, by its share of the batch; its mean loss and accuracy, by the same share."""
    with asked.machine.autocast():
        logits = asked.model(images)
    value = asked.loss.value(logits.float(), labels)
    torch.autograd.backward(value if share == 1.0 else value * share)
    right = (logits.detach().argmax(1) == labels.argmax(1)).float().mean()
    measured = torch.stack((value.detach().float(), right))
    return measured if share == 1.0 else measured * share


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
