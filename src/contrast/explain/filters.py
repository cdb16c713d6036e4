"""What convolutions look for: the first layer's kernels as color images, any layer's kernels channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError, nearest
from contrast.explain.colors import around_gray
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

if TYPE_CHECKING:
    from torch import nn

Weights = NDArray[np.float32]
MOST, MOST_CHANNELS = 64, 16
GRAY = "Middle gray is zero; all tiles of this figure share one scale."


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """Every two-dimensional convolution by its name, in the order in which the network holds them."""
    from torch import nn

    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}


def chosen(model: nn.Module, layer: str) -> nn.Conv2d:
    """A convolution by its name.

    Raises:
        InputError: there is none of that name; says which there are.
    """
    known = convolutions(model)
    if layer not in known:
        right = nearest(layer, known) if known else "this network has no convolution"
        raise InputError(f"there is no convolution {layer!r}", where="--layer", right=right)
    return known[layer]


def kernels(model: nn.Module, layer: str) -> Weights:
    """A convolution's weights, ``float32 [out, in, height, width]``."""
    return chosen(model, layer).weight.detach().float().cpu().numpy()


def scale_of(*weights: Weights) -> float:
    """The largest magnitude among several layers' weights: what white and black stand for."""
    return max((float(np.abs(each).max()) for each in weights if each.size), default=1.0) or 1.0


def as_images(weights: Weights, scale: float) -> NDArray[np.uint8]:
    """Kernels over 1 or 3 input channels as gray or color images, ``uint8 [out, height, width, in]``; zero is middle gray.

    Source: report rows S2 and N9; Krizhevsky et al. 2012, figure 3.
    """
    return around_gray(np.moveaxis(weights, 1, -1), scale)


def mosaic(weights: Weights, scale: float, columns: int = 16) -> NDArray[np.uint8]:
    """The first filters of a layer over 1 or 3 channels in one picture, a gap of one pixel between them, ``uint8 [H, W, in]``."""
    images = as_images(weights[:MOST], scale)
    count, height, width, channels = images.shape
    rows, columns = -(-count // columns), min(columns, count)
    paper = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 255, np.uint8)
    for at, image in enumerate(images):
        top, left = at // columns * (height + 1), at % columns * (width + 1)
        paper[top : top + height, left : left + width] = image
    return paper


@dataclass(frozen=True)
class Moved:
    """How far training moved a layer's kernels: median over them of ‖after − before‖ / ‖before‖, and of the cosine between both."""

    distance: float
    cosine: float

    @classmethod
    def of(cls, before: Weights, after: Weights) -> Moved:
        """Compare a layer before and after training; both ``float32 [out, in, height, width]``."""
        first, last = (each.reshape(len(each), -1).astype(np.float64) for each in (before, after))
        start, end = (np.linalg.norm(each, axis=1) + 1e-12 for each in (first, last))
        cosines = (first * last).sum(axis=1) / (start * end)
        return cls(float(np.median(np.linalg.norm(last - first, axis=1) / start)), float(np.median(cosines)))

    def __str__(self) -> str:
        return f"training moved the median filter by {self.distance:.2f} of its length; the cosine between before and after is {self.cosine:.2f}"


def before_and_after(before: Weights, after: Weights, layer: str) -> list[Sheet]:
    """The first layer's filters before and after training, on one scale (report rows S2, N9)."""
    scale = scale_of(before, after)
    moved = Moved.of(before, after)
    shown_of = f" The first {MOST} of {len(after)}." if len(after) > MOST else ""
    said = f"The {len(after)} filters of {shown(layer, 60)}, {_window(after)}.{shown_of} {GRAY}"
    return [
        _filters("filters-before", "Before training", f"{said} These are the initial values, computed anew from the seed.", before, scale),
        _filters("filters-after", "After training", f"The same filters as validation chose them: {moved}.", after, scale),
    ]


def over_arms(weights: Mapping[str, Weights], layer: str) -> list[Sheet]:
    """One layer's filters in several arms, all on one scale; `weights` has arm → kernels of the same input channels."""
    scale = scale_of(*weights.values())
    return [
        _filters(f"filters-arm-{at}", shown(arm, 60), f"{shown(layer, 60)} of arm {shown(arm, 60)}; one scale for all arms.", each, scale)
        for at, (arm, each) in enumerate(weights.items())
    ]


def _filters(name: str, title: str, caption: str, weights: Weights, scale: float) -> Sheet:
    images = as_images(weights[:MOST], scale)
    return Sheet(name, title, caption, tuple(Tile(image) for image in images), columns=min(8, len(images)), size=52, scale=_ends(scale))


def per_channel(weights: Weights, layer: str) -> Sheet:
    """Kernels of any layer, one tile an output and input channel: a row an output, a column an input (report row M7)."""
    outputs, inputs = weights.shape[:2]
    part = weights[:MOST_CHANNELS, :MOST_CHANNELS]
    scale = scale_of(part)
    tiles = tuple(Tile(around_gray(kernel, scale)) for row in part for kernel in row)
    cut = f" Drawn: the first {part.shape[0]} of {outputs} outputs, {part.shape[1]} of {inputs} inputs." if part.size < weights.size else ""
    said = f"{shown(layer, 60)}: a row is one filter, a column one of its input channels, {_window(weights)}.{cut} {GRAY}"
    return Sheet(f"channels-{slug(layer)}", "Filters, channel by channel", said, tiles, columns=part.shape[1], size=32, scale=_ends(scale))


def slug(layer: str) -> str:
    """A layer's name as part of a file's name."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in layer)[:80]


def _window(weights: Weights) -> str:
    return f"{weights.shape[2]}×{weights.shape[3]} over {weights.shape[1]} channel{'s' if weights.shape[1] > 1 else ''}"


def _ends(scale: float) -> tuple[str, str, str]:
    return "gray", f"−{scale:.2g}", f"+{scale:.2g}"
