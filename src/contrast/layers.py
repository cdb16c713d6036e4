"""The layers that networks are made of, by name, and their initial values, each drawn by its own name."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from contrast import keyed
from contrast.errors import InputError
from contrast.initial import Initial, written_out

if TYPE_CHECKING:
    from contrast.protocols import ModelIngredient

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


class Scale(nn.Module):
    """Multiply by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def extra_repr(self) -> str:
        return f"{self.factor:g}"

    def forward(self, values: Tensor) -> Tensor:
        return values * self.factor


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
    there = OrderedDict((name, module) for name, module in layers if module is not None)
    kind = PooledFirst if any(_is_pooled(*pair) for pair in pairwise(there.values())) else nn.Sequential
    return kind(there)


class PooledFirst(nn.Sequential):
    """Layers one after the other; but where max pooling follows a ReLU it is computed first, which leaves the ReLU fewer values.

    Outputs and gradients have the same bits: the greatest value of a window is the same before the ReLU and after it, and where it
    is not above zero no gradient passes, whichever of the window's values stands for it. Whoever hooks into one of the two
    layers finds them in the order in which they are named.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The output of the last layer."""
        for layer in self._order():
            input = layer(input)
        return input

    def _order(self) -> list[nn.Module]:
        order = list(self)
        for at, (first, second) in enumerate(pairwise(self)):
            if _is_pooled(first, second) and not (_is_hooked(first) or _is_hooked(second)):
                order[at : at + 2] = second, first
        return order


def _is_pooled(first: nn.Module, second: nn.Module) -> bool:
    return type(first) is nn.ReLU and type(second) is nn.MaxPool2d


def _is_hooked(layer: nn.Module) -> bool:
    return any((layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks))


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
def _draw_uniform(name: str, module: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d, seed: int) -> None:
    bound = 1 / math.sqrt(module.weight[0].numel())  # one output's weights: fan_in
    for role, parameter in module.named_parameters(recurse=False):
        full_name = f"{name}.{role}" if name else role
        drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=keyed.generator(seed, "initial", full_name))
        parameter.copy_(drawn)


def gain_of(initial: Initial, activation: str | None) -> float:
    """The gain that a scheme is drawn with: a given number, torch's for a nonlinearity, or the scheme's own.

    Args:
        initial: the scheme; a gain of ``activation`` means the network's own.
        activation: the network's nonlinearity by name, one that `contrast.initial.check_gain` let pass.
    """
    if initial.gain is None:
        return math.sqrt(2) if initial.scheme.startswith("he") else 1.0
    if isinstance(initial.gain, float):
        return initial.gain
    name = activation if initial.gain == "activation" else initial.gain
    return float(nn.init.calculate_gain("linear" if name == "none" else name))  # type: ignore[arg-type]


@torch.no_grad()
def redraw(model: nn.Module, seed: int, config: ModelIngredient) -> None:
    """Draw initial values anew by `config.initial`, in place, each parameter's from (seed, its name) alone; nothing for ``default``.

    What each scheme does to matrices, biases and normalizations stands at `contrast.initial.Initial`. Draws are made on the
    CPU in float32, from the same generator as the default's, so that the uniform schemes are one draw, scaled.

    Args:
        model: any module; convolutions' kernels count as matrices of ``[output channels, the rest]``.
        seed: the run's.
        config: the model's settings.
    """
    initial = written_out(config.initial)
    if initial.scheme == "default":
        return
    gain = gain_of(initial, getattr(config, "activation", None))
    neutral = {id(p) for module in model.modules() if isinstance(module, _NORMS) for p in module.parameters(recurse=False)}
    for name, parameter in model.named_parameters():
        if id(parameter) not in neutral and (parameter.ndim >= 2 or initial.of == "all"):
            drawn = torch.zeros(parameter.shape)
            _draw(drawn, initial, gain, keyed.generator(seed, "initial", name))
            parameter.copy_(drawn)


def _draw(values: Tensor, initial: Initial, gain: float, generator: torch.Generator) -> None:
    """Fill zeros by a scheme; vectors, for which fans are not defined, are drawn by ``normal`` only."""
    if initial.scheme == "normal":
        nn.init.normal_(values, std=1.0 if initial.std is None else initial.std, generator=generator)
    elif values.ndim >= 2:
        match initial.scheme:
            case "glorot_normal":
                nn.init.xavier_normal_(values, gain, generator=generator)
            case "glorot_uniform":
                nn.init.xavier_uniform_(values, gain, generator=generator)
            case "he_normal":
                nn.init.kaiming_normal_(values, nonlinearity="linear", generator=generator).mul_(gain)
            case "he_uniform":
                nn.init.kaiming_uniform_(values, nonlinearity="linear", generator=generator).mul_(gain)
            case "orthogonal":
                nn.init.orthogonal_(values, gain, generator=generator)
