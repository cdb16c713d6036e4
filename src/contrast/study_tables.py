"""What a report needs to know of a study: the promise that a folder's Results and a page's restored tables both keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Outcomes = dict[str, dict[int, NDArray[Any]]]
    Judged = tuple[str, int, NDArray[np.int32], NDArray[np.int32]]

KEYS = ("arm", "seed", "status", "folder", "id")
NOT_AVERAGED = ("chosen_by", "diverged_step", "planned_epochs")
FINAL = ("train_loss", "train_accuracy", "validation_accuracy", "test_accuracy")
WEIGHTS = ("latest", "best")
MOST_OF_A_VALUE = 200
MC_DROPOUT = ("part", "scheme", "masks", "repeat", "accuracy", "loss")
"""Columns of mc_dropout.csv."""


class StudyTables(Protocol):
    """A study as tables."""

    @property
    def lock(self) -> dict[str, Any]: ...
    @property
    def name(self) -> str: ...
    @property
    def arms(self) -> list[str]: ...
    def status(self) -> pd.DataFrame: ...
    def runs(self) -> pd.DataFrame: ...
    def epochs(self) -> pd.DataFrame: ...
    def search(self) -> pd.DataFrame: ...
    def mc_dropout(self) -> pd.DataFrame: ...
    def updates(self) -> pd.DataFrame: ...
    def images(self, part: str = "test") -> pd.DataFrame: ...
    def judged_images(self, part: str = "test") -> Iterator[Judged]: ...
    def outcomes(self, part: str = "test") -> Outcomes: ...
    def losses(self, part: str = "test") -> Outcomes: ...
    def labels(self, part: str = "test") -> NDArray[np.int32]: ...
    def calibration(self) -> pd.DataFrame: ...
    def warnings(self) -> list[str]: ...
    def environments(self) -> list[dict[str, Any]]: ...


def by_arm(runs: pd.DataFrame) -> pd.DataFrame:
    """One row an arm, in the order of the table of runs.

    Args:
        runs: one row a planned run: the columns of `KEYS`, and figures (float).

    Returns:
        `arm`, `planned`, `finished`, `diverged` (counts), then for each figure its mean over finished runs and
        ``<figure>_sd``, the standard deviation over them (S − 1 in the denominator; missing below two).
    """
    import pandas as pd

    figures = [column for column in runs.columns if column not in KEYS + NOT_AVERAGED]
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        finished = group[group["status"] == "finished"]
        row = {"arm": arm, "finished": len(finished), "planned": len(group), "diverged": int((group["status"] == "diverged").sum())}
        rows.append(row | _means(finished, figures))
    return pd.DataFrame(rows)


def final(runs: pd.DataFrame) -> pd.DataFrame:
    """One row an arm: loss and accuracies of the chosen weights, as papers end with (report row N4).

    Args:
        runs: one row a planned run: arm, status, and the figures of `FINAL` (accuracies in [0, 1]).

    Returns:
        `arm`, `seeds` (finished runs), and for each of `FINAL` its mean and ``…_sd`` over them.
    """
    import pandas as pd

    groups = [(arm, group[group["status"] == "finished"]) for arm, group in runs.groupby("arm", sort=False)]
    return pd.DataFrame([{"arm": arm, "seeds": len(finished)} | _means(finished, FINAL) for arm, finished in groups])


def latest(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Two rows an arm: the weights of the last epoch, and those that validation chose (report row S4).

    Args:
        runs: one row a planned run.
        epochs: one row an epoch and run; its train loss is the running mean of that epoch, for both rows alike.

    Returns:
        `arm`, `weights` (latest, best), `seeds`, and means with ``…_sd`` of epoch, train loss, validation loss, validation accuracy
        and test accuracy. The latest weights have a test accuracy only where the study asked for it.
    """
    import pandas as pd

    finished = runs[runs["status"] == "finished"]
    rows = []
    for arm in dict.fromkeys(runs["arm"]):
        own = finished[finished["arm"] == arm]
        for weights in WEIGHTS:
            figures = _of_weights(own, epochs, weights)
            rows.append({"arm": arm, "weights": weights, "seeds": len(own)} | _means(figures, list(figures.columns)))
    return pd.DataFrame(rows)


def _of_weights(runs: pd.DataFrame, epochs: pd.DataFrame, weights: str) -> pd.DataFrame:
    """One row a run: what the weights of its last or its chosen epoch reach."""
    import pandas as pd

    last = weights == "latest"
    at = runs["epochs" if last else "best_epoch"]
    losses = {(row.arm, row.seed, row.epoch): row.train_loss for row in epochs[["arm", "seed", "epoch", "train_loss"]].itertuples(index=False)}
    prefix = "last_" if last else ""
    figures = {name: _column(runs, prefix + name) for name in ("validation_loss", "validation_accuracy", "test_accuracy")}
    train = [losses.get(key, float("nan")) for key in zip(runs["arm"], runs["seed"], at, strict=True)]
    return pd.DataFrame({"epoch": at.astype("float64"), "train_loss": pd.Series(train, index=runs.index, dtype="float64"), **figures})


def figures_of(study: StudyTables, arm: str, figure: str, weights: str = "best") -> NDArray[np.float64]:
    """A figure of every finished run of an arm, ``float64 [S]``, in the order of the plan; runs without it are left out.

    Args:
        study: its tables.
        arm: its name; one that was not planned has no runs.
        figure: a column of the table of runs.
        weights: ``best``, those that validation chose; ``latest``, those of the last epoch, whose train loss is that epoch's running mean.
    """
    runs = study.runs()
    own = runs[(runs["status"] == "finished") & (runs["arm"] == arm)]
    if weights == "latest" and figure == "train_loss":
        values = _of_weights(own, study.epochs(), weights)[figure]
    else:
        values = _column(own, f"last_{figure}" if weights == "latest" else figure)
    return values.dropna().to_numpy(dtype="float64")


def _column(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """A figure, missing throughout where the study does not have it."""
    import pandas as pd

    return frame[name].astype("float64") if name in frame.columns else pd.Series(float("nan"), index=frame.index, dtype="float64")


def _means(frame: pd.DataFrame, figures: tuple[str, ...] | list[str]) -> dict[str, float]:
    """Mean and standard deviation of each figure."""
    made: dict[str, float] = {}
    for figure in figures:
        values = frame[figure].astype("float64")
        made[figure], made[f"{figure}_sd"] = values.mean(), values.std(ddof=1)
    return made


def designs_of(lock: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One of the designs that the plan wrote down (factorial, ladder, race, splits, search, prune); empty where the study has it not."""
    return dict((lock.get("designs") or {}).get(name) or {})


def watched(epochs: pd.DataFrame) -> bool:
    """Whether the study looked at test in every epoch."""
    return "test_accuracy" in epochs.columns and bool(epochs["test_accuracy"].notna().any())


def setting_at(settings: Any, path: str) -> Any:
    """What a recipe says at a dotted path; augmentations are found by name."""
    for step in path.split("."):
        if isinstance(settings, Mapping):
            settings = settings.get(step)
        elif isinstance(settings, list):
            settings = next((item for item in settings if isinstance(item, Mapping) and str(item.get("use", "")).rpartition(":")[2] == step), None)
        else:
            return None
    return settings


def in_words(value: Any) -> str:
    """A setting as a person would say it: ``adam (lr 0.001)``, ``16, 32``, ``on``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping) and "use" in value:
        rest = ", ".join(f"{key} {in_words(item)}" for key, item in value.items() if key != "use")
        return _cut(f"{value['use']} ({rest})" if rest else str(value["use"]))
    if isinstance(value, list) and not any(isinstance(item, (list, Mapping)) for item in value):
        return _cut(", ".join(in_words(item) for item in value) or "none")
    if isinstance(value, (list, Mapping)):
        return _cut(json.dumps(value, ensure_ascii=False))
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_OF_A_VALUE else f"{text[: MOST_OF_A_VALUE - 1]}…"
