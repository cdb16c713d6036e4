"""A data set in memory: pixels, labels, ids, the parts it came in, and how it is split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contrast import keyed
from contrast.errors import InputError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True)
class Images:
    """Decoded images of one size.

    Attributes:
        pixels: ``uint8 [N, H, W, C]`` (channels last, as the device wants them).
        labels: ``int64 [N]``, indices into `classes`.
        ids: one stable name an image: its path below the root, or part and index (``train/17``).
        classes: class names in the order of their indices.
        parts: ``str [N]``: the part that the owners put each image in (one of `PARTS`).
        notes: what a reader of the page should know of how the images were made ready (sizes changed, say).
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        count = len(self.ids)
        if not (len(self.pixels) == len(self.labels) == len(self.parts) == count):
            raise ValueError("pixels, labels, ids and parts must have one entry an image")
        if len(set(self.ids)) != count:
            raise ValueError("image ids must be unique")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width of one image."""
        _, height, width, channels = self.pixels.shape
        return channels, height, width

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over contents, labels, ids and class names; tells whether the data is what it was."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.classes)).encode())
        for block in (self.pixels, self.labels):
            digest.update(np.ascontiguousarray(block).data.cast("B"))
        digest.update("\0".join(self.ids).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def positions(self, part: str) -> NDArray[np.int64]:
        """Where the images of a given part stand, in order."""
        return np.flatnonzero(self.parts == part)

    def statistics(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation (population) of each channel over some images, in [0, 1], ``float64 [C]``.

        Computed from counts of the 256 levels, and so exact to rounding.
        """
        levels = np.arange(256, dtype=np.float64) / 255
        counts = np.zeros((self.pixels.shape[-1], 256))
        for start in range(0, len(positions), 4096):
            block = self.pixels[positions[start : start + 4096]]
            for channel in range(block.shape[-1]):
                counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
        shares = counts / counts.sum(axis=1, keepdims=True)
        mean = shares @ levels
        return mean, np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(axis=1))

    @cached_property
    def own_statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`statistics` over all of these images, computed once."""
        return self.statistics(np.arange(len(self)))


@dataclass(frozen=True)
class Split:
    """Which images train, which choose, which judge: positions, ``int64 [n]`` each, ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def ids(self, images: Images) -> dict[str, list[str]]:
        """The split by image id, as a study keeps it."""
        return {part: [images.ids[i] for i in getattr(self, part)] for part in PARTS}

    @classmethod
    def from_ids(cls, kept: Mapping[str, list[str]], images: Images) -> Split:
        """Find a kept split again.

        Raises:
            InputError: an image that the split names is gone.
        """
        where = {name: i for i, name in enumerate(images.ids)}
        missing = [name for part in PARTS for name in kept[part] if name not in where]
        if missing:
            raise InputError(
                f"{len(missing)} images of the kept split are gone, {missing[0]!r} first", right="put them back, or start a new study folder"
            )
        return cls(*(np.array([where[name] for name in kept[part]], dtype=np.int64) for part in PARTS))


def quotas(available: NDArray[np.int64], share: int | float, what: str) -> NDArray[np.int64]:
    """How many images of each class a stratified part takes: in proportion, and never fewer where more are asked for.

    By Webster's method (Sainte-Laguë 1910; ties to the earlier class). Largest remainders would not do: with them a
    class can lose an image when the part grows by one (Balinski & Young 1982), and parts would not be nested.

    Args:
        available: images of each class, ``int64 [classes]``.
        share: a count (int) or a fraction (float).
        what: the setting that asks, for the message.

    Raises:
        InputError: more are asked for than there are.
    """
    total = int(available.sum())
    count = share if isinstance(share, int) else round(share * total)
    if not 0 < count <= total:
        raise InputError(f"{share} asks for {count} of {total} images", where=f"data.{what}", right=f"give a count from 1 to {total} or a fraction")
    classes = np.repeat(np.arange(len(available)), available)
    ranks = np.concatenate([(np.arange(n) + 0.5) / n for n in available])
    first = np.lexsort((classes, ranks))[:count]  # a class's images evenly spaced in [0, 1]: a greater share only adds
    return np.bincount(classes[first], minlength=len(available)).astype(np.int64)


def _take(images: Images, pool: NDArray[np.int64], share: int | float, seed: int, what: str) -> NDArray[np.int64]:
    """A stratified part of `pool`, drawn by image id: the first of each class in a keyed order, and so nested."""
    order = pool[keyed.permutation(seed, f"split {what}", 0, keyed.words(images.ids[i] for i in pool)).numpy()]
    labels = images.labels[order]
    wanted = quotas(np.bincount(labels, minlength=len(images.classes)), share, what)
    chosen = [order[labels == label][:count] for label, count in enumerate(wanted)]
    return np.sort(np.concatenate(chosen))


def split(
    images: Images,
    *,
    validation: int | float,
    test: int | float | None,
    train: int | float | None,
    seed: int,
) -> Split:
    """Split a set, keeping the parts that it came in: only the training part is divided.

    Args:
        images: the set.
        validation: how much of the training part is held out, where the set has no validation part of its own.
        test: how much of the training part is set aside for the end, where the set has no test part of its own.
        train: how much of what is left is trained on; None for all of it.
        seed: what the split is drawn from.

    Raises:
        InputError: a share does not fit, or a class would not be trained on at all.
    """
    pool = images.positions(TRAIN)
    held = {VALIDATION: images.positions(VALIDATION), TEST: images.positions(TEST)}
    if not len(held[TEST]):
        if test is None:
            raise InputError("the set has no test part", where="data.test", right="say how much to hold out for the end, e.g. test: 0.2")
        held[TEST] = _take(images, pool, test, seed, TEST)
        pool = np.setdiff1d(pool, held[TEST], assume_unique=True)
    if not len(held[VALIDATION]):
        held[VALIDATION] = _take(images, pool, validation, seed, VALIDATION)
        pool = np.setdiff1d(pool, held[VALIDATION], assume_unique=True)
    if train is not None:
        pool = _take(images, pool, train, seed, TRAIN)
    left = np.bincount(images.labels[pool], minlength=len(images.classes))
    if (left == 0).any():
        empty = images.classes[int(np.argmin(left))]
        raise InputError(f"class {empty!r} has no image left to train on", where="data", right="hold out fewer images, or leave the class out")
    return Split(pool, held[VALIDATION], held[TEST])


def with_wrong_labels(images: Images, positions: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """The labels of the set, some of them replaced by another class.

    Which image is mislabeled, and as what, follows from (seed, image id): a greater share contains a smaller one.

    Args:
        images: the set, left as it is.
        positions: the images that may be mislabeled (those that are trained on).
        share: the part of them that is, rounded to whole images, in [0, 1).
        seed: what it is drawn from.

    Returns:
        ``int64 [N]``, as `Images.labels`.

    Raises:
        InputError: there is no other class to put.
    """
    labels = images.labels.copy()
    count = round(share * len(positions))
    if count and len(images.classes) < 2:
        raise InputError("a set of one class has no wrong labels", where="data.wrong_labels", right="leave it at 0")
    order = keyed.permutation(seed, "wrong labels", 0, keyed.words(images.ids[i] for i in positions)).numpy()
    chosen = positions[order[:count]]
    draws = keyed.Draws(keyed.hashed(keyed.derive(seed, "wrong class"), keyed.words(images.ids[i] for i in chosen)))
    away = draws.integers("wrong label", 1, len(images.classes)).numpy()
    labels[chosen] = (labels[chosen] + away) % len(images.classes)
    return labels
