"""What others printed about a study's question: their numbers, what they concluded, and the rows of the reports where it stands."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from contrast.designs import BASELINE, Design

ROWS = {"S": 9, "U": 7, "M": 7, "P": 10, "N": 9}
"""Letter of a report → how many rows it has; `docs/how-to/gallery.md` says what the reports are."""

Figure = Literal[
    "test_accuracy", "validation_accuracy", "train_accuracy", "test_loss", "validation_loss", "train_loss", "generalization_gap", "validation_gap",
    "best_epoch",
]  # fmt: skip
LATEST = ("test_accuracy", "validation_accuracy", "test_loss", "validation_loss", "train_loss")
"""Figures that the last epoch's weights have too."""

JUDGED = re.compile(
    r"(last_)?(test|validation)_(accuracy|loss)|train_(accuracy|loss)|generalization_gap|validation_gap|balanced_accuracy|calibration_error"
    r"|best_epoch|epochs_to_best|(train_|evaluation_)?seconds|images_per_second|(seconds|epochs|steps)_to_accuracy_(100|\d{1,2}(\.\d+)?)"
)
"""Metrics that arms can be held against each other by, whatever the data."""


def _row(name: str) -> str:
    letter, number = name[:1], name[1:]
    if letter not in ROWS or not number.isascii() or not number.isdigit() or number != str(int(number)) or not 1 <= int(number) <= ROWS[letter]:
        raise ValueError(f"a row of the five reports is one of {', '.join(f'{each}1–{each}{last}' for each, last in ROWS.items())}")
    return name


def _metric(name: str) -> str:
    if not JUDGED.fullmatch(name):
        raise ValueError("a metric is e.g. test_accuracy, validation_loss, generalization_gap, epochs_to_best, seconds_to_accuracy_90")
    return name


Row = Annotated[str, AfterValidator(_row)]
"""A row of the five reports, such as ``S3``."""


class Published(Design):
    """A number that was printed, of one run and without an interval."""

    row: Row = Field(description="row of the reports where it stands")
    arm: str = Field(default=BASELINE, description="the arm that it is about")
    metric: Figure = Field(default="test_accuracy", description="what was measured")
    weights: Literal["best", "latest"] = Field(default="best", description="of which weights: those that validation chose, or the last epoch's")
    value: float = Field(description="as printed: accuracies and gaps in percent, losses as they are")
    said: str = Field(min_length=1, max_length=500, description="the words of the report")
    not_comparable: str = Field(default="", max_length=500, description="why it can't be held against ours, if so")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.weights == "latest" and self.metric not in LATEST:
            raise ValueError(f"the latest weights have no {self.metric} of their own; they have: {', '.join(LATEST)}")
        if self.metric.endswith("accuracy") and not 1 < self.value <= 100:
            raise ValueError(f"an accuracy is given in percent, from above 1 to 100, and {self.value:g} is not")
        return self


class Conclusion(Design):
    """What was concluded, as a contrast between two arms."""

    row: Row = Field(description="row of the reports where it stands")
    says: str = Field(min_length=1, max_length=500, description="the conclusion, in a clause")
    arm: str = Field(description="the arm that it is about")
    against: str = Field(default=BASELINE, description="the arm that it is held against")
    direction: Literal["better", "worse", "same"] = Field(description="how the arm does, compared with the other")
    metric: Annotated[str, AfterValidator(_metric)] = Field(default="test_accuracy", description="what they are compared by")
    difference: float | None = Field(default=None, description="arm minus the other as printed: points for accuracies, else the metric's unit")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.arm == self.against:
            raise ValueError(f"{self.arm!r} can't be held against itself")
        return self


def arms_named(published: tuple[Published, ...], conclusions: tuple[Conclusion, ...]) -> dict[str, str]:
    """Key path → name of every arm that these speak of."""
    found = {f"published.{i}.arm": one.arm for i, one in enumerate(published)}
    for i, conclusion in enumerate(conclusions):
        found |= {f"conclusions.{i}.arm": conclusion.arm, f"conclusions.{i}.against": conclusion.against}
    return found


def written(given: Any) -> list[dict[str, Any]]:
    """Published numbers or conclusions as plain data, defaults included: who reads them needs none of this."""
    return [one.model_dump(mode="json", exclude_none=True) for one in given]
