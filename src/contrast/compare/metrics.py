"""What a metric means: whether more of it is better, and in which unit it is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class ComparisonError(ValueError):
    """The tables can't be compared as asked; one line says what, where, and what would be right."""


@dataclass(frozen=True)
class Metric:
    """A column of the table of runs. Values are multiplied by `scale` before they are told in `unit`."""

    name: str
    greater_is_better: bool
    scale: float = 1.0
    unit: str = ""

    @property
    def words(self) -> str:
        """The name as a person says it: "test accuracy"."""
        return self.name.replace("_", " ")

    def amount(self, number: str) -> str:
        """A number that has been written, with its unit: "2.3 points", "12 s", "0.31"."""
        return f"{number} {self.unit}".rstrip()


GREATER = {"accuracy": "points", "precision": "", "recall": "", "auc": "", "f1": "", "speed": "", "throughput": "", "per": ""}
SMALLER = {
    "loss": "",
    "error": "",
    "ece": "",
    "nll": "",
    "brier": "",
    "perplexity": "",
    "gap": "points",
    "seconds": "s",
    "share": "",
    "minutes": "minutes",
    "time": "",
    "epoch": "epochs",
    "epochs": "epochs",
    "steps": "steps",
    "memory": "",
    "parameters": "",
    "macs": "",
}
NOT_METRICS = ("arm", "seed", "status")


def metric_named(name: str, columns: Iterable[str]) -> Metric:
    """The metric of that name, read by the first of its words that is known ("seconds_to_accuracy_90" is seconds).

    Accuracies, and gaps between them, are fractions and are told in points (× 100); everything else is told as it is.

    Raises:
        ComparisonError: no such column (names the nearest one), or no word of the name says whether more is better.
    """
    known = [column for column in map(str, columns) if column not in NOT_METRICS]
    if name not in known:
        raise ComparisonError(_no_such("metric", name, known))
    for word in name.lower().split("_"):
        if word in SMALLER or word in GREATER:
            unit = (SMALLER | GREATER)[word]
            return Metric(name, word in GREATER, 100.0 if unit == "points" else 1.0, unit)
    raise ComparisonError(f"metric {name!r}: not known whether more is better; a name that holds one of {', '.join([*GREATER, *SMALLER])} says so")


def arm_named(name: str, arms: Iterable[str]) -> str:
    """`name`, where there is such an arm; otherwise ComparisonError with the nearest right name."""
    known = list(arms)
    if name not in known:
        raise ComparisonError(_no_such("arm", name, known))
    return name


def _no_such(kind: str, name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"no {kind} {name!r}{hint} (there are: {', '.join(known) or 'none'})"
