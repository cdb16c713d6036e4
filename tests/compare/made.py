"""Small studies made by hand, as tables of runs."""

from __future__ import annotations

import numpy as np
import pandas as pd


def study(status: dict[tuple[str, int], str] | None = None, metric: str = "test_accuracy", **arms: list[float]) -> pd.DataFrame:
    """One row per value, seeds counted from 0; `status` overrides "finished" for an (arm, seed)."""
    rows = [
        {"arm": arm.replace("_", " "), "seed": seed, "status": (status or {}).get((arm, seed), "finished"), metric: value}
        for arm, values in arms.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def coin_flips(generator: np.random.Generator, seeds: int, images: int, **accuracies: float) -> tuple[pd.DataFrame, dict[str, dict[int, np.ndarray]]]:
    """Arms whose images are right by chance alone, with their outcomes."""
    outcomes = {arm: {seed: (generator.random(images) < accuracy).astype(np.uint8) for seed in range(seeds)} for arm, accuracy in accuracies.items()}
    return study(**{arm: [rows[seed].mean() for seed in range(seeds)] for arm, rows in outcomes.items()}), outcomes
