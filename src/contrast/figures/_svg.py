"""A chart as SVG that stands in a page: drawn without a browser or network, its colors left to the page's style."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from contrast.figures._style import ROLES

SVG = "http://www.w3.org/2000/svg"
ELEMENTS = frozenset({"svg", "g", "path", "line", "rect", "text", "tspan", "circle", "title", "clipPath", "defs"})
PLACES = frozenset({"viewBox", "transform", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "dx", "dy", "width", "height", "clip-path", "id"})
STROKES = frozenset({"stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity"})
TEXTS = frozenset({"text-anchor", "font-size", "font-weight", "font-style", "dominant-baseline"})
ATTRIBUTES = PLACES | STROKES | TEXTS | {"fill", "fill-opacity", "opacity"}
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(chart: Any, label: str, prefix: str) -> str:
    """Draw a chart.

    Args:
        chart: an Altair chart; its data may hold any text.
        label: what the figure shows, for readers who do not see it.
        prefix: a word of letters that keeps the ids of this figure apart from others on the page.

    Returns:
        One ``<svg>`` element that holds shapes and text alone. Each color of the house stands as an attribute and as a class
        (``fill-blue``, ``stroke-ink``), so that a page can set it anew and the picture is right without it.
    """
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(_clean(chart.to_dict(validate=False)), allowed_base_urls=[])
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(NOT_XML.sub("\ufffd", drawn))  # noqa: S314  Vega wrote it, and it writes no document type to expand
    for paper in root.findall(f"{{{SVG}}}rect"):
        root.remove(paper)
    _strip(root)
    _number(root, prefix)
    width, height = root.get("viewBox", "0 0 0 0").split()[2:]
    root.attrib |= {"role": "img", "aria-label": NOT_XML.sub("\ufffd", label), "width": width, "height": height}
    return ElementTree.tostring(root, encoding="unicode")


def _clean(value: Any) -> Any:
    """A specification whose strings are text for certain: no control characters, no lone surrogates."""
    if isinstance(value, str):
        return NOT_XML.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _strip(element: ElementTree.Element) -> None:
    for child in list(element):
        name = child.tag.removeprefix(f"{{{SVG}}}")
        invisible = child.get("display") == "none" or (name == "path" and not child.get("d", "").strip("M0,hvZ"))
        if name not in ELEMENTS or invisible or child.get("class") == "background":
            element.remove(child)
        else:
            _strip(child)
    classes = [f"{kind}-{ROLES[color.lower()]}" for kind in ("fill", "stroke") if (color := element.get(kind, "")).lower() in ROLES]
    for attribute in list(element.attrib):
        if attribute not in ATTRIBUTES or (attribute.endswith("opacity") and element.get(attribute) == "1"):
            del element.attrib[attribute]
    if classes:
        element.set("class", " ".join(classes))


def _number(root: ElementTree.Element, prefix: str) -> None:
    """Name ids by their order in this figure: Vega counts on from one drawing to the next, so that no two would be alike."""
    named = [element for element in root.iter() if "id" in element.attrib]
    anew = {element.attrib["id"]: f"{prefix}-{number}" for number, element in enumerate(named)}
    for element in named:
        element.set("id", anew[element.attrib["id"]])
    for element in root.iter():
        if "clip-path" in element.attrib:
            element.set("clip-path", f"url(#{anew[element.attrib['clip-path'].removeprefix('url(#').removesuffix(')')]})")
