"""Layouts of a batch: rows of bytes, as the store keeps them, and planes of numbers for arithmetic on colors."""

from __future__ import annotations

import torch
from torch import Tensor

PIECE = 1 << 18
"""Values of a piece, 1 MiB as float32: it stays in a core's cache while it is worked on."""


def rows(images: Tensor) -> Tensor:
    """``[B, C, H, W]`` as ``[B, H, W, C]``, contiguous; no copy where the memory format is channels last."""
    return images.permute(0, 2, 3, 1).contiguous()


def of_rows(values: Tensor) -> Tensor:
    """``[B, H, W, C]`` as ``[B, C, H, W]``, channels last."""
    return values.permute(0, 3, 1, 2)


def planes(images: Tensor) -> Tensor:
    """Bytes as numbers of 0 to 255, ``float32 [B, C, H, W]``, a channel's pixels beside each other."""
    return images.to(torch.float32, memory_format=torch.contiguous_format)


def of_planes(values: Tensor) -> Tensor:
    """Numbers from 0 up to below 256 as bytes, the fraction cut off, ``uint8 [B, C, H, W]``, channels last."""
    return of_rows(torch.stack(values.to(torch.uint8).unbind(1), dim=-1))


def pieces(images: Tensor) -> list[slice]:
    """Parts of a batch for long arithmetic: on a CPU as much as its cache holds, else the whole."""
    step = max(1, PIECE // images[0].numel()) if images.device.type == "cpu" else len(images)
    return [slice(first, first + step) for first in range(0, len(images), step)]
