"""Cats vs dogs: photographs of two classes and many sizes, in folders Cat and Dog, with or without a test folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from contrast.class_folders import scan
from contrast.errors import InputError
from contrast.image_files import ImageFilesIngredient, Listed, Side
from contrast.images import Images
from contrast.official import missing
from contrast.protocols import Places, Share

FOLDERS = ("cats_vs_dogs", "cats-vs-dogs", "dogs-vs-cats", "PetImages", "kagglecatsanddogs_5340/PetImages", "dogs-vs-cats-64")
ADDRESS = "https://www.microsoft.com/en-us/download/details.aspx?id=54765"
_CLASSES = {"cat", "dog"}


class CatsVsDogs(ImageFilesIngredient):
    """Cats and dogs (Elson et al. 2007, Asirra; the Kaggle set): ``trainset/Cat`` and the like, or ``PetImages/Cat``.

    Kaggle's PetImages holds a few files that are no images; `damaged` ``skip`` leaves them out.
    """

    test: Share | None = Field(default=0.2, description="held out for the end where there is no test folder: count or fraction")
    size: Side | None = Field(default=64, description="height and width of the images, pixels")
    path: str | None = Field(default=None, min_length=1, description="the folder; null: looked for under its usual names")

    def read(self, places: Places) -> Images:
        """Decode all images; an image's id is its path below the folder.

        Raises:
            InputError: the set is missing, has other classes, or images can't be read.
        """
        found = scan(self._root(places))
        if {name.lower() for name in found.classes} != _CLASSES:
            raise InputError(f"its classes are {', '.join(found.classes[:5])}", where=str(found.root), right="name a folder of Cat and Dog")
        return self.gathered(Listed(str(found.root), found.classes, found.entries, damages=found.damages, notes=found.notes), places)

    def _root(self, places: Places) -> Path:
        names = (self.path,) if self.path else FOLDERS
        absolute = self.path is not None and Path(self.path).expanduser().is_absolute()
        root = Path(self.path or "").expanduser() if absolute else places.find(*names)
        if root is None:
            raise missing("cats vs dogs", names=names[:4], folders=places.folders, get=f"get it from {ADDRESS}, unpack it")
        return root
