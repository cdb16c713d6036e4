"""The head of a network: the layers that turn features into logits, found wherever a family keeps them, and replaced."""

from __future__ import annotations

from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from contrast.errors import InputError, nearest
from contrast.layers import Activation, Layer, Norm, activated, activation, check_groups, dense, dropout, initialize, map_norm, numbered, sequence
from contrast.protocols import Probability

Width = Annotated[int, Field(ge=1, le=65536)]


class Head(BaseModel):
    """What stands in place of a network's own head: hidden layers if any, then the logits of the study's classes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    at: str | None = Field(default=None, min_length=1, description="name of the module that is replaced; null for where the family keeps its head")
    hidden: Annotated[tuple[Width, ...], Field(strict=False, max_length=64)] = Field(default=(), description="widths of hidden layers")
    activation: Activation = Field(default="relu", description="nonlinearity of the hidden layers")
    norm: Norm = Field(default="none", description="normalization of the hidden layers, before the activation: none, batch, group or layer")
    groups: int = Field(default=8, ge=1, le=65536, description="number of groups where norm is group; must divide the widths")
    dropout: Probability = Field(default=0.0, description="share of values that dropout sets to 0 in training, after each hidden layer")
    weights: Literal["fit", "fresh"] = Field(
        default="fit", description="a weights file's head: fit takes it (and it must have the study's classes), fresh leaves it out"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_groups({"norm": self.norm}, self.groups, self.hidden)
        return self


_MARK = "head_names"
"""The attribute by which a network whose head was replaced remembers where it is."""


def names(model: nn.Module) -> tuple[str, ...]:
    """Where the head is that `replace` put in."""
    return tuple(getattr(model, _MARK, ()))


def find(model: nn.Module, classes: int) -> str:
    """The last layer that gives one value a class: its name.

    Raises:
        InputError: no layer does; says how to name it.
    """
    found = [name for name, module in model.named_modules() if name and _widths(module)[1:] == (classes,)]
    if not found:
        weighted = [name for name, module in model.named_modules() if name and _widths(module)]
        near = f"the last layers with weights are {', '.join(weighted[-3:])}" if weighted else "it has no linear or convolutional layer"
        raise InputError(
            f"no layer gives {classes:,} values, so its head can't be found ({near})", where="model.head", right="write head: {at: NAME}"
        )
    return str(found[-1])


def _widths(module: nn.Module) -> tuple[int, ...]:
    """(values in, values out) of a linear or convolutional layer, nothing of another."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, nn.Conv2d):
        return module.in_channels, module.out_channels
    return ()


def replace(model: nn.Module, places: tuple[str, ...], classes: int, head: Head) -> None:
    """Put new layers in place of a network's head.

    Args:
        model: changed in place.
        places: names of the modules that make the head (more than one where a family has several that are averaged).
        classes: width of the output.
        head: what stands there from now on.

    Raises:
        InputError: there is no such module, or none in it that has weights.
    """
    for place in places:
        old = _module(model, place)
        first = next((module for module in old.modules() if _widths(module)), None)
        if first is None:
            told = f"{place!r} ({type(old).__name__}) has no linear or convolutional layer to take the width from"
            raise InputError(told, where="model.head.at", right="name the module that gives the logits")
        features = _widths(first)[0]
        new = _convolutions(features, classes, head) if isinstance(first, nn.Conv2d) else _linears(features, classes, head)
        parent, _, name = place.rpartition(".")
        setattr(model.get_submodule(parent), name, new)
    setattr(model, _MARK, tuple(places))


def _module(model: nn.Module, place: str) -> nn.Module:
    try:
        return model.get_submodule(place)
    except AttributeError:
        known = [name for name, _ in model.named_modules() if name]
        raise InputError(f"the network has no module {place!r}", where="model.head.at", right=nearest(place, known)) from None


def _linears(features: int, classes: int, head: Head) -> nn.Module:
    layers, features = dense(
        features,
        head.hidden,
        norm=head.norm,
        groups=head.groups,
        norm_place="before",
        function=head.activation,
        rate=head.dropout,
    )
    return _whole(layers, nn.Linear(features, classes))


def _convolutions(channels: int, classes: int, head: Head) -> nn.Module:
    """The same where the family classifies each place of its maps and then averages (SqueezeNet): linear layers are 1×1 convolutions."""
    layers: list[Layer] = []
    for index, width in enumerate(head.hidden, start=1):
        layers.append((numbered("conv", index), nn.Conv2d(channels, width, 1)))
        layers += activated(map_norm(head.norm, width, head.groups), activation(head.activation), "before", index)
        layers.append((numbered("dropout", index), dropout(head.dropout)))
        channels = width
    return _whole(layers, nn.Conv2d(channels, classes, 1))


def _whole(layers: list[Layer], output: nn.Module) -> nn.Module:
    """The layers as one module; without hidden layers the output alone, whose names then are those of the family's own head."""
    return sequence([*layers, ("output", output)]) if layers else output


def initialize_named(model: nn.Module, place: str, seed: int) -> None:
    """Set the initial values of one part of a network, each from (seed, its full name) alone; see `contrast.layers.initialize`."""
    part = model.get_submodule(place)
    for name in reversed(place.split(".")):
        shell = nn.Module()
        shell.add_module(name, part)
        part = shell
    initialize(part, seed)


def adapt_input(model: nn.Module, channels: int) -> str | None:
    """Make a network for images of three channels take others, by a new first convolution.

    Returns:
        The convolution's name; None where nothing was to be done.

    Raises:
        InputError: the first layer with weights is no convolution of three channels.
    """
    if channels == 3:
        return None
    name, first = next(((name, module) for name, module in model.named_modules() if _widths(module)), ("", None))
    if not isinstance(first, nn.Conv2d) or first.in_channels != 3 or first.groups != 1:
        raise InputError(f"can't be made for images of {channels} channels", where="model", right="give images of 3 channels (data.channels: 3)")
    new = nn.Conv2d(
        channels,
        first.out_channels,
        cast("tuple[int, int]", first.kernel_size),
        cast("tuple[int, int]", first.stride),
        cast("tuple[int, int]", first.padding),
        bias=first.bias is not None,
    )
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, new)
    return name
