"""The full simulation of bench/coverage.py, shrunk: wide bands, fixed seeds."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench" / "coverage.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_coverage", BENCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_coverage"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["bench_coverage"]


def test_a_simulated_effect_is_the_effect_asked_for(bench):
    world = bench.World(effect=2.0, images=50_000)
    truths = [study.effects[0] for _, study in zip(range(3), bench.simulated(world, 1, 2, np.random.default_rng(0)), strict=False)]
    assert np.mean(truths) == pytest.approx(2.0, abs=0.2)


def test_the_truth_of_a_simulated_study_is_what_its_seeds_average_to(bench):
    study = next(bench.simulated(bench.World(effect=2.0, images=300, seed=0.3), 1, 2000, np.random.default_rng(0)))
    differences = 100 * np.diff(study.outcomes.mean(axis=2), axis=0)[0]
    assert differences.mean() == pytest.approx(study.effects[0], abs=0.4)
    assert differences.std() == pytest.approx(study.sds[0], rel=0.05)


@pytest.mark.parametrize("seeds", [3, 5])
def test_both_intervals_and_the_range_of_seeds_cover_what_they_claim(bench, seeds):
    marks = bench.coverage(bench.World(effect=0.5, images=500), seeds, 250, np.random.default_rng(seeds))
    assert 0.90 < marks["interval 1"] <= 0.995
    assert 0.91 < marks["interval 2"] <= 0.999
    assert marks["seeds"] > 0.9
    assert marks["wrong way"] < 0.06
    assert marks["without interval"] == 0


def test_a_family_of_arms_that_do_nothing_rarely_has_one_that_helps(bench):
    assert bench.family(bench.World(image_arm=0.0, images=200), 5, 5, 200, np.random.default_rng(2)) < 0.09


def test_racing_keeps_its_error_and_stops_early_where_the_effect_is_large(bench):
    nothing = bench.race(bench.World(image_arm=0.0, images=200), 3, 0.5, 80, np.random.default_rng(3))
    assert nothing.false_difference < 0.11
    assert nothing.seeds > 19
    large = bench.race(bench.World(effect=15.0, image_arm=0.0, images=200), 1, 0.5, 40, np.random.default_rng(4))
    assert large.settled == 1
    assert large.seeds < 12


@pytest.mark.slow
def test_every_row_of_the_table_keeps_the_numbers_of_the_issue(bench):
    for effect in (0.0, 0.5, 2.0):
        for seeds in bench.SEEDS:
            marks = bench.coverage(replace(bench.World(), effect=effect), seeds, 1000, np.random.default_rng(seeds))
            assert 0.93 <= marks["interval 1"] <= 0.975
            assert 0.93 <= marks["interval 2"] <= 0.985
            assert marks["seeds"] >= 0.9


def test_folds_hold_out_every_image_once_a_repeat_and_random_splits_a_part_each(bench):
    folds = list(bench.Splits("", 5, 2).held_out(23, np.random.default_rng(0)))
    assert len(folds) == 10
    for repeat in (folds[:5], folds[5:]):
        assert sorted(np.concatenate(repeat)) == list(range(23))
    assert [len(held) for held in bench.Splits("", 5, 3, random=True).held_out(20, np.random.default_rng(0))] == [4, 4, 4]
    assert bench.Splits("", 5, 2).overlap == 1 / 4


def test_overlapping_splits_judged_as_independent_cry_wolf_and_corrected_do_not(bench):
    marks = bench.false_with_splits("ridge", bench.Splits("5 folds, 3 times", 5, 3), 120, np.random.default_rng(5))
    assert marks["plain"] > 0.18
    assert marks["flipped"] > 0.15
    assert marks["corrected"] < 0.09
    assert marks["half corrected"] > 1.8 * marks["half plain"]


@pytest.mark.slow
def test_every_way_of_splitting_keeps_the_error_of_the_corrected_test(bench):
    for learner in bench.LEARNERS:
        for splits in bench.SPLITS:
            marks = bench.false_with_splits(learner, splits, 600, np.random.default_rng(6))
            assert marks["corrected"] <= 0.075
