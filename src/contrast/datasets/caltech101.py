"""Caltech-101: photographs of 101 kinds of things, of many sizes, split by the lists train.txt and test.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from contrast.class_folders import scan
from contrast.errors import InputError
from contrast.image_files import ImageFilesIngredient, Listed, Side
from contrast.images import PARTS, TEST, TRAIN, VALIDATION, Images
from contrast.official import missing
from contrast.protocols import Places, Share

IMAGES, BACKGROUND, CLASSES = "101_ObjectCategories", "BACKGROUND_Google", 101
LISTS = ("train.txt", "test.txt")
FOLDERS = ("caltech101", "caltech-101", "Caltech101", "Caltech-101", "Homework2-Caltech101", "caltech-22")
# Address: torchvision.datasets.Caltech101. The archive holds an archive, which is unpacked by hand.
ADDRESS = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
_LONGEST_LIST = 10_000_000


class Caltech101(ImageFilesIngredient):
    """Caltech-101 (Fei-Fei, Fergus & Perona 2004) without its background class.

    The lists name images as ``ant/image_0002.jpg``, one a line. Of the lines of train.txt, the background's left out and
    counted from 0, odd ones are the training part and even ones the validation part; test.txt is the test part.
    """

    test: Share | None = Field(default=None, description="held out for the end with split: random; count or fraction")
    size: Side | None = Field(default=224, description="height and width of the images, pixels")
    shorter_side: Side | None = Field(
        default=256, description="bring the shorter side to this many pixels first, then cut `size` out of the middle; null: to `size` itself"
    )
    path: str | None = Field(default=None, min_length=1, description=f"the folder that holds {IMAGES}; null: looked for under its usual names")
    split: Literal["lists", "random"] = Field(default="lists", description="lists: by train.txt and test.txt; random: drawn, stratified")

    def read(self, places: Places) -> Images:
        """Decode the images of the lists, or all of them with ``split: random``; an image's id is its path below the folder of images.

        Raises:
            InputError: the set or a list is missing, a list names what is not there, or images can't be read.
        """
        root = self._root(places)
        excluded = [BACKGROUND] if (root / IMAGES / BACKGROUND).is_dir() else []
        found = scan(root / IMAGES, excluded)
        kinds = len(found.classes)
        few = () if kinds == CLASSES else (f"{kinds} classes are here, of the {CLASSES} of the whole set",)
        listed = Listed(str(root), found.classes, found.entries, damages=found.damages, notes=(*found.notes, *few))
        return self.gathered(listed if self.split == "random" else _named(listed, root), places)

    def _root(self, places: Places) -> Path:
        given = Path(self.path).expanduser() if self.path else None
        if given is not None and given.is_absolute():
            root = given
        else:
            names = (f"{self.path}/{IMAGES}",) if self.path else (*(f"{folder}/{IMAGES}" for folder in FOLDERS), IMAGES)
            found = places.find(*names)
            if found is None:
                raise missing("Caltech-101", names=names[:1], folders=places.folders, get=f"get {ADDRESS} and unpack it and what is in it")
            root = found.parent
        return root


def _named(found: Listed, root: Path) -> Listed:
    """The images that the lists name, in their parts, with a note of those that no list names."""
    learning, judging = (_names(root / name) for name in LISTS)
    wanted = {name: VALIDATION if at % 2 == 0 else TRAIN for at, name in enumerate(learning)} | dict.fromkeys(judging, TEST)
    twice = len(learning) + len(judging) - len(wanted)
    if twice:
        raise InputError(f"{twice} images stand twice in {' and '.join(LISTS)}", where=str(root), right="name each once")
    damages = [damage for damage in found.damages if damage.id in wanted]
    gone = sorted(wanted.keys() - {entry.id for entry in found.entries} - {damage.id for damage in damages})
    if gone:
        told = f"{len(gone)} images that the lists name are missing, {gone[0]!r} first"
        raise InputError(told, where=str(root / IMAGES), right="unpack the set again, or take the lists that belong to it")
    entries = [entry._replace(part=wanted[entry.id]) for entry in found.entries if entry.id in wanted]
    others = len(found.entries) - len(entries)
    notes = (f"{others} images that neither {LISTS[0]} nor {LISTS[1]} names were left out",) if others else ()
    entries.sort(key=lambda entry: (PARTS.index(entry.part), entry.id))
    return Listed(found.where, found.classes, entries, damages=damages, notes=(*found.notes, *notes))


def _names(path: Path) -> list[str]:
    """The images that a list names, in its order, without the background's."""
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(_LONGEST_LIST)
    except (OSError, UnicodeError) as error:
        right = "put it beside the images' folder, or draw the split: split: random, test: 0.33, validation: 0.33"
        raise InputError(f"the list {path.name} can't be read ({type(error).__name__})", where=str(path.parent), right=right) from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(f"{BACKGROUND}/")]
