"""What recipes watch at every update, in windows of equally many updates: few enough rows for a page, and no extreme lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_WINDOWS = 200
COLUMNS = ["arm", "seed", "measure", "first", "last", "mean", "low", "high"]
NOT_WATCHED = ("arm", "seed", "step", "epoch", "loss", "accuracy", "lr")
"""Columns of steps.csv that are written for every recipe."""


def watches(lock: Mapping[str, Any]) -> bool:
    """Whether the recipe of any arm watches something at every update."""
    arms = [{**(arm.get("changes") or {}), **(arm.get("differences") or {})} for arm in lock["arms"]]
    return bool(lock["base"].get("watch")) or any("watch" in changed for changed in arms)


def windows(steps: pd.DataFrame, most: int = MOST_WINDOWS) -> pd.DataFrame:
    """The watched columns of a study's steps, thinned.

    Args:
        steps: one row an update and run: arm, seed, step, and what was watched; values that are not finite are left out.
        most: windows of the longest run; as many updates in each window of every run.

    Returns:
        One row per arm, seed, measure and window: the `first` and `last` update in it (the same where nothing had to be thinned),
        and `mean`, `low` and `high` (least and greatest) over its updates. Empty where nothing was watched.
    """
    import numpy as np
    import pandas as pd

    watched = [column for column in steps.columns if column not in NOT_WATCHED]
    if not watched or steps.empty:
        return pd.DataFrame(columns=COLUMNS)
    size = math.ceil(int(steps["step"].max()) / most)
    long = steps.melt(id_vars=["arm", "seed", "step"], value_vars=watched, var_name="measure").replace([np.inf, -np.inf], np.nan)
    long = long.dropna(subset="value").assign(window=lambda rows: (rows["step"] - 1) // size)
    groups = long.groupby(["arm", "seed", "measure", "window"], sort=False)
    made = groups.agg(first=("step", "min"), last=("step", "max"), mean=("value", "mean"), low=("value", "min"), high=("value", "max"))
    return made.assign(mean=[float(f"{mean:.7g}") for mean in made["mean"]]).reset_index()[COLUMNS]  # as many digits as steps.csv has
