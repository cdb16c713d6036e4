"""Splits: stratified, disjoint, nested, and a function of image ids and the split's seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrast.errors import InputError
from contrast.images import PARTS, TEST, TRAIN, VALIDATION, Images, Split, quotas, split, with_wrong_labels

counts = st.lists(st.integers(4, 30), min_size=2, max_size=6)
fractions = st.floats(0.15, 0.45)


def made(per_class: list[int], parts: list[str] | None = None) -> Images:
    """A set of one-pixel images with the given number of images a class."""
    labels = np.repeat(np.arange(len(per_class)), per_class).astype(np.int64)
    total = len(labels)
    ids = tuple(f"class{label}/{i}.png" for i, label in enumerate(labels))
    classes = tuple(f"class{k}" for k in range(len(per_class)))
    return Images(np.zeros((total, 1, 1, 1), np.uint8), labels, ids, classes, np.array(parts or [TRAIN] * total))


def reordered(images: Images, order: np.ndarray) -> Images:
    ids = tuple(images.ids[i] for i in order)
    return Images(images.pixels[order], images.labels[order], ids, images.classes, images.parts[order])


def chosen(per_class: list[int], seed: int, **shares: float | None) -> dict[str, set[str]]:
    images = made(per_class)
    made_split = split(images, **({"validation": 0.2, "test": 0.2, "train": None} | shares), seed=seed)  # type: ignore[arg-type]
    return {part: set(ids) for part, ids in made_split.ids(images).items()}


@given(counts, fractions, fractions, st.integers(0, 2**31))
def test_every_image_is_in_exactly_one_part(per_class: list[int], validation: float, test: float, seed: int) -> None:
    images = made(per_class)
    parts = split(images, validation=validation, test=test, train=None, seed=seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together.tolist()) == list(range(len(images)))


@given(counts, fractions, st.integers(0, 2**31))
def test_each_class_has_its_proportion_of_every_part(per_class: list[int], share: float, seed: int) -> None:
    images = made(per_class)
    parts = split(images, validation=share, test=share, train=None, seed=seed)
    taken = np.bincount(images.labels[parts.test], minlength=len(per_class))
    assert taken.sum() == round(share * len(images))
    assert np.abs(taken - np.array(per_class) * taken.sum() / len(images)).max() < 1.5


@given(counts, st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_the_order_in_which_files_are_found_changes_nothing(per_class: list[int], seed: int, random: object) -> None:
    images = made(per_class)
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(images))  # type: ignore[attr-defined]
    other = reordered(images, order)
    shares = {"validation": 0.2, "test": 0.2, "train": 0.5}
    ours, theirs = (split(s, **shares, seed=seed).ids(s) for s in (images, other))
    assert {part: set(ours[part]) for part in PARTS} == {part: set(theirs[part]) for part in PARTS}


@given(counts, st.integers(0, 2**31), st.data())
def test_a_smaller_training_part_lies_in_a_larger_one(per_class: list[int], seed: int, data: st.DataObject) -> None:
    left = sum(per_class) - 2 * round(0.2 * sum(per_class))
    few = data.draw(st.integers(len(per_class) * 2, left), label="few")
    many = data.draw(st.integers(few, left), label="many")
    try:
        small, large = (chosen(per_class, seed, train=count) for count in (few, many))
    except InputError:
        return  # a class would not be trained on, or more is asked for than is left
    assert small[TRAIN] <= large[TRAIN]
    assert small[TEST] == large[TEST]
    assert small[VALIDATION] == large[VALIDATION]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_no_class_loses_an_image_when_a_part_grows(available: list[int]) -> None:
    before = np.zeros(len(available), np.int64)
    for count in range(1, sum(available) + 1):
        now = quotas(np.array(available), count, "train")
        assert now.sum() == count
        assert (now >= before).all()
        assert (now <= available).all()
        before = now


def test_equal_classes_give_equally_to_a_part_that_divides_by_them() -> None:
    assert quotas(np.array([5000] * 10), 1000, "validation").tolist() == [100] * 10
    assert quotas(np.array([5000] * 10), 0.1, "validation").tolist() == [500] * 10


@given(counts, st.integers(0, 2**31))
@settings(max_examples=20)
def test_the_same_seed_gives_the_same_split(per_class: list[int], seed: int) -> None:
    assert chosen(per_class, seed) == chosen(per_class, seed)


def test_another_seed_gives_another_split() -> None:
    splits = [chosen([30, 30], seed) for seed in range(5)]
    assert len({frozenset(s[TEST]) for s in splits}) == 5
    assert len({frozenset(s[VALIDATION]) for s in splits}) == 5


def test_validation_and_test_are_drawn_apart() -> None:
    held_out = chosen([200, 200], 0, validation=100, test=100)
    again = chosen([200, 200], 0, validation=100, test=200)
    assert held_out[TEST] < again[TEST]
    assert held_out[VALIDATION] != held_out[TEST]


def test_a_part_that_the_owners_made_is_kept_whole() -> None:
    images = made([10, 10], [TRAIN] * 8 + [TEST] * 2 + [TRAIN] * 8 + [VALIDATION] * 2)
    parts = split(images, validation=0.5, test=0.5, train=None, seed=0)
    assert parts.test.tolist() == [8, 9]
    assert parts.validation.tolist() == [18, 19]
    assert len(parts.train) == 16


def test_a_set_without_a_test_part_asks_for_one() -> None:
    with pytest.raises(InputError, match=r"data.test: the set has no test part; .*test: 0.2"):
        split(made([10, 10]), validation=0.2, test=None, train=None, seed=0)


@pytest.mark.parametrize(("setting", "value"), [("validation", 17), ("test", 21), ("train", 100), ("validation", 0.001)])
def test_a_share_that_does_not_fit_is_named(setting: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"data\.{setting}: {value} asks for"):
        chosen([10, 10], 0, **{setting: value})


def test_a_class_that_would_not_be_trained_on_is_named() -> None:
    with pytest.raises(InputError, match="'class1' has no image left to train on"):
        chosen([20, 1], 0, train=2)


def test_a_kept_split_is_found_again_in_another_order_of_files() -> None:
    images = made([10, 12])
    kept = split(images, validation=0.2, test=0.2, train=None, seed=3).ids(images)
    other = reordered(images, np.random.default_rng(1).permutation(len(images)))
    assert Split.from_ids(kept, other).ids(other) == kept


@given(counts, st.floats(0, 0.9), st.integers(0, 2**31))
def test_wrong_labels_are_as_many_as_told_and_only_in_training(per_class: list[int], share: float, seed: int) -> None:
    images = made(per_class)
    train = split(images, validation=0.2, test=0.2, train=None, seed=seed).train
    labels = with_wrong_labels(images, train, share, seed)
    changed = np.flatnonzero(labels != images.labels)
    assert len(changed) == round(share * len(train))
    assert set(changed) <= set(train)
    assert labels.min() >= 0
    assert labels.max() < len(per_class)


def test_a_greater_share_of_wrong_labels_contains_a_smaller_one() -> None:
    images = made([50, 50, 50])
    train = np.arange(150)
    few, many = (with_wrong_labels(images, train, share, 7) for share in (0.1, 0.3))
    changed = few != images.labels
    assert (many[changed] == few[changed]).all()


def test_wrong_labels_use_every_other_class_about_equally() -> None:
    images = made([4000, 100, 100, 100])
    labels = with_wrong_labels(images, np.arange(4000), 0.9, 0)
    instead = np.bincount(labels[:4000][labels[:4000] != 0], minlength=4)[1:]
    assert np.abs(instead - 1200).max() < 4 * np.sqrt(1200)


def test_wrong_labels_follow_from_the_image_id_whatever_the_order() -> None:
    images = made([30, 30, 30])
    order = np.random.default_rng(2).permutation(90)
    other = reordered(images, order)
    ours = with_wrong_labels(images, np.arange(90), 0.2, 5)
    assert (with_wrong_labels(other, np.arange(90), 0.2, 5) == ours[order]).all()


def test_a_set_of_one_class_can_have_no_wrong_labels() -> None:
    with pytest.raises(InputError, match="one class"):
        with_wrong_labels(made([10]), np.arange(10), 0.5, 0)
