"""What is odd about the files of a folder: of each image only the head is read."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contrast.class_folders import ClassFolders
from contrast.decode import FORMATS, Damage, Facts, each, facts
from contrast.explain.findings import Finding

_TINY, _HUGE, _NARROW = 16, 20_000_000, 8
_SUFFIX_FORMATS = {"jpg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "tif": "TIFF", "pbm": "PPM", "pgm": "PPM"}
_LONG = 200
_TELLING = frozenset("<>&\"'`|;*?\\")


@dataclass(frozen=True)
class Files:
    """What the image files of a folder are; widths and heights are those of the upright images.

    Attributes:
        formats: format → files.
        modes: color mode → files.
        sizes: how many different sizes there are.
        smallest: width and height of the smallest image by area.
        median: of the one in the middle.
        largest: of the largest.
        resize: how they were brought to one size, or nothing.
    """

    formats: dict[str, int]
    modes: dict[str, int]
    sizes: int
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    resize: str = ""

    def lines(self) -> list[str]:
        """What they are, for a reader."""
        listed = [", ".join(f"{name} {count:,}" for name, count in which.items()) for which in (self.formats, self.modes)]
        first = f"formats: {listed[0]}; color modes: {listed[1]}"
        if self.sizes == 1:
            return [first, f"all are {self.median[0]}×{self.median[1]} (width × height){self.resize}"]
        small, middle, large = (f"{width}×{height}" for width, height in (self.smallest, self.median, self.largest))
        return [first, f"{self.sizes:,} sizes (width × height) from {small} to {large}, half of them up to {middle}{self.resize}"]


def survey(found: ClassFolders, shape: tuple[int, int, int], resize: str) -> Files | None:
    """What the image files of a folder are; None where none can be read.

    Args:
        found: the folder's files.
        shape: channels, height, width that they were brought to.
        resize: how.
    """
    heads = [head for head in each(facts, [entry.path for entry in found.entries]) if isinstance(head, Facts)]
    if not heads:
        return None
    sizes = sorted(((head.width, head.height) for head in heads), key=lambda size: (size[0] * size[1], size))
    formats, modes = (dict(Counter(names).most_common()) for names in ([head.format for head in heads], [head.mode for head in heads]))
    _, height, width = shape
    told = "" if set(sizes) == {(width, height)} else f"; brought to {width}×{height} by resize: {resize}"
    return Files(formats, modes, len(set(sizes)), sizes[0], sizes[len(sizes) // 2], sizes[-1], told)


def inspect(found: ClassFolders, damages: Iterable[Damage]) -> Iterator[Finding]:
    """Findings about the files of a folder.

    Args:
        found: the folder's files.
        damages: what `Folder.load` could not use.
    """
    told = {damage.id: damage.reason for damage in damages}
    yield from (Finding("damaged", name, reason) for name, reason in told.items())
    yield from (Finding("hidden", name, "is passed over") for name in found.hidden)
    yield from (Finding("passed", name, "is passed over") for name in found.passed)
    yield from _names([entry.id for entry in found.entries])
    sound = [entry for entry in found.entries if entry.id not in told]
    for entry, head in zip(sound, each(facts, [entry.path for entry in sound]), strict=True):
        if isinstance(head, Facts):
            yield from (Finding(kind, entry.id, clause) for kind, clause in _oddities(entry.path, head))
        else:
            yield Finding("damaged", entry.id, str(head))


def _oddities(path: Path, head: Facts) -> Iterator[tuple[str, str]]:
    """Kind and clause of all that is odd about one file."""
    size = f"is {head.width} × {head.height} pixels"
    if min(head.width, head.height) < _TINY:
        yield "tiny", size
    if head.width * head.height > _HUGE:
        yield "huge", size
    if max(head.width, head.height) > _NARROW * min(head.width, head.height):
        yield "narrow", size
    suffix = path.suffix.lower().lstrip(".")
    expected = _SUFFIX_FORMATS.get(suffix, suffix.upper())
    if head.format in FORMATS and head.format != expected:
        yield "odd", f"is a {head.format} file"
    if head.mode not in ("RGB", "L"):
        yield "odd", f"has color mode {head.mode}"
    if head.frames > 1:
        yield "odd", f"is an animation of {head.frames} pictures, of which the first is used"
    if head.orientation != 1:
        yield "odd", f"is turned by its EXIF orientation {head.orientation}"


def _names(names: list[str]) -> Iterator[Finding]:
    """Odd names: legal here, and all of them are used as they are."""
    folded = Counter(name.casefold() for name in names)
    for name in names:
        clauses = list(_odd_name(name))
        if folded[name.casefold()] > 1:
            clauses.append("differs from another name by upper and lower case alone")
        if clauses:
            yield Finding("name", name, ", ".join(clauses))


def _odd_name(name: str) -> Iterator[str]:
    if name.isascii() and name.isprintable() and len(name) < _LONG and not _TELLING & set(name):
        return
    last = name.rpartition("/")[2]
    if not name.isprintable():
        yield "has characters that can't be seen"
    if _TELLING & set(name):
        yield "has characters that shells or pages take for commands (" + " ".join(sorted(_TELLING & set(name))) + ")"
    if any(unicodedata.category(character) == "So" for character in name):
        yield "has pictures for characters"
    if len(last.encode("utf-8", "surrogateescape")) > _LONG:
        yield f"is {len(last.encode('utf-8', 'surrogateescape'))} bytes long"
