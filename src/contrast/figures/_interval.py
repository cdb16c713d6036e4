"""The t interval of a mean over seeds, for figures that show it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def mean_interval(values: pd.Series[float], level: float = 0.95) -> dict[str, float]:
    """`mean`, `low` and `high`, and the number of `seeds`; low and high are the mean where one seed gives no interval."""
    from scipy import special

    mean, count = float(values.mean()), len(values)
    half = float(special.stdtrit(count - 1, (1 + level) / 2) * values.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": count}
