"""The numbers behind the figures of dropout at test time, watched norms, costs, classes and a watched test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reading.made_study import Made, write

from contrast.figures import _style, classes, cost, curves, mc_dropout, norms
from contrast.figures._picture import Material
from contrast.report.embedded import Restored, packed
from contrast.results import Results
from contrast.study_updates import windows


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Results:
    made = Made(images=60, epochs=5, watched=["weight_norm", "gradient_norm"], masks=[1, 4], test_watched=True)
    return Results(write(tmp_path_factory.mktemp("runs") / "watched", made))


class TestDropoutAtTestTime:
    def test_each_scheme_and_count_holds_mean_least_and_greatest_over_seeds_and_repeats(self, watched: Results) -> None:
        rows, data = watched.mc_dropout(), mc_dropout.prepare(watched.mc_dropout())
        own = rows.query("arm == 'dropout' and part == 'test' and scheme == 'logits' and masks == 4")["accuracy"] * 100
        found = data.query("arm == 'dropout' and part == 'test' and scheme == 'logits' and masks == 4").iloc[0]
        assert len(own) == 6
        assert found[["mean", "low", "high"]].tolist() == pytest.approx([own.mean(), own.min(), own.max()])
        assert (found["seeds"], found["repeats"]) == (3, 2)

    def test_scaled_weights_are_drawn_from_the_fewest_masks_to_the_most(self, watched: Results) -> None:
        data = mc_dropout.prepare(watched.mc_dropout())
        assert set(data.loc[data["scheme"] == "scaling", "masks"]) == {0}
        one = data[data["measure"] == data["measure"].iloc[0]]
        drawn = mc_dropout._over_all_counts(one, [1, 4])
        assert drawn.loc[drawn["scheme"] == "scaling", "masks"].tolist() == [1, 4]

    def test_there_is_no_picture_where_nobody_asked(self, quickstart: Results) -> None:
        assert mc_dropout.prepare(quickstart.mc_dropout()).empty


class TestNorms:
    def test_a_window_holds_every_update_once_and_loses_no_extreme(self) -> None:
        values = np.random.default_rng(0).normal(size=1001)
        values[700] = 99.0
        steps = pd.DataFrame(
            {"arm": "a", "seed": 0, "step": range(1, 1002), "epoch": 1, "loss": 0.1, "accuracy": 0.5, "lr": 0.1, "weight_norm": values}
        )
        thinned = windows(steps, most=100)
        assert len(thinned) == 91
        assert thinned["first"].tolist()[:2] == [1, 12]
        assert (thinned["last"] - thinned["first"] + 1).sum() == 1001
        assert thinned["high"].max() == 99.0
        assert thinned["mean"].iloc[0] == pytest.approx(values[:11].mean(), rel=1e-6)

    @settings(max_examples=20)
    @given(st.integers(1, 500), st.integers(1, 60))
    def test_there_are_never_more_windows_than_asked_for(self, count: int, most: int) -> None:
        steps = pd.DataFrame({"arm": "a", "seed": 0, "step": range(1, count + 1), "update_ratio": 1.0})
        thinned = windows(steps, most)
        assert len(thinned) <= most
        assert len(thinned) == count or count > most

    def test_means_are_over_updates_and_seeds_up_to_where_every_seed_has_come(self) -> None:
        rows = [
            ("a", 0, "weight_norm", 1, 2, 1.0, 0.5, 1.5),
            ("a", 1, "weight_norm", 1, 2, 3.0, 2.0, 4.0),
            ("a", 0, "weight_norm", 3, 4, 9.0, 9.0, 9.0),
        ]
        data = norms.prepare(pd.DataFrame(rows, columns=["arm", "seed", "measure", "first", "last", "mean", "low", "high"]), "a")
        assert data[["first", "last", "mean", "low", "high", "seeds"]].to_numpy().tolist() == [[1, 2, 2.0, 0.5, 4.0, 2]]

    def test_what_is_not_finite_is_left_out(self) -> None:
        steps = pd.DataFrame({"arm": "a", "seed": 0, "step": [1, 2], "weight_norm": [1.0, np.inf]})
        assert windows(steps)["mean"].tolist() == [1.0]

    def test_the_page_keeps_them_and_the_masks(self, watched: Results) -> None:
        restored = Restored(packed(watched))
        pd.testing.assert_frame_equal(restored.updates(), watched.updates())
        pd.testing.assert_frame_equal(restored.mc_dropout(), watched.mc_dropout())

    def test_a_page_of_an_earlier_release_has_none(self, quickstart: Results) -> None:
        content = packed(quickstart)
        del content["tables"]["updates"], content["tables"]["mc_dropout"]
        assert Restored(content).updates().empty
        assert Restored(content).mc_dropout().empty


class TestCost:
    RUNS = pd.DataFrame(
        {
            "arm": ["base", "base", "wide", "wide", "slow", "late"],
            "seed": [0, 1, 0, 1, 0, 0],
            "status": ["finished"] * 5 + ["interrupted"],
            "test_accuracy": [0.75, 0.875, 0.9, 0.92, 0.8125, np.nan],
            "seconds": [10.0, 12.0, 20.0, 20.0, 15.0, np.nan],
            "parameters": [100, 100, 100, 100, 100, 100],
            "macs": [5, 5, 9, 9, 5, 5],
        }
    )

    def test_a_point_is_an_arms_mean_with_its_t_interval_and_its_range_of_cost(self) -> None:
        data = cost.prepare(self.RUNS, "base")
        row = data[(data["measure"] == "seconds") & (data["arm"] == "base")].iloc[0]
        half = 12.706204736432095 * np.std([75, 87.5], ddof=1) / np.sqrt(2)
        assert row[["cost", "cost_low", "cost_high", "mean", "low", "high"]].tolist() == pytest.approx(
            [11, 10, 12, 81.25, 81.25 - half, 81.25 + half]
        )
        assert row["baseline"]

    def test_a_cost_in_which_no_arms_differ_has_no_panel(self) -> None:
        assert set(cost.prepare(self.RUNS, "base")["measure"]) == {"seconds", "macs"}
        assert cost.prepare(self.RUNS[self.RUNS["arm"] == "base"], "base").empty

    def test_an_arm_that_another_beats_in_both_is_not_named(self) -> None:
        data = cost.prepare(self.RUNS, "base")
        assert data[data["measure"] == "seconds"].set_index("arm")["unbeaten"].to_dict() == {"base": True, "wide": True, "slow": False}


class TestClasses:
    def test_every_part_counts_every_class_and_ranks_by_the_first(self) -> None:
        data = classes.prepare({"train": [5, 9, 9], "test": [1, 2, 0]}, ["cat", "dog", "fox"])
        assert data["images"].tolist() == [5, 9, 9, 1, 2, 0]
        assert data["rank"].tolist() == [3, 1, 2, 3, 1, 2]

    def test_counts_come_from_the_plan_and_from_what_the_baseline_was_judged_on(self, watched: Results) -> None:
        (picture,) = classes.pictures(Material(watched, watched.compare()))
        sums = picture.data.groupby("measure")["images"].sum().to_dict()
        assert sums == {"train": sum(watched.lock["data"][0]["class_counts"]), "validation": 800, "test": 60}
        labels = watched.labels("test")
        assert picture.data[picture.data["measure"] == "test"]["images"].tolist() == np.bincount(labels, minlength=10).tolist()

    def test_a_thousand_classes_are_a_curve_without_names(self, tmp_path: Path) -> None:
        many = classes.prepare({"train": list(range(1000))}, [f"class {i}" for i in range(1000)])
        drawn = str(classes.draw(many).to_dict()["encoding"])
        assert "rank" in drawn
        assert "class" not in drawn.replace("class, by its rank", "")


class TestWatchedTest:
    def test_its_error_is_drawn_by_epoch_with_the_chosen_epoch_marked(self, watched: Results) -> None:
        data = curves.prepare(watched.epochs(), watched.runs(), "baseline")
        own = data[(data["measure"] == "test error") & (data["arm"] == "baseline")]
        epochs = watched.epochs().query("arm == 'baseline' and epoch == 2")["test_accuracy"]
        assert own["epoch"].tolist() == [1, 2, 3, 4, 5]
        assert own[own["epoch"] == 2]["mean"].item() == pytest.approx(100 - 100 * epochs.mean())
        assert own["chosen"].sum() == 1

    def test_a_test_that_was_not_watched_has_no_panel(self, quickstart: Results) -> None:
        assert "test error" not in set(curves.prepare(quickstart.epochs(), quickstart.runs(), "baseline")["measure"])


def test_colors_of_parts_and_schemes_are_those_of_the_house() -> None:
    assert set(classes.PARTS.values()) | set(mc_dropout.SCHEMES.values()) <= set(_style.COLORS)
