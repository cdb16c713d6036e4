"""What the designs of a study answer: the numbers against what the tables of runs say, and every gap told instead of thrown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.reading import made_designs
from tests.reading.made_study import Made, write

from contrast.compare import holm
from contrast.errors import InputError
from contrast.results import Results
from contrast.study_designs import answers, swept


@pytest.fixture(scope="module")
def factorial(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(write(tmp_path_factory.mktemp("designs") / "factorial", made_designs.factorial(images=100, epochs=1)))


def points(results: Results, metric: str = "test_accuracy") -> pd.DataFrame:
    """Seeds × arms, in percent."""
    return 100 * results.runs().pivot(index="seed", columns="arm", values=metric)


def answer(results: Results, design: str, metric: str = "test_accuracy") -> Any:
    return next(one for one in answers(results, metric) if one.design == design)


def made(tmp_path: Path, study: Made) -> Results:
    return Results(write(tmp_path / "s", study))


def test_main_effects_and_interaction_are_the_differences_of_the_cells_within_each_seed(factorial: Results) -> None:
    cells, table = points(factorial), answer(factorial, "factors").table.set_index("name")
    base, rate, norm, both = (cells[arm] for arm in ("baseline", "none, lr 0.1", "batch", "batch, lr 0.1"))
    expected = {
        "norm batch": (norm + both - base - rate) / 2,
        "lr 0.1": (rate + both - base - norm) / 2,
        "norm batch × lr 0.1": both - norm - rate + base,
    }
    assert list(table.index) == list(expected)
    for name, per_seed in expected.items():
        half = 2.7764451051977987 * per_seed.std(ddof=1) / np.sqrt(5)
        row = table.loc[name]
        assert (row["effect"], row["interval_low"], row["interval_high"]) == pytest.approx(
            (per_seed.mean(), per_seed.mean() - half, per_seed.mean() + half)
        )
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].tolist()).p)


def test_the_words_on_a_factor_agree_with_its_deciding_interval(factorial: Results) -> None:
    told = answer(factorial, "factors")
    for row, sentence in zip(told.table.to_dict("records"), told.sentences, strict=True):
        decided = row["deciding_low"] > 0 or row["deciding_high"] < 0
        assert decided == (row["p_holm"] <= 0.05)
        assert decided == ("undecided" not in sentence)
    assert "helps by" in told.sentences[0]
    assert told.sentences[2].startswith("norm batch and lr 0.1")


def test_a_seed_without_a_cell_is_left_out_and_named(tmp_path: Path) -> None:
    told = answer(made(tmp_path, made_designs.factorial(images=60, epochs=1, states={("batch", 3): "failed"})), "factors")
    assert set(told.table["seeds"]) == {4}
    assert "Seed 3 is left out: not every arm has a figure there" in told.remarks


@pytest.mark.parametrize("state", ["diverged", "planned"])
def test_a_factorial_that_lacks_a_whole_cell_is_told_without_a_table(tmp_path: Path, state: str) -> None:
    results = made(tmp_path, made_designs.factorial(images=30, epochs=1, states={("batch", seed): state for seed in range(5)}))
    told = answer(results, "factors")
    assert told.table.empty
    assert any(remark.startswith("Main effects can't be told yet") for remark in told.remarks)
    assert ("batch diverged in 5 of its seeds" in told.remarks) == (state == "diverged")
    assert "can't be told yet" in str(results.designs())
    assert results.table("factors").empty


def test_half_a_factorial_names_what_each_effect_is_mixed_with(tmp_path: Path) -> None:
    told = answer(made(tmp_path, made_designs.half(images=60)), "factors")
    assert told.table["name"].tolist() == ["a on", "b on", "c on"]
    assert told.table["aliases"].tolist() == ["b × c", "a × c", "a × b"]
    assert "mixed with b × c" in told.sentences[0]


def test_the_trend_is_the_mean_slope_over_seeds_on_the_logarithm_where_the_values_span_much(tmp_path: Path) -> None:
    results = made(tmp_path, made_designs.swept())
    row = answer(results, "trend").table.iloc[0]
    axis = {"lr 0.0001": 0.0001, "lr 0.001": 0.001, "lr 0.01": 0.01, "baseline": 0.05}
    slopes = [np.polyfit(np.log10(list(axis.values())), values[list(axis)].astype(float), 1)[0] for _, values in points(results).iterrows()]
    assert (row["name"], row["per"], row["values"]) == ("optimizer.lr", "factor of ten", 4)
    assert row["effect"] == pytest.approx(np.mean(slopes))


def test_a_value_that_diverged_is_left_out_of_the_trend_and_the_best_and_named(tmp_path: Path) -> None:
    states = {("lr 0.01", 2): "diverged"}
    results = made(tmp_path, made_designs.swept((0.0001, 0.001, 0.005, 0.01), images=40, states=states))
    for design in ("trend", "best"):
        told = answer(results, design)
        assert told.remarks[0] == "lr 0.01 is left out: it diverged in 1 of its seeds"
        assert set(told.table["name"]) <= {"optimizer.lr", "lr 0.0001", "lr 0.001", "lr 0.005"}


def test_a_baseline_at_zero_stands_on_a_straight_axis_and_not_on_a_logarithmic_one(sweep: Results) -> None:
    assert swept(sweep.lock)["model.dropout"][0] == ("baseline", 0.0)
    row = answer(sweep, "trend").table.iloc[0]
    assert (row["per"], row["values"]) == ("unit", 10)


def test_the_best_is_picked_by_validation_on_half_of_the_seeds_and_measured_on_test_by_the_others(tmp_path: Path) -> None:
    results = made(tmp_path, made_designs.grid(images=60, epochs=1))
    test, validation = points(results), points(results, "validation_accuracy")
    arms = [arm for arm in results.arms if arm not in ("baseline", "sgd, lr 0.01")]
    row = answer(results, "best").table.iloc[0]
    picked = validation.loc[[0, 1], arms].mean().idxmax()
    assert row["name"] == picked
    assert row["effect"] == pytest.approx((test.loc[[2, 3], picked] - test.loc[[2, 3], "baseline"]).mean())
    assert (row["of"], row["among"], row["chosen_on"], row["seeds"], row["same_seeds"]) == (8, "combinations", 2, 2, False)


def test_a_best_that_was_measured_on_the_seeds_that_picked_it_says_so(sweep: Results) -> None:
    told = answer(sweep, "best")
    assert told.table["same_seeds"].all()
    assert "validation picked it on the seeds that measure it" in told.sentences[0]


def test_each_step_of_a_ladder_is_a_comparison_with_the_rung_below_judged_as_one_family(tmp_path: Path) -> None:
    results = made(tmp_path, made_designs.ladder(images=100, epochs=1))
    table = answer(results, "steps").table
    assert table[["ladder", "name", "against"]].to_numpy().tolist() == [
        ["add", "batch norm", "baseline"],
        ["add", "dropout", "+ batch norm"],
        ["drop", "batch norm", "all but batch norm"],
        ["drop", "dropout", "all but dropout"],
    ]
    for row in table.to_dict("records"):
        alone = next(one for one in results.compare(baseline=row["against"]).contrasts if one.arm == row["arm"])
        assert alone.interval is not None
        assert (row["effect"], row["p"], row["interval_low"]) == pytest.approx((alone.effect, alone.p, alone.interval.low))
        assert np.isfinite(row["images_interval_low"])
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].tolist()).p)


def test_a_step_that_is_not_in_the_plan_is_a_remark(tmp_path: Path) -> None:
    design = {"ladder": {"add": [{"name": "gone", "arm": "+ gone", "against": "baseline"}]}}
    told = answer(made(tmp_path, Made(images=20, epochs=1, designs=design)), "steps")
    assert told.remarks == ("The step gone can't be told: + gone or baseline is not in the plan",)


@pytest.mark.parametrize("metric", ["test_loss", "seconds", "balanced_accuracy", "calibration_error"])
def test_every_metric_can_be_asked_of_every_design(everything: Results, metric: str) -> None:
    told = everything.designs(metric)
    assert {one.design for one in told} == {"factors", "trend", "best", "steps"}
    assert "nan" not in str(told)


def test_a_race_tells_what_the_other_designs_do_not_allow_for_and_splits_widen_their_intervals(tmp_path: Path) -> None:
    plain = made(tmp_path, made_designs.factorial(images=60, epochs=1))
    design: Mapping[str, Any] = made_designs.factorial().designs
    raced = Results(write(tmp_path / "r", made_designs.factorial(images=60, epochs=1, designs=design | {"race": {"looks": [3, 5]}})))
    assert any("do not allow for that" in remark for remark in answer(raced, "factors").remarks)
    splits = {"splits": {"folds": 5, "rotates": "validation", "overlap": 0.25}}
    split = Results(write(tmp_path / "o", made_designs.factorial(images=60, epochs=1, designs=design | splits)))
    one, other = (answer(results, "factors").table for results in (plain, split))
    assert (other["standard_error"] / one["standard_error"]).tolist() == pytest.approx([np.sqrt(5 * (1 / 5 + 0.25))] * 3)


def test_a_study_of_plain_arms_and_a_lock_of_an_earlier_release_have_no_designs(quickstart: Results, tmp_path: Path) -> None:
    assert len(quickstart.designs()) == 0
    del quickstart.lock["designs"]
    assert str(quickstart.designs()) == ""
    with pytest.raises(InputError, match="no factorial"):
        quickstart.table("factors")


def test_answers_print_as_sentences_and_show_as_escaped_tables(everything: Results) -> None:
    told = everything.designs()
    assert str(told).splitlines()[0].startswith("a on, on average over the other factors, ")
    shown = told._repr_html_()
    assert shown.count("<table") == 4
    assert "<script" not in shown
    assert told.table("factors")["name"].tolist() == ["a on", "b on", "a on × b on"]


def test_the_search_lists_its_trials_and_they_are_no_arms(everything: Results) -> None:
    trials = everything.search()
    assert trials["trial"].tolist() == list(range(14))
    assert trials["figure"].isna().sum() == 1
    assert trials.loc[0, "status"] == "diverged"
    assert not {"search 0", "trial 0"} & set(everything.runs()["arm"])
    assert everything.trial(13)["validation_accuracy"] == pytest.approx(0.813)
    with pytest.raises(InputError, match="no trial 99"):
        everything.trial(99)
