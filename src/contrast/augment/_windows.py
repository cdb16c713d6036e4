"""Cut a window out of each image of a batch, each at its own place."""

from __future__ import annotations

import torch
from torch import Tensor


def windows(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Cut one window out of each image, all in one copy.

    Args:
        images: ``[B, C, H, W]``.
        top: first row of each window, ``int64 [B]``.
        left: first column of each window, ``int64 [B]``.
        height: rows of a window.
        width: columns of a window.

    Returns:
        ``[B, C, height, width]``, channels last.
    """
    rows = images.permute(0, 2, 3, 1).contiguous()
    batch, _, _, channels = rows.shape
    by_image, by_row, by_column, _ = rows.stride()
    first = torch.arange(batch, device=images.device) * by_image + top * by_row + left * by_column
    starts = first[:, None] + torch.arange(height, device=images.device) * by_row
    return runs(rows, starts.view(-1), width * channels).view(batch, height, width, channels).permute(0, 3, 1, 2)


def runs(memory: Tensor, starts: Tensor, length: int) -> Tensor:
    """Copy runs of values, a row of a window each, that may start at any value.

    Args:
        memory: contiguous.
        starts: number of each run's first value, ``int64 [N]``.
        length: values of a run.

    Returns:
        ``[N, length]``.
    """
    # All runs that there are, overlapping, are a view.
    every = memory.view(-1).as_strided((memory.numel() - length + 1, length), (1, 1))
    return every.index_select(0, starts)
