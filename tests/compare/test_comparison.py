"""A study's comparison: pairing, missing runs, bad input, tables, outcomes per image, size."""

from __future__ import annotations

import json
import math
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.compare.made import coin_flips, study

from contrast.compare import (
    ComparisonError,
    compare,
    holm,
    judged_together,
    mean_squares,
    metric_named,
    paired_t,
    two_way_interval,
    variance_parts,
)
from contrast.compare.telling import as_plain

BASE = [0.90, 0.91, 0.92, 0.90, 0.91]
ARM = [0.93, 0.935, 0.942, 0.92, 0.94]


def test_a_contrast_is_the_paired_difference_in_points():
    comparison = compare(study(base=BASE, arm=ARM), baseline="base")
    contrast = comparison.contrasts[0]
    theirs = stats.ttest_rel(ARM, BASE)
    assert contrast.effect == pytest.approx(100 * (np.mean(ARM) - np.mean(BASE)))
    assert contrast.p == contrast.p_holm == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval()
    assert (contrast.interval.low, contrast.interval.high) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert contrast.sd == pytest.approx(100 * np.std(np.subtract(ARM, BASE), ddof=1))
    assert contrast.standard_error == pytest.approx(contrast.sd / np.sqrt(5))
    assert contrast.sign_flip.p == contrast.sign_flip.least == 0.0625
    assert contrast.seeds == (0, 1, 2, 3, 4)
    assert contrast.images_interval is None


def test_each_arm_is_summed_up_by_itself_baseline_first_then_in_order_of_appearance():
    comparison = compare(study(zebra=BASE, base=BASE, ant=ARM), baseline="base")
    assert comparison.baseline.arm == "base"
    assert comparison.baseline.mean == pytest.approx(90.8)
    assert comparison.baseline.sd == pytest.approx(100 * np.std(BASE, ddof=1))
    assert [summary.arm for summary in comparison.arms] == ["zebra", "ant"] == [contrast.arm for contrast in comparison.contrasts]


def test_what_one_seed_cannot_tell_is_left_empty():
    contrast = compare(study(base=BASE[:1], arm=ARM[:1]), baseline="base").contrasts[0]
    assert contrast.effect == pytest.approx(3.0)
    assert contrast.sd is contrast.estimate is contrast.interval is contrast.p is contrast.p_equivalence is contrast.sign_flip is None
    assert (contrast.family, contrast.deciding_pairs, contrast.equivalence_pairs, contrast.looks) == (0, 0, 0, ())
    assert (contrast.ended, contrast.baseline_ended) == (1, 1)


def test_seeds_are_paired_whatever_the_order_of_the_rows():
    runs = study(base=BASE, arm=ARM)
    shuffled = runs.sample(frac=1, random_state=3)
    assert compare(shuffled, baseline="base").contrasts[0].p == compare(runs, baseline="base").contrasts[0].p


def test_unequal_seeds_pair_what_pairs_and_say_what_does_not():
    runs = study(base=BASE, arm=ARM[:3])
    comparison = compare(runs, baseline="base")
    assert comparison.contrasts[0].seeds == (0, 1, 2)
    assert comparison.contrasts[0].unpaired == (3, 4)
    assert comparison.remarks == ("finished on one side only, so not in the difference: arm seed 3, 4",)
    assert comparison.baseline.seeds == (0, 1, 2, 3, 4)


def test_seeds_are_told_in_order_whatever_they_are():
    seeds = [1000, 16, 8, 1, 27, 3]
    status = {("arm", 0): "diverged", ("arm", 1): "diverged", ("base", 2): "diverged", ("base", 3): "diverged"}
    runs = study(status, base=[*BASE, 0.9], arm=[*ARM, 0.93])
    runs["seed"] = runs["seed"].map(dict(enumerate(seeds)))
    contrast = compare(runs, baseline="base").contrasts[0]
    assert (contrast.seeds, contrast.diverged, contrast.baseline_diverged) == ((3, 27), (16, 1000), (1, 8))
    assert contrast.unpaired == (1, 8, 16, 1000)
    summary = compare(runs, baseline="arm").baseline
    assert (summary.seeds, summary.diverged) == ((1, 3, 8, 27), (16, 1000))


def test_runs_that_are_missing_are_named_with_their_reason_once():
    status = {("arm", 0): "failed", ("arm", 1): "unfinished", ("base", 2): "diverged"}
    runs = study(status, base=BASE, arm=[0.9, 0.9, 0.91, 0.92, math.nan])
    comparison = compare(runs, baseline="base")
    assert comparison.remarks == (
        "failed: arm seed 0",
        "not finished: arm seed 1",
        "without a finite value: arm seed 4",
        "diverged, counted and in no mean: base seed 2",
    )
    assert comparison.contrasts[0].missing == (0, 1, 4)
    # The run without a value came to its end all the same.
    assert (comparison.contrasts[0].ended, comparison.contrasts[0].baseline_ended) == (3, 5)
    assert comparison.arms[0].seeds == (2, 3)
    assert comparison.arms[0].failed == (0,)


def test_an_arm_that_is_right_on_every_image_is_compared():
    comparison = compare(study(base=[0.0, 0.1, 0.0], arm=[1.0, 1.0, 1.0]), baseline="base")
    assert comparison.arms[0].mean == 100.0
    assert comparison.arms[0].sd == 0.0
    assert comparison.contrasts[0].verdict.kind == "helps"


def test_a_diverged_run_is_in_no_mean():
    comparison = compare(study({("arm", 4): "diverged"}, base=BASE, arm=[*ARM[:4], 0.1]), baseline="base")
    assert comparison.arms[0].mean == pytest.approx(100 * np.mean(ARM[:4]))
    assert comparison.arms[0].diverged == (4,)
    assert comparison.contrasts[0].effect == pytest.approx(100 * np.mean(np.subtract(ARM, BASE)[:4]))


def test_a_study_of_which_nothing_has_finished_compares_without_an_error():
    runs = study(base=BASE, arm=ARM).drop(columns="test_accuracy").assign(status="unfinished")
    comparison = compare(runs, baseline="base")
    assert [contrast.verdict.kind for contrast in comparison.contrasts] == ["not yet"]
    assert "none" in comparison.text()
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_a_table_without_runs_is_refused():
    with pytest.raises(ComparisonError, match=r"no arm 'base' \(there are: none\)"):
        compare(study(base=BASE)[:0], baseline="base")


def test_a_baseline_of_which_no_run_has_finished_leaves_every_arm_without_a_difference():
    runs = study({("base", seed): "failed" for seed in range(5)}, base=BASE, arm=ARM)
    comparison = compare(runs, baseline="base")
    assert (comparison.baseline.mean, comparison.arms[0].mean) == (None, pytest.approx(93.34))
    assert comparison.contrasts[0].verdict.sentence == "not yet: no finished pairs"
    assert comparison.answer == "arm: not yet: no finished pairs."
    assert comparison.remarks == ("failed: base seed 0, 1, 2, 3, 4",)


def test_a_metric_that_no_run_has_a_finite_value_of_compares_without_an_error():
    runs = study(base=BASE, arm=ARM).assign(test_accuracy=math.nan)
    comparison = compare(runs, baseline="base")
    assert comparison.contrasts[0].verdict.kind == "not yet"
    assert comparison.remarks == ("without a finite value: base seed 0, 1, 2, 3, 4; arm seed 0, 1, 2, 3, 4",)


def test_the_baseline_alone_has_nothing_to_be_compared_with():
    comparison = compare(study(base=BASE), baseline="base")
    assert comparison.contrasts == ()
    assert comparison.answer == "base alone: nothing to compare it with."
    assert len(comparison.table()) == 1


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"metric": "test_acuracy"}, r"no metric 'test_acuracy'; did you mean 'test_accuracy'\?"),
        ({}, {"metric": "arm"}, r"no metric 'arm'; did you mean 'test_accuracy'\? \(there are: test_accuracy\)$"),
        (
            {"seconds": 1.0, "quirk": 1.0},
            {"metric": "secs"},
            r"no metric 'secs'; did you mean 'seconds'\? \(there are: test_accuracy, seconds, quirk\)$",
        ),
        ({}, {"baseline": "bass"}, r"no arm 'bass'; did you mean 'base'\? \(there are: base, arm\)"),
        ({}, {"margin": 0.0}, "margin: 0 is not above zero"),
        ({}, {"margin": math.nan}, "margin: nan is not above zero"),
        ({}, {"margin": math.inf}, "margin: inf is not above zero and finite"),
        ({}, {"level": 95}, "level: 95 is no confidence level"),
        ({}, {"level": 0.5}, "level: 0.5 is no confidence level"),
        ({}, {"level": 1.0}, "level: 1 is no confidence level"),
        ({}, {"looks": ()}, r"looks are increasing numbers of seeds from 2 on, got \[\]"),
        ({}, {"looks": (1, 4)}, r"looks are increasing .* got \[1, 4\]"),
        ({}, {"looks": (5, 3)}, r"looks are increasing .* got \[5, 3\]"),
        ({"seed": math.nan}, {}, "arm 'base': seed is nan; every run has a whole number"),
        ({"seed": "first"}, {}, "arm 'base': seed is 'first'"),
        ({"status": "done"}, {}, "arm 'base', seed 0: no status 'done'"),
        ({"seed": 1}, {}, "arm 'base', seed 1: two runs"),
        ({"test_accuracy": 91.2}, {}, "arm 'base', seed 0: test_accuracy is 91.2; accuracies are fractions"),
        ({"test_accuracy": "high"}, {}, "test_accuracy is 'high', not a number"),
        ({"quirk": 1.0}, {"metric": "quirk"}, "not known whether more is better"),
    ],
)
def test_bad_input_is_told_in_one_line(change, options, words):
    runs = study(base=BASE, arm=ARM).astype(object).assign(**change)
    with pytest.raises(ComparisonError, match=words) as caught:
        compare(runs, **{"baseline": "base", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["arm", "seed", "status"])
def test_a_table_without_a_needed_column_is_refused_by_its_name(column):
    with pytest.raises(ComparisonError, match=f"no column '{column}'"):
        compare(study(base=BASE).drop(columns=column), baseline="base")


@pytest.mark.parametrize(
    ("name", "greater", "unit", "scale"),
    [
        ("test_accuracy", True, "points", 100), ("test_balanced_accuracy", True, "points", 100), ("test_accuracy_3", True, "points", 100),
        ("test_loss", False, "", 1), ("seconds", False, "s", 1), ("seconds_to_accuracy_90", False, "s", 1), ("best_epoch", False, "epochs", 1),
        ("test_calibration_error", False, "", 1), ("images_per_second", True, "", 1), ("generalization_gap", False, "points", 100),
    ],
)  # fmt: skip
def test_a_metric_is_known_by_the_first_word_that_says_something(name, greater, unit, scale):
    metric = metric_named(name, [name])
    assert (metric.greater_is_better, metric.unit, metric.scale) == (greater, unit, scale)
    assert metric.words == name.replace("_", " ")


def test_outcomes_bring_the_second_interval_and_the_variance_parts():
    runs, outcomes = coin_flips(np.random.default_rng(0), 4, 300, base=0.8, arm=0.85)
    contrast = compare(runs, baseline="base", outcomes=outcomes).contrasts[0]
    difference = 100.0 * (np.stack(list(outcomes["arm"].values())).astype(float) - np.stack(list(outcomes["base"].values())))
    expected = two_way_interval(difference)
    assert (contrast.images_interval.low, contrast.images_interval.high) == pytest.approx((expected.low, expected.high))
    assert contrast.variance.seed_image == pytest.approx(variance_parts(mean_squares(difference)).seed_image)
    assert compare(runs, baseline="base", outcomes=outcomes).baseline.variance.seed_image == pytest.approx(1600, rel=0.2)


def test_differences_equal_by_chance_are_judged_with_the_floor_of_their_images():
    rng = np.random.default_rng(1)
    base = {seed: np.array([1] * 80 + [0] * 20, np.uint8) for seed in range(3)}
    arm = {seed: rng.permutation(np.array([1] * 82 + [0] * 18, np.uint8)) for seed in range(3)}
    runs = study(base=[0.8] * 3, arm=[0.82] * 3)
    assert compare(runs, baseline="base").contrasts[0].verdict.kind == "zero variance"
    contrast = compare(runs, baseline="base", outcomes={"base": base, "arm": arm}).contrasts[0]
    floor = mean_squares([100.0 * arm[seed] - 100.0 * base[seed] for seed in range(3)]).least_seed_variance
    assert contrast.standard_error == pytest.approx(np.sqrt(floor / 3))
    assert contrast.verdict.kind == "undecided"


def test_outcomes_missing_for_one_seed_leave_out_the_second_interval_only():
    runs, outcomes = coin_flips(np.random.default_rng(0), 4, 300, base=0.8, arm=0.85)
    del outcomes["arm"][2]
    contrast = compare(runs, baseline="base", outcomes=outcomes).contrasts[0]
    assert contrast.images_interval is None
    assert contrast.interval is not None


def test_outcomes_that_do_not_belong_to_the_metric_are_not_used_and_named():
    runs, outcomes = coin_flips(np.random.default_rng(0), 3, 300, base=0.8, arm=0.85)
    outcomes["arm"][1] = 1 - outcomes["arm"][1]
    comparison = compare(runs, baseline="base", outcomes=outcomes)
    assert comparison.contrasts[0].images_interval is None
    assert comparison.remarks == ("arm: the outcomes per image of seed 1 do not average to its test accuracy",)


@pytest.mark.parametrize(
    ("arm", "torn", "words"),
    [
        ("arm", lambda row: np.tile(row, 2), r"arm 'arm', seed 1: outcomes of shape \(600,\); all runs need the same images: \(300,\)"),
        ("base", lambda row: row[:-1], r"arm 'base', seed 1: outcomes of shape \(299,\); all runs need the same images: \(300,\)"),
        ("arm", lambda row: row[None], r"arm 'arm', seed 1: outcomes of shape \(1, 300\); all runs need the same images: \(300,\)"),
        ("arm", lambda row: row[:0], r"arm 'arm', seed 1: outcomes of shape \(0,\); all runs need the same images: \(300,\)"),
    ],
)
def test_outcomes_of_other_images_are_refused_by_arm_and_seed(arm, torn, words):
    runs, outcomes = coin_flips(np.random.default_rng(0), 3, 300, base=0.8, arm=0.85)
    outcomes[arm][1] = torn(outcomes[arm][1])
    with pytest.raises(ComparisonError, match=words):
        compare(runs, baseline="base", outcomes=outcomes)


def test_outcomes_of_a_run_that_is_not_averaged_need_not_fit():
    runs, outcomes = coin_flips(np.random.default_rng(0), 4, 300, base=0.8, arm=0.85)
    runs.loc[(runs.arm == "arm") & (runs.seed == 3), "status"] = "diverged"
    outcomes["arm"][3] = outcomes["arm"][3][:7]
    assert compare(runs, baseline="base", outcomes=outcomes).contrasts[0].images_interval is not None


@pytest.mark.parametrize("images", [0, 1])
def test_a_test_set_too_small_for_a_spread_over_images_leaves_out_the_second_interval(images):
    runs = study(base=[0.0, 1.0, 1.0], arm=[1.0, 1.0, 0.0])
    outcomes = {arm: {int(seed): np.full(images, value) for seed, value in zip(group.seed, group.test_accuracy, strict=True)}
                for arm, group in runs.groupby("arm")}  # fmt: skip
    comparison = compare(runs, baseline="base", outcomes=outcomes)
    assert comparison.contrasts[0].images_interval is None
    assert comparison.contrasts[0].interval is not None
    assert comparison.remarks == ()


def test_two_seeds_and_two_images_are_enough_for_every_figure():
    outcomes = {"base": {0: np.array([0, 1]), 1: np.array([1, 0])}, "arm": {0: np.array([1, 1]), 1: np.array([0, 0])}}
    comparison = compare(study(base=[0.5, 0.5], arm=[1.0, 0.0]), baseline="base", outcomes=outcomes)
    contrast = comparison.contrasts[0]
    assert contrast.images_interval is not None
    assert contrast.variance == variance_parts(mean_squares([[100, 0], [-100, 0]]))
    assert (comparison.arms[0].sd, comparison.arms[0].variance.seed) == (pytest.approx(100 * np.std([1, 0], ddof=1)), pytest.approx(5000))


def test_outcomes_that_never_vary_give_no_verdict():
    every = {seed: np.ones(50, np.uint8) for seed in range(3)}
    comparison = compare(study(base=[1.0] * 3, arm=[1.0] * 3), baseline="base", outcomes={"base": every, "arm": every})
    contrast = comparison.contrasts[0]
    assert contrast.verdict.sentence == "no verdict: all differences equal (+0 points in each of 3 seeds)"
    assert contrast.interval is contrast.images_interval is contrast.p is None
    assert contrast.variance.seed_image == contrast.variance.finite_test_share == 0


def test_outcomes_that_are_not_finite_are_not_used_and_named():
    runs, outcomes = coin_flips(np.random.default_rng(0), 3, 300, base=0.8, arm=0.85)
    outcomes["arm"] = {seed: np.where(np.arange(300) == 7, np.nan, row) for seed, row in outcomes["arm"].items()}
    comparison = compare(runs, baseline="base", outcomes=outcomes)
    assert comparison.contrasts[0].images_interval is None
    assert comparison.remarks == ("arm: the outcomes per image of seed 0 do not average to its test accuracy",)


def test_scores_per_image_are_compared_in_the_unit_of_their_metric():
    rng = np.random.default_rng(2)
    outcomes = {arm: {seed: rng.gamma(2, size, 200).astype(np.float32) for seed in range(4)} for arm, size in (("base", 0.2), ("arm", 0.1))}
    runs = study(metric="test_loss", **{arm: [float(row.mean()) for row in rows.values()] for arm, rows in outcomes.items()})
    contrast = compare(runs, baseline="base", metric="test_loss", outcomes=outcomes).contrasts[0]
    assert contrast.images_interval.low < contrast.effect < contrast.images_interval.high < 0


def test_more_than_sixteen_seeds_give_the_same_printed_check_each_time():
    rng = np.random.default_rng(3)
    runs = study(base=rng.uniform(0.8, 0.9, 20).tolist(), arm=rng.uniform(0.8, 0.9, 20).tolist())
    assert compare(runs, baseline="base") == compare(runs, baseline="base")


def test_a_race_remarks_that_only_its_sentences_allow_for_it():
    remarks = compare(study(base=BASE, arm=ARM), baseline="base", looks=(3, 5)).remarks
    assert remarks == ("seeds were added until settled: the sentences allow for it, the other intervals of the table do not",)


def test_a_race_decides_by_its_looks_and_needs_seeds_for_its_last_one():
    fixed, raced = (
        compare(study(base=BASE, arm=[0.906, 0.908, 0.931, 0.903, 0.909]), baseline="base", looks=looks).contrasts[0] for looks in (None, (3, 10))
    )
    assert raced.p == min(1.0, stats.ttest_1samp(raced.differences[:3], 0).pvalue / 0.09)
    assert raced.deciding.level == pytest.approx(1 - 0.05 * 0.09)
    assert raced.seeds_needed.most > fixed.seeds_needed.most
    assert raced.interval == fixed.interval


def test_seeds_that_a_race_gave_to_others_only_are_no_remark_and_verdicts_at_an_earlier_look_stay():
    stopped, going = [value + 0.025 for value in BASE], [0.906, 0.908, 0.931, 0.903, 0.909]
    stopped[2] += 0.002
    runs = study(base=BASE, stopped=stopped[:3], going=going)
    early = compare(runs[runs.seed < 3], baseline="base", looks=(3, 5, 8))
    later = compare(runs, baseline="base", looks=(3, 5, 8))
    assert [contrast.verdict.kind for contrast in early.contrasts] == ["helps", "undecided"]
    assert later.contrasts[0].verdict == early.contrasts[0].verdict
    assert [len(contrast.seeds) for contrast in later.contrasts] == [3, 5]
    assert later.contrasts[0].unpaired == (3, 4)
    assert later.remarks == ("seeds were added until settled: the sentences allow for it, the other intervals of the table do not",)
    assert compare(runs, baseline="base").remarks == ("finished on one side only, so not in the difference: stopped seed 3, 4",)


def test_a_race_still_names_what_an_arm_has_and_the_baseline_has_not_and_what_failed():
    status = {("arm", 3): "failed"}
    remarks = compare(study(status, base=BASE[:4], arm=ARM), baseline="base", looks=(3, 5)).remarks
    assert remarks[:2] == ("failed: arm seed 3", "finished on one side only, so not in the difference: arm seed 4")


def test_seeds_beyond_the_last_look_or_between_two_change_no_decision():
    three, four, six = (compare(study(base=BASE + BASE, arm=(ARM + BASE)[:seeds]), baseline="base", looks=(3, 5)).contrasts[0] for seeds in (3, 4, 6))
    assert (three.deciding, three.p, three.p_equivalence) == (four.deciding, four.p, four.p_equivalence)
    assert [look.pairs for look in six.looks] == [3, 5]
    assert six.deciding_pairs == 5
    assert (four.seeds, six.seeds) == ((0, 1, 2, 3), (0, 1, 2, 3, 4, 5))


def steps():
    """Each step of a ladder against the one before."""
    runs = study(base=BASE, one=ARM, two=[value + gain for value, gain in zip(ARM, [0.01, 0.002, 0.012, 0.009, 0.004], strict=True)])
    pairs = (("base", "one"), ("one", "two"))
    return [compare(runs[runs.arm.isin(pair)], baseline=pair[0]) for pair in pairs]


def test_comparisons_with_other_baselines_are_judged_together_as_one_family():
    apart = steps()
    together = judged_together(apart)
    p = [paired_t(comparison.contrasts[0].differences) for comparison in apart]
    assert [comparison.contrasts[0].p_holm for comparison in together] == pytest.approx(holm(p).p)
    assert [comparison.contrasts[0].verdict.sentence for comparison in apart][1].endswith("5 seeds, p = 0.017)")
    assert [comparison.contrasts[0].verdict.sentence for comparison in together] == [
        "helps by 2.5 points (97.5 % interval 1.8 to 3.3, 5 seeds, p < 0.001 after Holm)",
        "helps by 0.74 points (95 % interval 0.22 to 1.26, 5 seeds, p = 0.017 after Holm)",
    ]
    assert [comparison.baseline.arm for comparison in together] == ["base", "one"]
    assert judged_together([]) == ()


def test_one_arm_may_stand_against_two_others_in_one_family():
    runs = study(base=BASE, arm=ARM, other=[value - 0.02 for value in ARM[:4]] + [0.93])
    pairs = [compare(runs[runs.arm.isin([name, "arm"])], baseline=name) for name in ("base", "other")]
    first, second = judged_together(pairs)
    assert first.contrasts[0].p == pairs[0].contrasts[0].p
    assert second.contrasts[0].p == pairs[1].contrasts[0].p
    assert [one.contrasts[0].family for one in (first, second)] == [2, 2]


def test_what_is_judged_together_must_be_judged_alike():
    runs = study(base=BASE, arm=ARM)
    with pytest.raises(ComparisonError, match="judged together"):
        judged_together([compare(runs, baseline="base"), compare(runs, baseline="base", margin=1)])


def test_a_winner_that_a_larger_family_takes_back_loses_its_remark():
    near = [value + gain for value, gain in zip(BASE, [0.004, 0.0005, 0.007, 0.002, 0.0045], strict=True)]
    alone = compare(study(base=BASE, near=near, same=BASE, too=BASE), baseline="base")
    noise = compare(study(base=BASE, c=[*BASE[1:], 0.9]), baseline="base")
    assert alone.remarks == ("near has the largest gain of 3 arms, in part by luck: expect somewhat less on other seeds",)
    assert judged_together([alone])[0] == alone
    larger = judged_together([alone, noise])[0]
    assert (alone.contrasts[0].verdict.kind, larger.contrasts[0].verdict.kind, larger.remarks) == ("helps", "undecided", ())


def several():
    status = {("broken", 1): "diverged", **{("late", seed): "unfinished" for seed in range(5)}}
    arms = {"good": ARM, "better": [value + 0.01 for value in ARM], "bad": [0.8, 0.82, 0.81, 0.79, 0.8]}
    runs = study(status, base=BASE, **arms, same=BASE, broken=ARM, late=ARM)
    return compare(pd.concat([runs, study(single=[0.9])]), baseline="base")


def test_the_study_has_one_sentence_that_counts_and_names():
    assert several().answer == (
        "Of 7 arms, 2 help (better by 3.5 points, good by 2.5 points), 1 hurts (bad by 10.4 points), 1 diverged (broken), "
        "1 has no verdict (same), 1 has one seed only (single), 1 is not finished (late)."
    )
    many = compare(study(base=BASE, **{f"a{i}": [value + i / 1000 for value in ARM] for i in range(5)}), baseline="base")
    assert many.answer == "Of 5 arms, 5 help (a4 by 2.9 points, a3 by 2.8 points, a2 by 2.7 points, and 2 more)."


def test_a_baseline_that_diverged_is_told_apart_from_arms_that_did_and_their_figures_stay():
    runs = study({("base", 1): "diverged", ("broken", 2): "diverged"}, base=BASE, good=ARM, broken=ARM, bad=[0.8, 0.82, 0.81, 0.79, 0.8])
    comparison = compare(runs, baseline="base")
    assert comparison.answer == (
        "Of 3 arms, 1 diverged (broken), 2 have no verdict, since the baseline diverged (bad −10.8 points, good +2.5 points)."
    )
    assert [contrast.verdict.kind for contrast in comparison.contrasts] == ["diverged"] * 3
    assert "no verdict: the baseline diverged in 1 of 5 seeds" in comparison.text()
    gone = compare(study({("base", seed): "diverged" for seed in range(5)}, base=BASE, good=ARM, bad=BASE), baseline="base")
    assert gone.answer == "Of 2 arms, 2 have no verdict, since the baseline diverged (good, bad)."


def test_a_study_of_one_arm_answers_with_that_arms_sentence():
    comparison = compare(study(base=BASE, arm=ARM), baseline="base")
    assert comparison.answer == "arm helps by 2.5 points (95 % interval 2.0 to 3.1, 5 seeds, p < 0.001)."
    assert str(comparison) == "arm: helps by 2.5 points (95 % interval 2.0 to 3.1, 5 seeds, p < 0.001)"
    assert compare(study(base=BASE, arm=BASE[:1]), baseline="base").answer == "arm: one seed: no verdict."


def test_a_winner_among_many_carries_the_remark_that_it_was_picked():
    assert several().remarks[-1] == "better has the largest gain of 7 arms, in part by luck: expect somewhat less on other seeds"
    assert compare(study(base=BASE, arm=ARM, other=ARM), baseline="base").remarks == ()


def test_sentences_have_one_line_per_arm_and_remarks_follow():
    lines = str(several()).splitlines()
    assert [line.split(":")[0] for line in lines[:7]] == ["good", "better", "bad", "same", "broken", "late", "single"]
    assert lines[7].startswith("(not finished: late seed 0, 1, 2, 3, 4)")


def test_the_table_has_a_row_per_arm_and_numbers_in_full():
    table = several().table().set_index("arm")
    assert list(table.index) == ["base", "good", "better", "bad", "same", "broken", "late", "single"]
    assert list(table["verdict"]) == ["baseline", "helps", "helps", "hurts", "zero variance", "diverged", "not yet", "one seed"]
    assert table.loc["good", "effect"] == pytest.approx(2.5, abs=0.1)
    assert table.loc["good", "deciding_level"] > 0.95 == table.loc["good", "interval_level"]
    assert pd.isna(table.loc["base", "effect"])
    assert pd.isna(table.loc["base", "pairs"])
    assert table.loc["broken", "diverged"] == 1
    assert table.loc["good", "margin"] == 0.5
    assert {"p", "p_holm", "p_sign_flip", "p_sign_flip_least", "p_equivalence", "images_interval_low", "equivalence_interval_high"} <= set(
        table.columns
    )


def test_the_table_tells_seeds_needed_of_undecided_arms_only():
    table = compare(study(base=BASE, arm=[0.906, 0.908, 0.931, 0.903, 0.909], good=ARM), baseline="base").table().set_index("arm")
    assert table.loc["arm", "seeds_needed_fewest"] >= 1
    assert table["seeds_needed_most"].isna().tolist() == [True, False, True]


def test_everything_goes_into_json_without_nan():
    told = json.loads(json.dumps(several().to_dict(), allow_nan=False))
    assert told["contrasts"][0]["verdict"]["kind"] == "helps"
    assert told["contrasts"][3]["p"] is None
    assert told["metric"]["name"] == "test_accuracy"
    assert told["answer"].startswith("Of 7 arms")
    assert told["contrasts"][0]["seeds"] == [0, 1, 2, 3, 4]


def test_the_terminal_table_is_aligned_and_says_the_short_verdicts():
    lines = several().text().splitlines()
    assert lines[0].split() == ["arm", "test", "accuracy", "against", "base,", "95", "%", "interval", "verdict"]
    column = lines[0].index("verdict")
    assert [line[column:] for line in lines[1:]] == [contrast.verdict.short if contrast else "" for contrast in (None, *several().contrasts)]
    assert lines[2].startswith("  good     93.3 ± 0.9      +2.5  (+2.0 … +3.1)    p < 0.001   helps by 2.5 points")


def test_the_terminal_table_reads_as_it_is_meant_to():
    assert (
        several().text()
        == """\
  arm      test accuracy   against base, 95 % interval        verdict
  base     90.8 ± 0.8
  good     93.3 ± 0.9      +2.5  (+2.0 … +3.1)    p < 0.001   helps by 2.5 points
  better   94.3 ± 0.9      +3.5  (+3.0 … +4.1)    p < 0.001   helps by 3.5 points
  bad      80.4 ± 1.1      −10.4  (−11.5 … −9.3)  p < 0.001   hurts by 10.4 points
  same     90.8 ± 0.8      +0.0                               no verdict: all differences equal
  broken   93.3 ± 1.0      +2.5  (+1.7 … +3.4)    p = 0.002   diverged in 1 of 5 seeds
  late     none                                               not yet
  single   90.00           +0.0                               one seed: no verdict"""
    )


def test_the_terminal_table_has_the_decimals_that_its_standard_errors_ask_for_and_one_at_least():
    fine = [0.9001, 0.9003, 0.9002]
    rough = [0.5, 0.9, 0.7]
    lines = compare(study(base=fine, near=[0.9005, 0.9006, 0.9007], rough=rough), baseline="base").text().splitlines()
    assert lines[1].split()[1:4] == ["90.020", "±", "0.010"]
    assert lines[2].split()[1:7] == ["90.060", "±", "0.010", "+0.040", "(+0.015", "…"]
    assert lines[3].split()[1:7] == ["70.0", "±", "20.0", "−20.0", "(−69.7", "…"]


def test_a_narrow_table_is_as_wide_as_its_headings():
    assert (
        compare(study(base=BASE[:1], arm=ARM[:1]), baseline="base").text()
        == """\
  arm    test accuracy   against base, 95 % interval   verdict
  base   90.00
  arm    93.00           +3.0                          one seed: no verdict"""
    )


def test_html_has_the_answer_the_rows_and_the_remarks():
    head = "<tr><th>arm</th><th>test accuracy</th><th>against base</th><th>p (Holm)</th><th>verdict</th></tr>"
    rows = (
        "<tr><td>base</td><td>90.8 ± 0.8</td><td></td><td></td><td></td></tr>"
        "<tr><td>arm</td><td>93.6 ± 0.6</td><td>+2.6  (+1.6 … +3.6)</td><td>p = 0.008</td><td>helps by 2.6 points</td></tr>"
    )
    page = compare(study(base=BASE, arm=ARM[:3]), baseline="base")._repr_html_()
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    remark = "finished on one side only, so not in the difference: arm seed 3, 4"
    assert page == f"<p>arm helps by 2.6 points (95 % interval 1.6 to 3.6, 3 seeds, p = 0.008).</p>{table}<ul><li>{remark}</li></ul>"
    assert compare(study(base=BASE, arm=ARM), baseline="base")._repr_html_().endswith("</table>")


def test_plain_data_has_no_tuple_no_numpy_and_no_number_that_json_lacks():
    held = {"a": (1.5, math.nan, -math.inf), 2: [True, None, "words"], "metric": metric_named("seconds", ["seconds"])}
    metric = {"name": "seconds", "greater_is_better": False, "scale": 1.0, "unit": "s"}
    assert as_plain(held) == {"a": [1.5, None, None], "2": [True, None, "words"], "metric": metric}


def test_html_escapes_names():
    page = compare(study(**{"base": BASE, "<b>": ARM}), baseline="base")._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_a_thousand_runs_of_ten_thousand_images_take_seconds_and_little_memory():
    runs, outcomes = coin_flips(np.random.default_rng(0), 10, 10_000, **{f"a{i}": 0.9 for i in range(100)})
    tracemalloc.start()
    started = time.perf_counter()
    comparison = compare(runs, baseline="a0", outcomes=outcomes)
    seconds, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(comparison.contrasts) == 99
    assert seconds < 10
    assert peak < 100e6


def test_comparing_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].tolist()
    compare(study(base=BASE * 4, arm=ARM * 4), baseline="base")
    assert np.random.get_state()[1].tolist() == before
