"""What a data set holds: counts, shapes, channel statistics, and a sheet of sample images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contrast import keyed
from contrast.errors import in_one_line
from contrast.images import PARTS, TRAIN, Images, Split

if TYPE_CHECKING:
    from PIL import Image

    from contrast.explain.files import Files

_BAR = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"
_CELL, _CAPTION, _MARGIN = 96, 18, 4
_CAPTION_SIZE = 12


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation (population) of each channel in [0, 1], over `images` images."""

    images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class DataDescription:
    """What a data set holds, and what a run trains on of it.

    Attributes:
        images: how many there are.
        shape: channels, height, width.
        bytes: what the pixels take in memory.
        given: part → images, as the owners divide the set.
        split: part → images, as a run uses them.
        classes: class names in the order of their indices.
        counts: part → images of each class, as a run uses them.
        owners: statistics over the whole training part that the owners give.
        training: statistics over the images that a run trains on.
        imbalance: training images of the largest class over those of the smallest.
        fingerprint: SHA-256 of contents, labels, ids and class names.
        notes: what was done to make the images ready.
        files: what the image files are, where the set is a folder (see `explain.files.Files`).
    """

    images: int
    shape: tuple[int, int, int]
    bytes: int
    given: dict[str, int]
    split: dict[str, int]
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    owners: Statistics
    training: Statistics
    imbalance: float
    fingerprint: str
    notes: tuple[str, ...]
    files: Files | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        said = asdict(self)
        return said | ({"files": said["files"] | {"lines": self.files.lines()}} if self.files else {})

    def to_text(self) -> str:
        """Lines for a terminal, without a newline at the end."""
        channels, height, width = self.shape
        mode = {1: "gray", 3: "color"}.get(channels, f"{channels} channels")
        lines = [
            f"{self.images:,} images, {height}×{width} {mode}, {self.bytes / 1e6:,.1f} MB, fingerprint {self.fingerprint[:12]}",
            f"given   {_shares(self.given)}",
            f"split   {_shares(self.split)}",
            *([f"files   {line}" for line in self.files.lines()] if self.files else []),
            "",
            *_bars(self.classes, self.counts),
            f"largest class / smallest class, in training: {self.imbalance:.2f}",
            "",
            *_table({"given training part": self.owners, "trained on": self.training}),
        ]
        return "\n".join(lines + [f"note: {note}" for note in self.notes])


def describe(images: Images, split: Split, files: Files | None = None) -> DataDescription:
    """Describe a data set and its split.

    Args:
        images: the set.
        split: which images train, which choose, which judge.
        files: what the image files are, where the set is a folder.
    """
    positions: dict[str, NDArray[np.int64]] = {part: getattr(split, part) for part in PARTS}
    counts = {part: np.bincount(images.labels[where], minlength=len(images.classes)) for part, where in positions.items()}
    trained = counts[TRAIN]
    return DataDescription(
        images=len(images),
        shape=images.shape,
        bytes=images.pixels.nbytes,
        given={part: len(images.positions(part)) for part in PARTS},
        split={part: len(where) for part, where in positions.items()},
        classes=images.classes,
        counts={part: tuple(int(n) for n in each) for part, each in counts.items()},
        owners=_statistics(images, images.positions(TRAIN)),
        training=_statistics(images, split.train),
        imbalance=float(trained.max() / trained.min()),
        fingerprint=images.fingerprint,
        notes=images.notes,
        files=files,
    )


def _statistics(images: Images, positions: NDArray[np.int64]) -> Statistics:
    mean, std = images.statistics(positions)
    return Statistics(len(positions), tuple(map(float, mean)), tuple(map(float, std)))


def _shares(parts: dict[str, int]) -> str:
    total = sum(parts.values()) or 1
    return "   ".join(f"{part} {count:,} ({count / total:.1%})" for part, count in parts.items() if count)


def _bars(classes: tuple[str, ...], counts: dict[str, tuple[int, ...]]) -> list[str]:
    """One line a class: name, images of each part, a bar for those trained on."""
    names = [in_one_line(name) for name in classes]
    wide = max(len("class"), *map(len, names))
    most = max(counts[TRAIN])
    lines = [f"{'class':<{wide}}" + "".join(f"{part:>12}" for part in PARTS)]
    for at, name in enumerate(names):
        eighths = round(counts[TRAIN][at] / most * _BAR * 8)
        bar = ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
        lines.append((f"{name:<{wide}}" + "".join(f"{counts[part][at]:>12,}" for part in PARTS) + f"  {bar}").rstrip())
    return lines


def _table(rows: dict[str, Statistics]) -> list[str]:
    """Mean and standard deviation of each channel, eight digits."""
    lines = []
    for name, statistics in rows.items():
        lines.append(f"{name}, {statistics.images:,} images")
        lines.append("  mean " + " ".join(f"{value:.8f}" for value in statistics.mean))
        lines.append("  std  " + " ".join(f"{value:.8f}" for value in statistics.std))
    return lines


def drawn(images: Images, positions: NDArray[np.int64], count: int, seed: int = 0) -> NDArray[np.int64]:
    """Some images of a set, randomly drawn: positions, ``int64 [count]``, or as many as there are."""
    order = keyed.permutation(seed, "sample sheet", 0, keyed.words(images.ids[i] for i in positions)).numpy()
    chosen: NDArray[np.int64] = positions[order[:count]]
    return chosen


def sample_sheet(images: Images, positions: NDArray[np.int64], rows: int, columns: int, seed: int = 0) -> Image.Image:
    """A picture of randomly drawn images, each with its class name under it.

    Args:
        images: the set.
        positions: which images may be drawn, ``int64 [n]``.
        rows: rows of the sheet; fewer where there are not enough images.
        columns: columns of the sheet.
        seed: what the images are drawn from; the same seed draws the same images.

    Returns:
        An RGB picture; images are enlarged without smoothing, or reduced with it, to cells of 96 pixels.
    """
    from PIL import Image, ImageDraw, ImageFont

    samples = drawn(images, positions, rows * columns, seed)
    high, wide = _CELL + _CAPTION + _MARGIN, _CELL + _MARGIN
    sheet = Image.new("RGB", (columns * wide + _MARGIN, -(-len(samples) // columns) * high + _MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_CAPTION_SIZE)
    for at, position in enumerate(samples):
        left, top = _MARGIN + at % columns * wide, _MARGIN + at // columns * high
        picture = cell(images.pixels[position])
        sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2))
        caption = in_one_line(images.classes[images.labels[position]])
        while len(caption) > 1 and font.getlength(caption) > _CELL:
            caption = caption.rstrip("…")[:-1] + "…"
        pen.text((left, top + _CELL + 1), caption, fill="black", font=font)
    return sheet


def cell(pixels: NDArray[np.uint8]) -> Image.Image:
    """One image, ``uint8 [H, W, C]``, brought to fit a cell."""
    from PIL import Image

    channels = pixels.shape[-1]
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if channels < 3 else pixels[..., :3]))
    scale = _CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR).convert("RGB")
