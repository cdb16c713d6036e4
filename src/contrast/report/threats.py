"""What could make the answer wrong, computed from this study: each a sentence that a reader can weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.numbers import duration, plural

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.study_tables import StudyTables

FEW_SEEDS = 5
UNEQUAL_TIME = 1.25
LITTLE_SHARED = 0.9


def threats(study: StudyTables, comparison: Comparison, arms: pd.DataFrame) -> list[str]:
    """Sentences, the gravest first.

    Args:
        study: its tables.
        comparison: its answer.
        arms: the table by arm (`by_arm`).
    """
    return [
        *study.warnings(),
        *(_sentence(remark) for remark in comparison.remarks),
        *_failures(study.status()),
        *(_sentence(str(remark)) for remark in study.lock.get("remarks") or ()),
        *_few_seeds(comparison),
        *_not_converged(study),
        *_unequal_time(arms, comparison.baseline.arm),
        *_initial_share(study.lock),
        *_one_sample(study.lock),
    ]


def _sentence(remark: str) -> str:
    return f"{remark[:1].upper()}{remark[1:].rstrip('.')}."


def _failures(status: pd.DataFrame) -> list[str]:
    failed = status[status["status"] == "failed"]
    return [f"The run of {row.arm}, seed {row.seed}, failed: {row.cause}." for row in failed.itertuples()]


def _few_seeds(comparison: Comparison) -> list[str]:
    counts = [len(arm.seeds) for arm in (comparison.baseline, *comparison.arms)]
    if not comparison.contrasts or min(counts) >= FEW_SEEDS or max(counts) < 2:
        return []
    count = plural(min(counts), "seed") if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} seeds"
    return [f"{count} per arm are few: the spread between seeds, and with it every interval here, is itself known only roughly."]


def _not_converged(study: StudyTables) -> list[str]:
    runs = study.runs()
    ended = runs[(runs["status"] == "finished") & runs["best_epoch"].notna()]
    found = []
    for arm, group in ended.groupby("arm", sort=False):
        at_end = int((group["best_epoch"] == group["epochs"]).sum())
        if at_end * 2 > len(group):
            found.append((str(arm), f"{at_end} of {len(group)}"))
    if not found:
        return []
    alike = len(found) == runs["arm"].nunique() and len({count for _, count in found}) == 1
    where = f"{found[0][1]} runs of every arm" if alike else f"most runs of {', '.join(f'{arm} ({count})' for arm, count in found)}"
    return [f"Still improving when training ended: the best epoch was the last in {where}. A longer training may change the answer."]


def _unequal_time(arms: pd.DataFrame, baseline: str) -> list[str]:
    seconds = arms.set_index("arm")["train_seconds"].dropna()
    own = seconds.get(baseline)
    if own is None or not own > 0:
        return []
    slower = [f"{arm} {value / own:.1f} times" for arm, value in seconds.items() if value / own > UNEQUAL_TIME or own / value > UNEQUAL_TIME]
    if not slower:
        return []
    return [f"Arms trained for equally long in epochs or steps, not in time: against the {duration(own)} of {baseline}, {', '.join(slower)}."]


def _initial_share(lock: dict[str, Any]) -> list[str]:
    apart = [
        f"{arm['name']} {100 * arm['initial_share']:.0f} %"
        for arm in lock["arms"]
        if arm.get("initial_share") is not None and arm["initial_share"] < LITTLE_SHARED
    ]
    if not apart:
        return []
    return [f"Some arms begin with few initial values in common with the baseline, which widens their intervals: {', '.join(apart)}."]


def _one_sample(lock: dict[str, Any]) -> list[str]:
    count = plural(sum(int(data["counts"]["test"]) for data in lock["data"][:1]), "test image")
    return [
        f"All runs share one training sample and one split, and were judged on the same {count}. The intervals are about training again "
        "with another seed on this sample; another sample of training images may give another answer."
    ]
