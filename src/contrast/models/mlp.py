"""Multilayer perceptron: fully connected layers on the flattened image."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator
from torch import nn

from contrast.layers import Activation, Norm, NormPlace, check_groups, dense, sequence
from contrast.protocols import ModelIngredient, Probability

Width = Annotated[int, Field(ge=1, le=1048576)]


class MLP(ModelIngredient):
    """Fully connected layers on the flattened image; modules are named ``linear``, ``linear2``, …, ``output``."""

    hidden: Annotated[tuple[Width, ...], Field(strict=False, max_length=64)] = Field(default=(800, 800), description="widths of the hidden layers")
    activation: Activation = Field(default="relu", description="nonlinearity of the hidden layers")
    norm: Norm = Field(default="none", description="normalization of the hidden layers: none, batch, group or layer")
    norm_place: NormPlace = Field(default="before", description="whether normalization stands before or after the activation")
    groups: int = Field(default=8, ge=1, le=65536, description="number of groups where norm is group; must divide the widths")
    dropout: Probability = Field(default=0.0, description="share of values that dropout sets to 0 in training, after each hidden layer")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_groups({"norm": self.norm}, self.groups, self.hidden)
        return self

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Make the network; see `ModelIngredient.build`. Any image size fits."""
        layers, features = dense(
            math.prod(shape),
            self.hidden,
            norm=self.norm,
            groups=self.groups,
            norm_place=self.norm_place,
            function=self.activation,
            rate=self.dropout,
        )
        return sequence([("flatten", nn.Flatten()), *layers, ("output", nn.Linear(features, classes))])
