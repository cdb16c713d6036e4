"""Where the real data sets lie, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contrast import catalog
from contrast.images import Images
from contrast.protocols import DataIngredient, Places


@pytest.fixture(scope="session")
def real() -> Places:
    """The places named by $CONTRAST_DATA; a test that needs them is skipped where it names none."""
    folder = os.environ.get("CONTRAST_DATA")
    if not folder:
        pytest.skip("needs real data sets: set CONTRAST_DATA to the folder that holds mnist/ and cifar-10-batches-bin/")
    return Places(folders=(Path(folder),))


def _read(name: str, places: Places) -> Images:
    ingredient = catalog.parse("data", name)
    assert isinstance(ingredient, DataIngredient)
    return ingredient.read(places)


@pytest.fixture(scope="session")
def cifar10(real: Places) -> Images:
    """The real CIFAR-10."""
    if real.find("cifar-10-batches-bin", "cifar-10-binary.tar.gz") is None:
        pytest.skip("needs CIFAR-10's binary files in $CONTRAST_DATA/cifar-10-batches-bin")
    return _read("cifar10", real)


@pytest.fixture(scope="session")
def mnist(real: Places) -> Images:
    """The real MNIST."""
    if real.find("mnist") is None:
        pytest.skip("needs MNIST's four files in $CONTRAST_DATA/mnist")
    return _read("mnist", real)
