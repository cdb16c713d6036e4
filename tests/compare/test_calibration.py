"""Calibration error, accuracy by class, balanced accuracy: by hand and against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from statsmodels.stats.proportion import proportion_confint

from contrast.compare import balanced_accuracy, class_accuracies, expected_calibration_error, reliability


def test_calibration_error_is_the_weighted_gap_of_confidence_and_accuracy():
    confidence, right = [0.9, 0.95, 0.6, 0.6], [1, 0, 1, 1]
    table = reliability(confidence, right, bins=2)
    assert table.images.tolist() == [4]
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(abs(0.75 - 0.7625))
    assert expected_calibration_error(confidence, right, bins=10) == pytest.approx((0.1 + 0.95 + 2 * 0.4) / 4)


def test_there_are_fifteen_bins_unless_said_otherwise():
    confidence, right = np.linspace(0.01, 1, 300), np.arange(300) % 3 > 0
    assert len(reliability(confidence, right).images) == 15
    assert expected_calibration_error(confidence, right) == reliability(confidence, right, 15, equal_mass=False).expected_calibration_error
    assert expected_calibration_error(confidence, right) != expected_calibration_error(confidence, right, 16)


def test_bins_close_at_the_top_so_that_zero_and_one_are_inside():
    table = reliability([0.0, 0.5, 1.0], [0, 1, 1], bins=2)
    assert table.images.tolist() == [2, 1]
    assert table.confidence.tolist() == [0.25, 1.0]
    assert table.accuracy.tolist() == [0.5, 1.0]


def test_bins_of_equal_mass_hold_equally_many_images():
    confidence = np.random.default_rng(0).random(300) ** 4
    table = reliability(confidence, confidence > 0.3, bins=10, equal_mass=True)
    assert table.images.tolist() == [30] * 10
    assert np.all(np.diff(table.confidence) > 0)


def test_equal_confidences_share_a_bin_whatever_their_order():
    confidence, right = np.array([1.0] * 6 + [0.5] * 2), np.array([1, 1, 1, 0, 0, 0, 1, 0])
    one = expected_calibration_error(confidence, right, bins=4, equal_mass=True)
    other = expected_calibration_error(confidence[::-1], right[::-1], bins=4, equal_mass=True)
    assert one == other == pytest.approx(6 / 8 * 0.5)


@given(some.integers(1, 200), some.booleans())
def test_calibration_error_lies_in_zero_to_one_and_every_image_is_in_a_bin(images, equal_mass):
    rng = np.random.default_rng(images)
    table = reliability(rng.random(images), rng.integers(0, 2, images), equal_mass=equal_mass)
    assert table.images.sum() == images
    assert 0 <= table.expected_calibration_error <= 1


@pytest.mark.parametrize(
    ("confidence", "right", "words"), [([], [], "per image"), ([0.5], [1, 0], "per image"), ([1.5], [1], r"0\.\.1"), ([np.nan], [1], r"0\.\.1")]
)
def test_what_is_no_confidence_is_refused(confidence, right, words):
    with pytest.raises(ValueError, match=words):
        reliability(confidence, right)


def test_each_class_has_its_accuracy_and_wilsons_interval():
    found = class_accuracies([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], classes=3, level=0.9)
    assert [(one.label, one.right, one.images, one.accuracy) for one in found] == [(0, 2, 3, pytest.approx(2 / 3)), (1, 2, 2, 1.0), (2, 0, 0, None)]
    expected = proportion_confint(2, 3, 0.1, "wilson")
    assert (found[0].interval.low, found[0].interval.high) == pytest.approx(expected)
    assert found[0].interval.level == 0.9
    assert found[2].interval is None


def test_balanced_accuracy_is_the_mean_over_the_classes_that_are_there():
    assert balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0], classes=5) == 0.5
    assert balanced_accuracy([2, 2], [2, 0], classes=3) == 0.5


@pytest.mark.parametrize(
    ("labels", "predictions", "words"),
    [([0, 3], [0, 0], r"labels lie in 0\.\.2, found 0 to 3"), ([-1], [0], r"labels lie in 0\.\.2, found -1 to -1"),
     ([0, 1], [0], "one integer per image"), ([[0, 1]], [[0, 1]], "one integer per image")],
)  # fmt: skip
def test_labels_outside_the_classes_are_refused(labels, predictions, words):
    with pytest.raises(ValueError, match=words):
        class_accuracies(labels, predictions, classes=3)


def test_balanced_accuracy_without_images_is_refused():
    with pytest.raises(ValueError, match="an image"):
        balanced_accuracy(np.zeros(0, int), np.zeros(0, int), classes=2)
