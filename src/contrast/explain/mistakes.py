"""Misclassified images, surest first: to be looked at, filtered, and told apart by cause (report row M7)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError
from contrast.explain.judged import Ints, Judged
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

MOST, DRAWN = 150, 36
CAUSES = ("ambiguous", "unusual example", "wrong label", "poor image", "hidden or cut off", "several things", "background", "no visible reason")
"""What a reader is offered; any other words may be written."""
COLUMNS = ("id", "true", "predicted", "confidence", "cause")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MOST_BYTES, _MOST_WORDS = 10_000_000, 80


@dataclass(frozen=True)
class Mistake:
    """One misclassified image."""

    id: str
    tile: Tile
    true: int
    predicted: int
    confidence: float | None


def positions(judged: Judged) -> Ints:
    """Every misclassified image, the surest first; in their own order where no confidence was kept, ``int64 [n]``."""
    wrong = np.flatnonzero(~judged.right)
    return wrong if judged.confidence is None else wrong[np.argsort(-judged.confidence[wrong], kind="stable")]


def gallery(judged: Judged, chosen: Ints, pixels: NDArray[np.uint8]) -> list[Mistake]:
    """Some misclassified images with their pictures.

    Args:
        judged: what a run said.
        chosen: positions in it.
        pixels: of each of them, ``uint8 [n, H, W, C]``.
    """
    sure = judged.confidence
    return [
        Mistake(judged.ids[at], Tile(image), int(judged.labels[at]), int(judged.predictions[at]), None if sure is None else float(sure[at]))
        for at, image in zip(chosen.tolist(), pixels, strict=True)
    ]


def sheet(found: Sequence[Mistake], classes: Sequence[str], total: int) -> Sheet:
    """The first 36 as one picture, each with its class and what it was taken for."""
    tiles = tuple(Tile(one.tile.pixels, f"{classes[one.true]} → {classes[one.predicted]}") for one in found[:DRAWN])
    said = f"The surest {len(tiles)} of {total:,} misclassified test images: true class → prediction."
    return Sheet("mistakes", "Mistakes", said, tiles, columns=min(6, len(tiles)), size=132)


def tagged(path: Path) -> dict[str, str]:
    """Image id → cause, from a file that the page saved.

    Raises:
        InputError: it is no such file.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError("is too large for a list of causes", where=str(path))
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("cannot be read as CSV", where=str(path), right="give a file that the page saved") from error
    if rows and not {"id", "cause"} <= set(rows[0]):
        raise InputError("has no columns id and cause", where=str(path), right=f"its columns should be {', '.join(COLUMNS)}")
    return {_plain(row["id"]): _plain(row["cause"] or "")[:_MOST_WORDS] for row in rows if row["id"] and row["cause"]}


def _plain(cell: str) -> str:
    """A cell as it was before it was kept from being a spreadsheet's formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def causes(tags: dict[str, str], judged: Judged) -> list[tuple[str, int]]:
    """How often each cause was given to an image that this run gets wrong, most frequent first."""
    wrong = {judged.ids[at] for at in positions(judged).tolist()}
    return Counter(shown(cause, _MOST_WORDS) for name, cause in tags.items() if name in wrong).most_common()
