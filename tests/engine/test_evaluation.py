"""Test is opened when and only when a recipe says so: at the end for the chosen weights, besides for the latest, or watched."""

import json

import pandas as pd
import pytest

import contrast as ct

BASE = {
    "data": {"use": "synthetic", "images": 200, "size": 8, "noise": 0.6},
    "model": {"use": "mlp", "hidden": [16]},
    "optimizer": {"use": "sgd", "lr": 0.5, "momentum": 0.9},
    "epochs": 4,
    "batch_size": 20,
}


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    """Summary and rows of one run with nothing asked for, one with the latest too, one that watches test, by arm."""
    folder = tmp_path_factory.mktemp("evaluation")
    changes = {"latest": {"evaluate": {"latest": True}}, "watching": {"evaluate": {"test_every_epoch": True}}}
    ct.run(ct.Study(name="e", base=BASE, arms=changes), runs=folder)
    runs = {json.loads(path.read_text())["arm"]: path.parent for path in folder.glob("*/summary.json")}
    return {arm: (json.loads((run / "summary.json").read_text()), pd.read_csv(run / "epochs.csv")) for arm, run in runs.items()}


def test_asking_for_more_evaluation_changes_nothing_in_training_or_choosing(arms):
    figures = [{key: summary[key] for key in ("best_epoch", "test_accuracy", "test_loss", "validation_accuracy")} for summary, _ in arms.values()]
    assert figures[0] == figures[1] == figures[2]


def test_the_latest_weights_are_judged_on_all_parts_only_where_asked(arms):
    plain, asked = arms["baseline"][0], arms["latest"][0]
    assert "last_test_accuracy" not in plain
    assert asked["last_validation_accuracy"] == pytest.approx(arms["latest"][1]["validation_accuracy"].iloc[-1])
    assert asked["best_epoch"] < 4  # or the next line would say nothing
    assert (asked["last_test_loss"], asked["last_train_loss"]) != (asked["test_loss"], asked["train_loss"])


def test_watching_adds_columns_whose_best_epoch_is_what_the_summary_says(arms):
    summary, rows = arms["watching"]
    assert "test_accuracy" not in arms["baseline"][1]
    at_best = rows[rows["epoch"] == summary["best_epoch"]].iloc[0]
    assert at_best["test_accuracy"] == pytest.approx(summary["test_accuracy"], abs=1e-6)
    assert at_best["test_loss"] == pytest.approx(summary["test_loss"], rel=1e-5)
