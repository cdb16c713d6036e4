"""Shards: tar archives of images and labels in WebDataset's form, read where they lie and never unpacked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from contrast.archives import stretches
from contrast.class_folders import Entry, part_of
from contrast.decode import SUFFIXES, Damage
from contrast.errors import InputError
from contrast.image_files import ImageFilesIngredient, Listed, Side
from contrast.images import TRAIN, Images
from contrast.official import missing
from contrast.protocols import Places, Share

_SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d+)\.tar", re.DOTALL)
_COMPRESSED = re.compile(r".+-\d+\.(tar\.(gz|bz2|xz|zst)|tgz)", re.DOTALL)
_LABEL = "cls"
_LONGEST_LABEL = 1000


class _Sample(NamedTuple):
    """An image and its label, as far as they were found."""

    id: str
    shard: Path
    part: str
    start: int
    size: int
    label: str | None


class Shards(ImageFilesIngredient):
    """Archives ``NAME-000000.tar`` of pairs ``KEY.jpg`` and ``KEY.cls``; the samples of one key stand together, as WebDataset asks for it.

    An image's id is ``NAME/KEY``, so that it stays when shards are cut otherwise. A NAME whose last word is train, val or test
    (``flowers-val``) says the part. Images are decoded anew in every epoch (see `contrast.streamed`), in the same order as any other set's.
    """

    test: Share | None = Field(default=0.2, description="held out for the end where no shard is of the test part: count or fraction")
    path: str = Field(min_length=1, description="the folder of the shards: absolute, or below one of the places where data is looked for")
    size: Side | Annotated[tuple[Side, Side], Field(strict=False)] = Field(default=224, description="pixels, one number or [height, width]")
    classes: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="class names, where .cls holds their numbers from 0; empty: what .cls holds is the name"
    )
    stream: Literal[True] = Field(default=True, description="shards are always read where they lie")

    def read(self, places: Places) -> Images:
        """Find the samples of all shards, in the order of the shards' names; each image is decoded once to see that it is sound.

        Raises:
            InputError: there are no shards, or they are damaged or hold no pairs; or images can't be used and `damaged` is ``stop``.
        """
        root = self._root(places)
        samples = list(_samples(_shards(root)))
        _check_ids(samples, root)
        damages = [Damage(sample.id, told) for sample in samples if (told := _lacking(sample))]
        whole = [sample for sample in samples if not _lacking(sample)]
        labels = [self._label(sample) for sample in whole]
        entries = [Entry(sample.id, str(sample.shard), label, sample.part) for sample, label in zip(whole, labels, strict=True)]
        where = np.array([(sample.start, sample.size) for sample in whole], np.int64).reshape(-1, 2)
        return self.gathered(Listed(str(root), self.classes or _in_order(labels), entries, damages=damages, stretches=where), places)

    def _root(self, places: Places) -> Path:
        path = Path(self.path).expanduser()
        found = path if path.is_absolute() else places.find(self.path)
        if found is None or not found.is_dir():
            raise missing(f"the folder of shards {self.path!r}", names=[repr(self.path)], folders=places.folders, get="check the name")
        return found.resolve()

    def _label(self, sample: _Sample) -> str:
        """The name of a sample's class.

        Raises:
            InputError: names are given, and it has no number of one of them.
        """
        label = sample.label or ""
        if not self.classes:
            return label
        if not (label.isascii() and label.isdecimal() and int(label) < len(self.classes)):
            told, right = (
                f"{sample.id}.{_LABEL} holds {label!r}, no number below {len(self.classes)}",
                "name all classes, in the order of their numbers",
            )
            raise InputError(told, where=str(sample.shard), right=right)
        return self.classes[int(label)]


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Names in plain sorted order; numbers in theirs."""
    names = set(labels)
    return tuple(sorted(names, key=int) if all(name.isascii() and name.isdecimal() for name in names) else sorted(names))


def _shards(root: Path) -> list[tuple[Path, str, str]]:
    """Shards by name, with the name and the part that each says.

    Raises:
        InputError: there are none, or none to train on.
    """
    files = sorted(path for path in root.iterdir() if path.is_file())
    matched = [(path, match["name"]) for path in files if (match := _SHARD.fullmatch(path.name))]
    if not matched:
        packed = next((path.name for path in files if _COMPRESSED.fullmatch(path.name)), None)
        told = f"holds no shards NAME-000000.tar{f', only compressed ones ({packed!r} first)' if packed else ''}"
        raise InputError(told, where=str(root), right="uncompress them: images hardly shrink" if packed else "name the folder that holds them")
    shards = [(path, name, part_of(re.split(r"[-_.]", name)[-1]) or TRAIN) for path, name in matched]
    if all(part != TRAIN for _, _, part in shards):
        raise InputError(f"there is {shards[0][0].name!r} but no shard to train on", where=str(root), right="name those NAME-train-000000.tar")
    return shards


def _samples(shards: Iterable[tuple[Path, str, str]]) -> Iterator[_Sample]:
    """All samples; members that are neither images nor labels are passed over.

    Raises:
        InputError: a shard is damaged, or a sample has two images.
    """
    for path, name, part in shards:
        with path.open("rb") as stream:
            found: dict[str, _Sample] = {}
            for member in stretches(path):
                folder, _, file = member.name.rpartition("/")
                stem, _, suffix = file.partition(".")
                if not stem or not (suffix == _LABEL or f".{suffix.lower()}" in SUFFIXES):
                    continue
                key = f"{folder}/{stem}" if folder else stem
                sample = found.get(key) or _Sample(f"{name}/{key}", path, part, 0, -1, None)
                if suffix == _LABEL:
                    stream.seek(member.start)
                    label = stream.read(min(member.size, _LONGEST_LABEL)).decode("utf-8", "backslashreplace").strip()
                    found[key] = sample._replace(label=label)
                elif sample.size >= 0:
                    raise InputError(f"{key!r} has two images", where=str(path), right="give each sample a key of its own")
                else:
                    found[key] = sample._replace(start=member.start, size=member.size)
        yield from found.values()


def _lacking(sample: _Sample) -> str:
    """What a sample lacks, as a clause, or nothing."""
    if sample.size < 0:
        return "has a label and no image"
    return "" if sample.label else f"has no label (a member that ends in .{_LABEL})"


def _check_ids(samples: Iterable[_Sample], root: Path) -> None:
    seen: dict[str, Path] = {}
    for sample in samples:
        other = seen.setdefault(sample.id, sample.shard)
        if other is not sample.shard:
            told = f"the sample {sample.id!r} is in {other.name!r} and in {sample.shard.name!r}"
            raise InputError(told, where=str(root), right="give each sample a key of its own")
