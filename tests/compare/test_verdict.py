"""The sentence on an arm: each kind, in its place in the order, and never against its own interval."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.compare.made import study

from contrast.compare import SeedsNeeded, compare
from contrast.compare.verdict import seeds_text

BASE = [0.90, 0.91, 0.92, 0.90, 0.91]


def plus(*gains: float) -> list[float]:
    return [base + gain / 100 for base, gain in zip(BASE, gains, strict=False)]


def verdict(runs, **options):
    return compare(runs, baseline="base", **options).contrasts[-1].verdict


def test_an_arm_that_helps_says_by_how_much_how_surely_and_from_how_many_seeds():
    found = verdict(study(base=BASE, arm=plus(2.0, 2.5, 2.3, 2.2, 2.5)))
    assert found.kind == "helps"
    assert found.sentence == "helps by 2.30 points (95 % interval 2.04 to 2.56, 5 seeds, p < 0.001)"
    assert found.short == "helps by 2.30 points"


def test_an_arm_that_hurts_is_told_in_positive_numbers():
    found = verdict(study(base=BASE, arm=plus(-1, -2, -1.5, -2.4, -1.1)))
    assert found.kind == "hurts"
    assert found.sentence == "hurts by 1.6 points (95 % interval 0.9 to 2.3, 5 seeds, p = 0.004)"


def test_among_several_arms_the_sentence_has_holms_p_and_the_interval_at_the_level_that_decided():
    runs = study(base=BASE, arm=plus(2.0, 2.5, 2.3, 2.2, 2.5), other=plus(0.9, -1, 1, -1, 1), third=plus(-1, -2, -1.5, -2.4, -1.1))
    first, second, third = (contrast.verdict.sentence for contrast in compare(runs, baseline="base").contrasts)
    assert first == "helps by 2.30 points (98.3 % interval 1.92 to 2.68, 5 seeds, p < 0.001 after Holm)"
    assert second.startswith("undecided: −1.2 to 1.5; ")
    assert third == "hurts by 1.6 points (97.5 % interval 0.7 to 2.5, 5 seeds, p = 0.008 after Holm)"


def test_with_two_arms_the_p_is_already_told_as_after_holm():
    runs = study(base=BASE, other=plus(0.9, -1, 1, -1, 1), arm=plus(2.0, 2.5, 2.3, 2.2, 2.5))
    assert verdict(runs).sentence == "helps by 2.30 points (97.5 % interval 1.97 to 2.63, 5 seeds, p < 0.001 after Holm)"


def test_a_small_spread_within_the_margin_is_no_difference():
    found = verdict(study(base=BASE, arm=plus(0.1, -0.1, 0.05, -0.05, 0.1)))
    assert (found.kind, found.short) == ("no difference", "no difference larger than 0.5 points")
    assert found.sentence == "no difference larger than 0.5 points (90 % interval −0.07 to 0.11, 5 seeds)"
    assert verdict(study(base=BASE, arm=plus(0.1, -0.1, 0.05, -0.05, 0.1)), margin=0.02).kind == "undecided"


def test_a_difference_within_the_margin_that_is_sure_helps_all_the_same():
    assert verdict(study(base=BASE, arm=plus(0.1, 0.12, 0.11, 0.1, 0.12))).kind == "helps"


def test_an_undecided_arm_has_its_interval_and_a_range_of_seeds():
    found = verdict(study(base=BASE, arm=plus(0.6, -0.2, 1.1, 0.3, -0.1)))
    assert found.kind == "undecided"
    assert found.sentence == "undecided: −0.3 to 1.0; 5 to 156 more seeds would settle it"
    assert found.short == "undecided: 5 to 156 more seeds would settle it"


@pytest.mark.parametrize(
    ("gains", "margin", "words"),
    [
        ((3.0, -3.0, 0.3), 0.5, "98 to over 1,000 more seeds would settle it"),
        ((3.0, -3.0, 0.0), 0.01, "more than 1,000 more seeds would be needed to settle it"),
    ],
)
def test_a_range_that_no_one_will_run_says_so(gains, margin, words):
    assert verdict(study(base=BASE, arm=plus(*gains)), margin=margin).sentence.endswith(words)


@pytest.mark.parametrize(
    ("fewest", "most", "words"),
    [(1, 1, "1 more seed would settle it"), (2, 2, "2 more seeds would settle it"), (1, 2, "1 to 2 more seeds would settle it")],
)
def test_a_range_of_one_number_is_told_as_one(fewest, most, words):
    assert seeds_text(SeedsNeeded(fewest, most, 0.8, 0.95), 0.0) == seeds_text(SeedsNeeded(fewest, most, 0.8, 0.95), 0.25) == words


def test_one_seed_gives_no_verdict():
    found = verdict(study(base=BASE[:1], arm=plus(5)))
    assert (found.kind, found.sentence, found.short) == ("one seed", "one seed: no verdict", "one seed: no verdict")


def test_equal_differences_give_no_verdict():
    found = verdict(study(base=BASE, arm=plus(1, 1, 1, 1, 1)))
    assert (found.kind, found.sentence) == ("zero variance", "no verdict: all differences equal (+1.00 points in each of 5 seeds)")
    assert verdict(study(base=BASE, arm=BASE)).sentence == "no verdict: all differences equal (+0 points in each of 5 seeds)"


def test_no_finished_pair_is_not_yet():
    status = {("arm", seed): "unfinished" for seed in range(5)}
    found = verdict(study(status, base=BASE, arm=BASE))
    assert (found.kind, found.sentence) == ("not yet", "not yet: no finished pairs")


def test_a_diverged_run_comes_before_every_other_word():
    runs = study({("arm", 1): "diverged"}, base=BASE, arm=plus(2.0, 99, 2.3, 2.2, 2.5))
    found = verdict(runs)
    assert found.kind == "diverged"
    assert found.sentence == "diverged in 1 of 5 seeds; +2.25 points in the 4 seeds that both finished (95 % interval 1.92 to 2.58)"
    assert found.short == "diverged in 1 of 5 seeds"


def test_a_baseline_that_diverged_is_said_of_every_arm():
    status = {("base", 0): "diverged", ("base", 1): "diverged", ("arm", 2): "diverged"}
    found = verdict(study(status, base=BASE, arm=plus(2.0, 2.5, 2.3, 2.2, 2.5)))
    words = "diverged in 1 of 5 seeds; the baseline diverged in 2 of 5 seeds"
    assert found.sentence == f"{words}; +2.35 points in the 2 seeds that both finished (95 % interval 0.44 to 4.26)"
    assert found.short == words


def test_an_arm_beside_a_diverged_baseline_has_no_verdict_and_its_figures_told():
    found = verdict(study({("base", 1): "diverged"}, base=BASE, arm=plus(2.0, 2.5, 2.3, 2.2, 2.5)))
    assert found.kind == "diverged"
    words = "no verdict: the baseline diverged in 1 of 5 seeds"
    assert found.sentence == f"{words}; +2.25 points in the 4 seeds that both finished (95 % interval 1.92 to 2.58)"
    assert found.short == words
    only = verdict(study({("base", 0): "diverged"}, base=BASE[:1], arm=plus(2.0)))
    assert only.sentence == only.short == "no verdict: the baseline diverged in 1 of 1 seed"


def test_an_arm_that_diverged_in_every_seed_says_only_that():
    status = {("arm", seed): "diverged" for seed in range(5)}
    assert verdict(study(status, base=BASE, arm=BASE)).sentence == "diverged in 5 of 5 seeds"


def test_one_finished_seed_beside_a_diverged_one_has_no_interval():
    found = verdict(study({("arm", 1): "diverged"}, base=BASE[:2], arm=plus(1, 1)))
    assert found.sentence == "diverged in 1 of 2 seeds; +1.0 points in the 1 seed that both finished"


@pytest.mark.parametrize(
    ("metric", "values", "sentence"),
    [
        ("test_loss", [0.20, 0.21, 0.19, 0.20], "helps: 0.101 lower (95 % interval 0.092 to 0.109, 4 seeds, p < 0.001)"),
        ("test_loss", [0.40, 0.41, 0.39, 0.40], "hurts: 0.099 higher (95 % interval 0.091 to 0.108, 4 seeds, p < 0.001)"),
        ("seconds", [0.20, 0.21, 0.19, 0.20], "helps: 0.101 s lower (95 % interval 0.092 to 0.109, 4 seeds, p < 0.001)"),
        ("images_per_second", [0.40, 0.41, 0.39, 0.40], "helps: 0.099 higher (95 % interval 0.091 to 0.108, 4 seeds, p < 0.001)"),
    ],
)
def test_other_metrics_say_which_way_they_went(metric, values, sentence):
    assert verdict(study(metric=metric, base=[0.301, 0.305, 0.298, 0.299], arm=values), metric=metric).sentence == sentence


def test_a_metric_that_is_no_accuracy_has_no_margin_unless_one_is_given():
    runs = study(metric="test_loss", base=[0.301, 0.305, 0.298, 0.299], arm=[0.302, 0.304, 0.298, 0.300])
    assert verdict(runs, metric="test_loss").kind == "undecided"
    assert verdict(runs, metric="test_loss", margin=0.1).short == "no difference larger than 0.1"


def test_a_race_says_nothing_before_its_first_look_and_decides_at_a_share_of_the_error():
    runs = study(base=BASE, arm=plus(2.0, 2.5, 2.3, 2.2, 2.5))
    early = verdict(runs[runs.seed < 2], looks=(3, 5))
    assert (early.kind, early.sentence) == ("not yet", "not yet: the first look is at 3 seeds")
    assert verdict(runs[runs.seed < 3], looks=(3, 5)).kind == "helps"
    assert verdict(runs, looks=(3, 5)).sentence == "helps by 2.30 points (96.8 % interval 1.99 to 2.61, 5 seeds, p < 0.001)"


def test_a_race_between_two_looks_tells_the_look_that_decided_and_of_how_many_seeds():
    runs = study(base=BASE, arm=plus(2.0, 2.5, 2.3, -4))
    found = compare(runs, baseline="base", looks=(3, 6)).contrasts[0]
    assert found.effect == pytest.approx(0.7)
    assert found.estimate_at(found.deciding_pairs).mean == pytest.approx(2.267, abs=1e-3)
    assert found.verdict.sentence == "helps by 2.27 points (98.8 % interval 0.98 to 3.55, the first 3 of 4 seeds, p = 0.016)"
    assert verdict(study(base=BASE, arm=plus(2.0, 2.5, 2.3)), looks=(3, 6)).sentence.endswith("3.55, 3 seeds, p = 0.016)")


def test_a_race_that_went_on_after_no_difference_tells_the_look_that_found_it():
    near = plus(0.02, -0.02, 0.01, 4.0)
    found = compare(study(base=BASE, arm=near), baseline="base", looks=(3, 6)).contrasts[0]
    assert found.verdict.sentence == "no difference larger than 0.5 points (97.5 % interval −0.071 to 0.078, the first 3 of 4 seeds)"
    assert (found.equivalence_pairs, found.equivalence_interval.level) == (3, pytest.approx(0.975))


def test_a_race_whose_look_saw_equal_differences_tells_of_those():
    found = verdict(study(base=BASE, arm=plus(1, 1, 1, 2)), looks=(3, 6))
    assert found.sentence == "no verdict: all differences equal (+1.00 points in each of 3 seeds)"


def test_a_race_whose_first_look_saw_equal_differences_is_decided_by_the_next():
    found = compare(study(base=BASE, arm=plus(1, 1, 1, 1.1, 0.9)), baseline="base", looks=(3, 5)).contrasts[0]
    assert found.verdict.kind == "helps"
    assert found.deciding_pairs == 5
    assert found.p_equivalence == 1.0


@given(some.integers(0, 100_000), some.sampled_from([None, (3, 5), (3, 4, 9)]))
def test_words_and_the_interval_that_decides_never_disagree(seed, looks):
    rng = np.random.default_rng(seed)
    arms = {f"arm{i}": (0.9 + rng.normal(0.004 * i, 0.004, 5)).tolist() for i in range(4)}
    for contrast in compare(study(base=BASE, **arms), baseline="base", looks=looks).contrasts:
        decided = contrast.verdict.kind in ("helps", "hurts")
        assert (0.0 not in contrast.deciding) == decided == (contrast.p_holm <= 0.05)
        if contrast.verdict.kind == "helps":
            assert contrast.deciding.low > 0
            assert contrast.deciding.low < contrast.estimate_at(contrast.deciding_pairs).mean < contrast.deciding.high
        if contrast.verdict.kind == "no difference":
            assert -0.5 < contrast.equivalence_interval.low < contrast.equivalence_interval.high < 0.5
        assert not re.search(r"(?<![\d.])0\.0+ to", contrast.verdict.sentence)
