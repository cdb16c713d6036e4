"""Images that keep their own sizes, one after the other in one memory, from which training cuts each one's box.

Whoever asks for pixels as of a set of one size (evaluation, the data page, an audit) is given the middle of each image: where the
shorter side is the one that was asked for, as it is; where an image is smaller, enlarged.

Memory: an image takes at most 4 · side² · channels bytes (a longer one is cut to its middle), all together as much as their pixels, in
memory up to `contrast.decoded.IN_MEMORY` and else in a file. A batch that is cut takes 16 MiB of float32 beside its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from contrast.decode import LONGEST, Look
from contrast.images import Away

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.resampling import Cuts

_BLOCK = 32 << 20


class Middles(NamedTuple):
    """First row, first column, rows and columns of the middle of each image, ``int64 [N]`` each."""

    top: NDArray[np.int64]
    left: NDArray[np.int64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]


class Ragged(Away):
    """Some images of a memory.

    Args:
        flat: ``uint8 [M]``; after the last image there are as many values as the longest row could have (`tail`).
        first: number of each image's first value, ``int64 [N]``.
        sizes: height and width of each image, ``int64 [N, 2]``.
        look: what they were brought to; its height is the longest that a shorter side is.
        view: height and width of what is given to those who ask for one size.
    """

    def __init__(self, flat: NDArray[np.uint8], first: NDArray[np.int64], sizes: NDArray[np.int64], look: Look, view: tuple[int, int]) -> None:
        super().__init__((len(first), *view, look.channels))
        self.flat, self.first, self.sizes, self.look, self.view = flat, first, sizes, look, view

    @classmethod
    def of(cls, flat: NDArray[np.uint8], rows: int, look: Look) -> Ragged:
        """The images of a memory that ends with their `tail`."""
        sizes = np.frombuffer(flat[len(flat) - 8 * rows :].tobytes(), np.int32).astype(np.int64).reshape(rows, 2)
        first = np.cumsum(sizes.prod(axis=1) * look.channels) - sizes.prod(axis=1) * look.channels
        return cls(flat, first, sizes, look, (look.height, look.width))

    def at(self, positions: NDArray[np.int64]) -> Ragged:
        return Ragged(self.flat, self.first[positions], self.sizes[positions], self.look, self.view)

    def middle(self, height: int, width: int) -> Ragged:
        """The same images, of which those who ask for one size are given a middle of this one."""
        return Ragged(self.flat, self.first, self.sizes, self.look, (height, width))

    def together(self) -> Ragged:
        """The same images in a memory that holds no others."""
        slack = np.zeros(_slack(self.look), np.uint8)
        whole = [self.flat[start : start + size] for start, size in zip(self.first, self._bytes(), strict=True)]
        return Ragged(np.concatenate([*whole, slack]), np.cumsum(self._bytes()) - self._bytes(), self.sizes, self.look, self.view)

    def middles(self) -> Middles:
        """Where the middles lie, in pixels of each image."""
        shorter = self.sizes.min(axis=1)
        sides = [
            np.clip(np.rint(side * shorter / self.look.height).astype(np.int64), 1, own) for side, own in zip(self.view, self.sizes.T, strict=True)
        ]
        return Middles((self.sizes[:, 0] - sides[0]) // 2, (self.sizes[:, 1] - sides[1]) // 2, *sides)

    def __getitem__(self, which: int | slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        import torch

        from contrast.resampling import resized

        positions = np.asarray(np.arange(len(self))[which])
        some = self.at(np.atleast_1d(positions))
        boxes = [torch.from_numpy(each) for each in some.middles()]
        cuts = cut(torch.from_numpy(some.first), torch.from_numpy(some.sizes[:, 1]), boxes, self.look.channels)
        most = (int(some.sizes[:, 0].max(initial=1)), int(some.sizes[:, 1].max(initial=1)))
        found = np.ascontiguousarray(resized(torch.from_numpy(self.flat), cuts, self.shape[1:], most).numpy())
        return cast("NDArray[np.uint8]", found[0]) if positions.ndim == 0 else found

    def contents(self) -> Iterator[NDArray[np.uint8]]:
        """All pixels, not only the middles, and the sizes that make images of them."""
        yield np.ascontiguousarray(self.sizes).view(np.uint8)
        for start, size in zip(self.first, self._bytes(), strict=True):
            yield self.flat[start : start + size]

    def _bytes(self) -> NDArray[np.int64]:
        count: NDArray[np.int64] = self.sizes.prod(axis=1) * self.look.channels
        return count


def cut(first: Tensor, width: Tensor, boxes: Sequence[Tensor], channels: int) -> Cuts:
    """Boxes (top, left, height, width) of images as they lie in memory.

    Args:
        first: number of each image's first value, ``int64 [B]``.
        width: of each image, pixels.
        boxes: in pixels of each image, ``int64 [B]`` each.
        channels: values of a pixel.
    """
    from contrast.resampling import Cuts

    top, left, height, across = boxes
    return Cuts(first + (top * width + left) * channels, width * channels, height, across)


def packed(images: Sequence[NDArray[np.uint8]], look: Look) -> Ragged:
    """Decoded images, ``uint8 [height, width, channels]`` each, in one memory."""
    sizes = np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)
    return Ragged.of(np.concatenate([*(image.reshape(-1) for image in images), tail(sizes, look)]), len(images), look)


def tail(sizes: NDArray[np.int64], look: Look) -> NDArray[np.uint8]:
    """What stands after the pixels: room to read beyond the last row, and the height and width of each image (int32)."""
    return np.concatenate([np.zeros(_slack(look), np.uint8), np.ascontiguousarray(sizes, np.int32).view(np.uint8).reshape(-1)])


def _slack(look: Look) -> int:
    return LONGEST * look.height * look.channels
