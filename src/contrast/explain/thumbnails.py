"""Small pictures that a page carries many of: pixels to an address of a few kilobytes."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from contrast.explain.sheets import picture

SIDE = 112
"""Pixels of a thumbnail's longer side; images that are smaller stay as they are."""
_EXACT = 48
"""Longer side, pixels, up to which every pixel is kept: such images are shown enlarged, and would show the losses."""


def address(pixels: NDArray[np.uint8]) -> str:
    """An image as a ``data:`` address in WebP, exact where it is small.

    Args:
        pixels: ``uint8 [H, W]``, ``[H, W, 1]`` or ``[H, W, 3]``; of other numbers of channels the first is shown.
    """
    drawn = picture(pixels)
    exact = max(drawn.size) <= _EXACT
    drawn.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    drawn.convert("RGB").save(stream, format="WEBP", lossless=exact, quality=80, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def is_smooth(shape: tuple[int, ...]) -> bool:
    """Whether thumbnails of images of this height and width have enough pixels to be resampled smoothly."""
    return max(shape[:2]) > _EXACT
