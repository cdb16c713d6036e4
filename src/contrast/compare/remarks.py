"""What a reader of the verdicts must know besides them: missing runs, seeds that don't pair, intervals that aren't there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .contrast import Contrast
from .pairing import ArmRuns


def remarks_on(arms: Sequence[ArmRuns], contrasts: Sequence[Contrast]) -> list[str]:
    """Remarks in one line each, most important first; none where all is well."""
    return [
        *_missing(arms),
        *_diverged(arms),
        *_unpaired(contrasts, arms),
        *_winner(contrasts),
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


def _unpaired(contrasts: Sequence[Contrast], arms: Sequence[ArmRuns]) -> list[str]:
    # A seed that failed or diverged has been named already.
    named = {arm.arm: {*arm.missing, *arm.diverged} for arm in arms}
    baseline = named[arms[0].arm]
    alone = {c.arm: set(c.unpaired) - named[c.arm] - baseline for c in contrasts}
    places = [f"{arm} seed {_list(seeds)}" for arm, seeds in alone.items() if seeds]
    return [f"finished on one side only, so not in the difference: {'; '.join(places)}"] if places else []


def _winner(contrasts: Sequence[Contrast]) -> list[str]:
    helping = [contrast for contrast in contrasts if contrast.verdict.kind == "helps"]
    if len(contrasts) < 3 or not helping:
        return []
    best = max(helping, key=lambda contrast: abs(contrast.effect or 0.0))
    return [f"{best.arm} was picked as the best of {len(contrasts)} on the seeds that measured it: expect somewhat less"]


def _list(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
