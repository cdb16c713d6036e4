"""Receptive fields: how much of an image each value of a map sees, followed through a pass, joins of branches included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]
_WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
_GLOBAL = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm)
_ACTIVATIONS = ("relu", "relu_", "relu6", "leaky_relu", "gelu", "silu", "silu_", "mish", "elu", "sigmoid", "tanh", "hardswish")
_PLACE_BY_PLACE = {"add", "add_", "sub", "sub_", "cat", "concat", "concatenate", "contiguous", "dropout", *_ACTIVATIONS}
"""Functions, by name, whose output at a place depends on their inputs at that place alone."""


def pair(extent: Any) -> Pair:
    """Height and width of what torch keeps as one number or as two."""
    return (int(extent), int(extent)) if isinstance(extent, int) else (int(extent[0]), int(extent[1]))


@dataclass(frozen=True)
class Field:
    """What one value sees: the extent in pixels, and the distance in pixels between neighboring values (Araujo et al. 2019)."""

    extent: Pair
    jump: Pair

    def through(self, kernel: Pair, stride: Pair, dilation: Pair) -> Field:
        """What a value behind a window sees."""
        height, width = (e + (k - 1) * d * j for e, k, d, j in zip(self.extent, kernel, dilation, self.jump, strict=True))
        down, across = (j * s for j, s in zip(self.jump, stride, strict=True))
        return Field((height, width), (down, across))


def joined(fields: Iterable[Field]) -> Field | None:
    """What a value sees that is made of several branches' values at its place: the widest; None where they don't lie on one grid."""
    known = list(fields)
    if not known or len({field.jump for field in known}) > 1:
        return None
    height, width = (max(field.extent[axis] for field in known) for axis in (0, 1))
    return Field((height, width), known[0].jump)


class Fields(TorchFunctionMode):
    """The fields of a pass's tensors, while the block runs; additions and concatenations of branches are followed.

    Args:
        image: what the pass begins with, ``[1, C, H, W]``.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._size = pair(image.shape[2:])
        self._known = {id(image): (image, Field((1, 1), (1, 1)))}  # tensors too, so that no other gets their identity

    def of(self, tensor: Tensor) -> Field | None:
        """What is known of a tensor."""
        return self._known[id(tensor)][1] if id(tensor) in self._known else None

    def _note(self, tensor: Tensor, seen: Field | None) -> None:
        if seen is None:
            self._known.pop(id(tensor), None)  # changed in place by who knows what
        else:
            self._known[id(tensor)] = (tensor, seen)

    def leave(self, module: nn.Module, first: Tensor, output: Tensor) -> Field | None:
        """Note what leaves a module without parts, and return it."""
        seen = self._behind(module, first, output)
        self._note(output, seen)
        return seen

    def _behind(self, module: nn.Module, first: Tensor, output: Tensor) -> Field | None:
        if output.ndim == 2 or (isinstance(module, _GLOBAL) and output.shape[2:] == (1, 1)):
            return Field(self._size, self._size)
        known = self.of(first)
        if known is None:
            return None
        if isinstance(module, _WINDOWS):
            return known.through(pair(module.kernel_size), pair(module.stride), pair(getattr(module, "dilation", 1)))
        plain = isinstance(module, (*_NORMS, nn.PReLU)) or next(module.parameters(), None) is None
        return known if plain and first.shape[2:] == output.shape[2:] else None

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if isinstance(output, Tensor) and output.ndim == 4 and name in _PLACE_BY_PLACE:
            self._follow(list(_tensors(args)), output)
        elif isinstance(output, Tensor) and name in ("max_pool2d", "avg_pool2d"):
            self._note(output, self._pooled(*args, **(kwargs or {})))
        return output

    def _follow(self, branches: list[Tensor], output: Tensor) -> None:
        fields = [self.of(branch) for branch in branches if branch.shape[2:] == output.shape[2:]]
        known = [seen for seen in fields if seen is not None]
        self._note(output, joined(known) if len(known) == len(branches) else None)

    def _pooled(self, first: Tensor, kernel_size: Any, stride: Any = None, *_: Any, dilation: Any = 1, **__: Any) -> Field | None:
        known = self.of(first)
        step = kernel_size if stride is None else stride
        return None if known is None else known.through(pair(kernel_size), pair(step), pair(dilation))


def _tensors(args: Iterable[Any]) -> Iterator[Tensor]:
    for item in args:
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, (list, tuple)):
            yield from _tensors(item)
