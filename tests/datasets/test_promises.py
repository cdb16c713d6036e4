"""What every data set promises, tried on those that need no download."""

from __future__ import annotations

import numpy as np
import pytest

from contrast import catalog
from contrast.images import PARTS, Images, split
from contrast.protocols import DataIngredient, Places

SELF_CONTAINED = ["mnist5k", "synthetic"]


def ingredient(name: str, **settings: object) -> DataIngredient:
    made = catalog.parse("data", {"use": name, **settings})
    assert isinstance(made, DataIngredient)
    return made


@pytest.fixture(scope="module", params=SELF_CONTAINED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def images(name: str) -> Images:
    return ingredient(name).read(Places())


def test_reading_twice_gives_the_same_fingerprint(name: str, images: Images) -> None:
    assert ingredient(name).read(Places()).fingerprint == images.fingerprint


def test_pixels_are_bytes_channels_last_and_in_one_block(images: Images) -> None:
    assert images.pixels.dtype == np.uint8
    assert images.pixels.ndim == 4
    assert images.pixels.flags.c_contiguous
    assert images.labels.dtype == np.int64


def test_every_class_has_images_and_every_part_is_a_known_one(images: Images) -> None:
    assert (np.bincount(images.labels, minlength=len(images.classes)) > 0).all()
    assert set(images.parts) <= set(PARTS)


def test_ids_are_part_and_index(images: Images) -> None:
    assert images.ids[:2] == ("train/0", "train/1")
    assert len(set(images.ids)) == len(images)


def test_it_splits_with_its_own_settings(name: str, images: Images) -> None:
    data = ingredient(name)
    parts = split(images, validation=data.validation, test=data.test, train=data.train, seed=data.split_seed)
    assert len(parts.test) == round(0.2 * len(images))
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(images)


def test_the_digits_are_five_hundred_of_each() -> None:
    images = ingredient("mnist5k").read(Places())
    assert images.pixels.shape == (5000, 28, 28, 1)
    assert np.bincount(images.labels).tolist() == [500] * 10
    assert images.classes == tuple("0123456789")


def test_the_digits_are_mnist(mnist: Images) -> None:
    digits = ingredient("mnist5k").read(Places())
    known = {image.tobytes() for image in mnist.pixels[mnist.positions("train")]}
    assert all(image.tobytes() in known for image in digits.pixels)


def test_a_damaged_table_of_digits_is_refused() -> None:
    from contrast.datasets.mnist5k import parse
    from contrast.errors import InputError

    for table in (b"", b"1,2,3\n", b"<html>", b"0," * 784 + b"0\n", b"".join(b"256," * 784 + b"%d\n" % (i % 10) for i in range(5000))):
        with pytest.raises(InputError, match="not what they should be"):
            parse(table)


def test_fewer_synthetic_images_are_the_first_of_more() -> None:
    few, many = (ingredient("synthetic", images=n).read(Places()) for n in (100, 5000))
    assert (few.pixels == many.pixels[:100]).all()
    assert (few.labels == many.labels[:100]).all()


def test_synthetic_classes_can_be_told_apart_and_noise_hides_them() -> None:
    def accuracy(noise: float) -> float:
        """A nearest-direction rule: the class whose stripes have the most energy."""
        images = ingredient("synthetic", images=200, noise=noise).read(Places())
        gray = images.pixels.mean(axis=3) - images.pixels.mean(axis=(1, 2, 3))[:, None, None]
        steps = 4 * np.pi * np.arange(16) / 16
        angles = np.pi * np.arange(4) / 4
        along = np.cos(angles)[:, None, None] * steps + np.sin(angles)[:, None, None] * steps[:, None]
        energy = np.abs(np.einsum("nhw,khw->nk", gray, np.exp(1j * along)))
        return float((energy.argmax(1) == images.labels).mean())

    assert accuracy(0.3) == 1.0
    assert accuracy(0.98) < 0.8


@pytest.mark.parametrize("settings", [{"seed": 1}, {"noise": 0.1}, {"size": 8}, {"channels": 1}, {"classes": 5}])
def test_every_synthetic_setting_changes_the_images(settings: dict[str, object]) -> None:
    assert ingredient("synthetic", **settings).read(Places()).fingerprint != ingredient("synthetic").read(Places()).fingerprint
