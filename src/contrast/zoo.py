"""What networks of torchvision and timm have in common: a name, weights, a head for the study's classes."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from contrast import heads
from contrast.errors import nearest
from contrast.heads import Head
from contrast.layers import redraw
from contrast.protocols import ModelIngredient
from contrast.weights import Preprocessing


def near(name: str, names: Sequence[str]) -> str:
    """Say which of many names was probably meant, and a few that are like it."""
    return nearest(name, difflib.get_close_matches(name, names, n=6, cutoff=0.4) or names[:6])


class ZooModel(ModelIngredient):
    """A network of another library, its head replaced. Its verb is `build`, which its library's `library_network` serves."""

    foreign: ClassVar[bool] = True

    head: Head = Field(default=Head(), description="what stands in place of the network's own head")
    preprocess: Preprocessing | Literal["default", "none"] = Field(
        default="default",
        description="the images that the weights were trained on: default is what the library says of its own weights; data and normalize "
        "that contradict it are remarked on",
    )

    @abstractmethod
    def library_network(self, channels: int, classes: int) -> tuple[nn.Module, tuple[str, ...]]:
        """The library's network, and the names of the modules that make its head."""

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Make the network, its head replaced; see `ModelIngredient.build`."""
        model, places = self.library_network(shape[0], classes)
        heads.replace(model, (self.head.at,) if self.head.at else places, classes, self.head)
        return model

    def head_of(self, model: nn.Module) -> tuple[str, ...]:
        """Where `build` put the new head."""
        return heads.names(model)

    def initialize(self, model: nn.Module, seed: int) -> None:
        """Set the head's values by name; the rest keeps what the constructor drew under a derived seed, but for what `initial` asks for."""
        for place in heads.names(model):
            heads.initialize_named(model, place, seed)
        redraw(model, seed, self)

    def preprocessing(self) -> Preprocessing | None:
        """What images the weights were trained on, where that is known."""
        if self.weights == "none" or self.preprocess == "none":
            return None
        return self.preprocess if isinstance(self.preprocess, Preprocessing) else self.library_preprocessing()

    @abstractmethod
    def library_preprocessing(self) -> Preprocessing | None:
        """What the library says of its own weights for this network."""
