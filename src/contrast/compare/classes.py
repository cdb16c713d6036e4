"""Class by class: accuracy of each class with a Wilson interval, and balanced accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike

from .estimate import Interval

OTHER_IMAGES = "other test images of this class, this run"


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy (a fraction in 0..1) of one run on the images of one class; None where the class has no image."""

    label: int
    right: int
    images: int
    accuracy: float | None
    interval: Interval | None


def class_accuracies(labels: ArrayLike, predictions: ArrayLike, classes: int, level: float = 0.95) -> tuple[ClassAccuracy, ...]:
    """Accuracy of each class (its recall) with a Wilson interval over images.

    Args:
        labels: shape (N,), integers in 0..classes − 1.
        predictions: shape (N,), integers.
        classes: how many there are; one without an image in this fold is listed with None.
        level: confidence of the intervals.

    Raises:
        ValueError: shapes that differ; a label outside the classes.

    Source: Wilson 1927; `statsmodels.stats.proportion.proportion_confint`.
    """
    truth, guess = numpy.asarray(labels), numpy.asarray(predictions)
    if truth.ndim != 1 or truth.shape != guess.shape:
        raise ValueError(f"labels {truth.shape} and predictions {guess.shape} must both be one integer per image")
    if len(truth) and not (truth.min() >= 0 and truth.max() < classes):
        raise ValueError(f"labels lie in 0..{classes - 1}, found {truth.min()} to {truth.max()}")
    images = numpy.bincount(truth, minlength=classes)
    right = numpy.bincount(truth[truth == guess], minlength=classes)
    return tuple(_one(label, int(right[label]), int(images[label]), level) for label in range(classes))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike, classes: int) -> float:
    """Mean accuracy over the classes that have an image, a fraction in 0..1 (Brodersen et al. 2010).

    Raises:
        ValueError: as `class_accuracies`; no images at all.
    """
    accuracies = [one.accuracy for one in class_accuracies(labels, predictions, classes) if one.accuracy is not None]
    if not accuracies:
        raise ValueError("balanced accuracy needs an image")
    return float(numpy.mean(accuracies))


def _one(label: int, right: int, images: int, level: float) -> ClassAccuracy:
    if images == 0:
        return ClassAccuracy(label, 0, 0, None, None)
    from statsmodels.stats.proportion import proportion_confint  # heavy, 0.5 s

    low, high = proportion_confint(right, images, alpha=1 - level, method="wilson")
    return ClassAccuracy(label, right, images, right / images, Interval(float(low), float(high), level, OTHER_IMAGES))
