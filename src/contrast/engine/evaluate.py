"""Evaluation: what a model says of each image of a part, without augmentation."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from contrast import keyed, views
from contrast.engine.batches import Part, laid_out
from contrast.engine.machine import Machine

if TYPE_CHECKING:
    from contrast.evaluation import Views
    from contrast.protocols import AugmentFunction

BATCH, BATCH_ON_CPU = 500, 125
"""Images in one evaluation batch; it changes no result but by rounding. A CPU is faster while a layer's maps stay in its cache."""


@dataclass(frozen=True)
class Outcomes:
    """What a model says of each image, on the CPU.

    Attributes:
        log_probabilities: ``float32 [N, classes]``, natural logarithms.
        labels: ``int64 [N]``, what is true.
    """

    log_probabilities: Tensor
    labels: Tensor

    @property
    def predictions(self) -> Tensor:
        """The most probable class, ``int64 [N]``."""
        return self.log_probabilities.argmax(1)

    @property
    def losses(self) -> Tensor:
        """Cross-entropy of each image in nats, ``float32 [N]``; never the training loss's smoothing or weights."""
        return -self.log_probabilities.gather(1, self.labels[:, None])[:, 0]

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one, in [0, 1]."""
        return float((self.predictions == self.labels).double().mean())

    @property
    def right_bits(self) -> str:
        """Whether each image is right, a bit each, the first image in the highest bit of the first byte, in base64."""
        return base64.b64encode(np.packbits((self.predictions == self.labels).numpy()).tobytes()).decode("ascii")

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(self.losses.double().mean())


class Evaluator:
    """Evaluates models on parts of a data set.

    Args:
        steps: the augmentations that hold at evaluation (normalization), bound to the data.
        machine: the plan.
        views: of each image, over which logits are averaged where a part is judged (`contrast.views`).
    """

    def __init__(self, steps: Sequence[AugmentFunction], machine: Machine, views: Views = "none") -> None:
        self.steps, self.machine, self.views = steps, machine, views

    def outcomes(self, model: nn.Module, part: Part, views: Views | None = None) -> Outcomes:
        """Run the model over a part in evaluation mode, over other views than its own where given; the mode that it was in comes back."""
        return Outcomes(functional.log_softmax(self.logits(model, part, views), dim=1).cpu(), part.labels.cpu())

    @torch.inference_mode()
    def logits(self, model: nn.Module, part: Part, over: Views | None = None) -> Tensor:
        """What leaves the model in evaluation mode, ``float32 [N, classes]``, on the device; the mode that it was in comes back."""
        before = model.training
        model.eval()
        with self.machine.autocast():
            # One block: small ones, kept between large ones, would leave the heap in pieces (decision 11).
            logits, start = torch.empty(len(part), part.classes, device=part.pixels.device), 0
            for images in self._batches(part):
                logits[start : start + len(images)] = views.logits(model, images, over or self.views)
                start += len(images)
        model.train(before)
        return logits

    def _batches(self, part: Part) -> Iterator[Tensor]:
        nothing = torch.zeros(0, part.classes, device=part.pixels.device)
        size = BATCH_ON_CPU if self.machine.device == "cpu" else BATCH
        for start in range(0, len(part), size):
            images = laid_out(part.pixels[start : start + size], self.machine)
            draws = keyed.Draws(part.keys[start : start + size])
            for step in self.steps:
                images, _ = step(images, nothing, draws)
            yield images

    def inputs(self, part: Part, most: int) -> Iterator[Tensor]:
        """Batches of a part's first images as a model takes them, e.g. to settle an average's statistics."""
        seen = 0
        for images in self._batches(part):
            if seen >= most:
                return
            seen += len(images)
            yield images
