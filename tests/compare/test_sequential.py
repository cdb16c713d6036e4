"""Racing: the error promised is spent, not overspent, and words and interval agree at every look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from contrast.compare import (
    Look,
    alpha_shares,
    deciding_interval,
    equivalence,
    looks_at,
    mean_estimate,
    next_look,
    paired_t,
    planned_looks,
    sequential_equivalence,
    sequential_p,
)


def test_looks_grow_from_start_to_end():
    assert planned_looks(3, 20) == (3, 5, 8, 13, 20)
    assert planned_looks(2, 5) == (2, 3, 5)
    assert planned_looks(4, 4) == (4,)


@given(some.integers(2, 30), some.integers(0, 200))
def test_looks_increase_and_their_shares_sum_to_one(start, more):
    looks = planned_looks(start, start + more)
    assert looks[0] == start
    assert looks[-1] == start + more
    assert list(looks) == sorted(set(looks))
    assert sum(alpha_shares(looks)) == pytest.approx(1)
    assert min(alpha_shares(looks)) > 0


def test_shares_are_the_increments_of_the_square_of_what_has_been_run():
    assert alpha_shares([5, 10]) == pytest.approx((0.25, 0.75))


@pytest.mark.parametrize(("start", "up_to"), [(1, 5), (4, 3)])
def test_a_race_that_cannot_be_run_is_refused(start, up_to):
    with pytest.raises(ValueError, match="race"):
        planned_looks(start, up_to)


@pytest.mark.parametrize("looks", [[3, 3], [5, 3], [1, 4]])
def test_looks_that_do_not_increase_are_refused(looks):
    with pytest.raises(ValueError, match="increasing"):
        looks_at([1.0, 2.0, 3.0], looks)


def test_without_planned_looks_there_is_one_with_the_whole_error():
    differences = [0.5, 1.0, 0.2]
    looks = looks_at(differences)
    assert looks == (Look(3, 1.0, mean_estimate(differences)),)
    assert sequential_p(looks) == paired_t(differences)
    assert deciding_interval(looks, 0.05) == mean_estimate(differences).interval(0.95)


def test_each_look_sees_the_first_seeds_only_and_none_before_it_is_reached():
    differences = np.random.default_rng(0).normal(size=9)
    looks = looks_at(differences, [3, 5, 8, 13])
    assert [look.pairs for look in looks] == [3, 5, 8]
    assert looks[1].estimate == mean_estimate(differences[:5])


def test_a_sequential_p_is_the_least_p_over_its_share():
    differences = np.random.default_rng(1).normal(0.5, 1, 6)
    looks = looks_at(differences, [3, 6])
    p = [paired_t(differences[:3]) / 0.25, paired_t(differences) / 0.75]
    assert sequential_p(looks) == min(1.0, *p)
    tost = [equivalence(mean_estimate(differences[:3]), 2.0) / 0.25, equivalence(mean_estimate(differences), 2.0) / 0.75]
    assert sequential_equivalence(looks, 2.0) == min(1.0, *tost)


def test_a_look_at_equal_differences_decides_nothing():
    looks = looks_at([1.0, 1.0, 1.0], [3, 5])
    assert sequential_p(looks) == 1.0
    assert deciding_interval(looks, 0.05) is None


@given(some.integers(0, 10_000), some.floats(0.001, 0.2))
def test_the_interval_leaves_out_zero_exactly_where_the_sequential_p_is_within_alpha(seed, alpha):
    looks = looks_at(np.random.default_rng(seed).normal(0.8, 1, 13), [3, 5, 8, 13])
    interval = deciding_interval(looks, alpha)
    assert (0.0 not in interval) == (sequential_p(looks) <= alpha)


def test_a_sequential_p_only_falls():
    differences = np.random.default_rng(4).normal(0.4, 1, 20)
    p = [sequential_p(looks_at(differences[:seeds], planned_looks(3, 20))) for seeds in range(3, 21)]
    assert p == sorted(p, reverse=True)


def test_the_chance_that_any_look_cries_wolf_keeps_to_alpha():
    rng = np.random.default_rng(6)
    cried = [sequential_p(looks_at(rng.normal(size=20), planned_looks(3, 20))) <= 0.1 for _ in range(2000)]
    assert 0.05 < np.mean(cried) < 0.11


def test_the_next_look_is_the_first_beyond_what_was_run():
    assert next_look((3, 5, 8), 3) == 5
    assert next_look((3, 5, 8), 4) == 5
    assert next_look((3, 5, 8), 8) is None
