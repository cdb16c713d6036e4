"""The page of a data set: counts, statistics, samples and augmentations in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contrast.shown import shown

FOLDER = Path(__file__).parent
_STYLE = """
.bar { color: var(--blue); height: 0.7rem; width: 12rem; }
.sheet { max-width: 100%; height: auto; image-rendering: auto; background: #fff; }
"""


class Sheet(NamedTuple):
    """A picture on the page: a PNG file's bytes, a title, and what it shows."""

    title: str
    caption: str
    png: bytes

    @property
    def source(self) -> str:
        """The picture as an address of its own."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def build(name: str, said: Mapping[str, Any], sheets: Sequence[Sheet]) -> str:
    """Make the page of a data set.

    Args:
        name: what the set is called.
        said: what `explain.data.DataDescription.to_dict` gives.
        sheets: pictures.

    Returns:
        HTML. Its policy allows no request and no script; everything from the data is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (FOLDER / "page.css").read_text(encoding="utf-8") + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["visible"] = lambda text: shown(str(text), 2000)
    made.filters["name"] = lambda text: shown(str(text))
    return made.get_template("data.html.j2").render(
        name=name,
        said=said,
        classes=_classes(said),
        sheets=sheets,
        style=Markup(style),  # noqa: S704 (our own style sheet)
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
    )


def _classes(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a class: its name, its images in each part, and the length of its bar in percent."""
    most = max(said["counts"]["train"])
    rows = zip(said["classes"], *(said["counts"][part] for part in ("train", "validation", "test")), strict=True)
    return [{"name": name, "counts": counts, "share": round(100 * counts[0] / most, 2)} for name, *counts in rows]
