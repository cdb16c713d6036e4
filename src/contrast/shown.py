"""Words that came from a user, made fit to be seen: no control character acts on a terminal, a page or a figure."""

from __future__ import annotations

import unicodedata

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = frozenset("\u200c\u200d")
MOST = 255


def shown(text: str, most: int = MOST) -> str:
    """A name in one line of visible characters: controls as control pictures (``␛``), direction marks as ``‹U+202E›``.

    Args:
        text: any string, lone surrogates included.
        most: longer ones are cut in the middle, so that names with one beginning stay apart.
    """
    seen = "".join(_visible(character) for character in text)
    if len(seen) <= most:
        return seen
    head = (most - 1) * 2 // 3
    return f"{seen[:head]}…{seen[len(seen) - (most - 1 - head) :]}"


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    hidden = category in ("Cc", "Zl", "Zp") or character in _BIDI or (category == "Cf" and character not in _JOINERS)
    return f"‹U+{code:04X}›" if hidden or code & 0xFFFE == 0xFFFE else character
