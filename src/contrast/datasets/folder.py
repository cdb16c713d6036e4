"""Folder: your own images in class folders, with or without folders for train, validation and test."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from contrast import archives, exclusions
from contrast.class_folders import ClassFolders, scan
from contrast.decode import Damage, Look
from contrast.decoded import Wanted, decoded, kept_in
from contrast.errors import InputError
from contrast.image_files import RESIZE, Resize, Side, check_ragged, in_view, listed_damages, look_at, ragged_notes, sides
from contrast.images import Images
from contrast.official import missing
from contrast.protocols import DataIngredient, Places, Share, added
from contrast.streamed import STREAM, streamed


class Folder(DataIngredient):
    """Images in class folders; an image's id is its path below the folder, classes are in plain sorted order."""

    test: Share | None = Field(default=0.2, description="held out for the end where there is no test folder: count or fraction")
    path: str = Field(min_length=1, description="the folder, or a .zip or .tar of it: absolute, or below one of the places where data is looked for")
    size: Side | Annotated[tuple[Side, Side], Field(strict=False)] | None = Field(
        default=None, description="pixels, one number or [height, width]; unless told, the images' own size if all have one, else 64"
    )
    resize: Resize = Field(default="crop", description=RESIZE)
    channels: Literal[1, 3] = Field(default=3, description="3 is color, 1 is gray")
    damaged: Literal["stop", "skip", "quarantine"] = Field(
        default="stop",
        description="where images can't be read: name them and stop; leave them out; or leave them out and list them in a file for `exclusions`",
    )
    exclude: Annotated[tuple[str, ...], Field(strict=False)] = Field(default=(), description="classes to leave out")
    stream: bool = added(False, absent=False, description=STREAM)
    shorter_side: Side | None = added(None, absent=None, description="with resize: ragged, the most pixels that an image's shorter side keeps")

    @model_validator(mode="after")
    def _ragged_is_bounded(self) -> Self:
        if self.shorter_side is not None and (self.resize != "ragged" or self.size is None or max(sides(self.size)) > self.shorter_side):
            raise ValueError("shorter_side needs resize: ragged, and a size that is no larger")
        check_ragged(self.resize, self.shorter_side, stream=self.stream)
        return self

    def read(self, places: Places) -> Images:
        """Decode all images in parallel threads, once, or open what was kept of them (see `contrast.decoded`).

        With `damaged` ``quarantine`` the files that can't be read are listed in ``quarantine-NAME.json`` in the current
        folder, NAME being that of the images' folder. No image is moved, changed or deleted, whatever the policy.

        Raises:
            InputError: the folder is missing or holds no two classes with images, or images can't be read and
                `damaged` is ``stop``; names the first of them.
        """
        listed = exclusions.read(self.exclusions, places) if self.exclusions else {}
        images, damages, found = self._loaded(scan(self.root(places), self.exclude), places)
        damages = [damage for damage in damages if damage.id not in listed]
        if damages and self.damaged == "stop":
            raise _stopped(damages, found)
        if damages and self.damaged == "quarantine":
            images = _quarantined(images, damages, found)
        left = np.bincount(images.labels, minlength=len(images.classes))
        if not left.all():
            empty = images.classes[int(left.argmin())]
            right = f"mend them, or leave the class out: exclude: [{empty!r}]"
            raise InputError(f"class {empty!r} has no image that can be read", where=str(found.root), right=right)
        return images

    def load(self, places: Places) -> tuple[Images, list[Damage], ClassFolders]:
        """Decode what can be decoded: the images, what was left out with its reason, and the files that were found.

        A class may be without images here, and what `exclusions` names is not left out: this is what an audit looks at.

        Raises:
            InputError: the folder is missing or holds no two classes.
        """
        return self._loaded(scan(self.root(places), self.exclude, strict=False), places)

    def _loaded(self, found: ClassFolders, places: Places) -> tuple[Images, list[Damage], ClassFolders]:
        settings = (self.size, self.resize, self.channels, *(() if self.shorter_side is None else (self.shorter_side,)))
        files = Wanted(
            [entry.id for entry in found.entries],
            [entry.location for entry in found.entries],
            settings,
            partial(self._look, found),
        )
        folder = kept_in(places, (str(found.root), *settings, self.exclude))
        opened = streamed(files, folder) if self.stream else decoded(files, folder)
        damages = found.damages + [Damage(found.entries[at].id, reason) for at, reason in opened.reasons.items()]
        entries = [entry for at, entry in enumerate(found.entries) if at not in opened.reasons]
        index = {name: at for at, name in enumerate(found.classes)}
        labels = np.array([index[entry.label] for entry in entries], np.int64)
        notes = (*found.notes, *opened.notes, *([_told(damages, "left out")] if damages else []))
        parts = np.array([entry.part for entry in entries], np.str_)
        pixels = in_view(opened.pixels, self.size)
        images = Images(pixels, labels, tuple(entry.id for entry in entries), found.classes, parts, notes)
        return opened.with_fingerprint(images), damages, found

    def _look(self, found: ClassFolders) -> tuple[Look, tuple[str, ...]]:
        if self.shorter_side is not None:
            return Look(self.shorter_side, self.shorter_side, self.resize, self.channels), ragged_notes(self.resize, self.shorter_side)
        return look_at(found.entries, self.size, self.resize, self.channels)

    def root(self, places: Places) -> Path:
        """The folder itself.

        Raises:
            InputError: it is at none of the places.
        """
        path = Path(self.path).expanduser()
        found = path if path.is_absolute() else places.find(self.path)
        if found is None:
            raise missing(f"the folder {self.path!r}", names=[repr(self.path)], folders=places.folders, get="check the name")
        if found.is_file() and archives.is_archive(found):
            return archives.unpacked(found, archives.kept_in(places))
        return found


def _quarantined(images: Images, damages: list[Damage], found: ClassFolders) -> Images:
    """List the damaged files in the current folder, and say so; a name that is not plain is written plainly."""
    plain = re.sub(r"[^\w.-]+", "_", found.root.name, flags=re.ASCII)[:100] or "images"
    path = Path.cwd() / f"quarantine-{plain}.json"
    exclusions.write_damages(path, images.fingerprint, damages)
    note = f"the files that can't be used are listed in {str(path)!r}; `exclusions` takes that file"
    return dataclasses.replace(images, notes=(*images.notes, note)).known_by(images.fingerprint)


def _told(damages: list[Damage], what: str) -> str:
    return f"{len(damages)} {'file that is' if len(damages) == 1 else 'files that are'} no usable image {what}: {listed_damages(damages)}"


def _stopped(damages: list[Damage], found: ClassFolders) -> InputError:
    total = len(found.entries) + len(found.damages)
    right = "mend or remove them, or leave them out: damaged: skip or quarantine (contrast data FOLDER --audit lists all)"
    return InputError(f"of {total} files, {_told(damages, 'found')}", where=str(found.root), right=right)
