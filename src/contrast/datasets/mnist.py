"""MNIST: 60,000 + 10,000 handwritten digits, 28×28, from the four official idx files, packed or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError
from contrast.images import TEST, TRAIN, Images
from contrast.official import OfficialFile, missing
from contrast.protocols import DataIngredient, Places

FOLDERS = ("mnist", "MNIST/raw", "MNIST")
FILES = {
    TRAIN: (
        OfficialFile("train-images-idx3-ubyte", 47_040_016, "sha1:c3557c10f29b266e19b3eeee1553c85e0ef4a8ea"),
        OfficialFile("train-labels-idx1-ubyte", 60_008, "sha1:adbf52269f5d842899f287c269e2883e40b4f6e2"),
    ),
    TEST: (
        OfficialFile("t10k-images-idx3-ubyte", 7_840_016, "sha1:65e11ec1fd220343092a5070b58418b5c2644e26"),
        OfficialFile("t10k-labels-idx1-ubyte", 10_008, "sha1:a6d52cc628797e845885543326e9f10abb8a6f89"),
    ),
}
_DIGITS = tuple("0123456789")
_BYTES = 0x08


class Mnist(DataIngredient):
    """MNIST (LeCun, Bottou, Bengio & Haffner 1998) with the test part of its owners."""

    def read(self, places: Places) -> Images:
        """Decode all 70,000 digits: ``uint8 [70000, 28, 28, 1]``, training part first.

        Raises:
            InputError: files are missing, damaged, or not the published ones.
        """
        first = places.find(*(f"{name}/{FILES[TRAIN][0].name}{end}" for name in FOLDERS for end in ("", ".gz")))
        if first is None:
            get = "get the four idx files, e.g. from https://ossci-datasets.s3.amazonaws.com/mnist/"
            raise missing("MNIST", names=[f"{FOLDERS[0]}/{FILES[TRAIN][0].name}.gz"], folders=places.folders, get=get)
        parts = {part: [_content(first.parent, file) for file in files] for part, files in FILES.items()}
        pixels = np.concatenate([parse_idx(images, FILES[part][0].name, dimensions=3) for part, (images, _) in parts.items()])
        labels = {part: parse_idx(raw, FILES[part][1].name, dimensions=1) for part, (_, raw) in parts.items()}
        ids = tuple(f"{part}/{i}" for part in parts for i in range(len(labels[part])))
        owners = np.concatenate([np.full(len(labels[part]), part) for part in parts])
        return Images(pixels[..., None], np.concatenate(list(labels.values())).astype(np.int64), ids, _DIGITS, owners)


def _content(folder: Path, file: OfficialFile) -> bytes:
    """What a file holds, packed (``.gz``) or not."""
    for path in (folder / file.name, folder / f"{file.name}.gz"):
        if path.exists():
            return file.read(path)
    raise InputError(f"{file.name} is missing, packed (.gz) or not", where=str(folder), right="put it beside the others")


def parse_idx(content: bytes, where: str, dimensions: int) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes (LeCun's format: magic number, big-endian sizes, values).

    Returns:
        ``uint8``, of the sizes that the file states (read-only).

    Raises:
        InputError: the magic number is another, or the values do not fill the sizes.
    """
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, _BYTES, dimensions]):
        raise InputError(f"is no idx file of bytes in {dimensions} dimensions", where=where, right="get the file again")
    sizes = np.frombuffer(content, ">u4", dimensions, offset=4).astype(np.int64)
    if int(np.prod(sizes)) != len(content) - start:
        told = f"holds {len(content) - start:,} values where its head says {' × '.join(map(str, sizes))}"
        raise InputError(told, where=where, right="get the file again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
