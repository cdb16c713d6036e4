"""The layers that networks are made of, by name, and their initial values, each drawn by its own name."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import nn

from contrast import keyed
from contrast.errors import InputError

Activation = Literal["relu", "mish", "gelu", "silu", "leaky_relu", "elu", "tanh", "sigmoid", "none"]
Norm = Literal["none", "batch", "group", "layer"]
NormPlace = Literal["before", "after"]

# Nothing works in place: a hook on a convolution must see that convolution's output, and in place gained nothing
# measurable in bf16 on a CPU.
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

Layer = tuple[str, nn.Module | None]
"""A module and its name by role; None where the settings leave it out."""


def activation(name: Activation) -> nn.Module | None:
    """A nonlinearity by name, with torch's default settings; None for ``none``."""
    return None if name == "none" else _ACTIVATIONS[name]()


def map_norm(name: Norm, channels: int, groups: int) -> nn.Module | None:
    """A normalization of maps ``[B, C, H, W]``, with torch's default settings; None for ``none``.

    ``layer`` normalizes each image over all channels and places (Ba et al. 2016), which is group normalization
    (Wu & He 2018) with one group.
    """
    match name:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(groups, channels)
        case "layer":
            return nn.GroupNorm(1, channels)
    return None


def feature_norm(name: Norm, features: int, groups: int) -> nn.Module | None:
    """A normalization of features ``[B, F]``, with torch's default settings; None for ``none``."""
    match name:
        case "batch":
            return nn.BatchNorm1d(features)
        case "group":
            return nn.GroupNorm(groups, features)
        case "layer":
            return nn.LayerNorm(features)
    return None


def dropout(rate: float) -> nn.Module | None:
    """Dropout with keyed masks; None for a rate of 0."""
    return keyed.Dropout(rate) if rate else None


def numbered(role: str, index: int) -> str:
    """The name of the `index`-th layer (from 1) of a role: ``conv``, ``conv2``, ``conv3`` and so on."""
    return role if index == 1 else f"{role}{index}"


def activated(norm: nn.Module | None, function: nn.Module | None, place: NormPlace, index: int) -> list[Layer]:
    """A normalization and an activation in the order asked for, named by role."""
    pair: list[Layer] = [(numbered("norm", index), norm), (numbered("activation", index), function)]
    return pair if place == "before" else pair[::-1]


def dense(
    features: int,
    hidden: Iterable[int],
    *,
    norm: Norm,
    groups: int,
    norm_place: NormPlace,
    function: Activation,
    rate: float,
) -> tuple[list[Layer], int]:
    """Fully connected layers, each followed by normalization, activation and dropout.

    Returns:
        The layers, named by role (``linear``, ``norm``, ``activation``, ``dropout``, ``linear2``, …), and the number of
        features that leave the last of them.
    """
    layers: list[Layer] = []
    for index, width in enumerate(hidden, start=1):
        layers.append((numbered("linear", index), nn.Linear(features, width)))
        layers += activated(feature_norm(norm, width, groups), activation(function), norm_place, index)
        layers.append((numbered("dropout", index), dropout(rate)))
        features = width
    return layers, features


def sequence(layers: Iterable[Layer]) -> nn.Sequential:
    """The layers that are there, one after the other."""
    return nn.Sequential(OrderedDict((name, module) for name, module in layers if module is not None))


def check_groups(norms: dict[str, Norm], groups: int, widths: Iterable[int]) -> None:
    """Refuse a group normalization whose groups don't divide every width.

    Args:
        norms: setting → norm; nothing is checked where none of them is ``group``.
        groups: the number of groups.
        widths: the numbers of channels or features that are normalized.

    Raises:
        ValueError: one width is not a multiple of `groups` (becomes a `pydantic.ValidationError`).
    """
    asking = [setting for setting, norm in norms.items() if norm == "group"]
    wrong = [width for width in widths if width % groups]
    if asking and wrong:
        raise ValueError(f"{asking[0]}: group with groups: {groups} needs widths that are multiples of {groups}, {wrong[0]} is not")


_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


def initialize(model: nn.Module, seed: int) -> None:
    """Set every initial value in place, each parameter's from (seed, its name) alone.

    Linear and convolutional layers get torch's default, U(±1/√fan_in) for weights and biases (LeCun et al. 1998);
    normalizations get weight 1, bias 0 and fresh running statistics. Draws are made on the CPU in float32 whatever the
    model's device, so the values are the same everywhere.

    Raises:
        InputError: a module with parameters of its own is none of these.
    """
    for name, module in model.named_modules():
        if isinstance(module, _WEIGHTED):
            _draw_uniform(name, module, seed)
        elif isinstance(module, _NORMS):
            module.reset_parameters()
        elif next(module.parameters(recurse=False), None) is not None:
            raise InputError(
                f"{type(module).__name__} has parameters, but no rule gives their initial values",
                where=f"model, module {name or '(the whole)'!r}",
                right="override `initialize` in its ingredient",
            )


@torch.no_grad()
def _draw_uniform(name: str, module: nn.Module, seed: int) -> None:
    parameters = dict(module.named_parameters(recurse=False))
    bound = 1 / math.sqrt(parameters["weight"][0].numel())  # one output's weights: fan_in
    for role, parameter in parameters.items():
        full_name = f"{name}.{role}" if name else role
        drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=keyed.generator(seed, "initial", full_name))
        parameter.copy_(drawn)
