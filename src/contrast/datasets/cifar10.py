"""CIFAR-10: 50,000 + 10,000 photographs, 32×32, ten classes, from the official files or their archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrast.downloads import Remote, fetched
from contrast.errors import InputError
from contrast.images import TEST, TRAIN, Images
from contrast.official import OfficialFile, contents, missing
from contrast.pickled import read_pickled
from contrast.protocols import DataIngredient, Places

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCH, _PLANE = 10_000, 1024
_RECORD = 1 + 3 * _PLANE
_MOST = 400_000_000
"""Bytes that an archive may unpack to; the official ones hold 184 and 186 million."""


@dataclass(frozen=True)
class Form:
    """One of the two ways in which CIFAR-10 is published: its six batches, training first, and how to read one."""

    folder: str
    archive: str
    files: tuple[OfficialFile, ...]
    parse: Callable[[bytes, str], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def parse_binary(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Planes ``uint8 [N, 3, 1024]`` and labels ``uint8 [N]`` of a binary batch: a record is a label and 3,072 pixels.

    Raises:
        InputError: the size is no number of records, or a label is above 9.
    """
    if not content or len(content) % _RECORD:
        raise InputError(f"{len(content):,} bytes are no whole number of records", where=where, right="get the file again")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, 3, _PLANE), _checked(records[:, 0], where)


def parse_python(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Planes ``uint8 [N, 3, 1024]`` and labels ``uint8 [N]`` of a batch of the Python version, read without running it.

    Raises:
        InputError: it holds anything but plain data, or not one row and one label an image.
    """
    entries = read_pickled(content, where)
    rows, labels = entries.get("data"), entries.get("labels")
    wrong = InputError("is no batch of CIFAR-10: a row of 3,072 bytes and a label from 0 to 9 an image", where=where, right="get the file again")
    if not isinstance(rows, np.ndarray) or not isinstance(labels, list) or rows.shape != (len(labels), _RECORD - 1):
        raise wrong
    if not all(type(label) is int and 0 <= label < len(CLASSES) for label in labels):
        raise wrong
    return rows.reshape(-1, 3, _PLANE), np.array(labels, np.uint8)


def _checked(labels: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
    if labels.max() >= len(CLASSES):
        raise InputError(f"a label is {labels.max()}, above {len(CLASSES) - 1}", where=where, right="get the file again")
    return labels


_NAMES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_SHA1 = (
    "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
    "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
    "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
    "aab85764eb3584312d3c7f65fd2fd016e36a258e",
    "26e2849e66a845b7f1e4614ae70f4889ae604628",
    "67eb016db431130d61cd03c7ad570b013799c88c",
)
_MD5 = (
    "c99cafc152244af753f735de768cd75f",
    "d4bba439e000b95fd0a9bffe97cbabec",
    "54ebc095f3ab1f0389bbae665268c751",
    "634d18415352ddfa80567beed471001a",
    "482c414d41f54cd18b22e5b47cb7c3cb",
    "40351d587109b95175f43aff81a1287e",
)
_PICKLED_AT_MOST = 31_100_000
BINARY = Form(
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    tuple(OfficialFile(f"{name}.bin", _BATCH * _RECORD, f"sha1:{digest}") for name, digest in zip(_NAMES, _SHA1, strict=True)),
    parse_binary,
)
PYTHON = Form(
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    tuple(OfficialFile(name, _PICKLED_AT_MOST, f"md5:{digest}") for name, digest in zip(_NAMES, _MD5, strict=True)),
    parse_python,
)


_ADDRESS = "https://www.cs.toronto.edu/~kriz/"
# Address and checksum of the Python form: torchvision.datasets.CIFAR10.
REMOTE = Remote(_ADDRESS + PYTHON.archive, PYTHON.archive, "md5:c58f30108f718f92721af3b95e74349a", 170_498_071)


class Cifar10(DataIngredient):
    """CIFAR-10 (Krizhevsky 2009) with the test part of its owners; both published forms give the same images."""

    def read(self, places: Places) -> Images:
        """Decode all 60,000 photographs: ``uint8 [60000, 32, 32, 3]``, training part first.

        Raises:
            InputError: files are missing, damaged, or not the published ones.
        """
        forms = {name: form for form in (BINARY, PYTHON) for name in (form.folder, form.archive)}
        found = places.find(*forms)
        if found is None:
            error = missing("CIFAR-10", names=forms, folders=places.folders, get=f"get {_ADDRESS}{BINARY.archive}")
            found = fetched([REMOTE], places, error)
        form = forms[found.name]
        pixels = np.empty((len(form.files) * _BATCH, 32, 32, 3), np.uint8)
        labels = np.empty(len(pixels), np.int64)
        for at, where, content in contents(found, form.folder, form.files, _MOST):
            planes, digits = form.parse(content, where)
            block = slice(at * _BATCH, (at + 1) * _BATCH)
            if len(planes) != _BATCH:
                raise InputError(f"holds {len(planes):,} images instead of {_BATCH:,}", where=where, right="get the file again")
            for channel in range(3):  # a plane at a time: six times quicker than one transposed copy
                pixels[block, ..., channel] = planes[:, channel].reshape(-1, 32, 32)
            labels[block] = digits
        train = (len(form.files) - 1) * _BATCH
        ids = tuple(f"train/{i}" for i in range(train)) + tuple(f"test/{i}" for i in range(_BATCH))
        return Images(pixels, labels, ids, CLASSES, np.repeat(np.array([TRAIN, TEST]), [train, _BATCH]))
