"""Seeds that come with overlapping splits of one sample: the corrected resampled t, wherever a standard error is used."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from tests.compare.made import coin_flips, study

from contrast.compare import (
    ComparisonError,
    Settling,
    best_of_sweep,
    compare,
    detection_power,
    equivalence,
    equivalence_power,
    factorial_effects,
    fractional_effects,
    looks_at,
    mean_estimate,
    seeds_needed,
    seeds_to_detect,
    seeds_to_equate,
    share_of_variance,
    smallest_effect,
    smallest_effect_from_one_run,
    smallest_effect_from_pilot,
    trend,
)
from contrast.compare.sequential import alpha_shares

BASE = [0.90, 0.91, 0.92, 0.90, 0.91]
ARM = [0.93, 0.935, 0.942, 0.92, 0.94]
CLOSE = [0.906, 0.908, 0.931, 0.903, 0.909]
FIVE_FOLDS = 1 / 4


def test_the_variance_of_the_mean_is_one_over_the_seeds_plus_the_overlap():
    assert share_of_variance(5) == 0.2
    assert share_of_variance(5, FIVE_FOLDS) == pytest.approx(0.45)
    differences = [0.3, -0.1, 0.8, 0.5, 0.9]
    estimate = mean_estimate(differences, overlap=FIVE_FOLDS)
    assert estimate.standard_error == pytest.approx(np.std(differences, ddof=1) * math.sqrt(1 / 5 + 1 / 4))
    assert (estimate.mean, estimate.df) == (pytest.approx(0.48), 4)


@pytest.mark.parametrize("overlap", [-0.1, math.inf, math.nan])
def test_an_overlap_is_a_number_from_zero_on(overlap):
    with pytest.raises(ValueError, match="held out per image trained on"):
        mean_estimate([1.0, 2.0], overlap=overlap)
    with pytest.raises(ComparisonError, match="held out per image trained on"):
        compare(study(base=BASE, arm=ARM), baseline="base", overlap=overlap)


def test_differences_that_correlate_as_the_overlap_says_are_called_different_as_often_as_promised():
    rng = np.random.default_rng(0)
    shared, own = rng.normal(0, math.sqrt(FIVE_FOLDS), (4000, 1)), rng.normal(size=(4000, 5))
    corrected, plain = ([mean_estimate(row, overlap=o).p_two_sided() for row in shared + own] for o in (FIVE_FOLDS, 0.0))
    assert np.mean(np.array(corrected) <= 0.05) == pytest.approx(0.05, abs=0.01)
    assert np.mean(np.array(plain) <= 0.05) > 0.12
    assert stats.kstest(corrected, "uniform").pvalue > 0.01


def test_a_comparison_carries_the_overlap_into_every_interval_and_p():
    runs = study(base=BASE, arm=ARM, other=CLOSE)
    plain, folds = (compare(runs, baseline="base", overlap=overlap).contrasts for overlap in (0.0, FIVE_FOLDS))
    for one, other in zip(plain, folds, strict=True):
        error = other.sd * math.sqrt(1 / 5 + FIVE_FOLDS)
        assert other.standard_error == pytest.approx(error) == pytest.approx(one.standard_error * 1.5)
        assert other.p == pytest.approx(2 * stats.t.sf(abs(other.effect) / error, 4))
        assert other.interval.high - other.effect == pytest.approx(stats.t.ppf(0.975, 4) * error)
        assert other.equivalence_interval.high - other.effect == pytest.approx(stats.t.ppf(0.95, 4) * error)
        assert other.p_equivalence == pytest.approx(equivalence(mean_estimate(other.differences, overlap=FIVE_FOLDS), 0.5))
        assert (other.effect, other.sd) == (one.effect, one.sd)
        assert (one.interval.about, other.interval.about) == (
            "another seed on these test images",
            "another sample of this kind and size, split and trained anew",
        )
        assert other.deciding.about == other.equivalence_interval.about == other.interval.about


def test_the_words_the_remark_and_the_plain_data_tell_of_the_overlap():
    comparison = compare(study(base=BASE, arm=ARM), baseline="base", overlap=FIVE_FOLDS)
    assert comparison.sentences() == ("arm: helps by 2.5 points (95 % interval 1.7 to 3.4, 5 seeds, p = 0.001)",)
    assert comparison.remarks == (
        "the splits of the seeds share images: intervals and p values allow for it (corrected resampled t, Nadeau & Bengio 2003), "
        "signs can't be flipped as a check, and there is no interval over images",
    )
    assert comparison.to_dict()["overlap"] == 0.25
    assert compare(study(base=BASE, arm=ARM), baseline="base").overlap == 0


def test_what_needs_independent_seeds_or_one_set_of_images_is_left_out():
    runs, outcomes = coin_flips(np.random.default_rng(0), 4, 300, base=0.8, arm=0.85)
    # Folds may hold out one image more or less.
    outcomes["arm"][3], outcomes["base"][3] = outcomes["arm"][3][:-1], outcomes["base"][3][:-1]
    comparison = compare(runs, baseline="base", outcomes=outcomes, overlap=1 / 3)
    contrast = comparison.contrasts[0]
    assert contrast.sign_flip is None
    assert contrast.images_interval is contrast.variance is comparison.baseline.variance is None
    assert math.isnan(comparison.table()["p_sign_flip"][1])


def test_seeds_needed_are_those_of_the_overlap_and_use_the_spread_of_one_difference():
    contrast = compare(study(base=BASE, arm=CLOSE), baseline="base", overlap=0.05).contrasts[0]
    assert contrast.verdict.kind == "undecided"
    assert contrast.seeds_needed == seeds_needed(Settling(contrast.effect, 0.5, overlap=0.05), contrast.sd, 5)
    assert contrast.seeds_needed != compare(study(base=BASE, arm=CLOSE), baseline="base").contrasts[0].seeds_needed


@pytest.mark.parametrize(
    ("arm", "overlap", "words"),
    [
        (CLOSE, 0.05, "undecided: −0.4 to 1.1; 9 or more seeds would settle it, if splits of one sample can"),
        (CLOSE, 1.0, "undecided: −1.3 to 2.0; more splits of this sample would not settle it"),
        ([0.906, 0.921, 0.926, 0.915, 0.909], 0.02, "undecided: −0.04 to 1.52; 1 to 314 more seeds would settle it"),
    ],
)
def test_an_arm_that_more_splits_may_never_settle_says_so(arm, overlap, words):
    assert compare(study(base=BASE, arm=arm), baseline="base", overlap=overlap).contrasts[0].verdict.sentence == words


@given(some.integers(0, 100_000), some.sampled_from([None, (3, 5)]))
def test_words_and_the_interval_that_decides_agree_under_overlap_too(seed, looks):
    rng = np.random.default_rng(seed)
    arms = {f"arm{i}": (0.9 + rng.normal(0.006 * i, 0.004, 5)).tolist() for i in range(4)}
    for contrast in compare(study(base=BASE, **arms), baseline="base", looks=looks, overlap=FIVE_FOLDS).contrasts:
        assert (0.0 not in contrast.deciding) == (contrast.verdict.kind in ("helps", "hurts")) == (contrast.p_holm <= 0.05)
        if contrast.verdict.kind == "no difference":
            assert -0.5 < contrast.equivalence_interval.low < contrast.equivalence_interval.high < 0.5


def test_the_looks_of_a_race_have_the_overlap_at_their_own_number_of_seeds():
    differences = np.random.default_rng(0).normal(size=8)
    looks = looks_at(differences, [3, 8], overlap=0.25)
    assert [look.estimate for look in looks] == [mean_estimate(differences[:pairs], overlap=0.25) for pairs in (3, 8)]
    raced = compare(study(base=BASE, arm=CLOSE), baseline="base", looks=(3, 10), overlap=0.02).contrasts[0]
    last = alpha_shares((3, 10))[-1] * 0.05
    assert raced.seeds_needed == seeds_needed(Settling(raced.effect, 0.5, last, last, overlap=0.02), raced.sd, 5)


def test_power_is_that_of_as_many_independent_seeds_as_give_the_same_error_with_fewer_degrees_of_freedom():
    # 1/10 + 0.1 = 1/5: the same shift as 5 seeds, at 9 degrees of freedom.
    power = detection_power(1.5, 1.0, 10, overlap=0.1)
    critical = stats.t.ppf(0.975, 9)
    shift = 1.5 * math.sqrt(5)
    assert power == pytest.approx(stats.nct.sf(critical, 9, shift) + stats.nct.cdf(-critical, 9, shift))
    one_sided = stats.t.ppf(0.95, 9)
    failures = [stats.nct.cdf(one_sided, 9, (2 + side * 0.3) * math.sqrt(5)) for side in (-1, 1)]
    assert equivalence_power(0.3, 1.0, 10, 2.0, overlap=0.1) == pytest.approx(1 - sum(failures))


def test_seeds_needed_have_the_power_and_are_none_where_no_number_of_splits_has_it():
    pairs = seeds_to_detect(1.5, 1.0, overlap=0.1)
    assert detection_power(1.5, 1.0, pairs, overlap=0.1) >= 0.8 > detection_power(1.5, 1.0, pairs - 1, overlap=0.1)
    pairs = seeds_to_equate(0.1, 1.0, 1.5, overlap=0.1)
    assert equivalence_power(0.1, 1.0, pairs, 1.5, overlap=0.1) >= 0.8 > equivalence_power(0.1, 1.0, pairs - 1, 1.5, overlap=0.1)
    assert seeds_to_detect(1.0, 1.0, overlap=0.25) is None
    assert Settling(1.5, 0.5, overlap=0.1).pairs(1.0) == seeds_to_detect(1.5, 1.0, overlap=0.1)
    assert Settling(0.1, 1.5, overlap=0.1).pairs(1.0) == seeds_to_equate(0.1, 1.0, 1.5, overlap=0.1)


def test_the_smallest_effect_grows_by_the_overlap():
    effect = smallest_effect(2.0, 10, overlap=0.1)
    assert detection_power(effect, 2.0, 10, overlap=0.1) == pytest.approx(0.8, abs=1e-6)
    assert effect == pytest.approx(smallest_effect(2.0, 10) * math.sqrt(2), rel=1e-6)
    pilot = [90.0, 91.0, 92.5]
    assert smallest_effect_from_pilot(pilot, 10, overlap=0.1).effect == pytest.approx(smallest_effect_from_pilot(pilot, 10).effect * math.sqrt(2))
    assert smallest_effect_from_one_run(0.9, 500, 10, overlap=0.1) == pytest.approx(smallest_effect_from_one_run(0.9, 500, 10) * math.sqrt(2))


def test_effects_of_designs_have_it_too():
    rng = np.random.default_rng(0)
    cells, wide = rng.normal(size=(5, 2, 2)), math.sqrt(1 + 5 * FIVE_FOLDS)
    levels = {"a": ["0", "1"], "b": ["0", "1"]}
    settings = [[0, 0], [0, 1], [1, 0], [1, 1]]
    pairs = [
        (factorial_effects(cells, levels, overlap=o)[-1], fractional_effects(cells.reshape(5, 4), settings, ["a", "b"], overlap=o)[0],
         trend(cells[:, 0], [0, 1], overlap=o)) for o in (0.0, FIVE_FOLDS)
    ]  # fmt: skip
    for plain, folds in zip(*pairs, strict=True):
        assert folds.estimate.standard_error == pytest.approx(plain.estimate.standard_error * wide)
        assert folds.p > plain.p
    plain, folds = (best_of_sweep(cells[:, 0], cells[:, 1], overlap=o).estimate.standard_error for o in (0.0, FIVE_FOLDS))
    assert folds == pytest.approx(plain * math.sqrt(1 + 3 * FIVE_FOLDS))
