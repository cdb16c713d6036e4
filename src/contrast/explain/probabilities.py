"""What a network says of single images: the probability of each class as bars, the greatest marked (report row U5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contrast import keyed
from contrast.explain.judged import Ints, Judged
from contrast.explain.sheets import Tile, fitting, font, scaled
from contrast.figures import _style
from contrast.shown import shown

if TYPE_CHECKING:
    from PIL import Image

MOST_CLASSES = 10
_PICTURE, _LINE, _NAME, _BAR, _GAP = 96, 15, 110, 170, 18


@dataclass(frozen=True)
class Bar:
    """One class's probability, a fraction."""

    label: str
    probability: float
    true: bool
    greatest: bool

    @property
    def percent(self) -> str:
        """The probability in words."""
        return percent(self.probability)


def percent(probability: float) -> str:
    """``97.3 %``; what is almost certain is not told as certain."""
    share = 100 * probability
    return "> 99.9 %" if share >= 99.95 else "< 0.1 %" if share < 0.05 else f"{share:.1f} %"


@dataclass(frozen=True)
class Said:
    """An image and what was said of it."""

    tile: Tile
    bars: tuple[Bar, ...]
    true: str | None
    predicted: str

    @property
    def verdict(self) -> str:
        """``7, taken for 1``; the prediction alone where nobody knows the class."""
        if self.true is None:
            return self.predicted
        return f"{self.true}, right" if self.true == self.predicted else f"{self.true}, taken for {self.predicted}"


@dataclass(frozen=True)
class Group:
    """Images that were chosen for one reason."""

    name: str
    title: str
    caption: str
    said: tuple[Said, ...]

    def draw(self) -> Image.Image:
        """All of them as one RGB picture on white, two beside each other."""
        from PIL import Image, ImageDraw

        most = max(len(one.bars) for one in self.said)
        high, wide = max(_PICTURE, most * _LINE) + _LINE + _GAP, _PICTURE + _NAME + _BAR + 4 * _GAP
        columns = min(2, len(self.said))
        drawn = Image.new("RGB", (columns * wide, -(-len(self.said) // columns) * high + _GAP), _style.PAPER)
        pen = ImageDraw.Draw(drawn)
        for at, one in enumerate(self.said):
            left, top = _GAP + at % columns * wide, _GAP + at // columns * high
            drawn.paste(scaled(one.tile.pixels, _PICTURE), (left, top + _LINE + 2))
            pen.text((left, top - 2), fitting(one.verdict, wide - 2 * _GAP), fill=_style.INK, font=font())
            for row, bar in enumerate(one.bars):
                y, x = top + _LINE + 2 + row * _LINE, left + _PICTURE + _GAP
                color = _style.COLORS["blue"] if bar.greatest else _style.COLORS["baseline"]
                pen.text((x, y - 1), fitting(f"✓ {bar.label}" if bar.true else bar.label, _NAME - 8), fill=_style.INK, font=font())
                width = round((_BAR - 52) * bar.probability)
                pen.rectangle((x + _NAME, y + 3, x + _NAME + max(width, 1), y + 10), fill=color)
                pen.text((x + _NAME + max(width, 1) + 6, y - 1), bar.percent, fill=_style.SOFT, font=font())
        return drawn


def said(judged: Judged, position: int, pixels: NDArray[np.uint8], classes: Sequence[str], caption: str = "") -> Said:
    """One image with its bars: all classes in their order where there are few, else the greatest, descending.

    Args:
        judged: what was said of the images; must hold probabilities.
        position: which image.
        pixels: it, ``uint8 [H, W, C]``.
        classes: their names.
        caption: what to write below it.
    """
    true, predicted = int(judged.labels[position]), int(judged.predictions[position])
    names = {at: shown(str(name), 40) for at, name in enumerate(classes)}
    bars = [
        Bar(names[at], min(1.0, max(0.0, share)), at == true, at == predicted) for at, share in _shares(judged, position, len(classes))[:MOST_CLASSES]
    ]
    return Said(Tile(pixels, caption), tuple(bars), names.get(true), names[predicted])


def _shares(judged: Judged, position: int, classes: int) -> list[tuple[int, float]]:
    if judged.probabilities is not None and classes <= MOST_CLASSES:
        return [(at, float(share)) for at, share in enumerate(judged.probabilities[position])]
    if judged.top_classes is None or judged.top_probabilities is None:
        return []
    best = zip(judged.top_classes[position].tolist(), judged.top_probabilities[position].tolist(), strict=True)
    return [(int(at), float(share)) for at, share in best][: MOST_CLASSES // 2]


@dataclass(frozen=True)
class Notable:
    """Images that are worth a look: positions, ``int64 [n]`` each."""

    random: Ints
    surest_right: Ints
    surest_wrong: Ints
    least_sure: Ints


def notable(judged: Judged, most: int = 4, seed: int = 0) -> Notable:
    """Randomly drawn images; the surest right and wrong ones; those whose greatest probability is least.

    Args:
        judged: what a run said of a part; must hold confidences.
        most: images of each kind.
        seed: what the random ones are drawn from, by image id.

    Raises:
        ValueError: no confidence was kept.
    """
    if judged.confidence is None:
        raise ValueError("the run kept no probabilities")
    drawn = keyed.permutation(seed, "probabilities", 0, keyed.words(judged.ids)).numpy()[:most]
    surest = np.argsort(-judged.confidence, kind="stable")
    return Notable(drawn, surest[judged.right[surest]][:most], surest[~judged.right[surest]][:most], surest[::-1][:most])
