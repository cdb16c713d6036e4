"""What could make the answer wrong, computed from this study: each a sentence that a reader can weigh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contrast.numbers import duration, plural
from contrast.study_tables import designs_of, watched

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.design_values import Answer
    from contrast.study_tables import StudyTables

FEW_SEEDS = 5
UNEQUAL_TIME = 1.25
LITTLE_SHARED = 0.9
RATE = "optimizer.lr"
RATE_DEPENDS_ON = {"augment": "augmentations", "batch_size": "the batch size", "model": "the network", "optimizer": "the optimizer"}


def threats(study: StudyTables, comparison: Comparison, arms: pd.DataFrame, answers: Sequence[Answer] = ()) -> list[str]:
    """Sentences, the gravest first.

    Args:
        study: its tables.
        comparison: its answer.
        arms: the table by arm (`by_arm`).
        answers: of its designs.
    """
    return [
        *study.warnings(),
        *(_sentence(remark) for remark in comparison.remarks),
        *_winner(answers),
        *_failures(study.status()),
        *(_sentence(str(remark)) for remark in study.lock.get("remarks") or ()),
        *_few_seeds(comparison),
        *_watched(study),
        *_one_rate(study.lock),
        *_overlap(study.lock),
        *_not_converged(study),
        *_unequal_time(arms, comparison.baseline.arm),
        *_initial_share(study.lock),
        *_one_sample(study.lock),
    ]


def _sentence(remark: str) -> str:
    return f"{remark[:1].upper()}{remark[1:].rstrip('.')}."


def _winner(answers: Sequence[Answer]) -> list[str]:
    """A winner that was measured on the seeds that picked it."""
    rows = [row for answer in answers if answer.design == "best" for row in answer.table.to_dict("records")]
    return [
        f"{row['name']} was picked among {row['of']} {row['among']} and not measured anew on other seeds: its gain is too good by what picking adds."
        for row in rows
        if row["same_seeds"]
    ]


def _failures(status: pd.DataFrame) -> list[str]:
    failed = status[status["status"] == "failed"]
    return [f"The run of {row.arm}, seed {row.seed}, failed: {row.cause}." for row in failed.itertuples()]


def _few_seeds(comparison: Comparison) -> list[str]:
    counts = [len(arm.seeds) for arm in (comparison.baseline, *comparison.arms) if not arm.pruned]
    if not comparison.contrasts or min(counts) >= FEW_SEEDS or max(counts) < 2:
        return []
    count = plural(min(counts), "seed") if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} seeds"
    return [f"{count} per arm are few: the spread between seeds, and with it every interval here, is itself known only roughly."]


def _watched(study: StudyTables) -> list[str]:
    if not watched(study.epochs()):
        return []
    return [
        "Test was watched: it was looked at in every epoch. Weights and arms were still chosen on validation, but whoever saw the curves "
        "could choose by them."
    ]


def _one_rate(lock: dict[str, Any]) -> list[str]:
    """Arms that change what a learning rate depends on, while the rate was the same for all or was tuned for the baseline alone."""
    touched = [_touched(arm) for arm in lock["arms"] if arm["name"] != lock["baseline"]]
    retunes = any(path == RATE or path.startswith("schedule") for paths in touched for path in paths)
    changed = sorted({path.partition(".")[0] for paths in touched for path in paths} & set(RATE_DEPENDS_ON))
    if retunes or not changed:
        return []
    parts = " and ".join(RATE_DEPENDS_ON[part] for part in changed)
    return [
        f"Only the baseline's learning rate may be tuned: arms change {parts} and keep that rate, though the best rate for them may be another one."
    ]


def _touched(arm: dict[str, Any]) -> set[str]:
    """Settings in which an arm differs; a replaced optimizer that names its own rate has one."""
    paths = set(map(str, arm.get("changes") or {})) | set(map(str, arm.get("differences") or {}))
    own = (arm.get("changes") or {}).get("optimizer")
    return paths | ({RATE} if isinstance(own, dict) and "lr" in own else set())


def _overlap(lock: dict[str, Any]) -> list[str]:
    splits = designs_of(lock, "splits")
    if not splits:
        return []
    held, folds = str(splits.get("rotates", "validation")), splits.get("folds")
    how = f"{folds} folds" if folds else "repeated random splits"
    return [
        f"Splits overlap: the runs of an arm learned from {how} of one data set, so they share training images. The intervals of the arms are "
        "widened "
        f"for that (Nadeau & Bengio 2003), which is a rule of thumb and no exact answer; {held} images are others in every split."
    ]


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
    splits = designs_of(lock, "splits")
    count = plural(sum(int(data["counts"]["test"]) for data in lock["data"][:1]), "test image")
    if splits.get("rotates") == "test":
        return ["All runs drew on one collection of images. The intervals are about other splits and seeds of it, not about another collection."]
    if splits:
        return [f"All runs were judged on the same {count}; another sample of test images may give another answer."]
    return [
        f"All runs share one training sample and one split, and were judged on the same {count}. The intervals are about training again "
        "with another seed on this sample; another sample of training images may give another answer."
    ]
