"""One image file to pixels: checked, turned upright, brought to one size and color mode; the same wherever it is read.

Only common raster formats are tried (none that runs another program), and nothing larger than `MOST_PIXELS` is decoded.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
DECODER = 1
"""Counts up when a file comes out otherwise than before, so that what was kept is decoded anew."""
MOST_PIXELS = 50_000_000
"""Pixels that one image may have: 150 MB decoded, and what a 50-megapixel camera takes."""

LONGEST = 4
"""Times the length of the shorter side that the longer one may have where images keep their own sizes."""

_ORIENTATION = 0x0112
_WHITE = (255, 255, 255, 255)
_WORKERS = 8
_LARGE, _DRAFT = 2_000_000, 4
_S = TypeVar("_S")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Damage:
    """A file that can't be used, and why, as a clause about it (``is cut short``)."""

    id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.id!r} {self.reason}"


class Unusable(Exception):
    """A file that can't be decoded; the message is the reason as a clause."""


@dataclass(frozen=True)
class Facts:
    """What the head of an image file says; `width` and `height` are those of the upright image."""

    width: int
    height: int
    mode: str
    format: str
    frames: int
    orientation: int


@dataclass(frozen=True)
class Look:
    """What every image is brought to.

    Attributes:
        height: pixels.
        width: pixels.
        resize: ``crop`` keeps proportions and cuts the longer side's ends off, ``whole`` squeezes, ``pad`` keeps
            proportions and fills up with black; ``ragged`` leaves each image its own size, the shorter side at most `height`
            pixels and the longer at most `LONGEST` times that, of which it keeps the middle.
        channels: 1 (gray) or 3 (RGB).
    """

    height: int
    width: int
    resize: Literal["crop", "whole", "pad", "ragged"] = "crop"
    channels: Literal[1, 3] = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one image."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Bytes of one image, at most."""
        return self.height * self.width * self.channels * (LONGEST if self.resize == "ragged" else 1)

    def reduced(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a ragged image has before its ends are cut off; none is enlarged."""
        scale = min(1.0, self.height / min(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def kept(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a ragged image as it is kept."""
        reduced = self.reduced(height, width)
        return min(reduced[0], LONGEST * self.height), min(reduced[1], LONGEST * self.height)


def facts(path: Path) -> Facts:
    """Read the head of an image file.

    Raises:
        Unusable: no image, or far too large.
    """
    with _opened(path) as image:
        width, height = image.size
        orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        return Facts(width, height, image.mode, image.format or "", getattr(image, "n_frames", 1), orientation)


def decode(path: Path | BytesIO, look: Look) -> NDArray[np.uint8]:
    """Decode an image file, or its content: upright by its EXIF, transparent pixels on white, the first picture of an animation.

    A JPEG of more than 2 megapixels is decoded at a half, a quarter or an eighth of its size, as long as that leaves four times
    the asked-for pixels on both sides, and resampled from there: a fifth of the time. On photographs the result differs from
    that of the whole image by 1.5 gray levels on average and by 12 at most.

    Returns:
        ``uint8 [height, width, channels]`` as `look` says, by antialiased bilinear resampling; where it is ragged, of the image's own size.

    Raises:
        Unusable: no image, damaged, or far too large.
    """
    with _opened(path) as image:
        if image.format in ("JPEG", "MPO") and image.width * image.height > _LARGE:
            longest = max(look.height, look.width) * _DRAFT  # on both sides: EXIF may yet turn the image
            image.draft(None, (longest, longest))
        resized = _resized(_plain(image, look.channels), look)
        return np.asarray(resized, np.uint8).reshape(resized.height, resized.width, look.channels)


def each(work: Callable[[_S], _T], sources: Sequence[_S]) -> Iterator[_T | Unusable]:
    """Apply `facts`, `decode` or the like to many files in parallel threads; results come in the order of `sources`."""

    def one(source: _S) -> _T | Unusable:
        try:
            return work(source)
        except Unusable as reason:
            return reason

    with quiet(), ThreadPoolExecutor(workers()) as pool:
        yield from pool.map(one, sources)


def decode_all(paths: Sequence[Path], look: Look) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode many files in parallel threads.

    Returns:
        ``uint8 [N, height, width, channels]``, zero where a file is unusable, and position → reason of those.
    """
    pixels = np.zeros((len(paths), look.height, look.width, look.channels), np.uint8)
    reasons = {}
    for at, result in enumerate(each(lambda path: decode(path, look), paths)):
        if isinstance(result, Unusable):
            reasons[at] = str(result)
        else:
            pixels[at] = result
    return pixels, reasons


def decode_ragged(paths: Sequence[Path], look: Look) -> tuple[list[NDArray[np.uint8]], dict[int, str]]:
    """Decode many files in parallel threads, each to its own size: the sound ones, and position → reason of the others."""
    images, reasons = [], {}
    for at, result in enumerate(each(lambda path: decode(path, look), paths)):
        if isinstance(result, Unusable):
            reasons[at] = str(result)
        else:
            images.append(result)
    return images, reasons


def workers() -> int:
    """Threads for decoding: one a core that this process may use, eight at most (each may hold one large image)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _WORKERS)


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow's warnings say nothing that matters here: its limit for decompression bombs lies above ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _opened(path: Path | BytesIO) -> Iterator[Image.Image]:
    """Open an image file, and turn whatever goes wrong until it is closed into a reason."""
    try:
        if _size(path) == 0:
            raise Unusable("is empty")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unusable(f"says it has {image.width} × {image.height} pixels, more than {MOST_PIXELS // 1_000_000} million")
            yield image
    except Unusable:
        raise
    except UnidentifiedImageError as error:
        raise Unusable(_what_else(path)) from error
    except Image.DecompressionBombError as error:
        raise Unusable(f"says it has more than {MOST_PIXELS // 1_000_000} million pixels") from error
    except PermissionError as error:
        raise Unusable("may not be read by this user") from error
    except Exception as error:  # a decoder may raise anything at all on damaged bytes; each case is named to the user
        told = " ".join(str(error).split())[:120]
        raise Unusable("is cut short" if "truncated" in told.lower() else f"is damaged ({told or type(error).__name__})") from error


def _size(path: Path | BytesIO) -> int:
    """Bytes of a file.

    Raises:
        Unusable: it is a pipe, a device or a folder.
    """
    if not isinstance(path, Path):
        return path.getbuffer().nbytes
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("is no regular file")
    return status.st_size


def _what_else(path: Path | BytesIO) -> str:
    """What a file is that is no image."""
    with path.open("rb") if isinstance(path, Path) else BytesIO(path.getvalue()) as stream:
        head = stream.read(256).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not an image"
    return f"is no image in any of the formats {', '.join(FORMATS)}"


def _plain(image: Image.Image, channels: Literal[1, 3]) -> Image.Image:
    """Turn an image upright, and any color mode into gray or RGB."""
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.rint(np.asarray(image).astype(np.float32) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise Unusable("has pixels of 32 bits, of which no one knows the range")
    if image.has_transparency_data:
        colored = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colored.size, _WHITE), colored)
    if channels == 1 and image.mode not in ("1", "L"):
        image = image.convert("RGB")  # some modes, CMYK among them, know no way to gray but this
    return image.convert("L" if channels == 1 else "RGB")


def _resized(image: Image.Image, look: Look) -> Image.Image:
    size = (look.width, look.height)
    if look.resize == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    if look.resize == "whole":
        return image.resize(size, Image.Resampling.BILINEAR)
    if look.resize == "ragged":
        return _reduced(image, look)
    scale = min(look.width / image.width, look.height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, size)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), ((look.width - inner[0]) // 2, (look.height - inner[1]) // 2))
    return canvas


def _reduced(image: Image.Image, look: Look) -> Image.Image:
    """Shorter side and ends cut to what is kept of a ragged image."""
    height, width = look.reduced(image.height, image.width)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    kept_height, kept_width = look.kept(image.height, image.width)
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return image.crop((left, top, left + kept_width, top + kept_height))
