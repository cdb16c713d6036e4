"""MNIST: 60,000 + 10,000 handwritten digits, 28×28, from the four official idx files, packed or not."""

from __future__ import annotations

from pathlib import Path

from contrast.downloads import Remote, fetched
from contrast.errors import InputError
from contrast.idx import images_of
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
ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"
# Address and checksums of the packed files: torchvision.datasets.MNIST.
REMOTES = tuple(
    Remote(f"{ADDRESS}{name}.gz", f"{FOLDERS[0]}/{name}.gz", f"md5:{digest}", size)
    for name, size, digest in (
        ("train-images-idx3-ubyte", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    )
)
_DIGITS = tuple("0123456789")


class Mnist(DataIngredient):
    """MNIST (LeCun, Bottou, Bengio & Haffner 1998) with the test part of its owners."""

    def read(self, places: Places) -> Images:
        """Decode all 70,000 digits: ``uint8 [70000, 28, 28, 1]``, training part first.

        Raises:
            InputError: files are missing, damaged, or not the published ones.
        """
        first = places.find(*(f"{name}/{FILES[TRAIN][0].name}{end}" for name in FOLDERS for end in ("", ".gz")))
        if first is None:
            get = f"get the four idx files, e.g. from {ADDRESS}"
            error = missing("MNIST", names=[f"{FOLDERS[0]}/{FILES[TRAIN][0].name}.gz"], folders=places.folders, get=get)
            first = fetched(REMOTES, places, error)
        contents = {part: [_content(first.parent, file) for file in files] for part, files in FILES.items()}
        return images_of({part: (images, labels) for part, (images, labels) in contents.items()}, _DIGITS)


def _content(folder: Path, file: OfficialFile) -> bytes:
    """What a file holds, packed (``.gz``) or not."""
    for path in (folder / file.name, folder / f"{file.name}.gz"):
        if path.exists():
            return file.read(path)
    raise InputError(f"{file.name} is missing, packed (.gz) or not", where=str(folder), right="put it beside the others")
