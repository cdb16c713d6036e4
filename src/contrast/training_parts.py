"""Words for which part of a network is trained, how fast and how long: what is frozen, and factors on the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema


class Until(BaseModel):
    """Freeze what stands before a module, in the order in which the network names its modules."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    until: str = Field(min_length=1, description="the first module that is trained, e.g. layer4")


Pattern = Annotated[str, Field(min_length=1)]
Freeze = Literal["none", "features", "head", "all but head"] | Until | Annotated[tuple[Pattern, ...], Field(strict=False, min_length=1)]
"""What is not trained."""

Factor = Annotated[float, Field(ge=0, le=1000)]


def _pairs(given: Any) -> Any:
    return tuple(given.items()) if isinstance(given, Mapping) else given


LearningRateFactors = Annotated[
    tuple[tuple[Pattern, Factor], ...],
    BeforeValidator(_pairs),
    AfterValidator(lambda pairs: tuple(sorted(pairs))),
    PlainSerializer(dict),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1000}}),
]
"""Pattern → factor, kept as sorted pairs so that an ingredient stays frozen and hashable."""

Moment = Annotated[float, Field(gt=0, le=1)]
"""A point of the training, as a share of it."""

FreezeOut = Annotated[
    tuple[tuple[Pattern, Moment], ...],
    BeforeValidator(_pairs),
    AfterValidator(lambda pairs: tuple(sorted(pairs))),
    PlainSerializer(dict),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}),
]
"""Pattern → share of the training after which the part is frozen (1: never), kept likewise."""
