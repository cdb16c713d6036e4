"""Cross-entropy between the predicted probabilities and the labels."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from contrast.errors import InputError
from contrast.protocols import LossIngredient, Probability

Weights = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False, min_length=2)]


class CrossEntropy(LossIngredient):
    """Equals torch's `cross_entropy` for integer labels when the rows are one-hot, class weights and smoothing included."""

    label_smoothing: Probability = Field(default=0.0, description="share of each label that is spread over all classes (Szegedy et al. 2016)")
    class_weights: Weights | None = Field(
        default=None, description="weight of each class in the mean, in the order of the classes; null for equal ones"
    )

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch; see `LossIngredient.value`.

        Raises:
            InputError: the number of class weights is not the number of classes.
        """
        logits = logits.float()
        if self.class_weights is None:
            return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if len(self.class_weights) != logits.shape[1]:
            raise InputError(
                f"{len(self.class_weights)} weights for {logits.shape[1]} classes", where="loss.class_weights", right="give one number a class"
            )
        weights = _row(self.class_weights, logits.device)
        # With probability rows torch divides by the batch size; the weighted mean divides by the weights of the labels.
        total = functional.cross_entropy(logits, labels, weight=weights, label_smoothing=self.label_smoothing, reduction="sum")
        return total / (labels @ weights).sum()


@lru_cache(maxsize=64)
def _row(weights: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept for later calls: what is made in inference mode can't be trained through
        return torch.tensor(weights, dtype=torch.float32, device=device)
