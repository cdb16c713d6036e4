"""Several networks of one shape as one: a single forward and backward pass gives the gradients of all.

Their parameters and buffers become views of stacked ones, so that each run's optimizer, evaluation and checkpoints work on
its own as before; only `contrast.engine.step.gradients` is computed together. What a run gets is what it gets by itself but
for rounding: the arithmetic of a convolution in groups, or of a batch of matrices, is summed up in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from contrast import keyed
from contrast.engine import stacked_layers
from contrast.engine.stacked_layers import Dropouts, Layer
from contrast.engine.step import Asked, alone, summed
from contrast.errors import RunFailed

Part = tuple[Tensor, Tensor, float]
Answer = Tensor | Exception
"""What a run gets for its batch: loss and accuracy, ``float32 [2]``, or why it gets none."""


class Stacks:
    """Gradients for runs of any shapes: those of one shape are computed together."""

    def __init__(self) -> None:
        self._standing: dict[Any, Stack] = {}
        self._shapes: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()

    def gradients(self, all_asked: Sequence[Asked]) -> list[Answer]:
        """Forward and backward of one step of each run.

        A run that is by itself, or whose network can't be stacked, gets what it gets anywhere else.

        Returns:
            What each gets, in their order.
        """
        alike: dict[Any, list[int]] = {}
        for number, asked in enumerate(all_asked):
            alike.setdefault(self._shape(asked), []).append(number)
        standing, self._standing = self._standing, {}
        answers: dict[int, Answer] = {}
        for shape, numbers in alike.items():
            some = [all_asked[number] for number in numbers]
            answers |= zip(numbers, self._of_one_shape(shape, some, standing.get(shape)), strict=True)
        return [answers[number] for number in range(len(all_asked))]

    def _of_one_shape(self, shape: Any, some: Sequence[Asked], stack: Stack | None) -> list[Answer]:
        try:
            if len(some) == 1:
                return [alone(some[0])]
            if stack is None or not stack.is_of(some):
                stack = Stack(some)
            answers = stack.gradients(some)
            self._standing[shape] = stack
            return answers
        except Exception as error:  # each run tells it, and the others go on
            return [_failure(error, len(some)) for _ in some]

    def _shape(self, asked: Asked) -> Any:
        """What a stack's runs have in common; a network that can't be stacked has something of its own."""
        if asked.model not in self._shapes:
            is_alone = stacked_layers.reason_against(asked.model) is not None
            self._shapes[asked.model] = id(asked.model) if is_alone else tuple(map(stacked_layers.shape_of, _followed(asked.model)))
        return self._shapes[asked.model], asked.machine, asked.images.shape, asked.labels.shape, asked.micro_batch


class Stack:
    """Networks of one shape, stacked.

    Args:
        all_asked: a batch of each; the networks' parameters and buffers become views of stacked ones.
    """

    def __init__(self, all_asked: Sequence[Asked]) -> None:
        self.models = [asked.model for asked in all_asked]
        self._stacked: list[tuple[Tensor, list[Tensor]]] = []
        self._layers = list(self._built(_entering(all_asked)))

    def is_of(self, all_asked: Sequence[Asked]) -> bool:
        """Whether these networks are stacked here, in this order."""
        return len(all_asked) == len(self.models) and all(asked.model is model for asked, model in zip(all_asked, self.models, strict=True))

    def gradients(self, all_asked: Sequence[Asked]) -> list[Answer]:
        """Forward and backward of one step of each network; see `contrast.engine.step.gradients`.

        A loss that fails for one run leaves the others' gradients as they are.
        """
        parts = [self._of_part(all_asked, part) for part in zip(*(asked.parts() for asked in all_asked), strict=True)]
        self._hand_out()
        return [_whole(measured) for measured in zip(*parts, strict=True)]

    def _of_part(self, all_asked: Sequence[Asked], parts: Sequence[Part]) -> list[Answer]:
        x = torch.cat([images for images, _, _ in parts], 1)
        with all_asked[0].machine.autocast():
            for layer in self._layers:
                x = layer(x)
        logits, share = x.float(), parts[0][2]
        values = [_value(asked, own, labels) for asked, own, (_, labels, _) in zip(all_asked, logits.unbind(0), parts, strict=True)]
        found = [value if share == 1.0 else value * share for value in values if isinstance(value, Tensor)]
        if found:
            torch.autograd.backward(found)
        labels = torch.stack([labels for _, labels, _ in parts])
        right = (logits.detach().argmax(2) == labels.argmax(2)).float().mean(1)
        measured = ((value, accuracy) for value, accuracy in zip(values, right, strict=True))
        return [torch.stack((v.detach().float(), accuracy)) * share if isinstance(v, Tensor) else v for v, accuracy in measured]

    def _hand_out(self) -> None:
        """Give each run's parameters their gradients, those that it has not frozen meanwhile."""
        for stacked, own in self._stacked:
            if stacked.grad is not None:
                for parameter, gradient in zip(own, stacked.grad.unbind(0), strict=True):
                    if parameter.requires_grad:
                        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
                stacked.grad = None

    def _built(self, entering: Mapping[keyed.Dropout, Tensor]) -> Iterator[Layer]:
        """The networks' layers, one after the other, and between two of them the dropouts that stand there in any of the networks."""
        gaps = [_gaps(model) for model in self.models]
        for number, alike in enumerate(zip(*map(_followed, self.models), strict=True)):
            yield from _dropouts([gap[number] for gap in gaps], entering)
            yield stacked_layers.layer_of(alike[0], self._held(alike), len(alike))
        yield from _dropouts([gap[-1] for gap in gaps], entering)

    def _held(self, alike: Sequence[nn.Module]) -> dict[str, Tensor | None]:
        held: dict[str, Tensor | None] = {}
        for name, first in {**alike[0]._parameters, **alike[0]._buffers}.items():
            own: list[Any] = [getattr(layer, name) for layer in alike]
            held[name] = None if first is None else _together(own)
            if isinstance(first, nn.Parameter):
                self._stacked.append((held[name].requires_grad_(), own))  # type: ignore[union-attr]
        return held


@torch.no_grad()
def _together(own: Sequence[Tensor]) -> Tensor:
    """One tensor with a place for each of some, in the layout that they have; each becomes a view of its place."""
    first = own[0]
    stacked = torch.empty_strided((len(own), *first.shape), (first.numel(), *first.stride()), dtype=first.dtype, device=first.device)
    for place, tensor in zip(stacked.unbind(0), own, strict=True):
        place.copy_(tensor)
        tensor.data = place
    return stacked


def _followed(model: nn.Module) -> list[nn.Module]:
    """The layers that all networks of a shape have: dropouts are left out, since one rate may be 0."""
    return [layer for layer in stacked_layers.layers(model) if not isinstance(layer, keyed.Dropout)]


def _gaps(model: nn.Module) -> list[list[keyed.Dropout]]:
    """The dropouts before each of the other layers, and after the last."""
    gaps: list[list[keyed.Dropout]] = [[]]
    for layer in stacked_layers.layers(model):
        if isinstance(layer, keyed.Dropout):
            gaps[-1].append(layer)
        else:
            gaps.append([])
    return gaps


def _dropouts(standing: Sequence[Sequence[keyed.Dropout]], entering: Mapping[keyed.Dropout, Tensor]) -> Iterator[Dropouts]:
    """What stands in one gap of each network, place by place."""
    for place in range(max(map(len, standing))):
        yield Dropouts([own[place] if place < len(own) else None for own in standing], entering)


def _entering(all_asked: Iterable[Asked]) -> dict[keyed.Dropout, Tensor]:
    """What enters each dropout of each network when a batch, or its first part, goes through it by itself; nothing of the network changes."""
    found: dict[keyed.Dropout, Tensor] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, keyed.Dropout)
        found[module] = inputs[0].detach()

    for asked in all_asked:
        dropouts = [module for module in asked.model.modules() if isinstance(module, keyed.Dropout)]
        hooks = [dropout.register_forward_pre_hook(note) for dropout in dropouts]
        if dropouts:
            with _kept(asked.model.buffers()), asked.machine.autocast():
                asked.model(asked.images[: asked.micro_batch])
        for hook in hooks:
            hook.remove()
    return found


@contextmanager
def _kept(buffers: Iterable[Tensor]) -> Iterator[None]:
    """Give buffers back their values afterwards."""
    before = [(buffer, buffer.clone()) for buffer in buffers]
    yield
    with torch.no_grad():
        for buffer, value in before:
            buffer.copy_(value)


def _value(asked: Asked, logits: Tensor, labels: Tensor) -> Answer:
    """A run's loss, or why it has none."""
    try:
        return asked.loss.value(logits, labels)
    except Exception as error:  # the run tells it
        return error


def _whole(measured: Sequence[Answer]) -> Answer:
    """A run's figures of a batch from those of its parts, or why it has none."""
    failure = next((part for part in measured if isinstance(part, Exception)), None)
    return summed([part for part in measured if isinstance(part, Tensor)]) if failure is None else failure


def _failure(error: Exception, count: int) -> Exception:
    if count == 1:
        return error
    told = RunFailed(
        f"a stack of {count} runs failed together ({type(error).__name__}: {error}); run again with fewer at once (--workers), or inline"
    )
    told.__cause__ = error
    return told
