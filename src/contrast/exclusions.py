"""The file of images that a study leaves out, as `contrast data NAME --audit --exclusions FILE` writes it; nothing is deleted.

JSON: ``{"fingerprint": of the set that was looked at, "exclude": [{"id": …, "kind": …, "reason": …, "other": …}, …]}``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from contrast.decode import Damage
from contrast.decoded import chosen
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import DataIngredient, Places
from contrast.store import to_json, write_durably

DAMAGED = "damaged"
_RIGHT = "name a file that `contrast data NAME --audit --exclusions FILE` wrote"


def write(path: Path, fingerprint: str, entries: Sequence[Mapping[str, str]]) -> None:
    """Write an exclusions file durably.

    Args:
        path: where.
        fingerprint: of the set that was looked at.
        entries: `id`, `kind`, `reason` and `other` of each image.

    Raises:
        OSError: the file can't be written.
    """
    write_durably(path, to_json({"fingerprint": fingerprint, "exclude": [dict(entry) for entry in entries]}))


def write_damages(path: Path, fingerprint: str, damages: Sequence[Damage]) -> None:
    """Write files that can't be used as an exclusions file.

    Raises:
        InputError: the file can't be written.
    """
    entries = [{"id": damage.id, "kind": DAMAGED, "reason": damage.reason, "other": ""} for damage in damages]
    try:
        write(path, fingerprint, entries)
    except OSError as error:
        told = f"can't be written: {error.strerror or error}"
        raise InputError(told, where=str(path), right="work in a folder that you may write to, or set damaged: skip") from None


def read(name: str, places: Places) -> dict[str, str]:
    """Which images a file leaves out: id → kind of finding.

    Args:
        name: the file: absolute, in the current folder, or below one of the places.
        places: where data is looked for.

    Raises:
        InputError: there is no such file, or it is not what it should be.
    """
    path = Path(name).expanduser()
    found = path if path.is_absolute() or path.exists() else places.find(name)
    if found is None or not found.is_file():
        raise InputError(f"there is no file {name!r}", where="exclusions", right=_RIGHT)
    try:
        entries = json.loads(found.read_text(encoding="utf-8", errors="surrogateescape"))["exclude"]
        return {str(entry["id"]): str(entry["kind"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("is no exclusions file", where=f"exclusions: {found}", right=_RIGHT) from None


def sound(data: DataIngredient, places: Places) -> Images:
    """A data ingredient's images without those that its `exclusions` names.

    Raises:
        InputError: the data, or the file, is missing or damaged.
    """
    listed = read(data.exclusions, places) if data.exclusions is not None else None
    images = data.read(places)
    return images if listed is None else without(images, listed, str(data.exclusions))


def without(images: Images, listed: Mapping[str, str], name: str) -> Images:
    """A set without the images that a file leaves out, with a note that counts them, and the names that are not in the set.

    Args:
        images: the set.
        listed: what `read` found.
        name: the file, for the note.
    """
    kept = np.array([at for at, id in enumerate(images.ids) if id not in listed], np.int64)
    known = set(images.ids)
    gone = [id for id, kind in listed.items() if id not in known and kind != DAMAGED]
    told = f"{len(images) - len(kept)} images were left out, as {name!r} says"
    missing = f"{len(gone)} images that {name!r} leaves out are not in this set, {gone[0]!r} first" if gone else ""
    return dataclasses.replace(
        images,
        pixels=chosen(images.pixels, kept),
        labels=images.labels[kept],
        ids=tuple(images.ids[at] for at in kept),
        parts=images.parts[kept],
        notes=(*images.notes, told, *([missing] if missing else [])),
        groups=images.groups[kept] if images.groups is not None else None,
    )
