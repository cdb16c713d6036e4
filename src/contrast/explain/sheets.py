"""Small pictures in rows and columns: one description, drawn by the page as tiles and by Pillow as one PNG file."""

from __future__ import annotations

import base64
import importlib.util
import io
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contrast.errors import in_one_line

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

_GAP, _TEXT, _INK, _SOFT, _PAPER = 6, 12, "#1b1b1b", "#6b6b6b", "#ffffff"
_DEJAVU = "mpl-data/fonts/ttf/DejaVuSans.ttf"
_LONGEST = 200
"""Letters of a caption that are looked at."""
_THUMBNAIL = 192
"""Pixels of a thumbnail's longer side: twice what the page shows, for screens with fine pixels."""
_SMOOTH = 64
"""Pixels from which a tile is resampled smoothly; smaller ones show their pixels."""


@dataclass(frozen=True)
class Tile:
    """One small picture.

    Attributes:
        pixels: ``uint8 [H, W]`` (gray), ``[H, W, 1]`` or ``[H, W, 3]``.
        caption: a few words below it; text from outside as it is.
        exact: whether every pixel counts: then no thumbnail is made of it.
    """

    pixels: NDArray[np.uint8]
    caption: str = ""
    exact: bool = False

    @property
    def source(self) -> str:
        """The picture as an address of its own, in its own pixels up to a thumbnail's size."""
        drawn = picture(self.pixels)
        if not self.smooth:
            return f"data:image/png;base64,{base64.b64encode(png(drawn)).decode('ascii')}"
        drawn.thumbnail((_THUMBNAIL, _THUMBNAIL))
        stream = io.BytesIO()
        drawn.convert("RGB").save(stream, format="JPEG", quality=90)
        return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"

    @property
    def smooth(self) -> bool:
        """Whether it has enough pixels to be resampled smoothly."""
        return not self.exact and bool(max(self.pixels.shape[:2]) >= _SMOOTH)


@dataclass(frozen=True)
class Sheet:
    """Tiles of one picture.

    Attributes:
        name: lowercase letters and hyphens: the name of its file.
        title: one or two words.
        caption: full sentences.
        tiles: row by row.
        columns: tiles in a row.
        size: pixels that a tile's longer side has.
        heads: words above each column, or none.
        scale: (``amounts``, ``signs`` or ``gray``, words at the lower end, at the upper end); None where colors are the image's own.
    """

    name: str
    title: str
    caption: str
    tiles: tuple[Tile, ...]
    columns: int
    size: int = 72
    heads: tuple[str, ...] = field(default=())
    scale: tuple[str, str, str] | None = None

    @property
    def ramp(self) -> str:
        """The color scale as an address of its own; empty where there is none."""
        from contrast.explain.colors import ramp

        return Tile(ramp(self.scale[0])).source if self.scale else ""

    def draw(self) -> Image.Image:
        """All tiles as one RGB picture on white, heads above and captions below."""
        from PIL import Image, ImageDraw

        captioned = any(tile.caption for tile in self.tiles)
        wide, high = self.size + _GAP, self.size + _GAP + (_TEXT + 4 if captioned else 0)
        top = _GAP + (_TEXT + 6 if self.heads else 0)
        rows = -(-len(self.tiles) // self.columns)
        width = self.columns * wide + _GAP
        sheet = Image.new("RGB", (max(width, 1), top + rows * high + (_TEXT + 10 if self.scale else 0)), _PAPER)
        pen = ImageDraw.Draw(sheet)
        for at, head in enumerate(self.heads):
            pen.text((_GAP + at * wide, _GAP), fitting(head, self.size), fill=_SOFT, font=font())
        for at, tile in enumerate(self.tiles):
            left, y = _GAP + at % self.columns * wide, top + at // self.columns * high
            enlarged = scaled(tile.pixels, self.size)
            sheet.paste(enlarged, (left + (self.size - enlarged.width) // 2, y + (self.size - enlarged.height) // 2))
            pen.text((left, y + self.size + 1), fitting(tile.caption, self.size), fill=_INK, font=font())
        if self.scale:
            _draw_scale(sheet, self.scale, top + rows * high)
        return sheet


def _draw_scale(sheet: Image.Image, scale: tuple[str, str, str], y: int) -> None:
    from PIL import Image, ImageDraw

    from contrast.explain.colors import ramp

    kind, low, high = scale
    pen, left = ImageDraw.Draw(sheet), _GAP
    pen.text((left, y), low, fill=_SOFT, font=font())
    left += round(font().getlength(low)) + 6
    sheet.paste(Image.fromarray(ramp(kind)).resize((96, 9)), (left, y + 3))
    pen.text((left + 102, y), high, fill=_SOFT, font=font())


@cache
def font() -> FreeTypeFont | ImageFont:
    """DejaVu Sans, which matplotlib carries, or else Pillow's own, which knows few letters; those that a font lacks are drawn as boxes.

    matplotlib itself is not imported.
    """
    from PIL import ImageFont

    found = importlib.util.find_spec("matplotlib")
    places = [Path(place) / _DEJAVU for place in (found.submodule_search_locations or ())] if found is not None else []
    path = next((place for place in places if place.is_file()), None)
    return ImageFont.truetype(path, _TEXT - 1) if path is not None else ImageFont.load_default(_TEXT)


def fitting(text: str, width: int) -> str:
    """A caption in visible characters, cut to a width in pixels."""
    caption = in_one_line(text)[:_LONGEST]
    while len(caption) > 1 and font().getlength(caption) > width:
        caption = caption.rstrip("…")[:-1] + "…"
    return caption


def picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """Pixels ``uint8 [H, W]``, ``[H, W, 1]`` or ``[H, W, 3]`` as a picture; of two channels, or more than three, the first."""
    from PIL import Image

    plain = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] != 3 else pixels
    return Image.fromarray(np.ascontiguousarray(plain))


def scaled(pixels: NDArray[np.uint8], size: int) -> Image.Image:
    """A picture whose longer side has `size` pixels, RGB; small ones keep their pixels visible."""
    from PIL import Image

    drawn = picture(pixels)
    factor = size / max(drawn.size)
    extent = (max(1, round(drawn.width * factor)), max(1, round(drawn.height * factor)))
    smooth = factor < 1 or max(drawn.size) >= _SMOOTH
    return drawn.resize(extent, Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST).convert("RGB")


def png(drawn: Image.Image) -> bytes:
    """A picture as a PNG file."""
    stream = io.BytesIO()
    drawn.save(stream, format="PNG")
    return stream.getvalue()
