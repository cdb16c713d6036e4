"""Pixels of a part that are too many for memory: they stay in their file, and a batch of them is gathered when it is asked for."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrast.decoded import Rows


class OnDisk:
    """What a `Part` asks of its pixels (a tensor, where they fit into memory), over a memory-mapped file.

    Args:
        rows: ``uint8 [N, H, W, C]``.
        device: where batches go.
    """

    def __init__(self, rows: Rows, device: str) -> None:
        self._rows, self.device = rows, torch.device(device)

    def index_select(self, dimension: int, chosen: Tensor) -> Tensor:
        """The images at some positions, ``uint8 [B, H, W, C]`` on the device.

        Args:
            dimension: 0, the images'.
            chosen: ``int64 [B]``.
        """
        assert dimension == 0
        return self._brought(self._rows[chosen.cpu().numpy()])

    def __getitem__(self, which: slice) -> Tensor:
        return self._brought(self._rows[which])

    def cpu(self) -> OnDisk:
        """Itself: the file is on no device."""
        return self

    def numpy(self) -> NDArray[np.uint8]:
        """All images, as what takes an array by blocks takes them (`contrast.images.Images`)."""
        return cast("NDArray[np.uint8]", self._rows)

    def _brought(self, pixels: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(pixels).to(self.device)
