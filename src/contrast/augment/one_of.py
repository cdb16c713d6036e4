"""One augmentation out of several for each image, by weights."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, Self

import torch
from pydantic import Field, SerializeAsAny, field_serializer, field_validator, model_validator

from contrast import catalog
from contrast.augment._chosen import changed
from contrast.errors import InputError
from contrast.keyed import Draws
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.images import Images
    from contrast.protocols import AugmentFunction

Option = Annotated[SerializeAsAny[AugmentIngredient], Field()]
Weight = Annotated[float, Field(gt=0)]


class OneOf(AugmentIngredient):
    """Apply one of several augmentations, drawn for each image; the draws inside are apart from those outside."""

    options: Annotated[tuple[Option, ...], Field(strict=False, min_length=1)] = Field(
        default=({"use": "flip", "p": 1.0}, {"use": "vflip", "p": 1.0}),  # type: ignore[arg-type]
        description="augmentations of this package, each a name or a mapping with use",
    )
    weights: Annotated[tuple[Weight, ...], Field(strict=False)] | None = Field(
        default=None, description="how often each is drawn, in proportion; null: all alike"
    )

    @field_validator("options", mode="before")
    @classmethod
    def _parsed(cls, given: Any) -> Any:
        if isinstance(given, (str, Mapping)) or not isinstance(given, (list, tuple)):
            raise InputError("is not a list of augmentations", where="options", right="write [{use: flip, p: 0.85}, {use: rotate, degrees: 180}]")
        return tuple(_option(item, f"options.{number}") for number, item in enumerate(given))

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.options):
            raise ValueError(f"there are {len(self.weights)} weights for {len(self.options)} options")
        return self

    @field_serializer("options")
    def _written(self, options: tuple[AugmentIngredient, ...]) -> list[dict[str, Any]]:
        return [{"use": option.use, **option.settings()} for option in options]

    @property
    def mixes(self) -> bool:
        """Whether an image may take something of another one."""
        return any(option.mixes for option in self.options)

    def prepare(self, images: Images) -> AugmentFunction:
        """Bind what the options must know of the data."""
        functions = [option.prepare(images) for option in self.options]
        return lambda batch, labels, draws: self._applied(functions, batch, labels, draws)

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Augment a batch; see `AugmentIngredient.apply`."""
        return self._applied([option.apply for option in self.options], images, labels, draws)

    def choice(self, draws: Draws) -> Tensor:
        """The number of each image's option, ``int64 [B]``."""
        weights = self.weights or (1.0,) * len(self.options)
        drawn = draws.uniform("one_of", 0.0, sum(weights))
        edges = list(accumulate(weights))[:-1]
        return sum((drawn >= edge).long() for edge in edges) + torch.zeros_like(draws.keys)

    def _applied(self, functions: list[AugmentFunction], images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        choice, out, rows = self.choice(draws), images, labels
        for number, (option, function) in enumerate(zip(self.options, functions, strict=True)):
            chosen, own = choice == number, draws.within("one_of", number)
            if option.mixes:  # partners are found in the whole batch
                mixed, blended = function(images, labels, own)
                out, rows = torch.where(chosen[:, None, None, None], mixed, out), torch.where(chosen[:, None], blended, rows)
            else:
                out = changed(out, chosen, _of_images(function), labels, own.keys)
        return out, rows


def _of_images(function: AugmentFunction) -> Any:
    return lambda images, labels, keys: function(images, labels, Draws(keys))[0]


def _option(item: Any, where: str) -> Any:
    try:
        option = catalog.parse("augment", item, trust=False) if not _is_outside(item) else None
    except InputError as error:
        raise error.below(where) from None
    if option is None or catalog.is_outside(option.use):
        raise InputError("is code from outside the package", where=where, right="write the choice in that code, and use it directly")
    if getattr(option, "always", False):
        raise InputError(f"{option.use} holds for every image, at evaluation too", where=where, right="name it beside one_of")
    return option


def _is_outside(item: Any) -> bool:
    name = item.get("use") if isinstance(item, Mapping) else item
    return isinstance(name, str) and catalog.is_outside(name)
