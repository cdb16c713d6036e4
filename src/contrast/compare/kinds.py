"""What kinds of verdict there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["not yet", "diverged", "one seed", "zero variance", "helps", "hurts", "no difference", "undecided", "pruned"]


@dataclass(frozen=True)
class Verdict:
    """What is said of an arm. `sentence` carries the interval at the level that decided, `short` fits a table's last column."""

    kind: Kind
    sentence: str
    short: str


NOT_YET = Verdict("not yet", "not yet: no finished pairs", "not yet")
