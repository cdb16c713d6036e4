"""When each validation image was learnt for good, and how often it was forgotten on the way (Toneva et al. 2019)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError
from contrast.explain.sheets import Sheet, Tile
from contrast.numbers import plural
from contrast.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from contrast.explain.judged import Judged

COLUMNS = ("epoch", "right")
"""Of learning.csv: an epoch, and which validation images were right after it, a bit each, in base64."""

MOST_SHOWN = 24


@dataclass(frozen=True)
class Learning:
    """How a run learnt its validation images.

    Attributes:
        learnt: the epoch from which on an image was right until the end, ``int64 [N]``; 0 where it was wrong at the end.
        forgotten: how often it was right after one epoch and wrong after the next, ``int64 [N]``.
        epochs: how many there were.
    """

    learnt: NDArray[np.int64]
    forgotten: NDArray[np.int64]
    epochs: int

    @property
    def latest(self) -> NDArray[np.int64]:
        """Positions of the images that were learnt in the last third of the epochs, the latest first."""
        late = np.flatnonzero(self.learnt > 2 * self.epochs / 3)
        return late[np.argsort(-self.learnt[late], kind="stable")]

    @property
    def most_forgotten(self) -> NDArray[np.int64]:
        """Positions of the images that were forgotten at least twice, the most often forgotten first."""
        often = np.flatnonzero(self.forgotten >= 2)
        return often[np.argsort(-self.forgotten[often], kind="stable")]


def learning(rows: pd.DataFrame, images: int, where: str = "learning.csv") -> Learning | None:
    """Read a run's learning.csv.

    Args:
        rows: its columns `COLUMNS`, an epoch a row.
        images: how many validation images there are.
        where: its path, for the error.

    Returns:
        None where the run is of a release that kept no such file, or has no epoch.

    Raises:
        InputError: the file is damaged, or is of another number of images.
    """
    if not len(rows):
        return None
    try:
        bits = [np.frombuffer(base64.b64decode(str(right), validate=True), np.uint8) for right in rows["right"]]
    except (KeyError, binascii.Error) as error:
        raise InputError("is no list of what was right", where=where, right="restore the file, or run the study anew") from error
    if any(len(row) != (images + 7) // 8 for row in bits):
        raise InputError(f"is not of {plural(images, 'validation image')}", where=where, right="restore the file, or run the study anew")
    right = np.unpackbits(np.stack(bits), axis=1, count=images).astype(bool)
    epochs = rows["epoch"].to_numpy(np.int64)
    wrong_since = np.where(~right, epochs[:, None], 0).max(axis=0)
    later = np.searchsorted(epochs, wrong_since, side="right")
    learnt = np.where(right[-1], epochs[np.minimum(later, len(epochs) - 1)], 0)
    return Learning(learnt, (right[:-1] & ~right[1:]).sum(axis=0), int(epochs[-1]))


def told(found: Learning) -> str:
    """The finding in a sentence or two."""
    known = found.learnt[found.learnt > 0]
    if not len(known):
        return f"None of {plural(len(found.learnt), 'validation image')} is right after the last epoch."
    middle = int(np.median(known))
    often = len(found.most_forgotten)
    forgotten = f" {plural(often, 'image')} {'was' if often == 1 else 'were'} forgotten at least twice." if often else ""
    of = f"{len(known):,} of {plural(len(found.learnt), 'validation image')}"
    when = f"half of them for good from epoch {middle} on; {len(found.latest):,} were learnt in the last third of the epochs"
    return f"{of} are right after the last epoch, {when}.{forgotten}"


def sheets(found: Learning, judged: Judged, classes: Sequence[str], pixels_of: Callable[[Sequence[str]], NDArray[np.uint8] | None]) -> list[Sheet]:
    """The images that were learnt last and those that were forgotten most often, as pictures.

    Args:
        found: of the run.
        judged: what the run says of its validation images.
        classes: their names.
        pixels_of: gives ``uint8 [n, H, W, C]`` of some images by id, or None where they are not to be had.
    """
    late = ("learnt-late", "Learnt late", "Validation images that are right for good only from the epoch below them on.")
    lost = ("forgotten", "Forgotten", "Validation images that were right after one epoch and wrong after the next, as often as it says below them.")
    latest = [f"epoch {found.learnt[at]}" for at in found.latest]
    often = [f"{found.forgotten[at]} times" for at in found.most_forgotten]
    made = []
    for words, positions, said in ((late, found.latest, latest), (lost, found.most_forgotten, often)):
        shown_ones = positions[:MOST_SHOWN].tolist()
        pixels = pixels_of([judged.ids[at] for at in shown_ones])
        if shown_ones and pixels is not None:
            names = [shown(classes[int(judged.labels[at])], 20) for at in shown_ones]
            tiles = tuple(Tile(image, f"{name} · {what}") for image, name, what in zip(pixels, names, said, strict=False))
            made.append(Sheet(*words, tiles, columns=min(6, len(tiles)), size=132))
    return made
