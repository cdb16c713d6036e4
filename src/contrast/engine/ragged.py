"""Pixels of a part whose images keep their own sizes: a batch is cut out of their memory when it is asked for."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrast.augment._boxes import Boxes
from contrast.ragged import Ragged, cut
from contrast.resampling import resized


class RaggedPixels:
    """What a `Part` asks of its pixels (a tensor, where all have one size), and the verb that training asks, `cut`.

    Args:
        images: the images; those that stay in a file stay there.
        device: where batches go.
    """

    def __init__(self, images: Ragged, device: str) -> None:
        self._images, self.device = images, torch.device(device)
        on_disk = isinstance(images.flat, np.memmap)
        here = images if on_disk or self.device.type == "cpu" else images.together()
        home = torch.device("cpu") if on_disk else self.device
        self._memory, self._first = (torch.from_numpy(each).to(home) for each in (here.flat, here.first))
        self._height, self._width = torch.from_numpy(np.ascontiguousarray(here.sizes.T)).to(home)
        self._middles = Boxes(*(torch.from_numpy(each).to(home) for each in here.middles()))
        self._most = (int(here.sizes[:, 0].max(initial=1)), int(here.sizes[:, 1].max(initial=1)))

    def __len__(self) -> int:
        return len(self._images)

    def sizes(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Heights and widths of the images at some positions, ``int64 [B]`` each, on the device."""
        place = chosen.to(self._height.device)
        return self._height.index_select(0, place).to(self.device), self._width.index_select(0, place).to(self.device)

    def cut(self, chosen: Tensor, boxes: Boxes) -> Tensor:
        """A box of each image at some positions, brought to the one size, ``uint8 [B, H, W, C]`` on the device.

        Args:
            chosen: ``int64 [B]``.
            boxes: in pixels of each image.
        """
        place = chosen.to(self._first.device)
        here = [each.to(place.device) for each in boxes]
        shape = self._images.shape[1:]
        cuts = cut(self._first.index_select(0, place), self._width.index_select(0, place), here, shape[2])
        return resized(self._memory, cuts, shape, self._most).to(self.device)

    def index_select(self, dimension: int, chosen: Tensor) -> Tensor:
        """The middles of the images at some positions, ``uint8 [B, H, W, C]`` on the device.

        Args:
            dimension: 0, the images'.
            chosen: ``int64 [B]``.
        """
        assert dimension == 0
        place = chosen.to(self._first.device)
        return self.cut(place, Boxes(*(each.index_select(0, place) for each in self._middles)))

    def __getitem__(self, which: slice) -> Tensor:
        return self.index_select(0, torch.arange(len(self))[which])

    def cpu(self) -> RaggedPixels:
        """Itself."""
        return self

    def numpy(self) -> NDArray[np.uint8]:
        """All images, as what takes an array by blocks takes them (`contrast.images.Images`)."""
        return cast("NDArray[np.uint8]", self._images)
