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
    # A window's row is a run of width·C values that may start at any value: these overlapping runs are a view, from
    # which whole rows are copied.
    length = width * channels
    runs = rows.view(-1).as_strided((rows.numel() - length + 1, length), (1, 1))
    first = torch.arange(batch, device=images.device) * by_image + top * by_row + left * by_column
    starts = first[:, None] + torch.arange(height, device=images.device) * by_row
    return runs.index_select(0, starts.view(-1)).view(batch, height, width, channels).permute(0, 3, 1, 2)
