"""Data sets that are lists of image files: decoded once, brought to one size, their damage told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from contrast import exclusions
from contrast.class_folders import Entry
from contrast.decode import Damage, Facts, Look, each, facts
from contrast.decoded import Wanted, decoded, kept_in
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import DataIngredient, Places

Side = Annotated[int, Field(ge=1, le=4096)]
_DEFAULT_SIDE = 64
_SHOWN = 5
_HEADS = 256


@dataclasses.dataclass
class Listed:
    """Image files, and what is known of them.

    Attributes:
        where: the folder or table that names them, for messages.
        classes: names in plain sorted order.
        entries: the files.
        groups: what each file belongs to; None where that is not known.
        damages: what looks like an image and can't be used.
        notes: what the reader of a page should know.
    """

    where: str
    classes: tuple[str, ...]
    entries: list[Entry]
    groups: list[str] | None = None
    damages: list[Damage] = dataclasses.field(default_factory=list)
    notes: tuple[str, ...] = ()


class ImageFilesIngredient(DataIngredient):
    """Image files of any size, brought to one; what a set of files adds is where they are."""

    size: Side | Annotated[tuple[Side, Side], Field(strict=False)] | None = Field(
        default=None, description="pixels, one number or [height, width]; unless told, the images' own size if all have one, else 64"
    )
    shorter_side: Side | None = Field(
        default=None, description="bring the shorter side to this many pixels first, then cut `size` out of the middle; null: to `size` itself"
    )
    resize: Literal["crop", "whole", "pad"] = Field(default="crop", description="crop: the middle; whole: squeezed; pad: with black around")
    channels: Literal[1, 3] = Field(default=3, description="3 is color, 1 is gray")
    damaged: Literal["stop", "skip"] = Field(default="stop", description="where images can't be read: name them and stop, or leave them out")

    @model_validator(mode="after")
    def _middle_fits(self) -> Self:
        if self.shorter_side is not None and (self.resize != "crop" or self.size is None or max(_sides(self.size)) > self.shorter_side):
            raise ValueError("shorter_side needs resize: crop, and a size that is no larger")
        return self

    def gathered(self, found: Listed, places: Places) -> Images:
        """Decode the files in parallel threads, once, or open what was kept of them (see `contrast.decoded`).

        Raises:
            InputError: images can't be read and `damaged` is ``stop``, or a class is left without images; names the first.
        """
        listed = exclusions.read(self.exclusions, places) if self.exclusions else {}
        settings = (self.size, self.shorter_side, self.resize, self.channels)
        entries = found.entries
        files = Wanted([e.id for e in entries], [e.location for e in entries], settings, partial(self._look, entries))
        opened = decoded(files, kept_in(places, (self.use, found.where, *settings)))
        damages = found.damages + [Damage(entries[at].id, reason) for at, reason in opened.reasons.items()]
        damages = [damage for damage in damages if damage.id not in listed]
        if damages and self.damaged == "stop":
            raise _stopped(damages, found)
        sound = [at for at in range(len(entries)) if at not in opened.reasons]
        told = [f"left out: {listed_damages(damages)}"] if damages else []
        images = _images(self._middle(opened.pixels), found, sound, (*found.notes, *opened.notes, *told))
        images = opened.with_fingerprint(images)
        _check(images, found)
        return images

    def _look(self, entries: Sequence[Entry]) -> tuple[Look, tuple[str, ...]]:
        if self.shorter_side is not None:
            return Look(self.shorter_side, self.shorter_side, self.resize, self.channels), ()
        return look_at(entries, self.size, self.resize, self.channels)

    def _middle(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What `size` cuts out; a view, so that a set on the disk stays there."""
        if self.shorter_side is None or self.size is None:
            return pixels
        (height, width), side = _sides(self.size), self.shorter_side
        top, left = (side - height) // 2, (side - width) // 2
        return pixels[:, top : top + height, left : left + width]


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _images(pixels: NDArray[np.uint8], found: Listed, sound: Sequence[int], notes: tuple[str, ...]) -> Images:
    """The set of the files that are sound."""
    entries = [found.entries[at] for at in sound]
    index = {name: at for at, name in enumerate(found.classes)}
    return Images(
        pixels,
        np.array([index[entry.label] for entry in entries], np.int64),
        tuple(entry.id for entry in entries),
        found.classes,
        np.array([entry.part for entry in entries], np.str_),
        notes,
        None if found.groups is None else np.array([found.groups[at] for at in sound], np.str_),
    )


def look_at(
    entries: Sequence[Entry], size: int | tuple[int, int] | None, resize: Literal["crop", "whole", "pad"], channels: Literal[1, 3]
) -> tuple[Look, tuple[str, ...]]:
    """The size and mode of every image, and a note where images of several sizes are brought to one that nobody chose."""
    sides = _sides(size) if size is not None else own_size(entries)
    if sides is not None:
        return Look(*sides, resize, channels), ()
    note = f"the images have several sizes; each was brought to {_DEFAULT_SIDE}×{_DEFAULT_SIDE} (resize: {resize}); `size` chooses another"
    return Look(_DEFAULT_SIDE, _DEFAULT_SIDE, resize, channels), (note,)


def own_size(entries: Sequence[Entry]) -> tuple[int, int] | None:
    """Height and width if all readable images have the same, else None; stops at the first block that differs."""
    sizes: set[tuple[int, int]] = set()
    for start in range(0, len(entries), _HEADS):
        heads = each(facts, [entry.path for entry in entries[start : start + _HEADS]])
        sizes |= {(head.height, head.width) for head in heads if isinstance(head, Facts)}
        if len(sizes) > 1:
            return None
    return sizes.pop() if sizes else None


def _check(images: Images, found: Listed) -> None:
    left = np.bincount(images.labels, minlength=len(images.classes))
    if not left.all():
        raise InputError(f"class {images.classes[int(left.argmin())]!r} has no image that can be read", where=found.where, right="mend its images")


def listed_damages(damages: Sequence[Damage]) -> str:
    """The first of them by name, and how many more there are."""
    shown = ", ".join(str(damage) for damage in damages[:_SHOWN])
    return shown + (f", and {len(damages) - _SHOWN} more" if len(damages) > _SHOWN else "")


def _stopped(damages: Sequence[Damage], found: Listed) -> InputError:
    told = f"{len(damages)} of {len(found.entries)} files can't be used: {listed_damages(damages)}"
    return InputError(told, where=found.where, right="mend them, or leave them out: damaged: skip")
