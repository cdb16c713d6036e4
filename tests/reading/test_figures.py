from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from tests.reading.made_study import Made, write

from contrast import catalog
from contrast.figures import _style, _svg, curves, forest, sweep
from contrast.results import Results

EPOCHS = pd.DataFrame(
    {
        "arm": ["a"] * 5 + ["b"] * 2,
        "seed": [0, 0, 0, 1, 1, 0, 0],
        "epoch": [1, 2, 3, 1, 2, 1, 2],
        "train_loss": [2.0, 1.0, 0.5, 1.0, 0.8, 3.0, 2.0],
        "train_accuracy": [0.1, 0.5, 0.7, 0.3, 0.5, 0.2, 0.4],
        "validation_loss": [2.5, 1.5, 0.9, 1.5, 1.3, 3.5, np.inf],
        "validation_accuracy": [0.1, 0.4, 0.6, 0.2, 0.6, 0.2, 0.3],
    }
)
RUNS = pd.DataFrame({"arm": ["a", "a", "b"], "seed": [0, 1, 0], "status": ["finished", "finished", "interrupted"], "best_epoch": [3.0, 2.0, np.nan]})


def test_curves_hold_mean_least_and_greatest_over_seeds_up_to_the_last_common_epoch() -> None:
    data = curves.prepare(EPOCHS, RUNS, "a")
    own = data[(data["arm"] == "a") & (data["measure"] == "accuracy") & (data["part"] == "validation")]
    assert own[["epoch", "mean", "low", "high", "seeds"]].to_numpy().tolist() == [
        pytest.approx([1, 15.0, 10.0, 20.0, 2]),
        pytest.approx([2, 50.0, 40.0, 60.0, 2]),
    ]
    assert own["baseline"].all()


def test_the_chosen_epoch_is_the_lower_median_of_the_seeds_best() -> None:
    data = curves.prepare(EPOCHS, RUNS, "a")
    assert set(data.loc[data["chosen"], "epoch"]) == {2}
    assert set(data.loc[data["chosen"], "arm"]) == {"a"}


def test_an_arm_without_a_finished_run_is_drawn_from_what_has_begun() -> None:
    data = curves.prepare(EPOCHS, RUNS, "a")
    assert len(data[data["arm"] == "b"]) > 0


def test_curves_of_a_study_that_has_not_begun_are_an_empty_table() -> None:
    assert curves.prepare(EPOCHS.iloc[:0], RUNS, "a").empty


def test_the_forest_holds_both_levels_and_the_margin(quickstart: Results) -> None:
    comparison = quickstart.compare()
    data = forest.prepare(comparison.table()).set_index("arm")
    for contrast in comparison.contrasts:
        row = data.loc[contrast.arm]
        assert contrast.interval is not None
        assert contrast.deciding is not None
        assert (row["effect"], row["low"], row["high"]) == (contrast.effect, contrast.interval.low, contrast.interval.high)
        assert (row["deciding_low"], row["deciding_high"]) == (contrast.deciding.low, contrast.deciding.high)
        assert row["margin"] == 0.5
    assert "baseline" not in data.index


def test_the_forest_of_no_difference_shows_the_interval_that_lies_in_the_margin(tmp_path: Path) -> None:
    comparison = Results(write(tmp_path / "s", Made(gains={"a": 0.0, "b": 0.0}, seeds=range(6), images=400))).compare(margin=5.0)
    (contrast,) = comparison.contrasts
    assert contrast.verdict.kind == "no difference"
    assert contrast.equivalence_interval is not None
    row = forest.prepare(comparison.table()).iloc[0]
    assert (row["deciding_low"], row["deciding_high"]) == (contrast.equivalence_interval.low, contrast.equivalence_interval.high)
    assert -5 < row["deciding_low"] < row["deciding_high"] < 5


def test_the_sweep_holds_every_value_the_baseline_among_them_with_its_t_interval(sweep: Results) -> None:
    data = sweep_data(sweep)
    own = data[(data["measure"] == "accuracy") & (data["part"] == "validation")]
    assert own["value"].tolist() == pytest.approx([p / 10 for p in range(10)])
    assert own["arm"].iloc[0] == "baseline"
    runs = sweep.runs()
    values = 100 * runs.loc[runs["arm"] == "model.dropout 0.3", "validation_accuracy"]
    row = own[own["arm"] == "model.dropout 0.3"].iloc[0]
    half = 4.302652729911275 * values.std(ddof=1) / np.sqrt(3)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half))


def sweep_data(results: Results) -> pd.DataFrame:
    return sweep.prepare(results.runs(), results.lock["arms"], results.lock["base"], "baseline")


def test_a_study_without_a_sweep_has_no_points(quickstart: Results) -> None:
    assert sweep_data(quickstart).empty


def test_a_swept_augmentation_is_found_by_name() -> None:
    arms = [{"name": "more crop", "axis": {"path": "augment.crop.padding", "value": 6}}]
    runs = pd.DataFrame({"arm": ["base", "more crop"], "seed": [0, 0], "status": ["finished"] * 2})
    runs = runs.assign(validation_accuracy=0.5, train_accuracy=0.6, validation_loss=1.0, train_loss=0.9)
    data = sweep.prepare(runs, arms, {"augment": [{"use": "flip"}, {"use": "crop", "padding": 4}]}, "base")
    assert sorted(set(data["value"])) == [4.0, 6.0]


def test_colors_of_the_house_stand_as_classes_that_a_page_can_set_anew(quickstart: Results) -> None:
    drawn = _svg.svg(curves.draw(curves.prepare(quickstart.epochs(), quickstart.runs(), "baseline")), "curves", "p")
    assert 'class="stroke-blue"' in drawn
    assert 'class="fill-ink"' in drawn
    colors = {color.lower() for color in re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]{3,6})"', drawn)}
    assert colors <= set(_style.ROLES)


def test_a_study_of_seven_arms_has_a_color_each_and_baseline_is_grey() -> None:
    palette = _style.palette([f"arm {i}" for i in range(6)] + ["base"], "base")
    assert len(set(palette.values())) == 7
    assert palette["base"] == _style.COLORS["baseline"]


HOSTILE = [
    "<script>alert(1)</script>",
    'quo"te',
    "a.b[0]['c']",
    "datum.x\\",
    "{{ 7 * 7 }}",
    "\x1b[31mred",
    "\x00\x01",
    "a\nb",
    "'; drop",
    "${x}",
    "%s %n",
    "",
]


def test_names_with_every_special_character_are_drawn_as_text() -> None:
    frames = [EPOCHS[EPOCHS["arm"] == "a"].assign(arm=name) for name in HOSTILE[:6]]
    runs = pd.concat([RUNS[RUNS["arm"] == "a"].assign(arm=name) for name in HOSTILE[:6]])
    assert _svg.svg(curves.draw(curves.prepare(pd.concat(frames), runs, HOSTILE[0])), "x", "p").count("stroke-dasharray") >= 6
    data = pd.DataFrame(
        {"arm": HOSTILE, "verdict": "helps", "effect": 1.0, "low": 0.5, "high": 1.5, "deciding_low": 0.2, "deciding_high": 1.8, "margin": 0.5}
    )
    drawn = _svg.svg(forest.draw(data), HOSTILE[0], "p")
    assert "<script" not in drawn
    texts = [element.text for element in ElementTree.fromstring(drawn).iter(f"{{{_svg.SVG}}}text")]
    assert {"<script>alert(1)</script>", "a.b[0]['c']", "datum.x\\", "{{ 7 * 7 }}", "${x}"} <= set(texts)


def test_figures_are_found_by_their_docstrings() -> None:
    listed = catalog.listing("figure")
    assert {"curves", "forest", "sweep"} <= set(listed)
    assert all(listed.values())


@pytest.mark.parametrize("effects", [[np.nan], [0.0], [1.0, np.nan]])
def test_a_forest_without_intervals_can_be_drawn(effects: list[float]) -> None:
    data = pd.DataFrame({"arm": [f"arm {i}" for i in range(len(effects))], "verdict": "one seed", "effect": effects, "margin": np.nan})
    data = data.assign(**dict.fromkeys(["low", "high", "deciding_low", "deciding_high"], np.nan))
    assert "<svg" in _svg.svg(forest.draw(data), "x", "p")
