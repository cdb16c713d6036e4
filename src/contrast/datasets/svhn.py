"""SVHN: 73,257 + 26,032 house numbers, 32×32, ten digits, from the two official .mat files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrast.downloads import Remote, fetched
from contrast.errors import InputError
from contrast.images import TEST, TRAIN, Images
from contrast.official import OfficialFile, missing
from contrast.protocols import DataIngredient, Places

FOLDERS = ("svhn", "SVHN")
ADDRESS = "http://ufldl.stanford.edu/housenumbers/"
# Address and checksums: torchvision.datasets.SVHN.
FILES = {
    TRAIN: OfficialFile("train_32x32.mat", 190_000_000, "md5:e26dedcc434d2e4c54c9b2d4a06d8373"),
    TEST: OfficialFile("test_32x32.mat", 70_000_000, "md5:eb5a983be6a315427106f1b164d9cef3"),
}
_DIGITS = tuple("0123456789")
_AGAIN = "get the file again"


class Svhn(DataIngredient):
    """Street View House Numbers, cropped digits (Netzer et al. 2011), with the test part of its owners; downloaded where it is missing."""

    def read(self, places: Places) -> Images:
        """Decode all 99,289 digits: ``uint8 [99289, 32, 32, 3]``, training part first.

        Raises:
            InputError: files are missing and can't be downloaded, damaged, or not the published ones.
        """
        first = FILES[TRAIN].name
        found = places.find(*(f"{folder}/{first}" for folder in FOLDERS), first)
        if found is None:
            error = missing("SVHN", names=[f"{FOLDERS[0]}/{first}"], folders=places.folders, get=f"get its two files from {ADDRESS}")
            found = fetched([Remote(ADDRESS + f.name, f"{FOLDERS[0]}/{f.name}", f.checksum, f.size) for f in FILES.values()], places, error)
        parts = {}
        for part, file in FILES.items():
            path = found.parent / file.name
            parts[part] = parse(file.read(path), str(path))
        ids = tuple(f"{part}/{i}" for part, (_, labels) in parts.items() for i in range(len(labels)))
        owners = np.concatenate([np.full(len(labels), part) for part, (_, labels) in parts.items()])
        pixels = np.concatenate([pixels for pixels, _ in parts.values()])
        return Images(pixels, np.concatenate([labels for _, labels in parts.values()]), ids, _DIGITS, owners)


def parse(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels ``uint8 [N, 32, 32, 3]`` and labels ``int64 [N]`` of a MATLAB file; its label 10 is the digit 0.

    Raises:
        InputError: it is no MATLAB file, or does not hold ``X [32, 32, 3, N]`` and ``y [N, 1]``.
    """
    from scipy import io as matlab

    try:
        stream: Any = io.BytesIO(content)  # its type stubs know paths alone
        entries = matlab.loadmat(stream, variable_names=["X", "y"])
    except Exception as error:  # its reader raises many things on damaged bytes
        raise InputError(f"is no MATLAB file that can be read ({type(error).__name__})", where=where, right=_AGAIN) from error
    pixels, labels = entries.get("X"), entries.get("y")
    wrong = InputError("does not hold images X [32, 32, 3, N] and labels y from 1 to 10", where=where, right=_AGAIN)
    if not isinstance(pixels, np.ndarray) or not isinstance(labels, np.ndarray) or pixels.dtype != np.uint8 or labels.dtype.kind not in "iu":
        raise wrong
    numbers = labels.astype(np.int64).ravel()
    if pixels.shape != (32, 32, 3, len(numbers)) or not len(numbers) or numbers.min() < 1 or numbers.max() > 10:
        raise wrong
    return np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), numbers % 10
