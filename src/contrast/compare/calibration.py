"""Are the probabilities right? Expected calibration error and the table behind a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike, NDArray

from .estimate import Floats


@dataclass(frozen=True)
class Reliability:
    """One row per bin of confidence that holds an image: mean confidence, accuracy (both 0..1) and number of images."""

    confidence: Floats
    accuracy: Floats
    images: NDArray[numpy.int64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean |accuracy − confidence| over images, a fraction in 0..1."""
        return float(numpy.abs(self.accuracy - self.confidence) @ self.images / self.images.sum())


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = 15, equal_mass: bool = False) -> Reliability:
    """Images binned by confidence.

    Args:
        confidence: shape (N,), float in 0..1: the probability given to the predicted class.
        right: shape (N,), bool or 0/1: whether the prediction was right.
        bins: how many.
        equal_mass: bins with equally many images, in place of bins of equal width.

    Raises:
        ValueError: no images, shapes that differ, a confidence outside 0..1.

    Source: Naeini et al. 2015, Guo et al. 2017 (equal width, 15 bins); Nguyen & O'Connor 2015 (equal mass).
    """
    sure, correct = numpy.asarray(confidence, dtype=numpy.float64), numpy.asarray(right, dtype=numpy.float64)
    if sure.ndim != 1 or sure.shape != correct.shape or len(sure) == 0:
        raise ValueError(f"confidence {sure.shape} and right {correct.shape} must both be one number per image")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError("a confidence lies in 0..1")
    place = _equal_mass(sure, bins) if equal_mass else numpy.clip(numpy.ceil(sure * bins) - 1, 0, bins - 1).astype(int)
    images = numpy.bincount(place, minlength=bins)
    held = images > 0
    return Reliability(
        confidence=numpy.bincount(place, sure, bins)[held] / images[held],
        accuracy=numpy.bincount(place, correct, bins)[held] / images[held],
        images=images[held].astype(numpy.int64),
    )


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 15, equal_mass: bool = False) -> float:
    """Expected calibration error, a fraction in 0..1; arguments and errors as `reliability`.

    It is biased upward with few images (a perfectly calibrated model does not get 0), the same for every arm of a study
    (Kumar et al. 2019).
    """
    return reliability(confidence, right, bins, equal_mass).expected_calibration_error


def _equal_mass(sure: Floats, bins: int) -> NDArray[numpy.int64]:
    # Equal confidences share a bin, or the order of the images would change the answer.
    order = numpy.sort(sure)
    first = numpy.searchsorted(order, sure, side="left")
    return (first * bins // len(sure)).astype(numpy.int64)
