"""A torch data set given from Python as an object, as an ingredient: read through once, in the process that made it."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr

from contrast.catalog import LIVE, gone
from contrast.images import Images
from contrast.protocols import DataIngredient, Places, Share
from contrast.torch_images import images_of

_READ: dict[str, Images] = {}


class LiveData(DataIngredient):
    """A data set of (image, label) that was handed over as an object."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    test: Share | None = Field(default=0.2, description="held out for the end: count or fraction")

    _name: str = PrivateAttr(default="")

    @property
    def use(self) -> str:
        return f"{LIVE}{self._name}"

    def read(self, places: Places) -> Images:
        """The images that were read when the object was handed over; `places` is not needed."""
        return _READ[self._name]


def of(dataset: Any) -> LiveData:
    """Make the ingredient of an object; its name, and so a recipe's id, follows from its images and labels.

    Raises:
        InputError: it does not give images and labels; names the item.
    """
    kind = type(dataset).__name__
    images = images_of(dataset, kind)
    name = f"{kind}-{images.fingerprint[:16]}"
    _READ[name] = images
    return named(name, {})


def named(name: str, settings: dict[str, Any]) -> LiveData:
    """The ingredient of an object that was handed over before.

    Raises:
        InputError: it was handed over in another process.
    """
    if name not in _READ:
        raise gone(name)
    made = LiveData(**settings)
    made._name = name
    return made
