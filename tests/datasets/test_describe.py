"""What `contrast data` says of a set: counts, statistics and samples are those of the images."""

from __future__ import annotations

import json

import numpy as np
import pytest

from contrast.explain.data import describe, sample_sheet
from contrast.images import Images, split


def made(channels: int = 3, size: int = 8) -> Images:
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 20]).astype(np.int64)
    parts = np.array((["train"] * 5 + ["test"]) * 13 + ["train"] * 2)
    pixels = draw.integers(0, 256, (80, size, size, channels), np.uint8)
    return Images(pixels, labels, tuple(f"{p}/{i}" for i, p in enumerate(parts)), ("cat", "a\x1b[31m\ndog"), parts, ("a note",))


def test_counts_are_those_of_the_split() -> None:
    images = made()
    parts = split(images, validation=0.2, test=None, train=None, seed=0)
    said = describe(images, parts)
    assert said.given == {"train": 67, "validation": 0, "test": 13}
    assert said.split == {"train": 54, "validation": 13, "test": 13}
    assert sum(said.counts["train"]) == 54
    assert said.counts["test"] == tuple(np.bincount(images.labels[parts.test]).tolist())
    assert said.imbalance == said.counts["train"][0] / said.counts["train"][1]
    assert said.shape == (3, 8, 8)
    assert said.fingerprint == images.fingerprint


def test_both_statistics_are_those_of_their_images() -> None:
    images = made()
    parts = split(images, validation=0.2, test=None, train=None, seed=0)
    said = describe(images, parts)
    for statistics, positions in ((said.owners, images.positions("train")), (said.training, parts.train)):
        plain = images.pixels[positions].astype(np.float64) / 255
        assert statistics.mean == pytest.approx(plain.mean(axis=(0, 1, 2)), abs=1e-12)
        assert statistics.std == pytest.approx(plain.std(axis=(0, 1, 2)), abs=1e-12)
        assert statistics.images == len(positions)


def test_it_survives_json_and_its_text_holds_no_control_characters() -> None:
    images = made()
    said = describe(images, split(images, validation=0.2, test=None, train=None, seed=0))
    assert json.loads(json.dumps(said.to_dict()))["split"] == said.split
    text = said.to_text()
    assert "\x1b" not in text
    assert "a\\x1b[31m\\ndog" in text
    assert "note: a note" in text
    assert f"  mean {said.owners.mean[0]:.8f}" in text
    assert text.count("█" * 24) == 1


def test_the_real_set_prints_the_statistics_of_the_literature(cifar10: Images) -> None:
    text = describe(cifar10, split(cifar10, validation=1000, test=None, train=None, seed=0)).to_text()
    assert "given training part, 50,000 images\n  mean 0.49139968 0.48215841 0.44653091\n  std  0.24703223 0.24348513 0.26158784" in text
    assert "trained on, 49,000 images" in text


def test_a_sheet_draws_the_same_images_for_the_same_seed() -> None:
    images = made()
    first, again, other = (np.asarray(sample_sheet(images, np.arange(80), 2, 3, seed)) for seed in (1, 1, 2))
    assert first.shape == (2 * 118 + 4, 3 * 100 + 4, 3)
    assert (first == again).all()
    assert (first != other).any()


def test_a_sheet_shows_the_pixels_themselves_enlarged() -> None:
    images = made(size=8)
    sheet = np.asarray(sample_sheet(images, np.array([17]), 2, 3))
    assert sheet.shape[0] == 118 + 4
    cell = sheet[4:100, 4:100]
    assert (cell[6::12, 6::12] == images.pixels[17]).all()


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (2, 8), (4, 8), (3, 200)])
def test_every_depth_and_size_can_be_shown(channels: int, size: int) -> None:
    assert sample_sheet(made(channels, size), np.arange(80), 2, 2).mode == "RGB"
