"""A model told layer by layer: output shape, parameters and how they come about, multiplications, receptive field."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from contrast.errors import InputError
from contrast.explain.receptive import Fields, Pair, pair

BYTES = 4
"""Of a value in float32."""


@dataclass(frozen=True)
class Layer:
    """One row of the table.

    Attributes:
        name: the module's name, e.g. ``block1.conv``.
        kind: the module's class, e.g. ``Conv2d``.
        output: shape of what leaves it for one image, without the batch; None where it is not called as a module.
        kernel, stride, padding: height and width of a window, where the layer has one; a padding may be a word of torch's.
        parameters: number of its own parameters.
        trainable: how many of them are trained.
        formula: how the number of parameters comes about, e.g. ``(5×5×3 + 1) × 32 = 2,432``; empty where there are none.
        macs: multiply-accumulate operations for one image in convolutions and linear layers; None where no rule counts them.
        receptive_field: height and width of the image part that one output value depends on, not clipped to the image; of
            branches that are added or concatenated the widest; None where the way from the image is not known. What a group
            or layer normalization learns of a whole map through its mean and variance is left out, as is usual.
        memory: bytes of what leaves it for one image, in float32; None where it is not called as a module.
    """

    name: str
    kind: str
    output: tuple[int, ...] | None
    kernel: Pair | None
    stride: Pair | None
    padding: Pair | str | None
    parameters: int
    trainable: int
    formula: str
    macs: int | None
    receptive_field: Pair | None
    memory: int | None


@dataclass(frozen=True)
class LayerTable:
    """All layers in the order in which an image passes them, and totals (a shared parameter counts once)."""

    layers: tuple[Layer, ...]
    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        """Number of parameters that are not trained."""
        return self.total - self.trainable

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image, over the layers for which they are counted."""
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def memory(self) -> int:
        """Bytes of all outputs together for one image, in float32: about what training keeps of it for the backward pass."""
        return sum(layer.memory or 0 for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The table as plain data."""
        totals = {"total": self.total, "trainable": self.trainable, "frozen": self.frozen, "macs": self.macs, "memory": self.memory}
        return {"layers": [asdict(layer) for layer in self.layers], **totals}

    def to_text(self, *, formulas: bool = True) -> str:
        """The table as aligned plain text, totals below.

        Args:
            formulas: whether to show how each number of parameters comes about.
        """
        rows = self._rows(formulas)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, "", *self._totals()])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        head, *rows = ["".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for tag, row in _tagged(self._rows(formulas=True))]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        totals = "<br>".join(escape(line) for line in self._totals())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{totals}</p>"

    def _rows(self, formulas: bool) -> list[tuple[str, ...]]:
        head = ("layer", "kind", "output", "window", "parameters", "MACs", "memory", "sees", "how the parameters come about")
        columns = len(head) if formulas else len(head) - 1
        return [row[:columns] for row in (head, *(_cells(layer) for layer in self.layers))]

    def _totals(self) -> list[str]:
        share = f" ({100 * self.trainable / self.total:.2f} % trainable)" if self.frozen else ""
        uncounted = " (without the layers marked ?)" if any(layer.macs is None for layer in self.layers) else ""
        return [
            f"{self.total:,} parameters: {self.trainable:,} trainable, {self.frozen:,} frozen{share}",
            f"{self.macs:,} multiply-accumulates an image{uncounted}",
            f"{size(BYTES * self.total)} of parameters, {size(self.memory)} of outputs an image (float32)",
        ]


def _tagged(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((("td" if number else "th"), row) for number, row in enumerate(rows))


def size(count: int) -> str:
    """Bytes as a person reads them, in binary units."""
    power = min(3, max(0, count.bit_length() - 1) // 10)
    return f"{count / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB')[power]}"


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    numbers = (4, 5, 6)
    return [cell.rjust(width) if column in numbers else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))]


def _cells(layer: Layer) -> tuple[str, ...]:
    output = "not seen" if layer.output is None else _times(layer.output)
    macs = "?" if layer.macs is None else f"{layer.macs:,}" if layer.macs else ""
    parameters = f"{layer.parameters:,}" + (" frozen" if layer.parameters and not layer.trainable else "") if layer.parameters else ""
    sees = "–" if layer.receptive_field is None else _times(layer.receptive_field)
    memory = "" if layer.memory is None else size(layer.memory)
    return layer.name, layer.kind, output, _window(layer), parameters, macs, memory, sees, layer.formula


def _window(layer: Layer) -> str:
    if layer.kernel is None:
        return ""
    stride = f" stride {_short(layer.stride)}" if layer.stride and layer.stride != (1, 1) else ""
    padded = layer.padding and (isinstance(layer.padding, str) or any(layer.padding))
    return _times(layer.kernel) + stride + (f" pad {_short(layer.padding)}" if padded else "")


def _short(extent: Pair | str | None) -> str:
    """``2`` for (2, 2), ``2×1`` for (2, 1); torch's words as they are."""
    if extent is None or isinstance(extent, str):
        return extent or ""
    return str(extent[0]) if extent[0] == extent[1] else _times(extent)


def _times(extents: tuple[int, ...]) -> str:
    return "×".join(str(extent) for extent in extents)


def layer_table(model: nn.Module, shape: tuple[int, int, int]) -> LayerTable:
    """Pass one black image through a model and note what each layer does to it.

    The pass is in evaluation mode, without gradients, on the model's device; a model on the ``meta`` device costs no memory.

    Args:
        model: any module that takes ``float [1, C, H, W]``; it is left as it was.
        shape: channels, height, width of an image.

    Raises:
        InputError: the model does not run on such an image; names the layer.
    """
    some = next(model.parameters(), torch.empty(0))
    image = torch.zeros(1, *shape, device=some.device, dtype=some.dtype)
    notes = _Notes(Fields(image))
    with _evaluating(model), ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            if _stands_alone(module):
                hooks.enter_context(module.register_forward_pre_hook(lambda _, __, name=name: notes.enter(name)))
                hooks.enter_context(module.register_forward_hook(lambda m, i, o, name=name: notes.leave(name, m, i, o)))
        try:
            with notes.fields:
                model(image)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(f"does not run on a {_times(shape)} image ({reason})", where=f"model, layer {notes.running!r}") from error
    missed = [_row(name, module) for name, module in model.named_modules() if _stands_alone(module) and name not in notes.rows and _own(module)]
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return LayerTable((*notes.rows.values(), *missed), sum(n for n, _ in sizes), sum(n for n, trained in sizes if trained))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and then for each module the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _own(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return list(module.named_parameters(recurse=False))


def _stands_alone(module: nn.Module) -> bool:
    """Whether a module is a row: it has no parts, or parameters beside them."""
    return next(module.children(), None) is None or bool(_own(module))


@dataclass
class _Notes:
    """What the hooks write down."""

    fields: Fields
    rows: dict[str, Layer] = field(default_factory=dict)
    running: str = ""

    def enter(self, name: str) -> None:
        self.running = name

    def leave(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        first = inputs[0] if inputs else None
        output = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(first, Tensor) or not isinstance(output, Tensor):
            self.rows.setdefault(name, _row(name, module))
            return
        seen = self.fields.leave(module, first, output)
        row = replace(
            _row(name, module),
            output=tuple(output.shape[1:]),
            macs=_macs(module, output),
            receptive_field=None if seen is None else seen.extent,
            memory=output[0].numel() * BYTES,
        )
        before = self.rows.get(name)  # a module may be passed several times
        if before and before.macs is not None and row.macs is not None:
            row = replace(before, macs=before.macs + row.macs)
        self.rows[name] = row


def _row(name: str, module: nn.Module) -> Layer:
    """What is known of a layer without a pass."""
    window = isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
    padding = getattr(module, "padding", 0)
    own = [parameter for _, parameter in _own(module)]
    return Layer(
        name=name,
        kind=type(module).__name__,
        output=None,
        kernel=pair(module.kernel_size) if window else None,
        stride=pair(module.stride) if window else None,
        padding=None if not window else padding if isinstance(padding, str) else pair(padding),
        parameters=sum(parameter.numel() for parameter in own),
        trainable=sum(parameter.numel() for parameter in own if parameter.requires_grad),
        formula=_formula(module),
        macs=None if own else 0,
        receptive_field=None,
        memory=None,
    )


def _macs(module: nn.Module, output: Tensor) -> int | None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        return output[0].numel() * module.weight[0].numel()
    normalization = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm | nn.LayerNorm)
    return 0 if normalization or not _own(module) else None


def _formula(module: nn.Module) -> str:
    own = dict(_own(module))
    total = f"{sum(parameter.numel() for parameter in own.values()):,}"
    if not own:
        return ""
    if isinstance(module, nn.Conv2d | nn.Linear):
        outputs, *inputs = module.weight.shape
        each = _times((*inputs[1:], inputs[0])) if len(inputs) > 1 else f"{inputs[0]:,}"
        return f"({each} + 1) × {outputs:,} = {total}" if module.bias is not None else f"{each} × {outputs:,} = {total}"
    if len(own) == 2 and len({parameter.shape for parameter in own.values()}) == 1:
        return f"2 × {math.prod(own['weight'].shape) if 'weight' in own else next(iter(own.values())).numel():,} = {total}"
    return " + ".join(f"{name} {_times(tuple(parameter.shape))}" for name, parameter in own.items()) + f" = {total}"
