"""How a run is evaluated, and what at its end besides the chosen weights as they are."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Average = Literal["logits", "probabilities"]
Views = Literal["none", "mirror", "mirror and shift"]
PASSES: dict[Views, int] = {"none": 1, "mirror": 2, "mirror and shift": 6}
"""How often an image goes through the network, by its views."""


def _rising(counts: tuple[int, ...]) -> tuple[int, ...]:
    """In one order, each once, so that the order in a file makes no other recipe."""
    return tuple(sorted(set(counts)))


def _each_once(names: tuple[Average, ...]) -> tuple[Average, ...]:
    return tuple(name for name in get_args(Average) if name in names)


Counts = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(strict=False, min_length=1, max_length=100), AfterValidator(_rising)]
Averages = Annotated[tuple[Average, ...], Field(strict=False, min_length=1), AfterValidator(_each_once)]


class MCDropout(BaseModel):
    """Dropout at test time: predictions averaged over random masks, beside plain scaling (Gal & Ghahramani 2016).

    Costs `repeats` times the greatest number of masks in passes over validation and test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    masks: Counts = Field(default=(1, 2, 5, 10, 20, 50, 100), description="over how many masks predictions are averaged, one after the other")
    average: Averages = Field(default=("logits", "probabilities"), description="what is averaged: before (logits) or after the softmax")
    repeats: int = Field(default=5, ge=1, le=1000, description="how often it is done with new masks, for the spread")


class Evaluation(BaseModel):
    """How is evaluated, and what besides; each is left out where it is null."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mc_dropout: MCDropout | None = Field(default=None, description="dropout at test time")
    latest: bool = Field(default=False, description="the weights of the last epoch too, on all parts: the table latest against best (S4)")
    test_every_epoch: bool = Field(default=False, description="watch test at every epoch (M1, M4); it chooses nothing, and the page says so")
    views: Views = Field(  # as `protocols.added`, which stands above
        default="none",
        json_schema_extra={"absent": "none"},
        description="average the logits over views of each image of validation and test: none, mirror, mirror and shift (by a pixel, six views)",
    )
    train: bool = Field(
        default=True,
        json_schema_extra={"absent": True},
        description="the training images too, at the end, without augmentation: a whole pass over them, for train accuracy and gap",
    )

    @model_validator(mode="after")
    def _one_average(self) -> Self:
        if self.views != "none" and self.mc_dropout is not None:
            raise ValueError("views and mc_dropout each average predictions; ask for one of them")
        return self
