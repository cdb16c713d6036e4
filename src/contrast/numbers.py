"""Numbers as a reader wants them: points, durations, sizes, counts; a true minus sign; nothing where there is nothing."""

from __future__ import annotations

import math

MINUS = "−"
NOTHING = "–"


def is_number(value: object) -> bool:
    """Whether there is a finite number to show."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object, decimals: int = 2) -> str:
    """``12,345.68``; an en dash where there is no finite number."""
    if not is_number(value):
        return NOTHING
    text = f"{value:,.{decimals}f}"
    return (text.lstrip("-") if float(text.replace(",", "")) == 0 else text).replace("-", MINUS)


def signed(value: object, decimals: int = 2) -> str:
    """``+0.31``, ``−0.20``."""
    text = number(value, decimals)
    return text if text == NOTHING or text.startswith(MINUS) else f"+{text}"


def significant(value: object, figures: int = 4) -> str:
    """A figure of unknown size with so many significant digits; whole numbers whole."""
    if not is_number(value):
        return NOTHING
    assert isinstance(value, (int, float))
    if float(value).is_integer() and abs(value) < 1e15:
        return number(value, 0)
    return f"{value:.{figures}g}".replace("-", MINUS)


def clock(seconds: object) -> str:
    """``0:54``, ``12:03``, ``1:02:03``."""
    if not is_number(seconds):
        return NOTHING
    assert isinstance(seconds, (int, float))
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def duration(seconds: object) -> str:
    """``6.0 s`` below two minutes, else as a clock shows it."""
    if not is_number(seconds):
        return NOTHING
    assert isinstance(seconds, (int, float))
    return f"{number(seconds, 1 if seconds < 20 else 0)} s" if seconds < 120 else clock(seconds)


def size(count: object) -> str:
    """Bytes as ``412 MB``, ``1.6 GB`` (powers of 1000)."""
    if not is_number(count):
        return NOTHING
    assert isinstance(count, (int, float))
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def share(part: object) -> str:
    """``0.3 %`` of a fraction in [0, 1]."""
    return f"{number(100 * part, 1)} %" if isinstance(part, (int, float)) and is_number(part) else NOTHING


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 run``, ``9 runs``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
