"""Metrics that are derived from outcomes per image and rows per epoch: the same numbers as straight from the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.reading.made_study import Made, write

from contrast.errors import InputError
from contrast.results import Results, load
from contrast.study_metrics import with_metric


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(write(tmp_path_factory.mktemp("metrics") / "s", Made(images=200, epochs=4, classes=["cat", "dog", "snow owl_x"])))


def value(results: Results, metric: str, arm: str = "dropout", seed: int = 1) -> float:
    table = with_metric(results, metric)
    return float(table.loc[(table["arm"] == arm) & (table["seed"] == seed), metric].iloc[0])


def rows(results: Results, arm: str = "dropout", seed: int = 1) -> pd.DataFrame:
    return pd.read_parquet(next(run.folder for run in results.planned() if (run.arm, run.seed) == (arm, seed)) / "test.parquet")


def test_accuracy_of_a_class_and_balanced_accuracy_are_means_over_the_images_of_each_class(classes: Results) -> None:
    table = rows(classes)
    right = (table["label"] == table["prediction"]).groupby(table["label"]).mean()
    for number, name in enumerate(["cat", "dog", "snow owl_x"]):
        assert value(classes, f"accuracy_of_{name}") == pytest.approx(right[number])
    assert value(classes, "balanced_accuracy") == pytest.approx(right.mean())


def test_calibration_error_is_the_mean_gap_between_confidence_and_accuracy(classes: Results) -> None:
    table = rows(classes)
    confidence = np.stack(table["probabilities"].to_list()).max(axis=1)
    right = (table["label"] == table["prediction"]).to_numpy()
    bins = np.ceil(confidence * 15)
    expected = sum(abs(right[bins == one].mean() - confidence[bins == one].mean()) * (bins == one).sum() for one in set(bins)) / len(table)
    assert value(classes, "calibration_error") == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["test_loss", "validation_loss", "balanced_accuracy", "accuracy_of_dog", "validation_accuracy"])
def test_metrics_that_are_means_over_images_have_the_second_interval_and_their_outcomes_agree(classes: Results, metric: str) -> None:
    comparison = classes.compare(metric)
    assert all(contrast.images_interval is not None for contrast in comparison.contrasts)
    assert not [remark for remark in comparison.remarks if "average" in remark]


def test_less_loss_and_less_calibration_error_help(classes: Results) -> None:
    for metric in ("test_loss", "calibration_error", "seconds_to_accuracy_80", "epochs_to_best"):
        assert not classes.compare(metric).metric.greater_is_better
    assert classes.compare("accuracy_of_cat").metric.unit == "points"


def test_time_to_a_target_ends_at_the_first_epoch_that_reaches_it(classes: Results) -> None:
    epochs = classes.epochs()
    own = epochs[(epochs["arm"] == "dropout") & (epochs["seed"] == 1)]
    target = float(own["validation_accuracy"].iloc[2]) * 100
    metric = f"accuracy_{np.floor(10 * target) / 10:g}"
    first = own[own["validation_accuracy"] >= np.floor(10 * target) / 1000].iloc[0]
    for what, column in (("seconds", "seconds"), ("epochs", "epoch"), ("steps", "step")):
        assert value(classes, f"{what}_to_{metric}") == first[column]


def test_runs_that_never_reach_the_target_have_no_value_and_are_named(classes: Results) -> None:
    comparison = classes.compare("seconds_to_accuracy_100")
    assert comparison.baseline.without_value == (0, 1, 2)
    assert comparison.remarks[-1].startswith("validation accuracy never reached 100 %: baseline seed 0, 1, 2; ")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("balanced_acuracy", "balanced_accuracy"),
        ("callibration_error", "calibration_error"),
        ("accuracy_of_caat", "accuracy_of_cat"),
        ("second_to_accuracy_90", "seconds_to_accuracy_90"),
        ("test_los", "test_loss"),
    ],
)
def test_a_misspelt_metric_names_the_nearest_in_one_line(classes: Results, asked: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{meant}'") as caught:
        classes.compare(asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("asked", ["arm", "seed", "folder", "chosen_by", "seconds_to_accuracy_900", "accuracy_of_"])
def test_what_is_no_measurement_is_no_metric(classes: Results, asked: str) -> None:
    with pytest.raises(InputError, match="there is no metric"):
        classes.compare(asked)


def test_a_page_gives_the_same_answers_from_its_tables(classes: Results, tmp_path: Path) -> None:
    restored = load(classes.report(tmp_path / "page.html"))
    for metric in ("balanced_accuracy", "accuracy_of_cat", "calibration_error", "epochs_to_accuracy_80"):
        assert restored.compare(metric) == classes.compare(metric)
    # The loss of each image stays in the folders.
    assert restored.compare("test_loss").contrasts[0].images_interval is None
    assert restored.compare("test_loss").contrasts[0].effect == classes.compare("test_loss").contrasts[0].effect


def test_where_each_seed_is_judged_on_other_images_there_is_no_second_interval(tmp_path: Path) -> None:
    made = Made(images=60, epochs=1, designs={"splits": {"folds": 3, "rotates": "test", "overlap": 0.5}})
    results = Results(write(tmp_path / "s", made))
    for run in results.planned():
        table = pd.read_parquet(run.folder / "test.parquet")
        table.assign(id=[f"{name}-{run.seed}" for name in table["id"]]).to_parquet(run.folder / "test.parquet", index=False)
    assert results.warnings() == []
    comparison = results.compare()
    assert comparison.overlap == 0.5
    assert all(contrast.images_interval is None for contrast in comparison.contrasts)
