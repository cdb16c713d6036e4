"""What a report needs to know of a study: the promise that a folder's Results and a page's restored tables both keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from contrast.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Comparison

    Outcomes = dict[str, dict[int, NDArray[np.uint8]]]

OUTCOME_METRICS = {"test_accuracy": "test", "validation_accuracy": "validation"}
"""Metrics that are the mean of right or wrong over a part's images."""
KEYS = ("arm", "seed", "status", "folder", "id")
NOT_AVERAGED = ("chosen_by", "diverged_step")


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
    def images(self, part: str = "test") -> pd.DataFrame: ...
    def outcomes(self, part: str = "test") -> Outcomes: ...
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
        for figure in figures:
            values = finished[figure].astype("float64")
            row[figure], row[f"{figure}_sd"] = values.mean(), values.std(ddof=1)
        rows.append(row)
    return pd.DataFrame(rows)


def judged(study: StudyTables, metric: str, baseline: str | None, margin: float | None) -> Comparison:
    """Every arm against the baseline; see `contrast.results.Results.compare`."""
    from contrast.compare import ComparisonError, compare

    outcomes = study.outcomes(OUTCOME_METRICS[metric]) if metric in OUTCOME_METRICS else None
    chosen = baseline if baseline is not None else str(study.lock["baseline"])
    if margin is None and metric.endswith("accuracy"):
        margin = study.lock.get("margin")
    runs = study.runs().drop(columns=["id", "folder", "chosen_by"])
    runs["status"] = runs["status"].replace(["running", "interrupted", "planned"], "unfinished")
    try:
        return compare(runs, baseline=chosen, metric=metric, margin=margin, outcomes=outcomes)
    except ComparisonError as error:
        raise InputError(str(error)) from error
