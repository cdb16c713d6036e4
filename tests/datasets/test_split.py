"""Splits: stratified, disjoint, nested, and a function of image ids and the split's seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrast import catalog
from contrast.apportion import quotas
from contrast.errors import InputError
from contrast.images import PARTS, TEST, TRAIN, VALIDATION, Folds, Images, Split, divided, split, with_wrong_labels
from contrast.protocols import DataIngredient
from contrast.recipe import Recipe

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
        chosen([20, 2], 0, validation=18, test=1)


def test_a_class_of_a_single_image_cannot_be_stratified_and_is_named() -> None:
    with pytest.raises(InputError, match="class 'class1' has a single image, which can't be stratified"):
        chosen([20, 1, 5], 0)
    with pytest.raises(InputError, match=r"classes 'class0', 'class1', 'class2', 'class3', 'class4' and 2 more have a single image"):
        chosen([1] * 7 + [20], 0)
    images = made([20, 1], [TRAIN] * 10 + [TEST] * 5 + [VALIDATION] * 5 + [TRAIN])
    assert len(split(images, validation=0.2, test=None, train=None, seed=0).train) == 11, "nothing is divided here"


def folded(images: Images, folds: int, seed: int = 0, rotate: str = "auto", **shares: float | None) -> list[Split]:
    given = {"validation": 0.2, "test": 0.2, "train": None} | shares
    return [split(images, **given, seed=seed, folds=Folds(folds, number, rotate)) for number in range(folds)]  # type: ignore[arg-type]


@given(st.lists(st.integers(8, 30), min_size=2, max_size=5), st.integers(2, 4), st.integers(0, 2**31), st.sampled_from(["auto", "validation"]))
def test_folds_hold_every_image_out_once_and_each_class_evenly(per_class: list[int], folds: int, seed: int, rotate: str) -> None:
    images = made(per_class)
    splits = folded(images, folds, seed, rotate)
    held = [s.test if rotate == "auto" else s.validation for s in splits]
    pool = np.concatenate([splits[0].train, splits[0].validation, *([splits[0].test] if rotate == "auto" else [])])
    assert sorted(np.concatenate(held).tolist()) == sorted(pool.tolist())
    counts = np.array([np.bincount(images.labels[part], minlength=len(per_class)) for part in held])
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    for made_split in splits:
        together = np.concatenate([made_split.train, made_split.validation, made_split.test])
        assert sorted(together.tolist()) == list(range(len(images)))


@given(st.integers(0, 2**31), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_folds_follow_from_ids_and_seed_whatever_the_order_of_files(seed: int, random: object) -> None:
    images = made([12, 17, 9])
    other = reordered(images, np.random.default_rng(random.getrandbits(32)).permutation(len(images)))  # type: ignore[attr-defined]
    for ours, theirs in zip(folded(images, 3, seed), folded(other, 3, seed), strict=True):
        assert {p: set(ids) for p, ids in ours.ids(images).items()} == {p: set(ids) for p, ids in theirs.ids(other).items()}


def test_another_seed_deals_other_folds() -> None:
    images = made([30, 30])
    assert len({tuple(folded(images, 3, seed)[0].test) for seed in range(5)}) == 5


def test_folds_go_through_test_where_the_set_has_none_and_else_through_validation() -> None:
    bare, whole = made([12, 12]), made([12, 12], ([TRAIN] * 8 + [VALIDATION] * 2 + [TEST] * 2) * 2)
    assert len({tuple(s.test) for s in folded(bare, 4)}) == 4
    assert len({tuple(s.test) for s in folded(bare, 4, rotate="validation")}) == 1
    through_validation = folded(whole, 4)
    assert {tuple(s.test) for s in through_validation} == {(10, 11, 22, 23)}
    assert sorted(np.concatenate([s.validation for s in through_validation])) == [i for i in range(24) if i not in (10, 11, 22, 23)]
    through_test = folded(whole, 4, rotate="test")
    assert sorted(np.concatenate([s.test for s in through_test])) == [i for i in range(24) if i not in (8, 9, 20, 21)]
    assert {tuple(s.validation) for s in through_test} == {(8, 9, 20, 21)}


def test_a_fold_that_cannot_be_judged_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"data\.folds \(test\): fold 0 of 9 holds one class only, 'class0'"):
        folded(made([20, 5]), 9)
    with pytest.raises(InputError, match="fold 8 of 10 holds no image"):
        split(made([4, 4]), validation=0.2, test=None, train=None, seed=0, folds=Folds(10, 8))


def test_the_settings_of_a_data_set_name_the_fold() -> None:
    images = made([12, 12])
    data = catalog.parse("data", {"use": "synthetic", "folds": 3, "fold": 2, "validation": 0.25, "test": 0.2})
    assert isinstance(data, DataIngredient)
    expected = split(images, validation=0.25, test=0.2, train=None, seed=0, folds=Folds(3, 2))
    assert divided(images, data).ids(images) == expected.ids(images)
    for wrong, told in (({"fold": 1}, "fold and rotate need folds"), ({"folds": 3, "fold": 3}, "the last of 3 folds is 2"), ({"folds": 1}, "folds")):
        with pytest.raises(InputError, match=told):
            catalog.parse("data", {"use": "synthetic", **wrong})


def test_a_recipe_without_folds_keeps_its_id() -> None:
    plain = {"data": "synthetic", "model": "convnet"}
    same = {"data": {"use": "synthetic", "folds": None, "fold": 0, "rotate": "auto"}, "model": "convnet"}
    other = {"data": {"use": "synthetic", "folds": 5}, "model": "convnet"}
    assert Recipe.parse(same, trust=False).id == Recipe.parse(plain, trust=False).id != Recipe.parse(other, trust=False).id


def grouped(per_class: list[int], groups: int, seed: int) -> Images:
    images = made(per_class)
    names = np.array([f"patient {k}" for k in np.random.default_rng(seed).integers(0, groups, len(images))])
    return Images(images.pixels, images.labels, images.ids, images.classes, images.parts, groups=names)


@given(st.lists(st.integers(20, 60), min_size=2, max_size=4), st.integers(12, 30), st.integers(0, 1000))
@settings(max_examples=40)
def test_no_group_is_on_two_sides_and_parts_are_near_their_share(per_class: list[int], groups: int, seed: int) -> None:
    images = grouped(per_class, groups, seed)
    assert images.groups is not None
    for made_split in (split(images, validation=0.25, test=0.25, train=None, seed=seed), *folded(images, 4, seed)):
        parts = [set(images.groups[getattr(made_split, part)]) for part in PARTS]
        assert sum(len(side) for side in parts) == len(set.union(*parts))
        largest = np.unique(images.groups, return_counts=True)[1].max()
        assert abs(len(made_split.test) - len(images) / 4) <= largest
    assert sorted(np.concatenate([s.test for s in folded(images, 4, seed)]).tolist()) == list(range(len(images)))


def test_groups_are_stratified_as_far_as_they_allow() -> None:
    images = grouped([300, 300, 60], 100, 0)
    shares = [np.bincount(images.labels[s.test], minlength=3) / [300, 300, 60] for s in folded(images, 5)]
    assert np.abs(np.array(shares) - 0.2).max() < 0.03
    held = split(images, validation=0.1, test=0.3, train=None, seed=0)
    assert np.abs(np.bincount(images.labels[held.test]) / [300, 300, 60] - 0.3).max() < 0.03


def test_another_seed_draws_other_groups() -> None:
    images = grouped([100, 100], 40, 0)
    assert len({tuple(split(images, validation=0.2, test=0.2, train=None, seed=seed).test) for seed in range(5)}) == 5


def test_groups_that_cannot_be_kept_whole_are_told() -> None:
    images = made([10, 10], ([TRAIN] * 8 + [TEST] * 2) * 2)
    two = Images(images.pixels, images.labels, images.ids, images.classes, images.parts, groups=np.array(["one", "other"] * 10))
    with pytest.raises(InputError, match=r"no whole groups make up about 0\.1 of 16 images"):
        split(two, validation=0.1, test=None, train=None, seed=0)
    mixed = Images(images.pixels, images.labels, images.ids, images.classes, images.parts, groups=np.array([f"scene {i % 7}" for i in range(20)]))
    with pytest.raises(InputError, match=r"group 'scene \d' is in (train|validation) and in test"):
        split(mixed, validation=0.3, test=None, train=None, seed=0)


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
