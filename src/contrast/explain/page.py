"""The page that looks inside a network: sections of pictures and numbers in one HTML file, and the same pictures as PNG files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from contrast.explain.mistakes import CAUSES, Mistake
from contrast.explain.probabilities import Group, percent
from contrast.explain.sheets import Sheet, png
from contrast.figures import _svg
from contrast.figures._style import ROLES
from contrast.shown import shown

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = Path(__file__).parent
HOUSE = FOLDER.parent / "report" / "page.css"
"""The style of all pages; this one adds to it."""


@dataclass(frozen=True)
class One:
    """One sheet of tiles."""

    sheet: Sheet
    kind: ClassVar[str] = "sheet"

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of the picture's PNG file."""
        yield self.sheet.name, png(self.sheet.draw())


@dataclass(frozen=True)
class Pair:
    """Sheets beside each other, such as before and after."""

    parts: tuple[Sheet, ...]
    kind: ClassVar[str] = "pair"

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Names and contents of the pictures' PNG files."""
        for part in self.parts:
            yield part.name, png(part.draw())


@dataclass(frozen=True)
class Chart:
    """A drawn chart, and what is written below it."""

    name: str
    title: str
    caption: str
    chart: Any
    kind: ClassVar[str] = "chart"

    @cached_property
    def svg(self) -> str:
        """The drawing as it stands in the page."""
        return _svg.svg(self.chart, self.title, self.name.replace("-", ""))

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of the drawing's PNG file, on white; the page's own drawing leaves the font to the style sheet."""
        import io

        import vl_convert
        from PIL import Image

        drawn = Image.open(io.BytesIO(vl_convert.svg_to_png(self.svg.replace("<svg ", '<svg font-family="sans-serif" ', 1), scale=2))).convert("RGBA")
        yield self.name, png(Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB"))


@dataclass(frozen=True)
class Bars:
    """Images with the probabilities of their classes."""

    group: Group
    kind: ClassVar[str] = "group"

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of the picture's PNG file."""
        if self.group.said:
            yield self.group.name, png(self.group.draw())


@dataclass(frozen=True)
class Table:
    """Rows of words or numbers; the first cell of a row is its name."""

    title: str
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: bool = True
    kind: ClassVar[str] = "table"

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Nothing: a table is no picture."""
        yield from ()


@dataclass(frozen=True)
class Gallery:
    """Misclassified images that can be filtered by class and tagged by cause.

    Attributes:
        mistakes: the images.
        classes: names of all classes.
        tags: image id → cause, from before.
        drawn: the same as one picture.
    """

    mistakes: tuple[Mistake, ...]
    classes: tuple[str, ...]
    tags: Mapping[str, str]
    drawn: Sheet
    offered: ClassVar[tuple[str, ...]] = CAUSES
    kind: ClassVar[str] = "gallery"

    @property
    def truths(self) -> list[tuple[int, str]]:
        """The true classes among the mistakes: index and name."""
        return [(at, self.classes[at]) for at in sorted({one.true for one in self.mistakes})]

    @property
    def guesses(self) -> list[tuple[int, str]]:
        """The predicted classes among the mistakes: index and name."""
        return [(at, self.classes[at]) for at in sorted({one.predicted for one in self.mistakes})]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of the picture's PNG file."""
        yield self.drawn.name, png(self.drawn.draw())


Part = One | Pair | Chart | Bars | Table | Gallery


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    name: str
    title: str
    lines: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    parts: tuple[Part, ...] = field(default=())


def build(title: str, facts: Sequence[str], sections: Sequence[Section]) -> str:
    """Make the page.

    Args:
        title: what was looked into; text from outside as it is.
        facts: a few words each.
        sections: in order; names are our own words.

    Returns:
        HTML. Its policy allows no request and no script but the one it carries; everything from outside is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style, script = _style(sections), (FOLDER / "page.js").read_text(encoding="utf-8")
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["words"] = lambda text, most=255: shown(str(text), most)
    made.filters["named"] = named
    made.filters["percent"] = percent
    made.filters["grid"] = _grid
    made.filters["utf8"] = lambda text: str(text).encode("utf-8", "replace").decode("utf-8")
    made.filters["safe_svg"] = Markup
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'; form-action 'none'"
    return made.get_template("page.html.j2").render(
        title=title,
        facts=facts,
        sections=sections,
        policy=policy,
        style=Markup(style),  # noqa: S704 (our own style sheet)
        script=Markup(script),  # noqa: S704 (our own script)
    )


def files(sections: Sequence[Section]) -> dict[str, bytes]:
    """Every picture of the page: name without suffix → PNG."""
    return {name: content for section in sections for part in section.parts for name, content in part.files()}


def named(text: object, most: int = 255) -> Markup:
    """A word from outside: visible, escaped, not longer than `most`, kept from turning the direction of what stands around it."""
    from markupsafe import Markup

    words = shown(str(text), most)
    return Markup("<bdi>{}</bdi>").format(words if words.strip() else words.replace(" ", "␠"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _grid(sheet: Sheet) -> str:
    return f"grid-{sheet.columns}-{sheet.size}"


def _style(sections: Sequence[Section]) -> str:
    """The style of all pages, this one's, the colors of figures, and a rule for each number and size of columns, since inline style is forbidden."""
    roles = [f".{kind}-{role}{{{kind}:var(--{role})}}" for role in ROLES.values() for kind in ("fill", "stroke")]
    parts = [part for section in sections for part in section.parts]
    sheets = [part.sheet for part in parts if isinstance(part, One)] + [one for part in parts if isinstance(part, Pair) for one in part.parts]
    grids = {_grid(sheet): f"repeat({sheet.columns}, minmax(0, {sheet.size}px))" for sheet in sheets}
    rules = [f".{name}{{grid-template-columns:{columns}}}" for name, columns in grids.items()]
    own = (FOLDER / "page.css").read_text(encoding="utf-8")
    return "\n".join([HOUSE.read_text(encoding="utf-8"), own, *roles, *rules])
