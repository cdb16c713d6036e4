"""How fast training went and what memory it took, as a reader wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrast.numbers import is_number, number, size
from contrast.shown import shown
from contrast.study_tables import by_arm

if TYPE_CHECKING:
    import pandas as pd

MOST_OF_A_NAME = 40


def achieved(row: Mapping[Any, Any]) -> str:
    """TFLOP/s of training, ``0.19``; an en dash for runs of releases that did not count it, or where it is not known."""
    rate: Any = row.get("tflop_per_second")
    return number(rate, 4 if is_number(rate) and rate < 0.1 else 2)


def memory(row: Mapping[Any, Any]) -> str:
    """The most that a run's process held: ``1.4 GB``, and of a GPU's ``1.4 GB + 3.2 GB on the GPU``."""
    on_gpu = row.get("peak_gpu_memory_bytes")
    return size(row.get("peak_memory_bytes")) + (f" + {size(on_gpu)} on the GPU" if is_number(on_gpu) else "")


def line(runs: pd.DataFrame, baseline: str) -> str:
    """``3,906 images/s · 0.19 TFLOP/s · 1.4 GB (baseline)``: means over an arm's finished runs, the baseline's where it has any; else nothing.

    Args:
        runs: one row a planned run (`contrast.results.Results.runs`).
        baseline: the plan's.
    """
    timed = [row for row in by_arm(runs).to_dict("records") if is_number(row["images_per_second"])]
    row = next((row for row in timed if row["arm"] == baseline), timed[0] if timed else None)
    if row is None:
        return ""
    rate = [f"{achieved(row)} TFLOP/s"] if is_number(row["tflop_per_second"]) else []
    told = " · ".join([f"{number(row['images_per_second'], 0)} images/s", *rate, memory(row)])
    return f"{told} ({shown(str(row['arm']), MOST_OF_A_NAME)})"
