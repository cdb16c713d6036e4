"""What is looked for in the images before every study: the same image in two parts, and classes of very different size.

It is the cheap share of `contrast data NAME --audit`: 60,000 images of 32×32 pixels take some tenths of a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contrast.images import TEST, TRAIN, VALIDATION

UNEQUAL = 3.0
"""Least ratio of the largest to the smallest class that is worth a word."""
_WHOLE = "`contrast data NAME --audit` names them"


def cautions(pixels: Mapping[str, object], labels: NDArray[np.int64], classes: Sequence[str]) -> tuple[str, ...]:
    """Sentences about what could spoil a result; nothing where all is well.

    Args:
        pixels: part → its images, ``uint8 [N, H, W, C]``. Images that stay on the disk or keep their own sizes are not
            searched for duplicates, and that is said.
        labels: of the training images, ``int64 [N]``.
        classes: class names.
    """
    return (*_shared(pixels), *_imbalance(labels, classes))


def _shared(pixels: Mapping[str, object]) -> list[str]:
    """Images whose very pixels stand in an earlier part too."""
    held = {part: rows for part, rows in pixels.items() if isinstance(rows, np.ndarray)}
    if len(held) < len(pixels):
        return ["too large, or of too many sizes, to be searched for duplicates before every study; `contrast data NAME --audit` does that"]
    parts = {part: [hashlib.blake2b(image.data, digest_size=16).digest() for image in np.ascontiguousarray(rows)] for part, rows in held.items()}
    trained, chosen = set(parts[TRAIN]), set(parts[VALIDATION])
    told = {
        "test images that are training images too": sum(each in trained for each in parts[TEST]),
        "test images that are validation images too": sum(each in chosen for each in parts[TEST]),
        "validation images that are training images too": sum(each in trained for each in parts[VALIDATION]),
    }
    return [f"{count:,} {what}, pixel for pixel; {_WHOLE}" for what, count in told.items() if count]


def _imbalance(labels: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    high, low = int(counts.argmax()), int(counts.argmin())
    if counts[high] < UNEQUAL * counts[low]:
        return []
    large, small = (f"{classes[at]!r} has {counts[at]:,}" for at in (high, low))
    return [f"classes are of unequal size: {large} training images, {small}; accuracy favors the large ones"]
