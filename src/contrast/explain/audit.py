"""What in a data set would spoil a result: damaged and odd files, duplicates, leaks between parts, imbalance."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrast.class_folders import ClassFolders
from contrast.decode import FORMATS, Damage, Facts, each, facts
from contrast.errors import in_one_line
from contrast.explain.twins import Twins, find_twins
from contrast.images import PARTS, TEST, TRAIN, Images, Split
from contrast.store import to_json, write_durably

KINDS = {
    "damaged": "files that can't be used",
    "odd": "legal images that are odd: other color modes, animations, turned by EXIF, names that belie the format",
    "tiny": "images with a side below 16 pixels",
    "huge": "images of more than 20 million pixels",
    "narrow": "images more than eight times as long as wide",
    "blank": "images of one color",
    "contradiction": "the same pixels under different labels",
    "leak": "the same pixels in different parts",
    "duplicate": "the same pixels twice in one part",
    "near leak": "nearly the same image in different parts",
    "near duplicate": "nearly the same image twice in one part",
}
"""Kind of finding → what it means, the worst first within damage, duplicates and near duplicates."""

_EXCLUDED = ("damaged", "blank", "contradiction", "leak", "duplicate", "near leak")
ALIKE = 0.95
"""Least correlation of details where images resemble each other by nature (digits, say)."""
_ALIKE_SHARE = 0.1
_TINY, _HUGE, _NARROW = 16, 20_000_000, 8
_EQUAL_LIMIT = 3.0
_SUFFIX_FORMATS = {"jpg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "tif": "TIFF", "pbm": "PPM", "pgm": "PPM"}
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was found about an image.

    Attributes:
        kind: a key of `KINDS`.
        id: the image.
        told: what was found, as a clause about it.
        other: the image that it resembles, where there is one.
        parts: the parts that the two are in, then.
    """

    kind: str
    id: str
    told: str
    other: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All that was found.

    Attributes:
        images: how many were looked at.
        parts: part → images.
        findings: in the order of `KINDS`, then of images.
        imbalance: training images of the largest class over those of the smallest.
        largest: that class, and its count.
        smallest: that class, and its count.
        fingerprint: of the images.
        alike: whether images of this set resemble each other by nature, so that only the nearest are listed as near.
    """

    images: int
    parts: dict[str, int]
    findings: tuple[Finding, ...]
    imbalance: float
    largest: tuple[str, int]
    smallest: tuple[str, int]
    fingerprint: str
    alike: bool

    def of(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def leaked(self, part: str = TEST) -> int:
        """How many images of a part have the same or nearly the same image in another part."""
        held = [(finding, (finding.id, finding.other)) for finding in self.findings if len(set(finding.parts)) > 1]
        return len({names[at] for finding, names in held for at in (0, 1) if finding.parts[at] == part})

    def exclusions(self) -> list[dict[str, str]]:
        """What had better be left out, each with its reason: what can't be learned from, and of duplicates all but one.

        Where a test image has a twin, the other one is left out, so that the test part stays the one that others report on.
        """
        named: dict[str, dict[str, str]] = {}
        for finding in self.findings:
            if finding.kind in _EXCLUDED:
                named.setdefault(finding.id, {"id": finding.id, "kind": finding.kind, "reason": finding.told, "other": finding.other})
        return list(named.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def _balance(self) -> str:
        (large, most), (small, fewest) = self.largest, self.smallest
        if most == fewest:
            return f"balanced: every class has {most:,} training images"
        told = f"imbalance {self.imbalance:.2f}: class {large!r} has {most:,} training images, {small!r} has {fewest:,}"
        return told if self.imbalance <= _EQUAL_LIMIT else f"{told}; accuracy will favor the large ones"

    def to_text(self) -> str:
        """Lines for a terminal, without a newline at the end: every damaged file, the first five of every other kind."""
        lines = [f"{self.images:,} images audited: " + ", ".join(f"{part} {count:,}" for part, count in self.parts.items() if count)]
        for kind, meaning in KINDS.items():
            found = self.of(kind)
            if not found:
                continue
            lines.append(f"{len(found):,} × {kind}: {meaning}")
            shown = len(found) if kind == "damaged" else _SHOWN
            lines += [f"    {in_one_line(finding.id)} {in_one_line(finding.told)}" for finding in found[:shown]]
            lines += [f"    … and {len(found) - shown:,} more"] if len(found) > shown else []
        lines.append(self._balance())
        if self.leaked():
            share = self.leaked() / self.parts[TEST]
            lines.append(
                f"{self.leaked():,} of {self.parts[TEST]:,} test images ({share:.2%}) have the same or nearly the same image in another part"
            )
        if self.alike:
            lines.append(f"images of this set resemble each other by nature: near means here that details correlate at {ALIKE} or more")
        lines.append(f"{len(self.exclusions()):,} images had better be left out" if self.exclusions() else "nothing need be left out")
        return "\n".join(lines)


def inspect(found: ClassFolders, damages: Iterable[Damage]) -> Iterator[Finding]:
    """Findings about the files of a folder; of each only the head is read.

    Args:
        found: the folder's files.
        damages: what `Folder.load` could not use.
    """
    broken = {damage.id for damage in damages}
    for damage in damages:
        yield Finding("damaged", damage.id, damage.reason)
    sound = [entry for entry in found.entries if entry.id not in broken]
    for entry, head in zip(sound, each(facts, [entry.path for entry in sound]), strict=True):
        if not isinstance(head, Facts):
            yield Finding("damaged", entry.id, str(head))
            continue
        yield from (Finding(kind, entry.id, told) for kind, told in _oddities(entry.path, head))


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


def audit(images: Images, split: Split, files: Iterable[Finding] = ()) -> Audit:
    """Look for what would spoil a result.

    Args:
        images: the set.
        split: which images train, which choose, which judge.
        files: findings about the files, where the set is a folder (see `inspect`).
    """
    parts = [""] * len(images)
    for part in PARTS:
        for position in getattr(split, part).tolist():
            parts[position] = part
    blank = _spans(images) == 0
    findings = [*files, *_blank(images, blank), *_exact(images, parts, np.flatnonzero(~blank))]
    known = {finding.id for finding in findings if finding.kind in _EXCLUDED}
    twins = find_twins(images, np.array([at for at, part in enumerate(parts) if part != TEST], np.int64))
    alike = len(twins.image) > _ALIKE_SHARE * len(images)
    if alike:
        twins = twins.at_least(ALIKE)
    findings += [finding for finding in _near(images, parts, twins) if finding.id not in known]
    counts = np.bincount(images.labels[split.train], minlength=len(images.classes))
    high, low = int(counts.argmax()), int(counts.argmin())
    order = list(KINDS)
    return Audit(
        images=len(images),
        parts={part: len(getattr(split, part)) for part in PARTS},
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
        imbalance=float(counts[high] / max(1, counts[low])),
        largest=(images.classes[high], int(counts[high])),
        smallest=(images.classes[low], int(counts[low])),
        fingerprint=images.fingerprint,
        alike=alike,
    )


def _blank(images: Images, blank: NDArray[np.bool_]) -> Iterator[Finding]:
    for position in np.flatnonzero(blank):
        yield Finding("blank", images.ids[position], "is of one color throughout")


def _spans(images: Images) -> NDArray[np.uint8]:
    """Greatest difference of two pixels within any channel of each image, ``uint8 [N]``."""
    channels = [images.pixels[..., channel].reshape(len(images), -1) for channel in range(images.pixels.shape[-1])]
    spans: NDArray[np.uint8] = np.max([channel.max(axis=1) - channel.min(axis=1) for channel in channels], axis=0)
    return spans


def _exact(images: Images, parts: Sequence[str], looked_at: NDArray[np.int64]) -> Iterator[Finding]:
    """Images with the very same pixels as one that comes before them; test comes first, then training, then validation."""
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    flat = images.pixels.reshape(len(images), -1)
    for position in looked_at.tolist():
        groups[hashlib.blake2b(flat[position].tobytes(), digest_size=16).digest()].append(position)
    for group in groups.values():
        if len(group) < 2:
            continue
        first, *rest = sorted(group, key=lambda position: (_rank(parts[position]), position))
        contradicts = len({int(images.labels[position]) for position in group}) > 1
        for position in rest:
            kind = "contradiction" if contradicts else "leak" if parts[position] != parts[first] else "duplicate"
            yield _resembles(kind, "has the same pixels as", images, parts, position, first)
        if contradicts and parts[first] != TEST:
            yield _resembles("contradiction", "has the same pixels as", images, parts, first, rest[0])


def _rank(part: str) -> int:
    return (TEST, TRAIN).index(part) if part in (TEST, TRAIN) else 2


def _resembles(kind: str, how: str, images: Images, parts: Sequence[str], position: int, other: int) -> Finding:
    def named(at: int) -> str:
        return f"{parts[at] or 'unused'}, {images.classes[images.labels[at]]!r}"

    told = f"({named(position)}) {how} {images.ids[other]} ({named(other)})"
    return Finding(kind, images.ids[position], told, images.ids[other], (parts[position], parts[other]))


def _near(images: Images, parts: Sequence[str], twins: Twins) -> Iterator[Finding]:
    """Pairs of nearly the same image, each once, told of the one that had better be left out."""
    told: set[tuple[int, int]] = set()
    for image, twin, correlation in zip(twins.image.tolist(), twins.twin.tolist(), twins.correlation.tolist(), strict=True):
        first, second = sorted((image, twin), key=lambda position: (_rank(parts[position]), position))
        if (first, second) in told:
            continue
        told.add((first, second))
        kind = "near leak" if parts[first] != parts[second] else "near duplicate"
        yield _resembles(kind, f"resembles (details correlate at {correlation:.2f})", images, parts, second, first)


def write_exclusions(found: Audit, path: Path) -> int:
    """Write which images had better be left out, as JSON: the data's fingerprint, and id, kind and reason of each.

    Nothing is deleted.

    Returns:
        How many there are.

    Raises:
        OSError: the file can't be written.
    """
    listed: Sequence[dict[str, str]] = found.exclusions()
    write_durably(path, to_json({"fingerprint": found.fingerprint, "exclude": list(listed)}))
    return len(listed)
