"""A data set in memory: pixels, labels, ids, the parts it came in, and how it is split."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from contrast.apportion import apportioned, counted, dealt, quotas
from contrast.errors import InputError
from contrast.protocols import DataIngredient

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)

_BLOCK = 4096
_BLOCK_BYTES = 64 << 20
"""Images, and bytes of them, that are looked at together; those of a large set lie on the disk."""


class Away(ABC):
    """Pixels that are not in memory: as an array where they are asked for their shape, their number or some of their images.

    Attributes:
        shape: images, height, width, channels.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        self.nbytes = math.prod(shape)

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, which: int | slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Bring images into memory."""

    @abstractmethod
    def at(self, positions: NDArray[np.int64]) -> Away:
        """Some of the images, where they are."""

    def levels(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `levels`."""
        return levels(cast("NDArray[np.uint8]", self), positions)

    def contents(self) -> Iterator[NDArray[np.uint8]]:
        """All that a fingerprint covers, in blocks."""
        return blocks(cast("NDArray[np.uint8]", self))


def blocks(pixels: NDArray[np.uint8], positions: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.uint8]]:
    """All images, or some, a block of them after the other."""
    step = max(1, min(_BLOCK, _BLOCK_BYTES // max(1, math.prod(pixels.shape[1:]))))
    for start in range(0, len(pixels) if positions is None else len(positions), step):
        yield pixels[start : start + step] if positions is None else pixels[positions[start : start + step]]


def levels(pixels: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often each channel has each of the 256 levels in some images, ``float64 [C, 256]``."""
    counts = np.zeros((pixels.shape[-1], 256))
    for block in blocks(pixels, positions):
        for channel in range(block.shape[-1]):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    return counts


@dataclass(frozen=True)
class Images:
    """Decoded images of one size.

    Attributes:
        pixels: ``uint8 [N, H, W, C]`` (channels last, as the device wants them); of a large set an `Away`, which takes the place of an array.
        labels: ``int64 [N]``, indices into `classes`.
        ids: one stable name an image: its path below the root, or part and index (``train/17``).
        classes: class names in the order of their indices.
        parts: ``str [N]``: the part that the owners put each image in (one of `PARTS`).
        notes: what a reader of the page should know of how the images were made ready (sizes changed, say).
        groups: ``str [N]``: what each image belongs to (a patient, a scene), where that is known; a split keeps groups whole.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    notes: tuple[str, ...] = field(default=())
    groups: NDArray[np.str_] | None = field(default=None)

    def __post_init__(self) -> None:
        count = len(self.ids)
        if not (len(self.pixels) == len(self.labels) == len(self.parts) == count):
            raise ValueError("pixels, labels, ids and parts must have one entry an image")
        if self.groups is not None and len(self.groups) != count:
            raise ValueError("groups must have one entry an image")
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
        for block in self.pixels.contents() if isinstance(self.pixels, Away) else blocks(self.pixels):
            digest.update(np.ascontiguousarray(block).data.cast("B"))
        digest.update(np.ascontiguousarray(self.labels).data.cast("B"))
        digest.update("\0".join(self.ids).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def known_by(self, fingerprint: str) -> Images:
        """The same set, its fingerprint known already from a store that was checked, so that it is not computed again."""
        self.__dict__["fingerprint"] = fingerprint
        return self

    def positions(self, part: str) -> NDArray[np.int64]:
        """Where the images of a given part stand, in order."""
        return np.flatnonzero(self.parts == part)

    def statistics(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation (population) of each channel over some images, in [0, 1], ``float64 [C]``.

        Computed from counts of the 256 levels, and so exact to rounding.
        """
        values = np.arange(256, dtype=np.float64) / 255
        counts = self.pixels.levels(positions) if isinstance(self.pixels, Away) else levels(self.pixels, positions)
        shares = counts / counts.sum(axis=1, keepdims=True)
        mean = shares @ values
        return mean, np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))

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


@dataclass(frozen=True)
class Folds:
    """One of k folds.

    Attributes:
        count: k.
        number: which one, from 0.
        rotate: what the fold is held out as; ``auto``: as test where the set has no test part of its own, else as validation.
    """

    count: int
    number: int
    rotate: Literal["auto", "validation", "test"] = "auto"

    def part(self, images: Images) -> str:
        """The part that the fold is, ``validation`` or ``test``."""
        if self.rotate != "auto":
            return self.rotate
        return VALIDATION if len(images.positions(TEST)) else TEST


def divided(images: Images, data: DataIngredient) -> Split:
    """Split a set as its settings say; see `split`."""
    folds = Folds(data.folds, data.fold, data.rotate) if data.folds is not None else None
    return split(images, validation=data.validation, test=data.test, train=data.train, seed=data.split_seed, folds=folds)


def split(
    images: Images,
    *,
    validation: int | float,
    test: int | float | None,
    train: int | float | None,
    seed: int,
    folds: Folds | None = None,
) -> Split:
    """Split a set, keeping the parts that it came in: only the training part is divided.

    Where there are folds, one of them is the validation or the test part (`Folds.rotate`), and a part of that kind that
    the set came with is dealt out together with the training part. Where images belong to groups, these stay whole; the
    images that `train` takes are drawn singly, since the others are on no side.

    Args:
        images: the set.
        validation: how much of the training part is held out, where the set has no validation part of its own.
        test: how much of the training part is set aside for the end, where the set has no test part of its own.
        train: how much of what is left is trained on; None for all of it.
        seed: what the split is drawn from.
        folds: which of how many folds takes the place of `validation` or `test`.

    Raises:
        InputError: a share does not fit, a class has too few images, or a group would be on two sides.
    """
    held = {part: images.positions(part) for part in (TEST, VALIDATION)}
    rotated = folds.part(images) if folds is not None else None
    drawn = [part for part in held if part == rotated or not len(held[part])]
    pool = np.sort(np.concatenate([images.positions(TRAIN), *(held[part] for part in drawn)]))
    if drawn:
        _check_classes(images, pool)
    shares = {TEST: test, VALIDATION: validation}
    for part in drawn:
        held[part] = (
            _fold(images, pool, folds, seed, part) if folds is not None and part == rotated else _held(images, pool, shares[part], seed, part)
        )
        pool = np.setdiff1d(pool, held[part], assume_unique=True)
    if train is not None:
        pool = _take(images, pool, train, seed, TRAIN)
    made = Split(pool, held[VALIDATION], held[TEST])
    _check_parts(images, made)
    return made


def _take(images: Images, pool: NDArray[np.int64], share: int | float, seed: int, what: str) -> NDArray[np.int64]:
    """A stratified part of `pool`, drawn by image id: the first of each class in a keyed order, and so nested."""
    order = pool[_order((images.ids[i] for i in pool), seed, what)]
    labels = images.labels[order]
    wanted = quotas(np.bincount(labels, minlength=len(images.classes)), share, what)
    chosen = [order[labels == label][:count] for label, count in enumerate(wanted)]
    return np.sort(np.concatenate(chosen))


def _order(names: Iterable[str], seed: int, what: str) -> NDArray[np.int64]:
    from contrast import keyed  # needs torch; whoever only looks at images does not

    order: NDArray[np.int64] = keyed.permutation(seed, f"split {what}", 0, keyed.words(names)).numpy()
    return order


def _held(images: Images, pool: NDArray[np.int64], share: int | float | None, seed: int, part: str) -> NDArray[np.int64]:
    """What is held out of `pool` as one part."""
    if share is None:
        raise InputError(f"the set has no {part} part", where=f"data.{part}", right=f"say how much to hold out for the end, e.g. {part}: 0.2")
    if images.groups is None:
        return _take(images, pool, share, seed, part)
    held_share = counted(len(pool), share, part) / len(pool)
    is_held = _by_groups(images, pool, np.array([held_share, 1 - held_share]), seed, part) == 0
    chosen: NDArray[np.int64] = pool[is_held]
    if len(chosen) in (0, len(pool)):
        told = f"no whole groups make up about {share} of {len(pool)} images"
        raise InputError(told, where=f"data.{part}", right="ask for another share, or divide without groups")
    return chosen


def _fold(images: Images, pool: NDArray[np.int64], folds: Folds, seed: int, part: str) -> NDArray[np.int64]:
    """One fold of `pool`."""
    if images.groups is None:
        parts = dealt(images.labels[pool], _order((images.ids[i] for i in pool), seed, "folds"), folds.count)
    else:
        parts = _by_groups(images, pool, np.full(folds.count, 1 / folds.count), seed, "folds")
    chosen: NDArray[np.int64] = pool[parts == folds.number]
    kinds = np.unique(images.labels[chosen])
    if len(kinds) < 2:
        told = f"holds one class only, {images.classes[kinds[0]]!r}" if len(kinds) else "holds no image"
        raise InputError(f"fold {folds.number} of {folds.count} {told}", where=f"data.folds ({part})", right="take fewer folds")
    return chosen


def _by_groups(images: Images, pool: NDArray[np.int64], shares: NDArray[np.float64], seed: int, what: str) -> NDArray[np.int64]:
    """The part of each image of `pool`, groups whole, ``int64 [pool]``."""
    assert images.groups is not None
    names, index = np.unique(images.groups[pool], return_inverse=True)
    counts = np.zeros((len(names), len(images.classes)), np.int64)
    np.add.at(counts, (index, images.labels[pool]), 1)
    parts: NDArray[np.int64] = apportioned(counts, shares, _order(names.tolist(), seed, f"{what} groups"))[index]
    return parts


def _check_classes(images: Images, pool: NDArray[np.int64]) -> None:
    """Refuse classes of a single image: it can't be trained on and held out."""
    single = [name for name, count in zip(images.classes, np.bincount(images.labels[pool], minlength=len(images.classes)), strict=True) if count == 1]
    if single:
        listed = ", ".join(repr(name) for name in single[:5]) + (f" and {len(single) - 5} more" if len(single) > 5 else "")
        told = (
            f"{'class' if len(single) == 1 else 'classes'} {listed} {'has' if len(single) == 1 else 'have'} a single image, which can't be stratified"
        )
        raise InputError(told, where="data", right="add images, leave the class out, or say by a split of your own where it belongs")


def _check_parts(images: Images, made: Split) -> None:
    """Refuse a split that leaves a class untrained, or has a group on two sides."""
    left = np.bincount(images.labels[made.train], minlength=len(images.classes))
    if (left == 0).any():
        empty = images.classes[int(np.argmin(left))]
        raise InputError(f"class {empty!r} has no image left to train on", where="data", right="hold out fewer images, or leave the class out")
    if images.groups is None:
        return
    seen: dict[str, str] = {}
    for part in PARTS:
        for group in np.unique(images.groups[getattr(made, part)]).tolist():
            if seen.setdefault(group, part) != part:
                told = f"group {group!r} is in {seen[group]} and in {part}"
                raise InputError(told, where="data", right="put all its images into one part, or leave the split to contrast")


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
    from contrast import keyed

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
