"""Racing: after each look, further seeds go to the arms that are undecided, and to the baseline that they are paired with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from contrast.designs import BASELINE, Race

if TYPE_CHECKING:
    from contrast.results import Results
    from contrast.study import Study

UNSETTLED = ("undecided", "not yet", "zero variance", "one seed")
"""Verdicts that more seeds may change. An arm that diverged, helps, hurts or makes no difference is left as it is."""


def more_seeds(study: Study, results: Results, so_far: Mapping[str, int] | None) -> dict[str, int] | None:
    """How many seeds each arm should have by the next look; None where no race goes on.

    The looks and the share of the error that each may spend are fixed before the first (`contrast.compare.planned_looks`),
    so stopping early does not raise the error that was promised.

    Args:
        study: the question.
        results: what its folder says at this look.
        so_far: arm → seeds at this look, as this function gave it; None at the first.
    """
    if not isinstance(study.seeds, Race):
        return None
    from contrast.compare import next_look, planned_looks

    looks = planned_looks(study.seeds.start, study.seeds.up_to)
    at = so_far[BASELINE] if so_far else study.seeds.start
    following = next_look(looks, at)
    undecided = [contrast.arm for contrast in results.compare().contrasts if contrast.verdict.kind in UNSETTLED]
    if following is None or not undecided:
        return None
    counts = dict(so_far) if so_far else dict.fromkeys(results.arms, study.seeds.start)
    return counts | dict.fromkeys([BASELINE, *undecided], following)
