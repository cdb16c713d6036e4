"""Which training images an epoch shows, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Sampling(BaseModel):
    """Which training images an epoch shows.

    * ``uniform``: every image is as likely as any other.
    * ``balanced``: every class is as likely as any other. Without replacement an epoch shows as many images of each class
      as the smallest has, other ones in every epoch.
    * ``weighted``: an image is as likely as its class's weight says, as with torch's WeightedRandomSampler; a class's share is
      its weight times its images. Without replacement and with all images drawn, weights change nothing but the order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    use: Literal["uniform", "balanced", "weighted"] = Field(default="uniform", description="uniform, balanced (by class) or weighted (by class)")
    replacement: bool = Field(default=False, description="whether an image may be shown again in the same epoch")
    weights: dict[str, Weight] | Annotated[tuple[Weight, ...], Field(strict=False)] | None = Field(
        default=None, description="of weighted: a weight for each class, by name or as a list in the order of the classes"
    )
    images: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="shown in an epoch: count, or factor on the training images; null: as many as there are to draw"
    )

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.use == "weighted") != (self.weights is not None):
            raise ValueError("weighted needs weights, and nothing else has them")
        if self.weights is not None and not any(self.weights.values() if isinstance(self.weights, dict) else self.weights):
            raise ValueError("a weight must be above 0")
        return self


def _by_name(given: Any) -> Any:
    return {"use": given} if isinstance(given, str) else given


def _plain_is_none(sampling: Sampling | None) -> Sampling | None:
    """What was done before there were samplers is written as none, so that it has one id."""
    return None if sampling == Sampling() else sampling


Sampler = Annotated[Sampling | None, BeforeValidator(_by_name), AfterValidator(_plain_is_none)]


def weights_of(sampling: Sampling, classes: tuple[str, ...]) -> tuple[float, ...]:
    """The weight of each class of a weighted sampling.

    Raises:
        ValueError: they are not one for each class.
    """
    given = sampling.weights
    if isinstance(given, Mapping):
        wrong = sorted(set(given) ^ set(classes))
        if wrong:
            raise ValueError(f"class {wrong[0]!r} " + ("has no weight" if wrong[0] in classes else "is not in the data"))
        return tuple(given[name] for name in classes)
    if given is None or len(given) != len(classes):
        raise ValueError(f"{len(given or ())} weights are given for {len(classes)} classes")
    return given
