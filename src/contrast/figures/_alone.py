"""A picture as one SVG that stands alone: what its colors mean above, its panels in rows, on white, its font named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from contrast.figures import _style, _svg

if TYPE_CHECKING:
    from contrast.figures._picture import Picture

FONT = "Liberation Sans, Arial, Helvetica, DejaVu Sans, sans-serif"
GAP, KEY_HEIGHT, SWATCH, LEFT = 16, 20, 11, 6
LEAST_WIDTH = 320
WIDE, NARROW = 960.0, 500.0
"""Pixels of a row of panels: for a screen, and for the column of a paper, where the same text is twice as large."""


def alone(picture: Picture, room: float = WIDE) -> str:
    """One ``<svg>`` element that holds the whole picture.

    Args:
        picture: panels and keys of the page's figure.
        room: pixels that panels beside each other may take; those of a wide picture stand below each other.
    """
    panels = [ElementTree.fromstring(panel) for panel in picture.panels]  # noqa: S314  our own drawing
    sizes = [(float(panel.get("width", "0")), float(panel.get("height", "0"))) for panel in panels]
    places, width, height = _placed(sizes, 0.0 if picture.wide else room)
    width = max(width, LEAST_WIDTH)
    keys = list(_keys(picture.keys, width))
    top = KEY_HEIGHT * (1 + max((row for row, *_ in keys), default=-1)) + (GAP / 2 if keys else 0)
    root = _element("svg", width=width, height=height + top, viewBox=f"0 0 {width:g} {height + top:g}")
    root.attrib |= {"font-family": FONT, "role": "img", "aria-label": _svg.NOT_XML.sub("\ufffd", f"{picture.title}. {picture.caption}")}
    root.append(_element("rect", width=width, height=height + top, fill=_style.PAPER))
    for row, x, name, role in keys:
        middle = KEY_HEIGHT * (row + 0.5)
        root.append(_element("rect", x=x, y=middle - SWATCH / 2, width=SWATCH, height=SWATCH, fill=_style.COLORS[role]))
        word = _element("text", x=x + SWATCH + 6, y=middle + 4, fill=_style.INK, **{"font-size": 12})
        word.text = _svg.NOT_XML.sub("\ufffd", name)
        root.append(word)
    for panel, (x, y) in zip(panels, places, strict=True):
        panel.attrib |= {"x": f"{x:g}", "y": f"{y + top:g}"}
        for inner in panel.iter():
            inner.attrib.pop("class", None)
        root.append(panel)
    return ElementTree.tostring(root, encoding="unicode")


def _element(tag: str, **attributes: str | float) -> ElementTree.Element:
    written = {name: value if isinstance(value, str) else f"{value:g}" for name, value in attributes.items()}
    return ElementTree.Element(f"{{{_svg.SVG}}}{tag}", written)


def _placed(sizes: Sequence[tuple[float, float]], room: float) -> tuple[list[tuple[float, float]], float, float]:
    """Where each panel stands, and the width and height of all of them."""
    places, x, y, widest, below = list[tuple[float, float]](), 0.0, 0.0, 0.0, 0.0
    for width, height in sizes:
        if x > 0 and x + width > room:
            x, y = 0.0, below + GAP
        places.append((x, y))
        x, widest, below = x + width + GAP, max(widest, x + width), max(below, y + height)
    return places, widest, below


def _keys(keys: Sequence[tuple[str, str]], width: float) -> Iterator[tuple[int, float, str, str]]:
    """Row, place, name and color of each key; a new row where one does not fit."""
    row, x = 0, float(LEFT)
    for name, role in keys:
        needed = SWATCH + 6 + _style.room_for([name]) + GAP
        if x > LEFT and x + needed > width:
            row, x = row + 1, float(LEFT)
        yield row, x, name, role
        x += needed
