"""The main table: each arm's mean and its difference from the baseline, every number as it is printed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from contrast.numbers import NOTHING, duration, number

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.compare.contrast import Contrast
    from contrast.compare.estimate import Interval


def rows(comparison: Comparison, arms: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of the main table, the baseline first; a column has one number of decimals."""
    contrasts = {contrast.arm: contrast for contrast in comparison.contrasts}
    summaries = (comparison.baseline, *comparison.arms)
    costs = arms.set_index("arm")
    apart = _decimals(contrast.standard_error for contrast in comparison.contrasts)
    alone = _decimals(summary.sd / math.sqrt(len(summary.seeds)) if summary.sd else None for summary in summaries)
    made = []
    for summary in summaries:
        own = costs.loc[summary.arm]
        row = _difference(contrasts[summary.arm], apart) if summary.arm in contrasts else dict.fromkeys(DIFFERENCE, "")
        row |= {"arm": summary.arm, "mean": number(summary.mean, alone), "seeds": str(len(summary.seeds))}
        row |= {"sd": number(summary.sd, alone) if summary.sd is not None else ""}
        row |= {"validation": number(100 * own["validation_accuracy"], 1), "seconds": duration(own["seconds"])}
        made.append(row)
    return made


DIFFERENCE = ("effect", "interval", "deciding", "level", "images", "p", "kind")


def agreeing(contrast: Contrast) -> Interval | None:
    """The interval that agrees with the verdict: Holm's, but for "no difference" that of the two one-sided tests."""
    return contrast.equivalence_interval if contrast.verdict.kind == "no difference" else contrast.deciding


def percent(interval: Interval | None) -> str:
    """``97.5 %``."""
    return f"{round(100 * interval.level, 1):g} %" if interval else ""


def _difference(contrast: Contrast, decimals: int) -> dict[str, str]:
    from contrast.compare.rounding import p_text, signed

    def ends(interval: Interval | None) -> str:
        return f"{signed(interval.low, decimals)} … {signed(interval.high, decimals)}" if interval else NOTHING

    return {
        "effect": signed(contrast.effect, decimals) if contrast.effect is not None else NOTHING,
        "interval": ends(contrast.interval),
        "deciding": ends(agreeing(contrast)),
        "level": percent(agreeing(contrast)),
        "images": ends(contrast.images_interval),
        "p": p_text(contrast.p_holm).removeprefix("p ").removeprefix("= ") if contrast.p_holm is not None else NOTHING,
        "kind": contrast.verdict.kind,
    }


def _decimals(errors: Iterable[float | None]) -> int:
    """As many as the best known number of a column needs, at most two more than none."""
    from contrast.compare.rounding import decimals_for

    needed = [decimals_for(error) for error in errors if error]
    return min(2 if min(needed) < 2 else max(needed), max(1, *needed)) if needed else 2
