"""What a study is compared by: the figures of summary.json, and those derived from outcomes per image and rows per epoch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError, nearest
from contrast.study_tables import KEYS, NOT_AVERAGED, designs_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Comparison
    from contrast.study_tables import Outcomes, StudyTables

    Values = dict[tuple[str, int], float]

OF_CLASS = "accuracy_of_"
"""`accuracy_of_cat` is the share of the test images of the class cat that are classified right."""
TARGET = re.compile(r"(seconds|epochs|steps)_to_accuracy_(100|\d{1,2}(?:\.\d+)?)")
"""`seconds_to_accuracy_90`: until validation accuracy has reached 90 %, at the end of an epoch."""
BY_EPOCH = {"seconds": "seconds", "epochs": "epoch", "steps": "step"}
SCORED = {
    "test_accuracy": ("right", "test"), "validation_accuracy": ("right", "validation"),
    "test_loss": ("loss", "test"), "validation_loss": ("loss", "validation"),
}  # fmt: skip
"""Metrics that are the mean of a score over a part's images."""
EXAMPLES = ("seconds_to_accuracy_90", "epochs_to_accuracy_90", "steps_to_accuracy_90")


def judged(study: StudyTables, metric: str = "test_accuracy", baseline: str | None = None, margin: float | None = None) -> Comparison:
    """Every arm against the baseline; see `contrast.results.Results.compare`."""
    from contrast.compare import ComparisonError, compare

    runs = with_metric(study, metric)
    chosen = baseline if baseline is not None else str(study.lock["baseline"])
    try:
        made = compare(runs, baseline=chosen, metric=metric, outcomes=scores(study, metric), **terms(study, metric, margin))
    except ComparisonError as error:
        raise InputError(str(error)) from error
    return dataclasses.replace(made, remarks=(*made.remarks, *never_reached(runs, metric)))


def terms(study: StudyTables, metric: str, margin: float | None = None) -> dict[str, Any]:
    """What the plan says of how differences are judged: the margin, the looks of a race, the overlap of splits."""
    if margin is None and "accuracy" in metric and "_to_" not in metric:
        margin = study.lock.get("margin")
    race, splits = designs_of(study.lock, "race"), designs_of(study.lock, "splits")
    told: dict[str, Any] = {"margin": margin}
    if race:
        told["looks"] = tuple(race["looks"])
    if splits:
        told["overlap"] = splits["overlap"]
    return told


def with_metric(study: StudyTables, metric: str) -> pd.DataFrame:
    """The table of runs as `compare` takes it, with a column for the metric.

    Raises:
        InputError: there is no such metric; names the nearest.
    """
    runs = study.runs()
    runs["status"] = runs["status"].replace(["running", "waiting", "interrupted", "planned"], "unfinished")
    if metric in NOT_AVERAGED or metric in KEYS or (metric not in runs.columns and not _is_derived(study, metric)):
        raise InputError(f"there is no metric {metric!r}", right=nearest(metric, names(study, metric)))
    if metric not in runs.columns:
        values = _derived(study, metric)
        keys = zip(runs["arm"], runs["seed"], strict=True)
        runs[metric] = [values.get((str(arm), int(seed)), float("nan")) for arm, seed in keys]
    return runs.drop(columns=["id", "folder", "chosen_by"], errors="ignore")


def names(study: StudyTables, like: str = "") -> list[str]:
    """Every metric that can be asked for; those of classes, which may be many, where `like` begins as they do."""
    columns = [str(column) for column in study.runs().columns if column not in KEYS + NOT_AVERAGED]
    classes = dict.fromkeys(f"{OF_CLASS}{name}" for arm in study.arms for name in classes_of(study.lock, arm))
    asked = list(classes) if like.startswith(OF_CLASS[:-1]) else [f"{OF_CLASS}CLASS"]
    return [*columns, *_MAKERS, *EXAMPLES, *asked]


def _is_derived(study: StudyTables, metric: str) -> bool:
    known = (name for arm in study.arms for name in classes_of(study.lock, arm))
    return metric in _MAKERS or TARGET.fullmatch(metric) is not None or (metric.removeprefix(OF_CLASS) in known and metric.startswith(OF_CLASS))


def _derived(study: StudyTables, metric: str) -> Values:
    if metric in _MAKERS:
        return _MAKERS[metric](study)
    if TARGET.fullmatch(metric):
        return _until(study, metric)
    return _of_class(study, metric.removeprefix(OF_CLASS))


def classes_of(lock: Mapping[str, Any], arm: str) -> list[str]:
    """Names of the classes that an arm's data has."""
    key = next((entry.get("data") for entry in lock["arms"] if entry["name"] == arm), None)
    entry = next((data for data in lock["data"] if data.get("key") == key), lock["data"][0])
    return [str(name) for name in entry["classes"]]


def _balanced(study: StudyTables) -> Values:
    from contrast.compare import balanced_accuracy

    counts = {arm: len(classes_of(study.lock, arm)) for arm in study.arms}
    judged_runs = study.judged_images("test")
    return {(arm, seed): balanced_accuracy(labels, predicted, counts[arm]) for arm, seed, labels, predicted in judged_runs if len(labels)}


def _of_class(study: StudyTables, name: str) -> Values:
    made: Values = {}
    numbers = {arm: classes.index(name) for arm in study.arms if name in (classes := classes_of(study.lock, arm))}
    for arm, seed, labels, predicted in study.judged_images("test"):
        own = labels == numbers.get(arm, -1)
        if own.any():
            made[arm, seed] = float((predicted[own] == labels[own]).mean())
    return made


def _calibration(study: StudyTables) -> Values:
    return {(str(row.arm), int(str(row.seed))): float(str(row.calibration_error)) for row in study.calibration().itertuples(index=False)}


def _epochs_to_best(study: StudyTables) -> Values:
    runs = study.runs().dropna(subset="best_epoch")
    return {(str(row["arm"]), int(row["seed"])): float(row["best_epoch"]) for row in runs.to_dict("records")}


def _until(study: StudyTables, metric: str) -> Values:
    what, target = _target(metric)
    epochs = study.epochs()
    # A share such as 0.9 and its decimal in a file may differ in the last bit.
    reached = epochs[epochs["validation_accuracy"] >= target - 1e-9].sort_values("epoch").drop_duplicates(["arm", "seed"])
    return {(str(row["arm"]), int(row["seed"])): float(row[BY_EPOCH[what]]) for row in reached.to_dict("records")}


def _target(metric: str) -> tuple[str, float]:
    found = TARGET.fullmatch(metric)
    assert found is not None
    return found[1], float(found[2]) / 100


def never_reached(runs: pd.DataFrame, metric: str) -> list[str]:
    """What is to be said of finished runs that have no figure because they never came so far; nothing for other metrics."""
    if not TARGET.fullmatch(metric):
        return []
    short = runs[(runs["status"] == "finished") & runs[metric].isna()]
    if short.empty:
        return []
    places = [f"{arm} seed {', '.join(map(str, sorted(group['seed'])))}" for arm, group in short.groupby("arm", sort=False)]
    percent = f"{100 * _target(metric)[1]:g} %"
    return [f"validation accuracy never reached {percent}: {'; '.join(places)}; only runs that reached it are compared"]


_MAKERS: dict[str, Callable[[StudyTables], Values]] = {
    "balanced_accuracy": _balanced,
    "calibration_error": _calibration,
    "epochs_to_best": _epochs_to_best,
}


def scores(study: StudyTables, metric: str) -> Outcomes | None:
    """The score of each image whose mean is the metric, by arm and seed, images in one order; None where there is no such score.

    Where each seed is judged on other images there is none either: the second interval needs the same images in every seed.
    """
    if designs_of(study.lock, "splits").get("rotates") == "test":
        return None
    if metric in SCORED:
        what, part = SCORED[metric]
        return study.outcomes(part) if what == "right" else study.losses(part)
    if metric == "balanced_accuracy":
        return _weighted(study.outcomes("test"), _class_weights(study.labels("test")))
    if metric.startswith(OF_CLASS):
        return _picked(study.outcomes("test"), study.labels("test"), classes_of(study.lock, str(study.lock["baseline"])), metric)
    return None


def _class_weights(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """What an image of each class counts, so that the mean over images is the mean over classes; the classes' sizes are taken as given."""
    import numpy as np

    counts = np.bincount(labels)
    present = counts > 0
    return np.asarray(len(labels) / (present.sum() * np.maximum(counts, 1)))[labels]


def _weighted(outcomes: Outcomes, weights: NDArray[np.float64]) -> Outcomes:
    return {arm: {seed: (right * weights).astype("float32") for seed, right in seeds.items()} for arm, seeds in outcomes.items()}


def _picked(outcomes: Outcomes, labels: NDArray[np.int32], classes: list[str], metric: str) -> Outcomes | None:
    name = metric.removeprefix(OF_CLASS)
    own = labels == (classes.index(name) if name in classes else -1)
    if own.sum() < 2:
        return None
    return {arm: {seed: right[own] for seed, right in seeds.items()} for arm, seeds in outcomes.items()}
