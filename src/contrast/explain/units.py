"""What a unit wants: the patches of held-out images that excite each channel of a convolution most."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contrast.explain.filters import slug
from contrast.explain.receptive import Field, Fields
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

UNITS, PATCHES = 12, 8
BATCH = 100
_OUTSIDE = 128
_SMALL = 8


@dataclass(frozen=True)
class Excited:
    """What excites the channels of a layer most: for each, its strongest place in its strongest images.

    Attributes:
        values: ``float32 [channels, k]``, descending; at most one place an image.
        images: positions of the images, ``int64 [channels, k]``.
        places: row and column of the output, ``int64 [channels, k, 2]``.
        size: height and width of the layer's output.
    """

    values: NDArray[np.float32]
    images: NDArray[np.int64]
    places: NDArray[np.int64]
    size: tuple[int, int]


@torch.inference_mode()
def excited(model: nn.Module, layer: str, batches: list[Tensor], most: int = PATCHES) -> Excited:
    """Find the images, and the place in each, that excite every channel of a layer most.

    Args:
        model: in evaluation mode.
        layer: a module whose output is ``[N, channels, H, W]``.
        batches: images as the network takes them, ``float32 [N, C, H, W]`` each.
        most: images a channel.
    """
    kept: list[Tensor] = []
    hook = dict(model.named_modules())[layer].register_forward_hook(lambda _, __, output: kept.append(output.float()))
    try:
        peaks = []
        for images in batches:
            model(images)
            maps = kept.pop()
            peaks.append(maps.flatten(2).max(dim=2))
            kept.clear()
    finally:
        hook.remove()
    highest, where = torch.cat([peak.values for peak in peaks]), torch.cat([peak.indices for peak in peaks])
    values, chosen = highest.topk(min(most, len(highest)), dim=0)
    width = maps.shape[3]
    flat = where.gather(0, chosen)
    places = torch.stack([flat // width, flat % width], dim=-1)
    return Excited(values.T.cpu().numpy(), chosen.T.cpu().numpy(), places.transpose(0, 1).cpu().numpy(), (maps.shape[2], width))


@torch.inference_mode()
def field_of(model: nn.Module, layer: str, image: Tensor) -> Field | None:
    """What one value of a layer sees of an image ``[1, C, H, W]``: extent and distance between neighbors; None where that is not known."""
    fields, found = Fields(image), list[Field | None]()

    def leave(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, name: str) -> None:
        if next(module.children(), None) is None and inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            seen = fields.leave(module, inputs[0], output)
            if name == layer:
                found.append(seen)

    with ExitStack() as hooks, fields:
        for name, module in model.named_modules():
            hooks.enter_context(module.register_forward_hook(lambda m, i, o, name=name: leave(m, i, o, name)))
        model(image)
    return found[-1] if found else None


def patch(pixels: NDArray[np.uint8], place: tuple[int, int], size: tuple[int, int], field: Field | None) -> NDArray[np.uint8]:
    """What a place of a map sees of an image; gray where that lies outside.

    Args:
        pixels: ``uint8 [H, W, C]``.
        place: row and column in the map.
        size: height and width of the map.
        field: what one value sees; None for the whole image.

    The map is taken to lie centered on the image, as it does where padding is the same on both sides.
    """
    if field is None or all(extent >= side for extent, side in zip(field.extent, pixels.shape, strict=False)):
        return pixels
    spans = []
    for at, side, extent, jump, count in zip(place, pixels.shape, field.extent, field.jump, size, strict=False):
        center = side / 2 + (at - (count - 1) / 2) * jump
        spans.append((round(center - extent / 2), extent))
    cut = np.full((spans[0][1], spans[1][1], pixels.shape[2]), _OUTSIDE, np.uint8)
    (top, height), (left, width) = spans
    inside = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    down, right = max(-top, 0), max(-left, 0)
    cut[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return cut


def sheet(found: Excited, pixels: NDArray[np.uint8], layer: str, field: Field | None) -> Sheet:
    """A row a channel: the patches that excite it most, strongest first.

    Args:
        found: what excites the layer.
        pixels: the images that it was found in, ``uint8 [N, H, W, C]``.
        layer: its name.
        field: what one value of it sees.
    """
    alive = [unit for unit in range(len(found.values)) if found.values[unit, 0] > 0][:UNITS]
    tiles = []
    for unit in alive:
        for rank, (image, (row, column), value) in enumerate(zip(found.images[unit], found.places[unit], found.values[unit], strict=True)):
            caption = f"{value:.2g}" if rank else f"{unit}: {value:.2g}"
            tiles.append(Tile(patch(pixels[image], (int(row), int(column)), found.size, field), caption))
    sees = "the whole image" if field is None else f"{field.extent[0]}×{field.extent[1]} pixels"
    dead = int((found.values[:, 0] <= 0).sum())
    none = f" {dead} channels are above zero nowhere." if dead else ""
    said = (
        f"{shown(layer, 60)}: each row is a channel (its number stands first), with the patches of {len(pixels):,} test images that excite it most, "
        f"one an image, and the activation. One value sees {sees}. The first {len(alive)} of {len(found.values)} channels that are ever "
        f"above zero.{none}"
    )
    return Sheet(
        f"units-{slug(layer)}",
        "What a unit wants",
        said,
        tuple(tiles),
        columns=found.values.shape[1],
        size=48 if max(tiles[0].pixels.shape[:2]) <= _SMALL else 72,
    )
