"""What a trained network says of image files: the most probable classes of each, as a table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.classifier import Classifier
from contrast.decode import SUFFIXES, Damage
from contrast.errors import InputError, in_one_line

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 500
"""Image files that are decoded together."""


@dataclass(frozen=True)
class Predictions:
    """What was said of image files.

    Attributes:
        rows: one a file and rank: image (its path as given, or below the folder given), rank (from 1), class, probability.
        damages: files that can't be used, and why.
    """

    rows: pd.DataFrame
    damages: tuple[Damage, ...]

    def to_text(self) -> str:
        """One line an image: its classes and their probabilities in percent, descending."""
        lines = []
        for name, group in self.rows.groupby("image", sort=False):
            said = "   ".join(f"{in_one_line(str(row[0]))} {100 * row[1]:.1f} %" for row in group[["class", "probability"]].itertuples(index=False))
            lines.append(f"{in_one_line(str(name))}   {said}")
        return "\n".join(lines)


def predict(classifier: Classifier, paths: Sequence[Path], top: int = 5) -> Predictions:
    """Judge image files; files that can't be decoded are named, and the others go on.

    Args:
        classifier: the network.
        paths: image files, and folders whose images (by their suffixes, subfolders too) are taken.
        top: classes an image, the most probable first.

    Raises:
        InputError: there is no such file, or a folder holds no image.
    """
    import pandas as pd

    found, damages = list(_files(paths)), list[Damage]()
    rows: list[dict[str, Any]] = []
    for start in range(0, len(found), BLOCK):
        block = found[start : start + BLOCK]
        pixels, reasons = classifier.read([path for _, path in block])
        damages += [Damage(block[at][0], reason) for at, reason in reasons.items()]
        sound = [at for at in range(len(block)) if at not in reasons]
        for at, shares in zip(sound, classifier.probabilities(pixels[sound]), strict=True):
            best = np.argsort(-shares, kind="stable")[:top]
            rows += [
                {"image": block[at][0], "rank": rank, "class": classifier.classes[label], "probability": float(shares[label])}
                for rank, label in enumerate(best.tolist(), start=1)
            ]
    return Predictions(pd.DataFrame(rows, columns=["image", "rank", "class", "probability"]), tuple(damages))


def _files(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Each file and its name; links inside a folder are not followed, so that nothing is read twice or from elsewhere."""
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise InputError("there is no such file or folder", where=str(path))
            yield str(path), path
            continue
        below = [Path(folder) / name for folder, _, names in os.walk(path) for name in names if Path(name).suffix.lower() in SUFFIXES]
        if not below:
            raise InputError("holds no image", where=str(path), right=f"its files should end in {', '.join(sorted(SUFFIXES))}")
        yield from ((str(file), file) for file in sorted(below) if not file.is_symlink())
