"""Numbers as colors: gray for zero, one hue for amounts, two for signs; legible to color-blind readers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]

_AMOUNTS = ("#081622", "#123f60", "#2a6f9e", "#74aecb", "#d9e6e6", "#fffbe9")
_SIGNS = ("#053b63", "#2f86b8", "#a9cfe0", "#f6f3ea", "#f0bd94", "#d9722a", "#8a3a00")


def around_gray(values: Floats, scale: float) -> Pixels:
    """Signed numbers as levels: zero is middle gray, `scale` white, −`scale` black, ``uint8`` of the same shape."""
    return np.asarray(np.rint(127.5 * (1 + np.clip(values / (scale or 1.0), -1, 1))), np.uint8)


def amounts(values: Floats, low: float, high: float) -> Pixels:
    """Numbers from `low` (dark) to `high` (light), ``uint8 [..., 3]``."""
    return _mapped((values - low) / ((high - low) or 1.0), _AMOUNTS)


def signs(values: Floats, scale: float) -> Pixels:
    """Signed numbers: blue below zero, paper at zero, vermillion above, ``uint8 [..., 3]``; ±`scale` are the ends."""
    return _mapped((values / (scale or 1.0) + 1) / 2, _SIGNS)


def _mapped(shares: Floats, colors: tuple[str, ...]) -> Pixels:
    stops = np.linspace(0, 1, len(colors))
    channels = [[int(color[at : at + 2], 16) for color in colors] for at in (1, 3, 5)]
    clipped = np.nan_to_num(np.clip(shares, 0, 1))
    return np.rint(np.stack([np.interp(clipped, stops, levels) for levels in channels], axis=-1)).astype(np.uint8)


def ramp(kind: str, steps: int = 64) -> Pixels:
    """The color scale itself, dark or negative first, ``uint8 [1, steps, 3]``; `kind` is amounts, signs or gray."""
    shares = np.linspace(0, 1, steps)[None]
    if kind == "gray":
        return np.repeat(around_gray(2 * shares - 1, 1.0)[..., None], 3, axis=-1)
    return _mapped(shares, _AMOUNTS if kind == "amounts" else _SIGNS)
