"""What a reader of the verdicts must know besides them: missing runs, seeds that don't pair, what the intervals allow for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .contrast import Contrast, Terms
from .pairing import ArmRuns

AFTER_A_RACE = "seeds were added until settled: the sentences allow for it, the other intervals of the table do not"
AFTER_PRUNING = "validation on these same seeds chose which arms went on: expect somewhat less of them, and judge what matters on fresh seeds"
OVERLAPPING = (
    "the splits of the seeds share images: intervals and p values allow for it (corrected resampled t, Nadeau & Bengio 2003), "
    "signs can't be flipped as a check, and there is no interval over images"
)


def remarks_on(arms: Sequence[ArmRuns], contrasts: Sequence[Contrast], doubts: Sequence[str], terms: Terms) -> list[str]:
    """Remarks in one line each, most important first; none where all is well. `doubts` are those on the outcomes per image."""
    return [
        *_missing(arms),
        *_diverged(arms),
        *_pruned(arms),
        *_unpaired(contrasts, arms, raced=terms.looks is not None),
        *winner(contrasts),
        *doubts,
        *([AFTER_A_RACE] if terms.looks else []),
        *([OVERLAPPING] if terms.overlap else []),
    ]


def _missing(arms: Sequence[ArmRuns]) -> list[str]:
    lines = []
    for words, pick in (("failed", "failed"), ("not finished", "unfinished"), ("without a finite value", "without_value")):
        places = [f"{arm.arm} seed {_list(getattr(arm, pick))}" for arm in arms if getattr(arm, pick)]
        if places:
            lines.append(f"{words}: {'; '.join(places)}")
    return lines


def _diverged(arms: Sequence[ArmRuns]) -> list[str]:
    places = [f"{arm.arm} seed {_list(arm.diverged)}" for arm in arms if arm.diverged]
    return [f"diverged, counted and in no mean: {'; '.join(places)}"] if places else []


def _pruned(arms: Sequence[ArmRuns]) -> list[str]:
    gone = [f"{arm.arm} (after {reached})" if (reached := next(iter(arm.pruned.values()))) else arm.arm for arm in arms if arm.pruned]
    return [f"pruned by validation, so without a verdict; Holm counts them among the arms: {', '.join(gone)}", AFTER_PRUNING] if gone else []


def _unpaired(contrasts: Sequence[Contrast], arms: Sequence[ArmRuns], *, raced: bool) -> list[str]:
    # A seed that failed or diverged has been named already; one that a race never gave to an arm is meant.
    named = {arm.arm: {*arm.missing, *arm.diverged} for arm in arms}
    baseline = named[arms[0].arm]
    alone = {c.arm: set(c.unpaired) - named[c.arm] - baseline for c in contrasts}
    if raced:
        alone = {arm.arm: alone[arm.arm] & set(arm.values) for arm in arms[1:]}
    places = [f"{arm} seed {_list(seeds)}" for arm, seeds in alone.items() if seeds]
    return [f"finished on one side only, so not in the difference: {'; '.join(places)}"] if places else []


def winner(contrasts: Sequence[Contrast]) -> list[str]:
    """That the largest gain of many is partly luck, where one helps."""
    helping = [contrast for contrast in contrasts if contrast.verdict.kind == "helps"]
    if len(contrasts) < 3 or not helping:
        return []
    best = max(helping, key=lambda contrast: abs(contrast.effect or 0.0))
    return [f"{best.arm} has the largest gain of {len(contrasts)} arms, in part by luck: expect somewhat less on other seeds"]


def _list(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
