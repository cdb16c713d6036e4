"""Factorials and sweeps: effects that were put in are found, paired by seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from contrast.compare import best_of_sweep, factorial_effects, fractional_effects, holm, mean_estimate, trend

LEVELS = {"norm": ["none", "batch", "group"], "lr": ["0.1", "0.01"]}


def test_a_full_factorial_finds_main_effects_and_differences_of_differences():
    cells = np.array([[10.0, 12.0], [13.0, 17.0], [11.0, 13.0]])
    seeds = np.arange(4.0)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 1e-3, (4, 3, 2))
    found = {effect.name: effect for effect in factorial_effects(cells + seeds + noise, LEVELS)}
    assert list(found) == ["norm=batch", "norm=group", "lr=0.01", "norm=batch × lr=0.01", "norm=group × lr=0.01"]
    truths = (4.0, 1.0, 8 / 3, 2.0, 0.0)
    assert [effect.effect for effect in found.values()] == pytest.approx(truths, abs=0.01)
    assert found["norm=batch"].interval.low < 4 < found["norm=batch"].interval.high


def test_the_interaction_of_two_factors_is_a_paired_t_of_differences_of_differences():
    values = np.random.default_rng(1).normal(size=(6, 2, 2))
    effect = factorial_effects(values, {"a": ["off", "on"], "b": ["off", "on"]}, level=0.9)[-1]
    per_seed = values[:, 1, 1] - values[:, 0, 1] - values[:, 1, 0] + values[:, 0, 0]
    assert effect.estimate.standard_error == pytest.approx(mean_estimate(per_seed).standard_error)
    assert effect.p == pytest.approx(stats.ttest_1samp(per_seed, 0).pvalue)
    assert effect.interval.level == 0.9


def test_the_effects_of_a_factorial_are_one_family():
    effects = factorial_effects(np.random.default_rng(2).normal(size=(5, 3, 2)), LEVELS)
    assert [effect.p_holm for effect in effects] == list(holm([effect.p for effect in effects]).p)


def test_the_order_bounds_the_interactions():
    values = np.random.default_rng(3).normal(size=(3, 2, 2, 2))
    levels = {"a": ["0", "1"], "b": ["0", "1"], "c": ["0", "1"]}
    assert [len(factorial_effects(values, levels, order=order)) for order in (1, 2, 3, 9)] == [3, 6, 7, 7]
    triple = factorial_effects(values, levels, order=3)[-1]
    signs = np.array([-1, 1])
    assert triple.effect == pytest.approx(np.einsum("sabc,a,b,c->s", values, signs, signs, signs).mean())


def test_a_seed_without_every_cell_is_left_out():
    values = np.random.default_rng(4).normal(size=(4, 3, 2))
    torn = values.copy()
    torn[2, 1, 0] = np.nan
    assert factorial_effects(torn, LEVELS) == factorial_effects(np.delete(values, 2, 0), LEVELS)


def test_effects_that_are_equal_in_every_seed_have_no_p():
    effects = factorial_effects(np.tile([[1.0, 2.0], [3.0, 4.0]], (3, 1, 1)), {"a": ["0", "1"], "b": ["0", "1"]})
    assert [effect.p for effect in effects] == [None, None, None]
    assert [effect.effect for effect in effects] == [2.0, 1.0, 0.0]


def test_cells_that_no_run_has_are_named():
    values = np.random.default_rng(0).normal(size=(3, 3, 2))
    values[:, 1, 0] = values[:, 2, 1] = np.nan
    with pytest.raises(ValueError, match=r"no seed has a figure in norm=batch, lr=0\.1; norm=group, lr=0\.01; effects need every cell"):
        factorial_effects(values, LEVELS)
    with pytest.raises(ValueError, match=r"no seed has a figure in a=0, b=1, c=0;"):
        fractional_effects(np.array([[1, np.nan, 2, 3]] * 3), HALF, ["a", "b", "c"])


def test_cells_of_which_each_seed_lacks_another_leave_too_few_seeds():
    values = np.random.default_rng(0).normal(size=(3, 3, 2))
    values[0, 0, 0] = values[1, 1, 1] = np.nan
    with pytest.raises(ValueError, match="1 of 3 seeds have every cell; effects need two or more"):
        factorial_effects(values, LEVELS)


@pytest.mark.parametrize(("levels", "words"), [({}, "a factor or more"), ({"a": ["0", "1"], "b": ["0"]}, "factor 'b' has one level")])
def test_a_factorial_needs_factors_with_levels(levels, words):
    with pytest.raises(ValueError, match=words):
        factorial_effects(np.zeros((3, 2, 1)), levels)


@pytest.mark.parametrize(("shape", "words"), [((3, 2, 2), "do not fit"), ((3,), "do not fit"), ((1, 3, 2), "1 of 1 seeds")])
def test_a_table_that_does_not_fit_the_factors_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        factorial_effects(np.zeros(shape), LEVELS)


HALF = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]])


def test_a_half_fraction_gives_main_effects_and_names_what_they_are_mixed_with():
    cells = 10 + 3 * HALF[:, 0] - 1 * HALF[:, 1] + 0.5 * HALF[:, 2]
    values = cells + np.arange(3.0)[:, None] + np.random.default_rng(0).normal(0, 1e-3, (3, 4))
    effects = fractional_effects(values, HALF, ["a", "b", "c"])
    assert [effect.effect for effect in effects] == pytest.approx([3, -1, 0.5], abs=0.01)
    assert [effect.aliases for effect in effects] == [("b × c",), ("a × c",), ("a × b",)]
    assert effects[0].p_holm >= effects[0].p


def test_every_design_gives_intervals_at_the_level_asked_for():
    values = np.random.default_rng(8).normal(size=(4, 4))
    for level in (0.95, 0.8):
        expected = mean_estimate(values @ (np.array([-1, 1, -1, 1]) * 0.5)).interval(level)
        found = fractional_effects(values, [[0, 0], [1, 0], [0, 1], [1, 1]], ["a", "b"], level=level)[0].interval
        assert (found.low, found.high, found.level) == pytest.approx((expected.low, expected.high, level))
        assert trend(values, [0, 1, 2, 3], level=level).interval.level == level
        assert best_of_sweep(values, values, level=level).interval == mean_estimate(values[2:, values[:2].mean(0).argmax()]).interval(level)
    assert trend(values, [0, 1, 2, 3]).interval.level == factorial_effects(values.reshape(4, 2, 2), {"a": "01", "b": "01"})[0].interval.level == 0.95


def test_a_full_two_level_design_has_no_aliases():
    full = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    effects = fractional_effects(np.random.default_rng(0).normal(size=(3, 4)), full, ["a", "b"])
    assert [effect.aliases for effect in effects] == [(), ()]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (HALF[:3], "balanced"),
        (HALF[:, [0, 0, 1]], "balanced"),
        (HALF[:, :2], "3 factors"),
        (np.array([[1, 0, 1]] * 4), "balanced"),
        (2 * HALF - 1, "0 or 1"),
        (HALF[:, 0], "0 or 1|3 factors"),
    ],
)
def test_a_fraction_that_cannot_separate_its_factors_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        fractional_effects(np.zeros((3, len(settings))), settings, ["a", "b", "c"])


def test_a_trend_is_each_seeds_own_slope_then_a_t_interval():
    axis = np.array([0.1, 0.3, 0.5, 0.9])
    values = np.random.default_rng(0).normal(size=(5, 4)) + 2 * axis
    slopes = [np.polyfit(axis, row, 1)[0] for row in values]
    found = trend(values, axis)
    assert found.slope == pytest.approx(np.mean(slopes))
    assert found.p == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue)
    expected = mean_estimate(slopes).interval()
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.per == "unit"


def test_a_logarithmic_trend_is_per_factor_of_ten():
    axis = np.array([0.001, 0.01, 0.1])
    values = np.array([1.0, 2.0, 3.0]) + np.random.default_rng(0).normal(0, 1e-6, (3, 3))
    found = trend(values, axis, logarithmic=True)
    assert found.slope == pytest.approx(1.0, abs=1e-4)
    assert found.per == "factor of ten"


def test_a_trend_leaves_out_torn_seeds_and_has_no_p_without_variance():
    assert trend([[1, 2], [1, 2], [np.nan, 5]], [0, 1]).p is None
    assert trend([[1, 2], [1, 2], [np.nan, 5]], [0, 1]).slope == 1


@pytest.mark.parametrize(
    ("values", "axis", "logarithmic", "words"),
    [(np.ones((3, 2)), [1, 1], False, "two values"), (np.ones((3, 2)), [0, 1], True, "above zero"), (np.ones((3, 2)), [1, 2, 3], False, "axis is"),
     (np.ones(3), [1, 2, 3], False, "axis is"), (np.ones((1, 2)), [1, 2], False, "1 of 1 seeds")],
)  # fmt: skip
def test_a_sweep_that_has_no_trend_is_refused(values, axis, logarithmic, words):
    with pytest.raises(ValueError, match=words):
        trend(values, axis, logarithmic)


def test_the_best_of_a_sweep_is_chosen_by_validation_on_one_half_and_measured_on_the_other():
    validation = np.array([[1, 5, 2], [1, 5, 2], [9, 0, 0], [9, 0, 0], [9, 0, 0]])
    test = np.random.default_rng(0).normal(size=(5, 3))
    best = best_of_sweep(validation, test)
    assert (best.index, best.chosen_on, best.estimated_on, best.remark) == (1, 2, 3, "")
    assert best.estimate == mean_estimate(test[2:, 1])
    assert best.effect == pytest.approx(test[2:, 1].mean())
    assert best_of_sweep(validation, test, greater_is_better=False).index == 0


def test_four_seeds_are_enough_to_choose_on_two_and_measure_on_two():
    best = best_of_sweep([[1, 2], [1, 2], [9, 0], [9, 0]], [[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    assert (best.index, best.chosen_on, best.estimated_on, best.effect, best.remark) == (1, 2, 2, 3.5, "")


def test_the_best_of_a_sweep_with_few_seeds_carries_the_remark():
    best = best_of_sweep([[1, 2], [1, 2], [1, 2]], [[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])
    assert (best.index, best.chosen_on, best.estimated_on, best.effect) == (1, 3, 3, 2.0)
    assert "same seeds" in best.remark


def test_the_split_best_of_nine_arms_that_do_nothing_is_not_better_than_nothing():
    rng = np.random.default_rng(7)
    split, naive = [], []
    for _ in range(300):
        validation = rng.normal(size=(6, 9))
        test = validation + rng.normal(0, 0.3, (6, 9))
        best = best_of_sweep(validation, test)
        split.append(best.effect)
        naive.append(test[:, validation.mean(0).argmax()].mean())
    assert abs(np.mean(split)) < 0.1
    assert np.mean(naive) > 0.4


def test_the_best_of_a_grid_is_chosen_from_seeds_that_have_every_arm():
    validation = np.array([[1, 5, 2], [9, np.nan, 0], [1, 5, 2], [9, 0, 0], [9, 0, 0]])
    test = np.random.default_rng(0).normal(size=(5, 3))
    best = best_of_sweep(validation, test)
    assert best == best_of_sweep(validation[[0, 2, 3, 4]], test[[0, 2, 3, 4]])
    test[0, 2] = np.inf
    assert best_of_sweep(validation, test).chosen_on == 3


def test_a_baseline_that_is_best_of_all_gains_nothing():
    best = best_of_sweep([[3.0, 1.0]] * 4, [[0.0, 0.5]] * 4)
    assert (best.index, best.effect, best.estimate, best.interval) == (0, 0.0, None, None)


@pytest.mark.parametrize(("shape", "other"), [((3, 2), (3, 3)), ((3,), (3,)), ((1, 2), (1, 2)), ((3, 0), (3, 0))])
def test_a_sweep_that_cannot_be_chosen_from_is_refused(shape, other):
    with pytest.raises(ValueError, match="seeds"):
        best_of_sweep(np.ones(shape), np.ones(other))
