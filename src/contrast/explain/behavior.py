"""Which images an arm fixed and which it broke, how much runs agree, and which images no run gets right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contrast.explain.colors import amounts
from contrast.explain.judged import Ints
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

Predictions = Mapping[str, Mapping[int, NDArray[Any]]]
"""Arm → seed → predicted class of each image, ``int [N]``, one order of images for all."""


@dataclass(frozen=True)
class Changed:
    """What an arm did to single images, over the seeds that it shares with the baseline.

    Attributes:
        arm: its name.
        seeds: how many.
        fixed: positions of the images that the baseline gets wrong and the arm right in every seed, ``int64 [n]``.
        broken: the other way round.
        expected: images that would look fixed and broken alike if both arms were alike, by the products of both arms' rates
            of being right, image by image: (p (1 − p)) to the power of seeds, p over both arms.
    """

    arm: str
    seeds: int
    fixed: Ints
    broken: Ints
    expected: float


def changed(predictions: Predictions, labels: Ints, baseline: str, arm: str) -> Changed | None:
    """Compare an arm with the baseline image by image; None where they share no seed."""
    shared = sorted(set(predictions.get(baseline, {})) & set(predictions.get(arm, {})))
    if not shared:
        return None
    base, other = (np.stack([predictions[name][seed] == labels for seed in shared]) for name in (baseline, arm))
    fixed, broken = ~base.any(axis=0) & other.all(axis=0), base.all(axis=0) & ~other.any(axis=0)
    rate = np.concatenate([base, other]).mean(axis=0)
    expected = float(((rate * (1 - rate)) ** len(shared)).sum())
    return Changed(arm, len(shared), np.flatnonzero(fixed), np.flatnonzero(broken), expected)


def churn(predictions: Predictions) -> pd.DataFrame:
    """Share of images on which two runs predict different classes, averaged over pairs of runs.

    Returns:
        A row and a column an arm, percent. On the diagonal: runs of one arm with different seeds, which is what chance alone
        changes; missing with one seed. Off it: all pairs of a run of either arm. 100 minus it is the agreement.

    Source: Milani Fard et al. 2016 (churn).
    """
    import pandas as pd

    arms = list(predictions)
    table = pd.DataFrame(np.nan, index=arms, columns=arms)
    for first, second in product(arms, arms):
        runs = combinations(predictions[first].values(), 2) if first == second else product(predictions[first].values(), predictions[second].values())
        differing = [float((one != other).mean()) for one, other in runs]
        if differing:
            table.loc[first, second] = 100 * float(np.mean(differing))
    return table


def never_right(predictions: Predictions, labels: Ints) -> Ints:
    """Positions of the images that no run of any arm gets right, ``int64 [n]``; those that all runs take for one and the same class first.

    They may be mislabeled, or beyond what these networks can learn.
    """
    every = np.stack([run for seeds in predictions.values() for run in seeds.values()])
    wrong = np.flatnonzero((every != labels).all(axis=0))
    votes = [np.bincount(every[:, at]).max() for at in wrong]
    return wrong[np.argsort(-np.array(votes, dtype=np.int64), kind="stable")] if len(wrong) else wrong


def usual(predictions: Predictions, position: int, arms: Sequence[str] = ()) -> int:
    """The class that most runs of some arms, or of all, predict for an image."""
    said = [int(run[position]) for arm, seeds in predictions.items() for run in seeds.values() if arm in arms or not arms]
    return int(np.bincount(said).argmax())


def sheet_of_churn(table: pd.DataFrame) -> Sheet:
    """The matrix of churn as one small picture for many arms, where a table would not fit."""
    values = table.to_numpy()
    high = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    said = f"A row and a column an arm, in the order of the study, {len(table)} arms; dark is 0 %, light {high:.1f} %."
    return Sheet(
        "churn", "Churn", said, (Tile(amounts(values, 0, high)),), 1, size=min(480, 12 * len(table)), scale=("amounts", "0 %", f"{high:.1f} %")
    )


def told(one: Changed, images: int) -> str:
    """What an arm did to single images, in a sentence."""
    seeds = "the one seed" if one.seeds == 1 else f"each of {one.seeds} seeds"
    return (
        f"{shown(one.arm, 80)} fixed {len(one.fixed)} and broke {len(one.broken)} of {images:,} test images in {seeds}; "
        f"about {one.expected:.0f} of each would be seen if both arms were alike."
    )
