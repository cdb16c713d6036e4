"""Misclassified test images, the surest first: looked at, filtered, and tagged by cause in the page (report row M7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.explain.mistakes import CAUSES
from contrast.numbers import number, plural
from contrast.study_metrics import classes_of

if TYPE_CHECKING:
    from contrast.report.embedded import Restored

MOST_COLUMNS = 5


@dataclass(frozen=True)
class Mistake:
    """One misclassified image.

    Attributes:
        id: of the image.
        arms: the arms whose best run makes this mistake among its surest, the surest first, as they count in `Gallery.arms`.
        true, predicted: classes.
        true_name, predicted_name: their names.
        confidence: of the surest; None where none was kept.
    """

    id: str
    arms: tuple[int, ...]
    true: int
    predicted: int
    true_name: str
    predicted_name: str
    confidence: float | None


@dataclass(frozen=True)
class Gallery:
    """The section.

    Attributes:
        sentence: how many images the runs get wrong.
        arms: names, in the order that `Mistake.arm` counts.
        mistakes: the surest of each arm's best run.
        tags: image id → cause, from a file of before.
        causes: cause, tagged images, then of each arm how many of them a run gets wrong.
        cause_heads: the arms of these columns.
    """

    sentence: str
    arms: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    tags: Mapping[str, str]
    causes: tuple[tuple[str, ...], ...]
    cause_heads: tuple[str, ...]
    offered: tuple[str, ...] = CAUSES

    @property
    def truths(self) -> list[tuple[int, str]]:
        """The true classes among the mistakes: index and name."""
        return sorted({(one.true, one.true_name) for one in self.mistakes})

    @property
    def guesses(self) -> list[tuple[int, str]]:
        """The predicted classes among the mistakes: index and name."""
        return sorted({(one.predicted, one.predicted_name) for one in self.mistakes})

    @property
    def ids(self) -> list[str]:
        """The images that are shown."""
        return [one.id for one in self.mistakes]


def of(study: Restored) -> Gallery | None:
    """The surest mistakes of a study; None where nothing is known of single images."""
    surest: Mapping[str, Any] = study.evidence.get("surest", {})
    arms = tuple(arm for arm in study.arms if arm in surest)
    if not arms:
        return None
    tags = {str(name): str(cause) for name, cause in (study.evidence.get("causes") or {}).items()}
    heads, causes = _causes(study, tags)
    return Gallery(_sentence(surest, arms), arms, _together(study, surest, arms), tags, causes, heads)


def _together(study: Restored, surest: Mapping[str, Any], arms: Sequence[str]) -> tuple[Mistake, ...]:
    """The mistakes of all arms, the surest first; one that several arms make stands once."""
    rows = [(at, *row) for at, arm in enumerate(arms) for row in surest[arm]["rows"]]
    rows.sort(key=lambda row: 0.0 if row[4] is None else -float(row[4]))
    found: dict[tuple[str, str, str], Mistake] = {}
    for at, name, true, predicted, confidence in rows:
        classes = classes_of(study.lock, arms[at])
        key = (str(name), classes[int(true)], classes[int(predicted)])
        first = found.get(key) or Mistake(str(name), (), int(true), int(predicted), key[1], key[2], confidence)
        found[key] = replace(first, arms=(*first.arms, at))
    return tuple(found.values())


def _sentence(surest: Mapping[str, Any], arms: tuple[str, ...]) -> str:
    counts = [int(surest[arm]["count"]) for arm in arms]
    images = int(surest[arms[0]]["images"])
    among = f"{min(counts):,} to {max(counts):,}" if min(counts) != max(counts) else f"{counts[0]:,}"
    each = "The run that validation likes best" if len(arms) == 1 else "Each arm's run that validation likes best"
    return f"{each} gets {among} of {plural(images, 'test image')} wrong; the surest of these mistakes are shown."


def _causes(study: Restored, tags: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """How often each cause was given, and how many of these images each arm gets wrong, mean over its runs."""
    ids, labels, predictions = study.alike()
    where = {name: at for at, name in enumerate(ids)}
    known = {name: cause for name, cause in tags.items() if name in where}
    heads = tuple(predictions)[:MOST_COLUMNS]
    rows = []
    for cause, count in Counter(known.values()).most_common():
        places = np.array([where[name] for name, one in known.items() if one == cause])
        wrong = [float(np.mean([(run[places] != labels[places]).sum() for run in predictions[arm].values()])) for arm in heads]
        rows.append((cause, str(count), number(100 * count / len(known), 0), *(number(value, 1) for value in wrong)))
    return heads, tuple(rows)
