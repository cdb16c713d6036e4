"""What layers make of a photograph: activations of any layer, and each filter beside its activation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contrast.errors import InputError, nearest
from contrast.explain.colors import amounts, around_gray, signs
from contrast.explain.filters import Weights, scale_of, slug
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

Maps = NDArray[np.float32]
MOST = 32


@torch.inference_mode()
def activations(model: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """What leaves some modules when images pass.

    Args:
        model: in evaluation mode.
        images: ``float32 [N, C, H, W]``, as the network takes them.
        layers: names of modules.

    Returns:
        Name → output, ``[N, …]``, of the last time that the module was passed; a module that gives no tensor is left out.

    Raises:
        InputError: there is no module of that name.
    """
    modules, found = dict(model.named_modules()), dict[str, Tensor]()

    def note(name: str, output: Any) -> None:
        if isinstance(output, Tensor):
            found[name] = output.detach().float().cpu()

    with ExitStack() as hooks:
        for name in layers:
            if name not in modules:
                raise InputError(f"there is no layer {name!r}", where="--layer", right=nearest(name, [known for known in modules if known]))
            hooks.enter_context(modules[name].register_forward_hook(lambda _, __, output, name=name: note(name, output)))
        model(images)
    return found


def beside_filters(weights: Weights, maps: Maps, layer: str, of: str) -> Sheet:
    """The first layer's filters, each beside what it makes of an image (report row N9).

    Args:
        weights: ``float32 [out, 1 or 3, height, width]``.
        maps: the layer's output for one image, ``float32 [out, H, W]``.
        layer: its name.
        of: what the image is, in words.
    """
    count = min(16, len(maps))
    scale, painted = scale_of(weights), _painted(maps)
    tiles: list[Tile] = []
    for kernel, activation in zip(weights[:count], painted[:count], strict=True):
        tiles += [Tile(around_gray(np.moveaxis(kernel, 0, -1), scale)), Tile(activation)]
    cut = f"the first {count} of {len(maps)} filters" if count < len(maps) else "every filter"
    said = f"{shown(layer, 60)} on {shown(of, 80)}: {cut}, each beside its activation. One scale for all activations."
    return Sheet("filters-and-maps", "Filters and their activations", said, tuple(tiles), columns=min(8, 2 * count), size=96, scale=_ends(maps))


def of_layer(maps: Maps, layer: str, of: str) -> Sheet:
    """A layer's activations for one image, ``float32 [channels, H, W]``, on one scale."""
    silent = int((maps.reshape(len(maps), -1).max(axis=1) <= 0).sum())
    cut = f" The first {MOST} of {len(maps)} channels." if len(maps) > MOST else f" All {len(maps)} channels."
    none = f" {silent} of {len(maps)} give nothing above zero here." if silent else ""
    said = f"{shown(layer, 60)} on {shown(of, 80)}, {maps.shape[1]}×{maps.shape[2]}.{cut}{none} One scale for all."
    tiles = tuple(Tile(each) for each in _painted(maps)[:MOST])
    return Sheet(f"maps-{slug(layer)}", "Activations", said, tiles, columns=min(8, len(tiles)), size=96, scale=_ends(maps))


def _painted(maps: Maps) -> NDArray[np.uint8]:
    """Activations as colors on one scale: with zero in its middle where some lie below it."""
    high = _end(maps)
    return signs(maps, high) if float(maps.min()) < 0 else amounts(maps, 0.0, high)


def _end(maps: Maps) -> float:
    """The end of the scale: a few values in a thousand lie beyond it, so that they don't make all others pale."""
    return float(np.quantile(np.abs(maps), 0.998))


def _ends(maps: Maps) -> tuple[str, str, str]:
    high = _end(maps)
    return ("signs", f"−{high:.2g}", f"+{high:.2g}") if float(maps.min()) < 0 else ("amounts", "0", f"{high:.2g}")
