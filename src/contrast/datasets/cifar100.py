"""CIFAR-100: 50,000 + 10,000 photographs, 32×32, in 100 classes or 20 groups of them, from the official files."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contrast.downloads import Remote, fetched
from contrast.errors import InputError
from contrast.images import TEST, TRAIN, Images
from contrast.official import OfficialFile, contents, missing
from contrast.pickled import read_pickled
from contrast.protocols import DataIngredient, Places

FOLDER, ARCHIVE = "cifar-100-python", "cifar-100-python.tar.gz"
# Address and checksums: torchvision.datasets.CIFAR100.
REMOTE = Remote(f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}", ARCHIVE, "md5:eb9058c3a382ffc7106e4002c42a8d85", 170_000_000)
FILES = (
    OfficialFile("train", 160_000_000, "md5:16019d7e3df5f24257cddd939b257f8d"),
    OfficialFile("test", 35_000_000, "md5:f0ef6b0ae62326f3e7ffdfab6717acfc"),
    OfficialFile("meta", 10_000, "md5:7973b15100ade9c7d40fb424638fde48"),
)
_MOST = 400_000_000
_ROW = 3 * 1024
_AGAIN = "get the file again"


class Cifar100(DataIngredient):
    """CIFAR-100 (Krizhevsky 2009) with the test part of its owners; downloaded where it is missing."""

    labels: Literal["fine", "coarse"] = Field(default="fine", description="fine: 100 classes; coarse: their 20 groups of five")

    def read(self, places: Places) -> Images:
        """Decode all 60,000 photographs: ``uint8 [60000, 32, 32, 3]``, training part first.

        Raises:
            InputError: files are missing and can't be downloaded, damaged, or not the published ones.
        """
        found = places.find(FOLDER, ARCHIVE)
        if found is None:
            error = missing("CIFAR-100", names=(FOLDER, ARCHIVE), folders=places.folders, get=f"get {REMOTE.url}")
            found = fetched([REMOTE], places, error)
        entries = {FILES[at].name: (read_pickled(content, where), where) for at, where, content in contents(found, FOLDER, FILES, _MOST)}
        classes = _names(*entries["meta"], f"{self.labels}_label_names")
        parts = {part: parse(*entries[part], f"{self.labels}_labels", len(classes)) for part in (TRAIN, TEST)}
        ids = tuple(f"{part}/{i}" for part, (_, labels) in parts.items() for i in range(len(labels)))
        owners = np.concatenate([np.full(len(labels), part) for part, (_, labels) in parts.items()])
        pixels = np.concatenate([pixels for pixels, _ in parts.values()])
        return Images(pixels, np.concatenate([labels for _, labels in parts.values()]), ids, classes, owners)


def parse(entries: dict[str, Any], where: str, labels: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels ``uint8 [N, 32, 32, 3]`` and labels ``int64 [N]`` of one part.

    Args:
        entries: what the file holds.
        where: the file, for messages.
        labels: which entry holds them.
        classes: how many there are.

    Raises:
        InputError: there is not one row of 3,072 bytes and one label an image.
    """
    rows, found = entries.get("data"), entries.get(labels)
    wrong = InputError(f"is no part of CIFAR-100: a row of 3,072 bytes and a label from 0 to {classes - 1} an image", where=where, right=_AGAIN)
    if not isinstance(rows, np.ndarray) or not isinstance(found, list) or rows.shape != (len(found), _ROW):
        raise wrong
    if not all(type(label) is int and 0 <= label < classes for label in found):
        raise wrong
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), np.array(found, np.int64)


def _names(entries: dict[str, Any], where: str, key: str) -> tuple[str, ...]:
    found = entries.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
        raise InputError(f"names no classes ({key})", where=where, right=_AGAIN)
    return tuple(found)
