"""Samplers: which training images an epoch shows, a function of (seed, epoch, image ids) alone."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.made import begun, small
from torch import Tensor

from contrast import catalog, keyed
from contrast.engine.batches import Batches, Bound, Part
from contrast.engine.machine import resolve
from contrast.engine.sampling import Order, Weighted, earlier, order_of
from contrast.engine.training import LoadedData
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import AugmentIngredient
from contrast.recipe import Recipe
from contrast.sampling import Sampling

SIZES = (60, 30, 10)
CLASSES = ("cat", "dog", "emu")
BASE: dict[str, Any] = {"data": "synthetic", "model": "convnet"}


@cache
def made(sizes: tuple[int, ...] = SIZES, seed: int | None = None) -> LoadedData:
    """A set whose every pixel is its class, in the order of the classes, or shuffled."""
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    ids = [f"{CLASSES[label]}/{at}" for at, label in enumerate(labels)]
    order = np.arange(len(labels)) if seed is None else np.random.default_rng(seed).permutation(len(labels))
    labels, ids = labels[order], [ids[at] for at in order]
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4, 1), np.uint8)[order]
    images = Images(pixels, labels, tuple(ids), CLASSES[: len(sizes)], np.full(len(labels), "train"))
    part = Part.of(images, np.arange(len(labels)), labels, "cpu")
    return LoadedData(images.shape, images.classes, "", (), part, part, part)


def sampling(**given: Any) -> Sampling | None:
    return Recipe.parse({**BASE, "sampler": given or None}, trust=False).sampler


def order(data: LoadedData, batch_size: int = 1, **given: Any) -> Order:
    return order_of(sampling(**given), data, batch_size)


def shown(data: LoadedData, seed: int = 0, epoch: int = 0, **given: Any) -> list[str]:
    positions, _ = order(data, **given).of_epoch(seed, epoch)
    return [data.train.ids[at] for at in positions.tolist()]


EVERY: list[dict[str, Any]] = [
    {"use": "uniform"},
    {"use": "uniform", "images": 0.5},
    {"use": "uniform", "replacement": True},
    {"use": "balanced"},
    {"use": "balanced", "replacement": True},
    {"use": "weighted", "weights": {"cat": 1.0, "dog": 2.0, "emu": 0.5}},
    {"use": "weighted", "weights": [1, 2, 0.5], "images": 40},
    {"use": "weighted", "weights": [1, 2, 0.5], "replacement": True},
]


def test_without_a_sampler_the_order_is_what_it_was_bit_for_bit_and_the_id_too() -> None:
    data = made()
    for epoch in range(3):
        positions, again = order(data).of_epoch(7, epoch)
        assert torch.equal(positions, keyed.permutation(7, "order", epoch, data.train.keys))
        assert again is None
    plain = Recipe.parse(BASE, trust=False)
    for same in ("uniform", {"use": "uniform"}, {"use": "uniform", "replacement": False}, None):
        assert Recipe.parse({**BASE, "sampler": same}, trust=False).id == plain.id
    others = [Recipe.parse({**BASE, "sampler": other}, trust=False) for other in EVERY[1:]]
    assert len({plain.id, *(other.id for other in others)}) == 1 + len(others)
    assert all(Recipe.parse(other.spec(), trust=False).id == other.id for other in others)
    assert len({hash(other) for other in others}) == len(others)


@pytest.mark.parametrize("given", EVERY, ids=str)
def test_what_is_shown_follows_from_seed_epoch_and_ids_alone(given: dict[str, Any]) -> None:
    data, other = made(), made(seed=3)
    first = shown(data, **given)
    assert first == shown(data, **given) == shown(other, **given)
    assert first != shown(data, epoch=1, **given)
    assert first != shown(data, seed=1, **given)
    assert len(first) == len(order(data, **given))


@pytest.mark.parametrize("given", [g for g in EVERY if not g.get("replacement")], ids=str)
def test_without_replacement_no_image_is_shown_twice(given: dict[str, Any]) -> None:
    first = shown(made(), **given)
    assert len(set(first)) == len(first) == {"uniform": 50 if "images" in given else 100, "balanced": 30}.get(given["use"], given.get("images", 100))


def shares(epochs: int, **given: Any) -> dict[str, float]:
    drawn = order(made(), **given)
    labels = torch.cat([made().train.labels[drawn.of_epoch(0, epoch)[0]] for epoch in range(epochs)])
    counts = torch.bincount(labels, minlength=len(CLASSES)).double()
    return dict(zip(CLASSES, (counts / counts.sum()).tolist(), strict=True))


def test_each_sampler_has_its_shares_of_the_classes() -> None:
    near = pytest.approx
    assert shares(3, use="balanced") == {"cat": 1 / 3, "dog": 1 / 3, "emu": 1 / 3}
    assert shares(200, use="balanced", replacement=True) == near({"cat": 1 / 3, "dog": 1 / 3, "emu": 1 / 3}, abs=0.015)
    assert shares(200, use="uniform", replacement=True) == near({"cat": 0.6, "dog": 0.3, "emu": 0.1}, abs=0.015)
    weights = {"cat": 1.0, "dog": 2.0, "emu": 0.0}
    assert shares(200, use="weighted", weights=weights, replacement=True) == near({"cat": 0.5, "dog": 0.5, "emu": 0}, abs=0.015)
    assert shares(2000, use="weighted", weights=[1, 2, 4], images=1) == near({"cat": 60 / 160, "dog": 60 / 160, "emu": 40 / 160}, abs=0.04)


def test_images_of_a_class_are_equally_likely_and_a_balanced_epoch_shows_other_ones() -> None:
    counts = Counter(name for epoch in range(100) for name in shown(made(), epoch=epoch, use="balanced", replacement=True))
    emus = np.array([count for name, count in counts.items() if name.startswith("emu")])
    assert len(emus) == 10
    assert (np.abs(emus - 333) < 5 * np.sqrt(333)).all()
    cats = [frozenset(name for name in shown(made(), epoch=epoch, use="balanced") if name.startswith("cat")) for epoch in range(60)]
    assert len(set(cats)) == 60
    assert len(frozenset.union(*cats)) == 60


def test_equal_weights_without_replacement_are_the_plain_order() -> None:
    """The second sampler of report U2."""
    data = made((3000, 2000))
    assert shown(data, use="weighted", weights=[0.7, 0.7]) == shown(data)


def test_a_weight_of_zero_hides_a_class() -> None:
    first = shown(made(), use="weighted", weights=[1, 1, 0])
    assert len(first) == 90
    assert not any(name.startswith("emu") for name in first)


def test_weighted_order_has_the_distribution_of_drawing_one_after_the_other() -> None:
    """Against all orders of three images with weights 1, 2, 4: (w1 / sum) · (w2 / (sum − w1))."""
    weights = torch.tensor([1.0, 2.0, 4.0])
    sampler = Weighted(keyed.words(["a", "b", "c"]), weights, 3)
    counts = Counter(tuple(sampler.of_epoch(5, epoch)[0].tolist()) for epoch in range(3000))
    for (one, two, three), count in counts.items():
        expected = weights[one] / 7 * weights[two] / (weights[two] + weights[three])
        assert abs(count / 3000 - float(expected)) < 0.035


@given(st.lists(st.integers(0, 5), max_size=60))
@settings(max_examples=40)
def test_earlier_showings_are_counted(values: list[int]) -> None:
    expected = [values[:at].count(value) for at, value in enumerate(values)]
    assert earlier(torch.tensor(values, dtype=torch.int64)).tolist() == expected


def batches(data: LoadedData, size: int, **given: Any) -> Batches:
    crop: Any = catalog.parse("augment", {"use": "crop", "padding": 3})
    assert isinstance(crop, AugmentIngredient)
    return Batches(data.train, Bound([crop.apply]), size, 0, resolve(), order(data, size, **given))


def test_an_image_that_comes_again_is_augmented_anew() -> None:
    data = made((2, 2))
    whole = batches(data, 40, use="uniform", replacement=True, images=40)
    (images, _), (positions, again) = next(whole.of_epoch(0)), whole.order.of_epoch(0, 0)
    assert again is not None
    assert again.max() >= 7
    of_one = [images[at].numpy().tobytes() for at in torch.nonzero(positions == positions[0])[:, 0].tolist()]
    assert len(set(of_one)) > 1


@pytest.mark.parametrize("given", EVERY, ids=str)
def test_batch_size_and_resumption_change_no_draw(given: dict[str, Any]) -> None:
    data = made()

    def flat(size: int, start: int = 0) -> Tensor:
        return torch.cat([images for images, _ in batches(data, size, **given).of_epoch(2, start)])

    whole = flat(10)
    assert len(whole) == len(order(data, **given)) // 10 * 10
    assert torch.equal(flat(5)[: len(whole)], whole)
    assert torch.equal(flat(10, start=1), whole[10:])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"use": "weighted"}, "sampler: .*weighted needs weights"),
        ({"use": "balanced", "weights": [1, 1, 1]}, "weighted needs weights, and nothing else has them"),
        ({"use": "weighted", "weights": [0, 0, 0]}, "a weight must be above 0"),
        ({"use": "weighted", "weights": [1, -1, 1]}, "sampler.weights"),
        ({"use": "weighted", "weights": [1, 1]}, "sampler.weights: 2 weights are given for 3 classes; give one for each of: cat, dog, emu"),
        ({"use": "weighted", "weights": {"cat": 1, "dog": 1}}, "class 'emu' has no weight"),
        ({"use": "weighted", "weights": {"cat": 1, "dog": 1, "emu": 1, "cow": 1}}, "class 'cow' is not in the data"),
        ({"use": "uniform", "images": 101}, "sampler.images: 101 asks for 101 of 100 images; give at most 100, or replacement: true"),
        ({"use": "balanced", "images": 31}, "31 asks for 31 of 30 images"),
        ({"use": "randomly"}, "sampler"),
        ({"sampler": "uniform"}, "sampler"),
    ],
)
def test_wrong_settings_are_told_in_one_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        order(made(), **given)
    assert "\n" not in str(error.value)


def test_an_epoch_that_fills_no_batch_is_told() -> None:
    with pytest.raises(InputError, match="sampler: an epoch shows 30 images, fewer than a batch of 32; take a batch_size of at most 30"):
        order(made(), batch_size=32, use="balanced")


def test_a_training_takes_its_sampler(tmp_path: Path) -> None:
    half = begun(small(sampler={"use": "uniform", "replacement": True, "images": 0.5}, epochs=2), tmp_path)
    assert (len(half.data.train), len(half.batches), half.total_steps) == (72, 4, 8)
    half.recipe.loop.train(half)
    assert half.state.step == 8
