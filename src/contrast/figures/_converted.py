"""A drawing as PNG or PDF, without a browser; a character that no font of the machine has is told, and never drawn as a box."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from xml.etree import ElementTree

from contrast.errors import InputError

NOBODY_HAS = "\U0010fffd"
"""A character that is nobody's by definition: the last one for private use."""
SHAPELESS = ("Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp")
"""Kinds of characters that are not drawn by themselves."""
MOST_TOLD = 8


def png(svg: str, scale: float = 2.0) -> bytes:
    """The drawing as PNG, `scale` pixels for each of its own.

    Raises:
        InputError: it holds characters that no font of this machine has.
    """
    import vl_convert

    _check(svg)
    return bytes(vl_convert.svg_to_png(svg, scale=scale))


def pdf(svg: str) -> bytes:
    """The drawing as PDF of one page, its fonts embedded.

    Raises:
        InputError: it holds characters that no font of this machine has.
    """
    import vl_convert

    _check(svg)
    return bytes(vl_convert.svg_to_pdf(svg))


def unknown_characters(text: str) -> list[str]:
    """The characters of a text that no font of this machine has, each once: those that are drawn as the one that nobody has."""
    return [character for character in sorted(set(text)) if unicodedata.category(character) not in SHAPELESS and _is_unknown(character)]


def _check(svg: str) -> None:
    texts = ElementTree.fromstring(svg).itertext()  # noqa: S314  our own drawing
    unknown = unknown_characters("".join(texts))
    if unknown:
        told = ", ".join(f"{character} (U+{ord(character):04X})" for character in unknown[:MOST_TOLD])
        more = f" and {len(unknown) - MOST_TOLD} more" if len(unknown) > MOST_TOLD else ""
        right = "install a font that has them (Noto Sans does), or save as SVG, which needs none here"
        raise InputError(f"no font of this machine has {told}{more}", where="figure", right=right)


@lru_cache(maxsize=4096)
def _is_unknown(character: str) -> bool:
    return _drawn(character) == _box()


@lru_cache(maxsize=1)
def _box() -> bytes:
    return _drawn(NOBODY_HAS)


def _drawn(character: str) -> bytes:
    import vl_convert

    from contrast.figures._alone import FONT

    text = ElementTree.Element("text", {"x": "6", "y": "22", "font-size": "16", "font-family": FONT})
    text.text = character
    root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "width": "40", "height": "32"})
    root.append(text)
    return bytes(vl_convert.svg_to_png(ElementTree.tostring(root, encoding="unicode")))
