"""Any torch `Dataset` of (image, label) as a set in memory: read through once, checked, and brought to bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from contrast import keyed
from contrast.errors import InputError
from contrast.images import TRAIN, Images

_CHANNELS = (1, 3, 4)
_FORM = "give (image, label): a PIL image, a tensor [C, H, W] or an array [H, W, C] of bytes or of floats in [0, 1], and a whole number"


def images_of(dataset: Any, name: str, part: str = TRAIN) -> Images:
    """Read a data set through once.

    A transform in it that draws runs once under one derived seed: what it draws is frozen into the images. Floats in
    [0, 1] become bytes, rounded.

    Args:
        dataset: what has a length and gives (image, label) for each index.
        name: what it is called in messages.
        part: the part that its images are of; an image's id is part and index.

    Raises:
        InputError: it has no length, or an item is no image with a label, or images differ in size; names the item.
    """
    count = _length(dataset, name)
    pixels: NDArray[np.uint8] | None = None
    labels = np.empty(count, np.int64)
    with keyed.seeded(0, "dataset", part):
        for at in range(count):
            where = f"{name}[{at}]"
            image, labels[at] = _item(dataset, at, where)
            if pixels is None:
                pixels = np.empty((count, *image.shape), np.uint8)
            if image.shape != pixels.shape[1:]:
                told = f"has {_shape(image.shape)} where the first image has {_shape(pixels.shape[1:])}"
                raise InputError(told, where=where, right="bring all to one size and mode in the data set's own transform")
            pixels[at] = image
    assert pixels is not None
    ids = tuple(f"{part}/{at}" for at in range(count))
    return Images(pixels, labels, ids, _classes(dataset, labels, name), np.full(count, part))


def together(sets: Sequence[Images], name: str) -> Images:
    """Several parts of one set as one.

    Raises:
        InputError: they differ in size or classes.
    """
    first = sets[0]
    for other in sets[1:]:
        if other.shape != first.shape or other.classes != first.classes:
            told = "its parts differ in " + ("size" if other.shape != first.shape else "classes")
            raise InputError(told, where=name, right="give all parts images of one size, and one `classes`")
    return dataclasses.replace(
        first,
        pixels=np.concatenate([one.pixels for one in sets]),
        labels=np.concatenate([one.labels for one in sets]),
        ids=tuple(id for one in sets for id in one.ids),
        parts=np.concatenate([one.parts for one in sets]),
    )


def _length(dataset: Any, name: str) -> int:
    try:
        count = len(dataset)
    except TypeError as error:
        right = "give a torch Dataset with __len__ and __getitem__; one that only iterates can't be split"
        raise InputError(f"a {type(dataset).__name__} has no length", where=name, right=right) from error
    if not count:
        raise InputError("holds no image", where=name, right=_FORM)
    return count


def _item(dataset: Any, at: int, where: str) -> tuple[NDArray[np.uint8], int]:
    try:
        item = dataset[at]
    except Exception as error:  # whatever the data set does
        raise InputError(f"can't be read: {type(error).__name__}: {error}", where=where, right="mend the data set") from error
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise InputError(f"is a {type(item).__name__}, not (image, label)", where=where, right=_FORM)
    return _bytes(item[0], where), _label(item[1], where)


def _label(label: Any, where: str) -> int:
    if isinstance(label, (torch.Tensor, np.ndarray)) and label.ndim == 0:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or label < 0:
        raise InputError(f"its label is {str(label)[:40]!r}, no whole number from 0", where=where, right=_FORM)
    return int(label)


def _bytes(image: Any, where: str) -> NDArray[np.uint8]:
    """An image as ``uint8 [H, W, C]``."""
    if isinstance(image, Image.Image):
        array = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    elif isinstance(image, torch.Tensor):
        array = image.detach().cpu().numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    elif isinstance(image, np.ndarray):
        array = image
    else:
        raise InputError(f"its image is a {type(image).__name__}", where=where, right=_FORM)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in _CHANNELS or not array.size:
        raise InputError(f"its image has the shape {_shape(array.shape)}", where=where, right=_FORM)
    return _rounded(array, where)


def _rounded(array: NDArray[Any], where: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise InputError(f"its image is of {array.dtype}", where=where, right=_FORM)
    if not (array.min() >= 0 and array.max() <= 1):
        told = f"its image has values from {array.min():.3g} to {array.max():.3g}"
        raise InputError(told, where=where, right="give floats in [0, 1]; leave normalization to the augmentation `normalize`")
    return np.rint(array.astype(np.float64) * 255).astype(np.uint8)


def _classes(dataset: Any, labels: NDArray[np.int64], name: str) -> tuple[str, ...]:
    """Names in the order of the labels: the data set's own `classes`, else the numbers."""
    own = getattr(dataset, "classes", None)
    kinds = int(labels.max()) + 1
    if own is None:
        return tuple(str(kind) for kind in range(kinds))
    names = tuple(str(one) for one in own)
    if len(names) < kinds or len(set(names)) < len(names):
        told = f"its `classes` are {len(names)} names, and a label is {kinds - 1}"
        raise InputError(told, where=name, right="give each class one name of its own")
    return names


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "of one number"
