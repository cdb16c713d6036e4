"""Tests of a difference, against scipy, statsmodels, and counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from contrast.compare import equivalence, holm, mean_estimate, paired_t, sign_flip

P_VALUES = some.lists(some.floats(0, 1), min_size=1, max_size=12)


def test_paired_t_is_scipys_ttest_rel():
    arm, baseline = np.random.default_rng(0).normal(size=(2, 7))
    assert paired_t(arm - baseline) == pytest.approx(stats.ttest_rel(arm, baseline).pvalue)


def test_paired_t_of_equal_differences_is_one():
    assert paired_t([0.3, 0.3, 0.3]) == 1.0


@settings(max_examples=6)  # theirs collects garbage at every call
@given(P_VALUES)
def test_holms_p_is_that_of_statsmodels(p_values):
    ours = holm(p_values, 0.05)
    rejected, adjusted, *_ = multipletests(p_values, 0.05, method="holm")
    assert ours.p == pytest.approx(adjusted)
    assert ours.rejected == tuple(rejected)


@given(P_VALUES, some.floats(0.001, 0.3))
def test_a_hypothesis_is_rejected_exactly_where_its_p_is_within_its_deciding_level(p_values, alpha):
    family = holm(p_values, alpha)
    assert family.rejected == tuple(p <= level for p, level in zip(p_values, family.deciding_alpha, strict=True))


def test_holm_decides_each_step_at_its_own_level_and_all_after_a_failure_at_that_one():
    family = holm([0.2, 0.001, 0.04, 0.015], 0.05)
    assert family.deciding_alpha == pytest.approx((0.025, 0.0125, 0.025, 0.05 / 3))
    assert family.rejected == (False, True, False, True)
    assert family.p == pytest.approx((0.2, 0.004, 0.08, 0.045))


def test_holm_of_no_hypotheses_is_empty():
    assert holm([]).p == ()


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_holm_refuses_what_is_no_p_value(bad):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        holm([0.5, bad])


@given(some.lists(some.integers(-6, 6), min_size=1, max_size=7))
def test_sign_flips_count_all_patterns(values):
    differences = np.array(values, dtype=float)
    means = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=len(values))]
    flips = sign_flip(differences, np.random.default_rng(0))
    assert flips.p == np.mean([mean >= abs(differences.sum()) for mean in means])
    assert flips.exact
    assert flips.patterns == 2 ** len(values)


def test_sign_flips_count_a_sum_in_another_order_as_the_same():
    # 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in floating point.
    assert sign_flip([0.1, 0.2, 0.3], np.random.default_rng(0)).p == 0.25


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.25), (5, 0.0625), (16, 2 / 2**16)])
def test_the_least_p_of_sign_flips_is_two_over_two_to_the_seeds(seeds, least):
    flips = sign_flip(np.arange(1.0, seeds + 1), np.random.default_rng(0))
    assert flips.p == flips.least == least


def test_sign_flips_beyond_sixteen_seeds_are_drawn_from_the_generator_and_near_the_t_test():
    differences = np.random.default_rng(1).normal(0.4, 1, 25)
    one, same, other = (sign_flip(differences, np.random.default_rng(seed), 15_000) for seed in (7, 7, 8))
    assert one == same
    assert one.p != other.p
    assert not one.exact
    assert (one.patterns, one.least) == (15_000, 1 / 15_001)
    assert one.p == pytest.approx(paired_t(differences), abs=0.02)


def test_sign_flips_that_are_never_reached_still_count_the_observed_pattern():
    flips = sign_flip(np.arange(1.0, 31), np.random.default_rng(0), 999)
    assert flips.p == 1 / 1000


def test_sign_flips_of_no_difference_at_all_have_a_p_of_one_drawn_or_counted():
    assert sign_flip(np.zeros(20), np.random.default_rng(0), 15_000).p == 1.0
    assert sign_flip(np.zeros(4), np.random.default_rng(0)).p == 1.0


def test_sign_flips_refuse_no_differences():
    with pytest.raises(ValueError, match="at least one"):
        sign_flip([], np.random.default_rng(0))


def test_equivalence_is_statsmodels_ttost_paired():
    arm, baseline = np.random.default_rng(2).normal(0, 0.3, (2, 9))
    ours = equivalence(mean_estimate(arm - baseline), 0.4)
    assert ours == pytest.approx(ttost_paired(arm, baseline, -0.4, 0.4)[0])


def test_equivalence_is_below_alpha_exactly_where_its_interval_lies_inside_the_margin():
    estimate = mean_estimate(np.random.default_rng(2).normal(0.1, 0.3, 9))
    interval = estimate.interval(0.9)
    reach = max(-interval.low, interval.high)
    assert equivalence(estimate, reach * 1.0001) < 0.05 < equivalence(estimate, reach * 0.9999)


@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan])
def test_equivalence_refuses_a_margin_that_is_not_above_zero(margin):
    with pytest.raises(ValueError, match="above zero"):
        equivalence(mean_estimate([0.0, 1.0]), margin)
