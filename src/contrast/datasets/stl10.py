"""STL-10: 5,000 + 8,000 labeled photographs, 96×96, ten classes, from the official files or their archive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrast.downloads import Remote, fetched
from contrast.errors import InputError
from contrast.images import TEST, TRAIN, Images
from contrast.official import OfficialFile, contents, missing
from contrast.protocols import DataIngredient, Places

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
FOLDER, ARCHIVE = "stl10_binary", "stl10_binary.tar.gz"
_SIDE = 96
_RECORD = 3 * _SIDE**2
# Address and checksums: torchvision.datasets.STL10. The 100,000 unlabeled images are passed over.
REMOTE = Remote(f"http://ai.stanford.edu/~acoates/stl10/{ARCHIVE}", ARCHIVE, "md5:91f7769df0f17e558f3565bffb0c7dfb", 2_700_000_000)
FILES = (
    OfficialFile("train_X.bin", 5000 * _RECORD, "md5:918c2871b30a85fa023e0c44e0bee87f"),
    OfficialFile("train_y.bin", 5000, "md5:5a34089d4802c674881badbb80307741"),
    OfficialFile("test_X.bin", 8000 * _RECORD, "md5:7f263ba9f9e0b06b93213547f721ac82"),
    OfficialFile("test_y.bin", 8000, "md5:36f9794fa4beb8a2c72628de14fa638e"),
)
_MOST = 4_000_000_000


class Stl10(DataIngredient):
    """STL-10 (Coates, Lee & Ng 2011), its labeled images, with the test part of its owners; downloaded where it is missing (2.6 GB)."""

    def read(self, places: Places) -> Images:
        """Decode all 13,000 photographs: ``uint8 [13000, 96, 96, 3]``, training part first.

        Raises:
            InputError: files are missing and can't be downloaded, damaged, or not the published ones.
        """
        found = places.find(FOLDER, ARCHIVE)
        if found is None:
            error = missing("STL-10", names=(FOLDER, ARCHIVE), folders=places.folders, get=f"get {REMOTE.url}")
            found = fetched([REMOTE], places, error)
        read = {FILES[at].name: content for at, _, content in contents(found, FOLDER, FILES, _MOST)}
        parts = {part: parse(read[f"{part}_X.bin"], read[f"{part}_y.bin"], f"{found}: {part}") for part in (TRAIN, TEST)}
        ids = tuple(f"{part}/{i}" for part, (_, labels) in parts.items() for i in range(len(labels)))
        owners = np.concatenate([np.full(len(labels), part) for part, (_, labels) in parts.items()])
        pixels = np.concatenate([pixels for pixels, _ in parts.values()])
        return Images(pixels, np.concatenate([labels for _, labels in parts.values()]), ids, CLASSES, owners)


def parse(pixels: bytes, labels: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels ``uint8 [N, 96, 96, 3]`` and labels ``int64 [N]``: planes by columns, labels from 1 to 10, as its owners write them.

    Raises:
        InputError: there is not one label and one record of 27,648 bytes an image.
    """
    numbers = np.frombuffer(labels, np.uint8).astype(np.int64) - 1
    if len(pixels) != len(numbers) * _RECORD or not len(numbers) or numbers.min() < 0 or numbers.max() >= len(CLASSES):
        raise InputError("is not a record of 27,648 bytes and a label from 1 to 10 an image", where=where, right="get the files again")
    planes = np.frombuffer(pixels, np.uint8).reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 3, 2, 1)), numbers
