"""Parts of images of different sizes brought to one size, all at once: products of small matrices.

Resampled as Pillow and torchvision do with antialiasing: by a triangle as wide as a pixel of the part, or of the result where that
is coarser. Rows first, then columns. What is multiplied has so few bits that every sum is exact in float32, whatever its order: an
image comes out the same alone, in any batch, and on any device.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_FINE, _COARSE, _BETWEEN = 2**15, 2**12, 2**4
"""Parts of 1 that weights are rounded to, for rows of bytes and then for columns, and parts of a gray level that stand between the two."""
_SHARES = 2**16
_BAND = 32
"""Lines of the result that are computed from one stretch of lines."""
_LIKE, _AT_ONCE = 8, 1 << 26
"""Images that are resampled together on a CPU, and values where the host would have to wait to learn how large they are."""


class Cuts(NamedTuple):
    """A rectangle of each image, as it lies in memory, ``int64 [B]`` each.

    Attributes:
        first: number of the first value.
        step: values from one row to the next.
        height: rows.
        width: columns.
    """

    first: Tensor
    step: Tensor
    height: Tensor
    width: Tensor


def resized(memory: Tensor, cuts: Cuts, shape: tuple[int, int, int], most: tuple[int, int]) -> Tensor:
    """Bring rectangles to one size.

    Args:
        memory: ``uint8 [N]``; after each rectangle's last value there are as many as make the widest one.
        cuts: the rectangles.
        shape: height, width and channels of the result.
        most: no rectangle has more rows and columns than these.

    Returns:
        ``uint8 [B, height, width, channels]``, a view of planes.
    """
    if not len(cuts.first):
        return memory.new_empty((0, *shape))
    with torch.autocast(memory.device.type, enabled=False):
        if memory.device.type == "cpu":
            return _like_by_like(memory, cuts, shape)
        step = max(1, _AT_ONCE // (2 * most[0] * most[1] * shape[2]))
        return torch.cat([_of_some(memory, some, shape, most) for some in _parts(cuts, step)])


def _like_by_like(memory: Tensor, cuts: Cuts, shape: tuple[int, int, int]) -> Tensor:
    """The host, which sees the sizes, brings together what is about as wide: what pads the smaller ones is computed too."""
    order = cuts.width.argsort()
    by_width = Cuts(*(each.index_select(0, order) for each in cuts))
    parts = [_of_some(memory, some, shape, (int(some.height.max()), int(some.width.max()))) for some in _parts(by_width, _LIKE)]
    return torch.cat(parts).index_select(0, order.argsort())


def _parts(cuts: Cuts, size: int) -> list[Cuts]:
    return [Cuts(*some) for some in zip(*(torch.split(each, size) for each in cuts), strict=True)]


def _of_some(memory: Tensor, cuts: Cuts, shape: tuple[int, int, int], most: tuple[int, int]) -> Tensor:
    height, width, channels = shape
    flat = _lines(memory, cuts.first, cuts.step, _Bands.of(cuts.height, height, most[0], _FINE), most[1] * channels)
    flat = flat.mul_(_BETWEEN).add_(0.5).floor_().div_(_BETWEEN)
    turned = flat.view(-1, height, most[1], channels).permute(0, 2, 3, 1).contiguous()  # [B, columns, C, H]: a column is a line now
    length = channels * height
    first = torch.arange(len(turned), device=memory.device) * (most[1] * length)
    found = _lines(turned.view(-1), first, torch.full_like(first, length), _Bands.of(cuts.width, width, most[1], _COARSE), length)
    return found.add_(0.5).to(torch.uint8).view(-1, width, channels, height).permute(0, 3, 1, 2).contiguous()


class _Bands(NamedTuple):
    """Which lines a band of lines of the result is made of, ``int64 [B, bands, span]``, and their weights, ``float32 [B, bands, _BAND, span]``."""

    line: Tensor
    weights: Tensor
    size: int

    @classmethod
    def of(cls, count: Tensor, size: int, most: int, parts: int) -> _Bands:
        """The bands of lines that are made of others.

        Args:
            count: lines that there are, ``int64 [B]``.
            size: lines that they become.
            most: at least as large as any count.
            parts: of 1, to which weights are rounded.
        """
        device, bands = count.device, math.ceil(size / _BAND)
        scale = (count / size)[:, None]
        reach = scale.clamp(min=1)
        span = math.ceil(_BAND * most / size + 2 * max(1, most / size)) + 1
        begin = torch.arange(0, bands * _BAND, _BAND, device=device)
        first = ((begin + 0.5) * scale - reach).floor_().long().clamp_(min=0)
        line = first[:, :, None] + torch.arange(span, device=device)
        middle = (torch.arange(bands * _BAND, device=device).clamp(max=size - 1).view(bands, _BAND) + 0.5) * scale[:, :, None]
        away = (line[:, :, None] + 0.5 - middle[:, :, :, None]).abs_().div_(reach[:, :, None, None])
        share = (1 - away).clamp_(min=0).mul_((line < count[:, None, None])[:, :, None])
        share.mul_(_SHARES).round_()  # so that their sum too is exact, whatever its order
        share.div_(share.sum(3, keepdim=True).clamp_(min=1)).mul_(parts).round_().div_(parts)
        return cls(torch.minimum(line, count[:, None, None] - 1), share, size)


def _lines(memory: Tensor, first: Tensor, step: Tensor, bands: _Bands, length: int) -> Tensor:
    """Lines of some values in memory, blended, ``float32 [B, size, length]``."""
    starts = first[:, None, None] + bands.line * step[:, None, None]
    every = memory.as_strided((memory.numel() - length + 1, length), (1, 1))
    values = every.index_select(0, starts.view(-1)).view(-1, starts.shape[2], length).to(torch.float32)
    return torch.bmm(bands.weights.flatten(0, 1), values).view(len(first), -1, length)[:, : bands.size].contiguous()
