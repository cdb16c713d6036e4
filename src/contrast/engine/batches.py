"""Batches: the set lies on the device as bytes; a batch is gathered and augmented there, whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrast import keyed
from contrast.augment._boxes import Cut
from contrast.augment._moves import merged
from contrast.decoded import Rows, chosen
from contrast.engine.clock import Clock
from contrast.engine.machine import Machine
from contrast.engine.on_disk import OnDisk
from contrast.engine.ragged import RaggedPixels
from contrast.engine.sampling import Order, Shuffled
from contrast.engine.streamed import Streamed
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import AugmentIngredient
from contrast.ragged import Ragged
from contrast.streamed import Files

if TYPE_CHECKING:
    from contrast.protocols import AugmentFunction

_DRAWN_TOGETHER = 32
"""Batches whose random numbers are computed at once: those of one batch are many small tensors."""
_AUGMENTED_TOGETHER = 1 << 20
"""Bytes of small batches that are gathered and augmented at once, for the same reason; more fall out of a processor's cache."""


@dataclass(frozen=True)
class Part:
    """Images of one part of a split, on the device.

    Attributes:
        pixels: ``uint8 [N, H, W, C]``; of a set too large for memory (`contrast.decoded`), what gathers them from their file.
        labels: ``int64 [N]``.
        keys: ``int64 [N]``, the numbers of the image ids (`keyed.words`).
        ids: the image ids.
        classes: number of classes.
    """

    pixels: Tensor | OnDisk | Streamed | RaggedPixels
    labels: Tensor
    keys: Tensor
    ids: Sequence[str]
    classes: int

    @classmethod
    def of(cls, images: Images, positions: NDArray[np.int64], labels: NDArray[np.int64], device: str) -> Part:
        """Bring some images to the device."""
        ids = [images.ids[i] for i in positions]
        drawn = chosen(images.pixels, positions)
        pixels = _brought(drawn, device)
        true = torch.from_numpy(labels[positions])
        return cls(pixels, true.to(device), keyed.words(ids).to(device), ids, len(images.classes))

    def __len__(self) -> int:
        return len(self.ids)


def _brought(pixels: NDArray[np.uint8], device: str) -> Tensor | OnDisk | Streamed | RaggedPixels:
    """Pixels on the device, or what brings a batch of them there."""
    if isinstance(pixels, Files):
        return Streamed(pixels, device)
    if isinstance(pixels, Ragged):
        return RaggedPixels(pixels, device)
    return OnDisk(pixels, device) if isinstance(pixels, Rows) else torch.from_numpy(pixels).to(device)


class Batches:
    """The training batches of every epoch.

    The images that do not fill a batch at the end of an epoch are left out of it; the order is new in each epoch.

    Args:
        part: the training images.
        steps: the augmentations, bound to the data (`bound`).
        batch_size: images in one batch, at most as many as there are.
        seed: the run's.
        machine: the plan.
        order: which images an epoch shows; every image once, unless told otherwise.
        clock: takes the time of gathering, as ``load`` (on a GPU, that of asking for it).
    """

    def __init__(
        self,
        part: Part,
        steps: Bound,
        batch_size: int,
        seed: int,
        machine: Machine,
        order: Order | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.part, self.steps, self.batch_size, self.seed, self.machine = part, steps, batch_size, seed, machine
        self.order = Shuffled(part.keys) if order is None else order
        self.clock = Clock({}) if clock is None else clock
        first = next(iter(steps.of_images), None)
        self._cut = first if isinstance(part.pixels, RaggedPixels) and isinstance(first, Cut) else None
        self._of_images = steps.of_images if self._cut is None else steps.of_images[1:]
        self._rows = torch.eye(part.classes, device=part.pixels.device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.order) // self.batch_size

    def of_epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented images (``float32 [B, C, H, W]``) and label rows (``float32 [B, classes]``) from batch `start` on."""
        order, earlier = self.order.of_epoch(self.seed, epoch)
        if isinstance(self.part.pixels, Streamed):
            self.part.pixels.expect(order[: len(self) * self.batch_size])
        number, size = start, self._together * self.batch_size
        for drawn in self._draws(epoch, start, order, earlier):
            of_batches = iter(drawn.batches(self.batch_size))
            for draws in drawn.batches(size):
                chosen = order[number * self.batch_size : number * self.batch_size + len(draws)]
                for images, labels in zip(*(torch.split(each, self.batch_size) for each in self._augmented(chosen, draws)), strict=True):
                    yield self._mixed(images, labels, next(of_batches))
                    number += 1

    def _augmented(self, chosen: Tensor, draws: keyed.Draws) -> tuple[Tensor, Tensor]:
        """The images at some positions, of one or several batches, after the steps that treat each by itself; and their label rows."""
        with self.clock.on("load"):
            images = laid_out(self._gathered(chosen, draws), self.machine)
            labels = self._rows.index_select(0, self.part.labels.index_select(0, chosen))
        for step in self._of_images:
            images, labels = step(images, labels, draws)
        return images, labels

    def _mixed(self, images: Tensor, labels: Tensor, draws: keyed.Draws) -> tuple[Tensor, Tensor]:
        for step in self.steps.of_batches:
            images, labels = step(images, labels, draws)
        return images, labels

    @property
    def _together(self) -> int:
        """Batches that are gathered and augmented at once."""
        if not isinstance(self.part.pixels, Tensor):  # what is read as it is needed
            return 1
        size = self.batch_size * self.part.pixels[:1].nbytes
        return max(1, min(_DRAWN_TOGETHER, _AUGMENTED_TOGETHER // size))

    def _gathered(self, chosen: Tensor, draws: keyed.Draws) -> Tensor:
        """The images at some positions, ``uint8 [B, H, W, C]``; of those that keep their own sizes, the boxes of the first step."""
        pixels = self.part.pixels
        if self._cut is None or not isinstance(pixels, RaggedPixels):
            return pixels.index_select(0, chosen)
        return pixels.cut(chosen, self._cut.boxes(draws, *pixels.sizes(chosen)))

    def _draws(self, epoch: int, start: int, order: Tensor, earlier: Tensor | None) -> Iterator[keyed.Draws]:
        """The draws of the batches from `start` on, of many batches together."""
        for first in range(start, len(self), _DRAWN_TOGETHER):
            some = slice(first * self.batch_size, min(first + _DRAWN_TOGETHER, len(self)) * self.batch_size)
            occurrence = 0 if earlier is None else earlier[some]
            yield keyed.Draws.of(self.seed, epoch, self.part.keys.index_select(0, order[some]), occurrence)


def laid_out(pixels: Tensor, machine: Machine) -> Tensor:
    """``uint8 [B, H, W, C]`` as ``[B, C, H, W]`` in the plan's memory format; kept features as they left the network, in a copy."""
    if pixels.is_floating_point():
        return pixels.clone().permute(0, 3, 1, 2) if pixels.ndim == 4 else pixels.clone()
    return pixels.permute(0, 3, 1, 2).contiguous(memory_format=machine.format)


class Bound(NamedTuple):
    """Augmentations bound to the data, in order.

    Attributes:
        of_images: those that treat each image by itself, up to the first that does not.
        of_batches: that one and all after it.
        always: those of both that hold at evaluation too.
    """

    of_images: Sequence[AugmentFunction] = ()
    of_batches: Sequence[AugmentFunction] = ()
    always: Sequence[AugmentFunction] = ()


def bound(augment: Sequence[AugmentIngredient], training: Images) -> Bound:
    """Bind augmentations to the training images.

    Raises:
        InputError: the images keep their own sizes, and the first step does not bring them to one.
    """
    steps = merged(augment, training)
    if isinstance(training.pixels, Ragged) and not (steps and isinstance(steps[0].function, Cut)):
        right = "let random_resized_crop stand first, or take data.resize: crop"
        raise InputError("the images keep their own sizes, and the first augmentation does not bring them to one", where="augment", right=right)
    alone = next((number for number, step in enumerate(steps) if step.mixes), len(steps))
    functions = [step.function for step in steps]
    return Bound(functions[:alone], functions[alone:], [step.function for step in steps if step.always])
