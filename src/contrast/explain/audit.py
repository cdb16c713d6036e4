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

from contrast import exclusions
from contrast.errors import in_one_line
from contrast.explain.findings import EXCLUDED, KINDS, Finding
from contrast.explain.twins import Twins, find_twins
from contrast.images import PARTS, TEST, TRAIN, Images, Split

ALIKE = 0.95
"""Least correlation of details where images resemble each other by nature (digits, say)."""
_ALIKE_SHARE = 0.1
_EQUAL_LIMIT = 3.0
_SHOWN, _SHOWN_FILES = 5, 20
_BLOCK = 4096
_ALL_SHOWN = ("damaged", "class")
_FEW_SHOWN = ("contradiction", "leak", "duplicate", "near leak", "near duplicate")

_TWINS_BY_EYE = {"cifar10": 0.0325}
"""Share of test images with the same or nearly the same image in training, found by eye (ciFAIR, Barz & Denzler 2020)."""


@dataclass(frozen=True)
class Audit:
    """All that was found.

    Attributes:
        images: how many were looked at.
        parts: part → images.
        findings: in the order of `KINDS`, those that touch the test part first, then of images.
        imbalance: training images of the largest class over those of the smallest.
        largest: that class, and its count.
        smallest: that class, and its count.
        fingerprint: of the images.
        alike: whether images of this set resemble each other by nature, so that only the nearest are listed as near.
        name: the set's, where it is a published one.
        undivided: why the set can't be divided as its settings say, or nothing; then its given parts were looked at.
    """

    images: int
    parts: dict[str, int]
    findings: tuple[Finding, ...]
    imbalance: float
    largest: tuple[str, int]
    smallest: tuple[str, int]
    fingerprint: str
    alike: bool
    name: str = ""
    undivided: str = ""

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
            if finding.kind in EXCLUDED:
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
        """Lines for a terminal, without a newline at the end: every damaged file, of every other kind the first."""
        lines = [f"{self.images:,} images audited: " + ", ".join(f"{part} {count:,}" for part, count in self.parts.items() if count)]
        lines += [line for kind in KINDS for line in self._lines(kind)]
        lines += [f"can't be divided as it is: {self.undivided}"] if self.undivided else []
        lines += [self._balance(), *self._leaks()]
        if self.alike:
            lines.append(f"images of this set resemble each other by nature: near means here that details correlate at {ALIKE} or more")
        lines.append(f"{len(self.exclusions()):,} images had better be left out" if self.exclusions() else "nothing need be left out")
        return "\n".join(lines)

    def _lines(self, kind: str) -> list[str]:
        """What was found of one kind."""
        found = self.of(kind)
        if not found:
            return []
        shown = len(found) if kind in _ALL_SHOWN else _SHOWN if kind in _FEW_SHOWN else _SHOWN_FILES
        lines = [f"{len(found):,} × {kind}: {KINDS[kind]}"]
        lines += [f"    {in_one_line(finding.id)} {in_one_line(finding.told)}" for finding in found[:shown]]
        return lines + ([f"    … and {len(found) - shown:,} more (--format json lists all)"] if len(found) > shown else [])

    def _leaks(self) -> list[str]:
        """How many test images have a twin in another part, and how that compares with what is known of the set."""
        lines = []
        if self.leaked():
            share = self.leaked() / self.parts[TEST]
            lines.append(
                f"{self.leaked():,} of {self.parts[TEST]:,} test images ({share:.2%}) have the same or nearly the same image in another part"
            )
        if self.name in _TWINS_BY_EYE:
            lines.append(f"known of this set: {_TWINS_BY_EYE[self.name]:.2%}, found by eye (ciFAIR, Barz & Denzler 2020)")
        return lines


def given_parts(images: Images) -> Split:
    """The parts that the owners give, for a set that can't be divided further."""
    return Split(*(images.positions(part) for part in PARTS))


def audit(images: Images, split: Split, files: Iterable[Finding] = (), *, name: str = "", undivided: str = "") -> Audit:
    """Look for what would spoil a result.

    Args:
        images: the set.
        split: which images train, which choose, which judge.
        files: findings about the files, where the set is a folder (see `explain.files`), and about the labels (`explain.label_issues`).
        name: the set's, where it is a published one.
        undivided: why the set can't be divided as its settings say, where `split` holds its given parts for that.
    """
    parts = [""] * len(images)
    for part in PARTS:
        for position in getattr(split, part).tolist():
            parts[position] = part
    blank = _spans(images) == 0
    findings = [*files, *_classes(images), *_blank(images, blank), *_exact(images, parts, np.flatnonzero(~blank))]
    known = {finding.id for finding in findings if finding.kind in EXCLUDED}
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
        findings=tuple(sorted(findings, key=lambda finding: (order.index(finding.kind), bool(finding.parts) and TEST not in finding.parts))),
        imbalance=float(counts[high] / max(1, counts[low])),
        largest=(images.classes[high], int(counts[high])),
        smallest=(images.classes[low], int(counts[low])),
        fingerprint=images.fingerprint,
        alike=alike,
        name=name,
        undivided=undivided,
    )


def _classes(images: Images) -> Iterator[Finding]:
    """Classes with fewer images than there are parts to fill."""
    wanted = 1 + sum(not len(images.positions(part)) for part in PARTS if part != TRAIN)
    counts = np.bincount(images.labels[images.positions(TRAIN)], minlength=len(images.classes))
    for name, count in zip(images.classes, counts.tolist(), strict=True):
        if not count:
            yield Finding("class", name, "has no image to train on that can be read")
        elif count < wanted:
            told = "a single image" if count == 1 else f"{count} images"
            yield Finding("class", name, f"has {told}, which can't be divided among {wanted} parts")


def _blank(images: Images, blank: NDArray[np.bool_]) -> Iterator[Finding]:
    for position in np.flatnonzero(blank):
        yield Finding("blank", images.ids[position], "is of one color throughout")


def _spans(images: Images) -> NDArray[np.uint8]:
    """Greatest difference of two pixels within any channel of each image, ``uint8 [N]``."""
    spans = np.zeros(len(images), np.uint8)
    for start in range(0, len(images), _BLOCK):
        block = images.pixels[start : start + _BLOCK]
        for channel in range(block.shape[-1]):
            flat = block[..., channel].reshape(len(block), -1)
            spans[start : start + _BLOCK] = np.maximum(spans[start : start + _BLOCK], flat.max(axis=1) - flat.min(axis=1))
    return spans


def _exact(images: Images, parts: Sequence[str], looked_at: NDArray[np.int64]) -> Iterator[Finding]:
    """Images with the very same pixels as one that comes before them; test comes first, then training, then validation."""
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for position in looked_at.tolist():
        groups[hashlib.blake2b(images.pixels[position].tobytes(), digest_size=16).digest()].append(position)
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
    listed = found.exclusions()
    exclusions.write(path, found.fingerprint, listed)
    return len(listed)
