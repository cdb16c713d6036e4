"""Numbers as they are printed: rounded by their standard error, with a true minus sign."""

from __future__ import annotations

import math

MINUS = "−"
MOST_DECIMALS = 6
NOTHING_LEFT = 1e-9
"""A standard error below this is that of values that are all alike."""


def decimals_for(standard_error: float | None) -> int:
    """Decimals that leave one figure of the standard error, two after a leading 1 (0.24 → 1, 0.14 → 2); never below 0.

    One of 0, or of the rounding of floats where all values are alike, leaves one decimal.
    """
    if standard_error is None or not math.isfinite(standard_error) or standard_error < NOTHING_LEFT:
        return 1
    exponent = math.floor(math.log10(standard_error))
    leading = standard_error / 10.0**exponent
    return min(MOST_DECIMALS, max(0, -exponent + (leading < 2)))


def decimals_apart(values: tuple[float, ...], decimals: int, landmark: float = 0.0) -> int:
    """As many decimals more as it takes that no value prints as the landmark unless it is the landmark.

    An interval that leaves out zero must not print as "0.0 to 2.9".
    """
    while decimals < MOST_DECIMALS and any(value != landmark and float(f"{abs(value - landmark):.{decimals}f}") == 0 for value in values):
        decimals += 1
    return decimals


def number(value: float, decimals: int) -> str:
    """ "−0.4", "1.1"; zero has no sign."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float, decimals: int) -> str:
    """ "+2.3", "−0.4", "+0.0"."""
    text = number(value, decimals)
    return text if text.startswith(MINUS) else f"+{text}"


def p_text(p: float, alpha: float = 0.05) -> str:
    """ "p < 0.001", "p = 0.012", "p = 0.31"; never printed as equal to `alpha` unless it is."""
    if p < 0.001:
        return "p < 0.001"
    decimals = decimals_apart((p,), 3 if p < 0.1 else 2, alpha)
    return f"p = {p:.{decimals}f}"


def percent(level: float) -> str:
    """ "95 %", "99.2 %"."""
    return f"{round(100 * level, 1):g} %"
