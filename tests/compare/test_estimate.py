"""A mean over seeds and its two intervals, against scipy and against the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from scipy import stats

from contrast.compare import (
    Estimate,
    MeanSquares,
    VarianceParts,
    mean_estimate,
    mean_squares,
    paired_t_interval,
    two_way_estimate,
    two_way_interval,
    variance_parts,
)

DIFFERENCES = some.lists(some.floats(-50, 50), min_size=2, max_size=30)


@given(DIFFERENCES)
def test_the_first_interval_is_scipys_paired_t_interval(values):
    differences = np.array(values)
    if np.ptp(differences) < 1e-6:
        return
    theirs = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    ours = paired_t_interval(differences, 0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-9)
    assert ours.level == 0.9
    assert ours.about == "another seed on these test images"


def test_an_estimate_gives_the_p_values_of_scipys_t_tests():
    differences = np.array([0.3, -0.1, 0.8, 0.5])
    estimate = mean_estimate(differences)
    for ours, side in ((estimate.p_two_sided(0.2), "two-sided"), (estimate.p_greater(0.2), "greater"), (estimate.p_less(0.2), "less")):
        assert ours == pytest.approx(stats.ttest_1samp(differences, 0.2, alternative=side).pvalue)
    assert estimate.df == 3
    assert estimate.standard_error == pytest.approx(stats.sem(differences))


def test_two_sided_p_is_below_alpha_exactly_where_the_interval_leaves_out_the_value():
    estimate = Estimate(1.0, 0.4, 5)
    p = estimate.p_two_sided(0.1)
    assert 0.1 in estimate.interval(1 - p * 0.999)
    assert 0.1 not in estimate.interval(1 - p * 1.001)


def test_the_floor_raises_a_variance_below_it_and_leaves_one_above_it():
    assert mean_estimate([1.0, 1.0, 1.0], 0.3).standard_error == pytest.approx(np.sqrt(0.1))
    assert mean_estimate([0.0, 1.0, 2.0], 0.3) == mean_estimate([0.0, 1.0, 2.0])


@pytest.mark.parametrize("values", [[0.5, 0.5], [100 * 0.93 - 100 * 0.92, 100 * 0.83 - 100 * 0.82, 1.0], [0.0, 0.0, 0.0], [3e9, 3e9, 3e9 + 1e-6]])
def test_differences_equal_up_to_rounding_give_no_estimate(values):
    assert mean_estimate(values) is None
    assert paired_t_interval(values) is None


def test_differences_just_above_rounding_give_an_estimate():
    assert mean_estimate([1.0, 1.0, 1.0 + 1e-9]) is not None


@pytest.mark.parametrize(("values", "words"), [([1.0], "two seeds"), ([1.0, np.nan], "not finite"), ([[1.0, 2.0]], "shape")])
def test_an_estimate_refuses_what_is_no_row_of_finite_numbers(values, words):
    with pytest.raises(ValueError, match=words):
        mean_estimate(values)


def naive(scores):
    """Two-way mean squares as in a textbook."""
    seeds, images = scores.shape
    by_seed, by_image, mean = scores.mean(1), scores.mean(0), scores.mean()
    rest = scores - by_seed[:, None] - by_image + mean
    return (images * by_seed.var(ddof=1), seeds * by_image.var(ddof=1), (rest**2).sum() / ((seeds - 1) * (images - 1)))


@given(arrays(np.float64, some.tuples(some.integers(2, 6), some.integers(2, 12)), elements=some.floats(-5, 5, width=16)))
def test_mean_squares_are_the_textbooks_two_way_analysis_of_variance(scores):
    squares = mean_squares(iter(scores))
    assert (squares.seed, squares.image, squares.seed_image) == pytest.approx(naive(scores), abs=1e-8)
    assert (squares.seeds, squares.images) == scores.shape
    assert squares.mean == pytest.approx(scores.mean(), abs=1e-9)


def test_mean_squares_of_right_or_wrong_do_not_depend_on_the_dtype():
    scores = np.random.default_rng(0).integers(0, 2, (4, 50))
    assert mean_squares(scores.astype(bool)) == mean_squares(scores.astype(np.uint8)) == mean_squares(scores.astype(np.float32))


def test_mean_squares_keep_their_digits_beside_a_large_mean():
    scores = np.random.default_rng(0).normal(size=(4, 30))
    assert mean_squares(scores + 1e7).seed_image == pytest.approx(naive(scores)[2], rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "words"),
    [([[1, 0, 1]], "two seeds"), ([[1], [0]], "two images"), ([[1, 0], [1, 0, 1]], "same images"), ([[1, np.inf], [0, 1]], "not finite"),
     ([[[1, 0]], [[1, 0]]], "same images"), ([], "two seeds")],
)  # fmt: skip
def test_mean_squares_refuse_rows_that_are_no_table(rows, words):
    with pytest.raises(ValueError, match=words):
        mean_squares(rows)


def test_the_second_interval_is_the_formula_of_the_design():
    scores = np.random.default_rng(3).normal(size=(4, 40)) + np.linspace(0, 2, 40) + np.linspace(0, 1, 4)[:, None]
    ms_s, ms_i, ms_si = naive(scores)
    v = (ms_s + ms_i - ms_si) / 160
    df = (v * 160) ** 2 / (ms_s**2 / 3 + ms_i**2 / 39 + ms_si**2 / 117)
    half = stats.t.ppf(0.975, df) * np.sqrt(v)
    interval = two_way_interval(scores)
    assert (interval.low, interval.high) == pytest.approx((scores.mean() - half, scores.mean() + half))
    assert interval.about == "another seed and other test images of the same kind"


@pytest.mark.parametrize("along", [0, 1])
def test_the_variance_over_seeds_and_images_is_not_below_either_part_alone(along):
    # A checkerboard: all is seed × image, so MS_s + MS_i − MS_si is below zero; a slope along one axis gives that one a part.
    scores = np.indices((4, 6)).sum(0) % 2 + 0.01 * np.indices((4, 6))[along]
    assert naive(scores)[2] > naive(scores)[along] > naive(scores)[1 - along]
    estimate = two_way_estimate(mean_squares(scores))
    assert estimate.standard_error == pytest.approx(np.sqrt(naive(scores)[along] / 24))


def test_the_second_interval_of_equal_scores_is_none():
    assert two_way_interval(np.ones((3, 5))) is None


def test_variance_parts_find_the_components_that_made_the_scores():
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 2, (200, 1)) + rng.normal(0, 3, 300) + rng.normal(0, 4, (200, 300))
    parts = variance_parts(mean_squares(scores))
    assert parts.seed == pytest.approx(4, rel=0.25)
    assert parts.image == pytest.approx(9, rel=0.25)
    assert parts.seed_image == pytest.approx(16, rel=0.05)
    assert parts.finite_test_share == pytest.approx((16 / 300) / (4 + 16 / 300), rel=0.3)


def test_variance_parts_are_never_negative_and_the_share_never_above_one():
    parts = variance_parts(mean_squares(np.indices((4, 6)).sum(0) % 2))
    assert (parts.seed, parts.image, parts.finite_test_share) == (0, 0, 1)
    nothing = variance_parts(mean_squares(np.ones((2, 3))))
    assert (nothing.seed_image, nothing.finite_test_share) == (0, 0)


def test_variance_parts_and_the_second_interval_of_small_mean_squares_are_their_formulas():
    squares = MeanSquares(mean=0.3, seed=0.5, image=0.4, seed_image=0.1, seeds=4, images=10)
    assert variance_parts(squares) == VarianceParts(seed=pytest.approx(0.04), image=pytest.approx(0.075), seed_image=0.1, finite_test_share=0.2)
    estimate = two_way_estimate(squares)
    assert (estimate.mean, estimate.standard_error) == (0.3, pytest.approx(np.sqrt(0.8 / 40)))
    assert estimate.df == pytest.approx(0.8**2 / (0.5**2 / 3 + 0.4**2 / 9 + 0.1**2 / 27))
    little = MeanSquares(mean=0.0, seed=0.2, image=0.5, seed_image=0.5, seeds=3, images=10)
    assert variance_parts(little) == VarianceParts(seed=0.0, image=0.0, seed_image=0.5, finite_test_share=1.0)
    alike = MeanSquares(mean=0.0, seed=0.0, image=0.5, seed_image=0.5, seeds=3, images=10)
    assert variance_parts(alike) == VarianceParts(seed=0.0, image=0.0, seed_image=0.5, finite_test_share=1.0)


def test_the_floor_is_the_lowest_twentieth_of_what_finite_images_alone_leave():
    squares = mean_squares(np.random.default_rng(0).integers(0, 2, (5, 100)))
    assert squares.least_seed_variance == pytest.approx(squares.seed_image / 100 * stats.chi2.ppf(0.05, 4) / 4)
