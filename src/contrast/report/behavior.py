"""What single test images say: which an arm fixed and which it broke, how much runs agree, and which no run gets right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contrast.explain import behavior
from contrast.numbers import number, plural
from contrast.shown import shown
from contrast.study_metrics import classes_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.explain.behavior import Changed, Predictions
    from contrast.report.embedded import Restored

MOST_ARMS, MOST_SHOWN, MOST_IN_TABLE = 6, 24, 12
MANY_AGREE = 0.8
"""Share of all runs that must name one and the same wrong class for an image's label to be doubted."""


@dataclass(frozen=True)
class Shown:
    """One test image: its id, its class, and what runs say of it."""

    id: str
    true: str
    said: str


@dataclass(frozen=True)
class Group:
    """Some test images that belong together.

    Attributes:
        name: of its anchor.
        title, caption: text from outside went through `shown`.
        arrow: between the true class and what was said.
        images: those that are shown.
        total: how many there are.
    """

    name: str
    title: str
    caption: str
    arrow: str
    images: tuple[Shown, ...]
    total: int


@dataclass(frozen=True)
class Behavior:
    """The section.

    Attributes:
        sentences: what was found.
        changed: arm, seeds, fixed, broken, by chance.
        churn: a row an arm, its name first; empty where a picture stands for it.
        churn_picture: an address; empty where there is a table.
        groups: images to look at.
        tables: what can be saved, by name.
    """

    sentences: tuple[str, ...]
    changed: tuple[tuple[str, ...], ...]
    churn: tuple[tuple[str, ...], ...]
    churn_picture: str
    groups: tuple[Group, ...]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """The images that are shown."""
        return [image.id for group in self.groups for image in group.images]


@dataclass(frozen=True)
class _Known:
    """What all runs said of the images that they share."""

    ids: Sequence[str]
    labels: NDArray[np.int64]
    predictions: Predictions
    classes: Sequence[str]
    baseline: str

    @property
    def runs(self) -> int:
        return sum(len(seeds) for seeds in self.predictions.values())

    def group(self, positions: NDArray[np.int64], words: tuple[str, str, str, str], arms: Sequence[str] = ()) -> Group:
        """Some images, with what most runs of some arms (or of all) say; `words`: name, title, caption, arrow."""
        name, title, caption, arrow = words
        images = tuple(
            Shown(self.ids[at], self.classes[int(self.labels[at])], self.classes[behavior.usual(self.predictions, at, arms)])
            for at in positions[:MOST_SHOWN].tolist()
        )
        return Group(name, title, caption, arrow, images, len(positions))


def of(study: Restored) -> Behavior | None:
    """Compare the runs of a study image by image; None where fewer than two runs were judged on the same test images."""
    ids, labels, predictions = study.alike()
    baseline = str(study.lock["baseline"])
    known = _Known(ids, labels.astype(np.int64), predictions, classes_of(study.lock, baseline), baseline)
    if known.runs < 2 or not len(labels):
        return None
    found = [one for arm in predictions if arm != baseline and (one := behavior.changed(predictions, known.labels, baseline, arm)) is not None]
    never = behavior.never_right(predictions, known.labels)
    churn = behavior.churn(predictions)
    small = len(churn) <= MOST_IN_TABLE
    return Behavior(
        sentences=(*_left_out(study, known), *_never(never, known)),
        changed=tuple((one.arm, str(one.seeds), str(len(one.fixed)), str(len(one.broken)), number(one.expected, 1)) for one in found),
        churn=tuple((str(arm), *(number(value, 1) for value in churn.loc[arm])) for arm in churn.index) if small else (),
        churn_picture="" if small else behavior.sheet_of_churn(churn).tiles[0].source,
        groups=tuple(group for group in _groups(found, never, known) if group.images),
        tables={"fixed and broken": _changes(found, known), "churn": churn.reset_index(names="arm")},
    )


def _groups(found: Sequence[Changed], never: NDArray[np.int64], known: _Known) -> Iterator[Group]:
    telling = sorted(found, key=lambda one: -len(one.fixed) - len(one.broken))[:MOST_ARMS]
    for at, one in enumerate(telling):
        arm, over = shown(one.arm, 60), "in the one seed" if one.seeds == 1 else "in every seed"
        fixed = f"Right {over}, where the baseline is wrong {over}. True class ← what the baseline says."
        broken = f"Wrong {over}, where the baseline is right {over}. True class → what this arm says."
        yield known.group(one.fixed, (f"fixed-{at}", f"Fixed by {arm}", fixed, "←"), (known.baseline,))
        yield known.group(one.broken, (f"broken-{at}", f"Broken by {arm}", broken, "→"), (one.arm,))
    caption = "Wrong in every run of every arm; those that all runs take for one class stand first. True class → what most runs say."
    yield known.group(never, ("never-right", "Never right", caption, "→"))


def _never(never: NDArray[np.int64], known: _Known) -> Iterator[str]:
    """How many images no run gets right, and how many of these labels may be wrong."""
    if not len(never):
        yield f"Each of the {len(known.labels):,} test images is right in some run."
        return
    images = f"{plural(len(never), 'test image')} of {len(known.labels):,} {'is' if len(never) == 1 else 'are'}"
    yield f"{images} right in none of {plural(known.runs, 'run')}."
    every = np.stack([run for seeds in known.predictions.values() for run in seeds.values()])
    agreed = sum(int(np.bincount(every[:, at]).max()) >= MANY_AGREE * known.runs for at in never.tolist())
    if agreed and known.runs >= 3:
        same = "is" if agreed == 1 else "are"
        yield f"Of these, {agreed} {same} taken for one and the same other class by nearly all runs: look at their labels first."


def _left_out(study: Restored, known: _Known) -> Iterator[str]:
    left = sum(1 for _ in study.judged_images()) - known.runs
    if left:
        yield f"{plural(left, 'run')} judged on other test images than the baseline {'is' if left == 1 else 'are'} left out here."


def _changes(found: Sequence[Changed], known: _Known) -> pd.DataFrame:
    """A row for every image that an arm fixed or broke."""
    import pandas as pd

    rows = [
        {
            "arm": one.arm,
            "image": known.ids[at],
            "change": change,
            "true": known.classes[int(known.labels[at])],
            "baseline says": known.classes[behavior.usual(known.predictions, at, (known.baseline,))],
            "arm says": known.classes[behavior.usual(known.predictions, at, (one.arm,))],
        }
        for one in found
        for change, positions in (("fixed", one.fixed), ("broken", one.broken))
        for at in positions.tolist()
    ]
    return pd.DataFrame(rows, columns=["arm", "image", "change", "true", "baseline says", "arm says"])
