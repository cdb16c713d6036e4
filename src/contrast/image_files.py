"""Data sets that are lists of image files: decoded once, brought to one size, their damage told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from contrast import exclusions
from contrast.class_folders import Entry
from contrast.decode import Damage, Facts, Look, decode_all, decode_ragged, each, facts
from contrast.decoded import Wanted, decoded, kept_in
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import DataIngredient, Places, added
from contrast.ragged import Ragged, packed
from contrast.streamed import STREAM, Files, streamed

Side = Annotated[int, Field(ge=1, le=4096)]
Resize = Literal["crop", "whole", "pad", "ragged"]
RESIZE = (
    "crop: the middle; whole: squeezed; pad: with black around; ragged: at its own size, the shorter side at most shorter_side, out of "
    "which training cuts random_resized_crop to size, and evaluation the middle"
)
"""How images are brought to `size`, wherever the setting stands."""

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
        stretches: where in its file each image lies, ``int64 [N, 2]``, for sets that are streamed; None where each is a file.
    """

    where: str
    classes: tuple[str, ...]
    entries: list[Entry]
    groups: list[str] | None = None
    damages: list[Damage] = dataclasses.field(default_factory=list)
    notes: tuple[str, ...] = ()
    stretches: NDArray[np.int64] | None = None


class ImageFilesIngredient(DataIngredient):
    """Image files of any size, brought to one; what a set of files adds is where they are."""

    size: Side | Annotated[tuple[Side, Side], Field(strict=False)] | None = Field(
        default=None, description="pixels, one number or [height, width]; unless told, the images' own size if all have one, else 64"
    )
    shorter_side: Side | None = Field(
        default=None, description="bring the shorter side to this many pixels first, then cut `size` out of the middle; null: to `size` itself"
    )
    resize: Resize = Field(default="crop", description=RESIZE)
    channels: Literal[1, 3] = Field(default=3, description="3 is color, 1 is gray")
    damaged: Literal["stop", "skip"] = Field(default="stop", description="where images can't be read: name them and stop, or leave them out")
    stream: bool = added(False, absent=False, description=STREAM)

    @model_validator(mode="after")
    def _middle_fits(self) -> Self:
        if self.shorter_side is not None and (
            self.resize not in ("crop", "ragged") or self.size is None or max(sides(self.size)) > self.shorter_side
        ):
            raise ValueError("shorter_side needs resize: crop, and a size that is no larger; or resize: ragged")
        check_ragged(self.resize, self.shorter_side, stream=self.stream)
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
        folder = kept_in(places, (self.use, found.where, *settings))
        opened = streamed(files, folder, found.stretches) if self.stream else decoded(files, folder)
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
            return Look(self.shorter_side, self.shorter_side, self.resize, self.channels), ragged_notes(self.resize, self.shorter_side)
        return look_at(entries, self.size, self.resize, self.channels)

    def _middle(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What `size` cuts out; a view, so that a set on the disk stays there."""
        if self.shorter_side is None or self.size is None:
            return pixels
        height, width = sides(self.size)
        if isinstance(pixels, (Files, Ragged)):
            return cast("NDArray[np.uint8]", pixels.middle(height, width))
        return middle_of(pixels, height, width)


def check_ragged(resize: Resize, shorter_side: int | None, *, stream: bool) -> None:
    """Refuse settings that leave ragged images without a bound, or would decode them in every epoch.

    Raises:
        ValueError: they do.
    """
    if resize == "ragged" and shorter_side is None:
        raise ValueError("resize: ragged needs size, which is what training cuts to, and shorter_side, which bounds what is kept of an image")
    if resize == "ragged" and stream:
        raise ValueError("resize: ragged keeps decoded images, and stream: true keeps none; give one of them")


def ragged_notes(resize: Resize, shorter_side: int) -> tuple[str, ...]:
    """What the reader of a page should know of images that keep their own sizes."""
    if resize != "ragged":
        return ()
    told = f"the images keep their own sizes (resize: ragged), the shorter side at most {shorter_side} pixels"
    return (f"{told}; training cuts its boxes out of these, evaluation and this page show the middle",)


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def in_view(pixels: NDArray[np.uint8], size: int | tuple[int, int] | None) -> NDArray[np.uint8]:
    """Pixels as those of images of one size; what keeps its own is seen by its middle."""
    return cast("NDArray[np.uint8]", pixels.middle(*sides(size))) if isinstance(pixels, Ragged) and size is not None else pixels


def middle_of(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of images of one size, a view."""
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    return pixels[:, top : top + height, left : left + width]


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


def look_at(entries: Sequence[Entry], size: int | tuple[int, int] | None, resize: Resize, channels: Literal[1, 3]) -> tuple[Look, tuple[str, ...]]:
    """The size and mode of every image, and a note where images of several sizes are brought to one that nobody chose."""
    wanted = sides(size) if size is not None else own_size(entries)
    if wanted is not None:
        return Look(*wanted, resize, channels), ()
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


def as_evaluated(
    paths: Sequence[Path], shape: tuple[int, int, int], resize: Resize, shorter_side: int | None
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Image files as a set with these settings shows them to evaluation.

    Args:
        paths: the files.
        shape: height, width and channels, which are 1 or 3.
        resize: the set's setting.
        shorter_side: likewise.

    Returns:
        ``uint8 [N, height, width, channels]``, zero where a file is unusable, and position → reason of those.
    """
    height, width, channels = shape
    side = (height, width) if shorter_side is None else (shorter_side, shorter_side)
    look = Look(*side, resize, channels)  # type: ignore[arg-type]
    if resize != "ragged":
        pixels, reasons = decode_all(paths, look)
        return middle_of(pixels, height, width), reasons
    images, reasons = decode_ragged(paths, look)
    pixels = np.zeros((len(paths), *shape), np.uint8)
    pixels[[at for at in range(len(paths)) if at not in reasons]] = packed(images, look).middle(height, width)[:]
    return pixels, reasons
