"""How a pool of labeled images is divided: stratified shares, folds, and groups that stay whole; arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError


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
    count = counted(total, share, what)
    classes = np.repeat(np.arange(len(available)), available)
    ranks = np.concatenate([(np.arange(n) + 0.5) / n for n in available])
    first = np.lexsort((classes, ranks))[:count]  # a class's images evenly spaced in [0, 1]: a greater share only adds
    return np.bincount(classes[first], minlength=len(available)).astype(np.int64)


def counted(total: int, share: int | float, what: str) -> int:
    """A count or a fraction of `total` images, as a count.

    Raises:
        InputError: it is none, or more than there are.
    """
    count = share if isinstance(share, int) else round(share * total)
    if not 0 < count <= total:
        raise InputError(f"{share} asks for {count} of {total} images", where=f"data.{what}", right=f"give a count from 1 to {total} or a fraction")
    return count


def dealt(labels: NDArray[np.int64], order: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Stratified folds: class after class is dealt out, so that folds differ by one image at most, in each class and in all.

    Args:
        labels: ``int64 [N]``.
        order: the order in which the images of each class are dealt, positions ``int64 [N]``.
        folds: how many.

    Returns:
        The fold of each image, ``int64 [N]``.
    """
    by_class = order[np.argsort(labels[order], kind="stable")]
    parts = np.empty(len(labels), np.int64)
    parts[by_class] = np.arange(len(labels)) % folds
    return parts


def apportioned(counts: NDArray[np.int64], shares: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each group to one part, so that every part comes near its share of every class.

    Large groups first, since small ones even out what is left; groups of about one size (within a factor of two) in the
    given order, which makes the draw. Each goes where it lowers the squared distance to the wanted counts most, a class
    weighing as one over its images: the greedy rule of scikit-learn's StratifiedGroupKFold, for shares of any size.

    Args:
        counts: images of each class in each group, ``int64 [groups, classes]``.
        shares: of each part, ``float64 [parts]``, 1 together.
        order: of the groups, positions ``int64 [groups]``.

    Returns:
        The part of each group, ``int64 [groups]``.
    """
    totals = counts.sum(axis=0)
    missing = np.outer(shares, totals)
    weights = 1 / np.maximum(totals, 1)
    octaves = np.floor(np.log2(np.maximum(counts.sum(axis=1), 1)))
    parts = np.empty(len(counts), np.int64)
    for group in order[np.argsort(-octaves[order], kind="stable")]:
        own = counts[group]
        parts[group] = ((own - 2 * missing) * own * weights).sum(axis=1).argmin()
        missing[parts[group]] -= own
    return parts
