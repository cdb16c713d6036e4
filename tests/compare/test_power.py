"""Power and seeds needed, against statsmodels and against counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from statsmodels.stats.power import TTestPower

from contrast.compare import (
    Settling,
    detection_power,
    equivalence,
    equivalence_power,
    mean_estimate,
    sd_interval,
    seeds_needed,
    seeds_to_detect,
    seeds_to_equate,
    smallest_effect,
    smallest_effect_from_one_run,
    smallest_effect_from_pilot,
)


@pytest.mark.parametrize(
    ("effect", "sd", "pairs", "alpha"), [(0.5, 1, 10, 0.05), (-2, 1.3, 3, 0.05), (1, 1, 5, 0.005), (0, 1, 4, 0.05), (9, 1, 30, 0.05)]
)
def test_power_is_that_of_statsmodels(effect, sd, pairs, alpha):
    theirs = TTestPower().power(abs(effect) / sd, pairs, alpha)
    assert detection_power(effect, sd, pairs, alpha) == pytest.approx(theirs, abs=1e-7)


def test_equivalence_power_is_what_simulation_finds():
    rng = np.random.default_rng(0)
    said = [equivalence(mean_estimate(rng.normal(0.1, 0.5, 12)), 0.6) <= 0.05 for _ in range(2000)]
    assert equivalence_power(0.1, 0.5, 12, 0.6) == pytest.approx(np.mean(said), abs=0.03)
    assert equivalence_power(0.1, 0.5, 12, 0.6) == equivalence_power(-0.1, 0.5, 12, 0.6)


def test_equivalence_has_no_power_at_the_margin():
    assert equivalence_power(0.5, 0.001, 50, 0.5) == 0
    assert equivalence_power(0.0, 100, 3, 0.5) == 0


@given(some.floats(0.1, 5), some.sampled_from([0.05, 0.01]), some.sampled_from([0.5, 0.8, 0.95]))
def test_seeds_to_detect_is_the_first_number_with_enough_power(effect, alpha, power):
    pairs = seeds_to_detect(effect, 1.0, alpha, power)
    if pairs is None:
        assert detection_power(effect, 1.0, 1000, alpha) < power
    else:
        assert detection_power(effect, 1.0, pairs, alpha) >= power
        assert pairs == 2 or detection_power(effect, 1.0, pairs - 1, alpha) < power


@given(some.integers(2, 1000), some.floats(0, 60), some.floats(0.0005, 0.5))
def test_power_is_a_probability_at_every_effect_and_rises_with_it(pairs, effect, alpha):
    power = detection_power(effect, 1.0, pairs, alpha)
    assert 0 <= power <= 1 + 1e-12
    assert detection_power(effect + 0.1, 1.0, pairs, alpha) >= power - 1e-9
    assert 0 <= equivalence_power(0.0, 1.0, pairs, effect + 0.1, alpha) <= 1


def test_more_than_a_thousand_pairs_are_none():
    assert seeds_to_detect(0.05, 1.0) is None
    assert seeds_to_detect(0.0, 1.0) is None
    assert seeds_to_detect(0.09, 1.0) == pytest.approx(TTestPower().solve_power(0.09, power=0.8, alpha=0.05), abs=1)
    assert seeds_to_equate(0.5, 0.1, 0.5) is None


def test_seeds_to_equate_is_the_first_number_with_enough_power():
    pairs = seeds_to_equate(0.1, 0.6, 0.5)
    assert equivalence_power(0.1, 0.6, pairs, 0.5) >= 0.8 > equivalence_power(0.1, 0.6, pairs - 1, 0.5)


def test_what_settles_first_is_taken():
    assert Settling(0.0, 0.5).pairs(0.5) == seeds_to_equate(0.0, 0.5, 0.5)
    assert Settling(0.45, 0.5).pairs(0.5) == seeds_to_detect(0.45, 0.5)
    assert Settling(2.0, 0.5).pairs(0.5) == seeds_to_detect(2.0, 0.5)
    assert Settling(0.3).pairs(0.5) == seeds_to_detect(0.3, 0.5)
    assert Settling(0.0).pairs(0.5) is None


def test_a_settling_uses_its_own_levels_and_power():
    assert Settling(0.9, 0.5, alpha=0.01, power=0.9).pairs(0.5) == seeds_to_detect(0.9, 0.5, 0.01, 0.9)
    assert Settling(0.0, 0.5, equivalence_alpha=0.01, power=0.9).pairs(0.5) == seeds_to_equate(0.0, 0.5, 0.5, 0.01, 0.9)


def test_the_interval_of_a_standard_deviation_is_the_chi_square_one():
    low, high = sd_interval(2.0, 5, 0.9)
    assert low == pytest.approx(2 * np.sqrt(4 / stats.chi2.ppf(0.95, 4)))
    assert high == pytest.approx(2 * np.sqrt(4 / stats.chi2.ppf(0.05, 4)))
    with pytest.raises(ValueError, match="two pairs"):
        sd_interval(1.0, 1)


def test_seeds_needed_are_those_at_both_ends_of_the_standard_deviation_less_those_done():
    settling = Settling(0.6, 0.5)
    needed = seeds_needed(settling, 0.7, 8)
    low, high = sd_interval(0.7, 8, 0.95)
    assert needed.fewest == max(1, settling.pairs(low) - 8)
    assert needed.most == settling.pairs(high) - 8
    assert (needed.power, needed.confidence) == (0.8, 0.95)


def test_an_undecided_contrast_needs_one_more_seed_at_least_and_says_none_beyond_a_thousand():
    needed = seeds_needed(Settling(1.0, 0.5), 1.0, 3)
    assert (needed.fewest, needed.most) == (2, 309)
    assert seeds_needed(Settling(5.0, 0.5), 0.1, 3).fewest == 1
    assert seeds_needed(Settling(0.3, 0.5), 5.0, 3).most is None


@given(some.integers(2, 40), some.sampled_from([0.05, 0.01]))
def test_the_smallest_effect_has_exactly_the_power_asked_for(pairs, alpha):
    effect = smallest_effect(2.0, pairs, alpha)
    assert detection_power(effect, 2.0, pairs, alpha) == pytest.approx(0.8, abs=1e-6)


def test_a_pilot_tells_the_smallest_effect_and_how_unsure_that_is():
    told = smallest_effect_from_pilot([90.0, 91.0, 92.5], pairs=5, arms=3)
    sd = np.std([90.0, 91.0, 92.5], ddof=1)
    assert told.effect == pytest.approx(smallest_effect(np.sqrt(2) * sd, 5, 0.05 / 3))
    assert (told.low / told.effect, told.high / told.effect) == pytest.approx(sd_interval(1.0, 3))
    paired = smallest_effect_from_pilot([90.0, 91.0, 92.5], pairs=5, arms=3, correlation=0.5)
    assert paired.effect == pytest.approx(told.effect / np.sqrt(2))
    assert told.pairs == 5


@pytest.mark.parametrize("pilot", [[], [1.0], [2.0, 2.0]])
def test_a_pilot_without_spread_tells_nothing(pilot):
    with pytest.raises(ValueError, match="two runs"):
        smallest_effect_from_pilot(pilot, pairs=5)


def test_one_pilot_run_is_given_the_binomial_spread():
    sd = 100 * np.sqrt(2 * 0.9 * 0.1 / 1000)
    assert smallest_effect_from_one_run(0.9, 1000, pairs=5, arms=3) == pytest.approx(smallest_effect(sd, 5, 0.05 / 3))


@pytest.mark.parametrize("accuracy", [0.0, 1.0, 91.0, np.nan])
def test_one_pilot_run_without_spread_tells_nothing(accuracy):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        smallest_effect_from_one_run(accuracy, 1000, pairs=5)
