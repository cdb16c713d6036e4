"""Before the start: what a design could show, judged by the runs of the baseline that are finished already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrast.numbers import plural
from contrast.study_tables import designs_of

if TYPE_CHECKING:
    from contrast.results import Results


def pilot(results: Results, lock: Mapping[str, Any]) -> str | None:
    """One sentence: the smallest difference in test accuracy that a plan can show with 80 % power.

    From two finished runs on, their spread counts (`compare.smallest_effect_from_pilot`); with one, the binomial spread of its accuracy
    on the test images stands in for it (`compare.smallest_effect_from_one_run`), which is more than seeds alone cause (Jordan 2023).

    Args:
        results: what the study's folder holds by now.
        lock: what the plan's lock would say; its arms and seeds count.

    Returns:
        None where no run of the baseline is finished, or all have one accuracy.
    """
    from contrast.compare import smallest_effect_from_one_run, smallest_effect_from_pilot

    runs = results.runs()
    own = runs[(runs["arm"] == lock["baseline"]) & (runs["status"] == "finished")]["test_accuracy"].dropna().tolist()
    pairs, arms = _pairs(lock), max(1, len(lock["arms"]) - 1)
    overlap = float((designs_of(lock, "splits") or {}).get("overlap", 0.0))
    try:
        if len(own) > 1:
            found = smallest_effect_from_pilot([100 * value for value in own], pairs, arms, overlap=overlap)
            about = f"{found.effect:.2g} points ({found.low:.2g} to {found.high:.2g}, since so few runs tell the spread roughly)"
        elif own:
            images = int(lock["data"][0]["counts"]["test"])
            about = f"{smallest_effect_from_one_run(own[0], images, pairs, arms, overlap=overlap):.2g} points (from its test images alone)"
        else:
            return None
    except ValueError:  # no spread: runs that are all alike, or right everywhere
        return None
    many = f", {arms} arms judged together" if arms > 1 else ""
    done = plural(len(own), "finished run")
    return f"pilot: by {done} of the baseline, {pairs} seeds show, with 80 % power{many}, differences from about {about} on"


def _pairs(lock: Mapping[str, Any]) -> int:
    race = designs_of(lock, "race")
    return max(2, int(race["up to"]) if race else len(lock["seeds"]))
