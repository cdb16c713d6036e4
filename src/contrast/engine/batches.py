"""Batches: the set lies on the device as bytes; a batch is gathered and augmented there, whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrast import keyed
from contrast.decoded import Rows, chosen
from contrast.engine.clock import Clock
from contrast.engine.machine import Machine
from contrast.engine.on_disk import OnDisk
from contrast.engine.sampling import Order, Shuffled
from contrast.images import Images
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from contrast.protocols import AugmentFunction


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

    pixels: Tensor | OnDisk
    labels: Tensor
    keys: Tensor
    ids: Sequence[str]
    classes: int

    @classmethod
    def of(cls, images: Images, positions: NDArray[np.int64], labels: NDArray[np.int64], device: str) -> Part:
        """Bring some images to the device."""
        ids = [images.ids[i] for i in positions]
        drawn = chosen(images.pixels, positions)
        pixels = OnDisk(drawn, device) if isinstance(drawn, Rows) else torch.from_numpy(drawn).to(device)
        true = torch.from_numpy(labels[positions])
        return cls(pixels, true.to(device), keyed.words(ids).to(device), ids, len(images.classes))

    def __len__(self) -> int:
        return len(self.ids)


class Batches:
    """The training batches of every epoch.

    The images that do not fill a batch at the end of an epoch are left out of it; the order is new in each epoch.

    Args:
        part: the training images.
        steps: the augmentations, bound to the data, in order.
        batch_size: images in one batch, at most as many as there are.
        seed: the run's.
        machine: the plan.
        order: which images an epoch shows; every image once, unless told otherwise.
        clock: takes the time of gathering, as ``load`` (on a GPU, that of asking for it).
    """

    def __init__(
        self,
        part: Part,
        steps: Sequence[AugmentFunction],
        batch_size: int,
        seed: int,
        machine: Machine,
        order: Order | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.part, self.steps, self.batch_size, self.seed, self.machine = part, steps, batch_size, seed, machine
        self.order = Shuffled(part.keys) if order is None else order
        self.clock = Clock({}) if clock is None else clock
        self._rows = torch.eye(part.classes, device=part.pixels.device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.order) // self.batch_size

    def of_epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented images (``float32 [B, C, H, W]``) and label rows (``float32 [B, classes]``) from batch `start` on."""
        order, earlier = self.order.of_epoch(self.seed, epoch)
        for number in range(start, len(self)):
            batch = slice(number * self.batch_size, (number + 1) * self.batch_size)
            chosen = order[batch]
            with self.clock.on("load"):
                images = laid_out(self.part.pixels.index_select(0, chosen), self.machine)
                labels = self._rows.index_select(0, self.part.labels.index_select(0, chosen))
            occurrence = 0 if earlier is None else earlier[batch]
            draws = keyed.Draws.of(self.seed, epoch, self.part.keys.index_select(0, chosen), occurrence)
            for step in self.steps:
                images, labels = step(images, labels, draws)
            yield images, labels


def laid_out(pixels: Tensor, machine: Machine) -> Tensor:
    """``uint8 [B, H, W, C]`` as ``[B, C, H, W]`` in the plan's memory format; kept features as they left the network, in a copy."""
    if pixels.is_floating_point():
        return pixels.clone().permute(0, 3, 1, 2) if pixels.ndim == 4 else pixels.clone()
    return pixels.permute(0, 3, 1, 2).contiguous(memory_format=machine.format)


def bound(augment: Sequence[AugmentIngredient], training: Images) -> tuple[list[AugmentFunction], list[AugmentFunction]]:
    """Bind augmentations to the training images: (all of them, those that hold at evaluation too)."""
    steps = [(step.prepare(training), step.always) for step in augment]
    return [function for function, _ in steps], [function for function, always in steps if always]
