"""Whole pixels moved: neighboring steps that mirror images or cut a window out of them are carried out in one copy.

Such a step says by its verb `moves` what it would do; `merged` lets neighbors say it and then moves each pixel once. What
comes out is, byte for byte, what the steps make of a batch one after the other (their `apply`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from contrast.augment._chosen import host_sees
from contrast.augment._pixels import of_rows, rows
from contrast.augment._windows import runs
from contrast.keyed import Draws

if TYPE_CHECKING:
    from contrast.images import Images
    from contrast.protocols import AugmentFunction, AugmentIngredient


class Window(NamedTuple):
    """A window of the image's own size, cut out of the padded image.

    Attributes:
        top: its first row, ``int64 [B]``.
        left: its first column, ``int64 [B]``.
        down: rows added above, and as many below.
        across: columns added on each side.
        fill: byte that these hold; None: the image, reflected at its edge.
    """

    top: Tensor | int = 0
    left: Tensor | int = 0
    down: int = 0
    across: int = 0
    fill: int | None = 0

    def mirrored(self, mirrored: Tensor | None, turned: Tensor | None) -> Window:
        """The window that lies in the unmirrored image where this one lies in the mirrored."""
        top = self.top if turned is None else torch.where(turned, 2 * self.down - self.top, self.top)
        left = self.left if mirrored is None else torch.where(mirrored, 2 * self.across - self.left, self.left)
        return self._replace(top=top, left=left)


@dataclass(frozen=True)
class Moves:
    """A window of each image, and then its mirroring.

    Attributes:
        window: None: the whole image.
        mirrored: which images are mirrored left to right, ``bool [B]``; None: none is.
        turned: which are mirrored top to bottom, likewise.
    """

    window: Window | None = None
    mirrored: Tensor | None = None
    turned: Tensor | None = None

    def then(self, later: Moves) -> Moves | None:
        """Both in one; None where both cut a window: what the first cuts off is gone for the second."""
        window = self.window
        if later.window is not None:
            if window is not None:
                return None
            window = later.window.mirrored(self.mirrored, self.turned)
        return Moves(window, _one_of(self.mirrored, later.mirrored), _one_of(self.turned, later.turned))


def _one_of(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return (one ^ other) if one is not None and other is not None else one if other is None else other


@runtime_checkable
class Moving(Protocol):
    """An augmentation that moves whole pixels and leaves the labels."""

    def moves(self, height: int, width: int, draws: Draws) -> Moves:
        """What it does to images of a size."""


class Step(NamedTuple):
    """A step bound to the data; whether it holds at evaluation too; and whether images may take something of each other."""

    function: AugmentFunction
    always: bool = False
    mixes: bool = False


def merged(steps: Sequence[AugmentIngredient], images: Images) -> list[Step]:
    """Bind steps to the data, neighbors that move whole pixels as one."""
    found: list[Step] = []
    for _, neighbors in groupby(steps, lambda step: isinstance(step, Moving)):
        group = list(neighbors)
        moving = [step for step in group if isinstance(step, Moving)]
        if len(moving) > 1:
            found.append(Step(_all_at_once(moving)))
        else:
            found += [Step(step.prepare(images), step.always, step.mixes) for step in group]
    return found


def _all_at_once(steps: Sequence[Moving]) -> AugmentFunction:
    memory, name = Memory(), object()

    def apply(images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        shape = images.shape[1:]

        def placed(drawn: Draws) -> list[Places]:
            return [Places.of(moves, shape, drawn) for moves in _joined(step.moves(shape[1], shape[2], drawn) for step in steps)]

        found, where = draws.together((name, shape), placed)
        for places in found:
            images = moved(images, places.some(where), memory)
        return images, labels

    return apply


def _joined(every: Iterator[Moves]) -> Iterator[Moves]:
    """As few moves as do the same."""
    pending = next(every)
    for later in every:
        both = pending.then(later)
        if both is None:
            yield pending
        pending = both or later
    yield pending


class Places(NamedTuple):
    """Where the rows of each moved image lie in memory.

    Attributes:
        first: number of the first row's first value among those of the image's own padded source, ``int64 [B]``.
        step: values from there to the next row's, negative where rows are read from the last to the first, likewise.
        mirrored: whether the source is the image turned by 180°, whose rows are the mirrored image's from the last to the
            first, ``bool [B]``; None: of no image.
        window: says by how much the sources are padded, and what with.
    """

    first: Tensor
    step: Tensor
    mirrored: Tensor | None
    window: Window

    @classmethod
    def of(cls, moves: Moves, shape: Sequence[int], draws: Draws) -> Places:
        """The places of moves that were drawn, of images of a shape (channels, height, width)."""
        channels, height, width = shape
        window = (moves.window or Window()).mirrored(moves.mirrored, moves.mirrored)
        step = torch.full_like(draws.keys, (width + 2 * window.across) * channels)
        backward = _one_of(moves.mirrored, moves.turned)
        if backward is None:
            return cls(window.top * step + window.left * channels, step, None, window)
        top = window.top + backward * (height - 1)
        return cls(top * step + window.left * channels, torch.where(backward, -step, step), moves.mirrored, window)

    def some(self, where: slice) -> Places:
        """Those of some of the images."""
        return Places(self.first[where], self.step[where], self.mirrored if self.mirrored is None else self.mirrored[where], self.window)


def moved(images: Tensor, places: Places, memory: Memory) -> Tensor:
    """Move the pixels of a batch, all in one copy of rows out of the padded images and the mirrored ones among them.

    Args:
        images: ``uint8 [B, C, H, W]``.
        places: of each image's rows.
        memory: for the padded images.

    Returns:
        ``uint8 [B, C, H, W]``, channels last.
    """
    batch, channels, height, width = images.shape
    source, turned = _sources(rows(images), places.mirrored)
    padded = memory.filled(rows(images), turned, places.window)
    first, row = torch.add(places.first, source, alpha=padded.stride(0)), torch.arange(height, device=images.device)
    lines = torch.addcmul(first[:, None], places.step[:, None], row)
    return of_rows(runs(padded, lines.view(-1), width * channels).view(batch, height, width, channels))


def _sources(images: Tensor, mirrored: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The place of each image's source among the images and, after them, the turned ones; and these.

    On a CPU only those are turned that are to be mirrored; a GPU, which the host would have to wait for, turns all.

    Args:
        images: ``uint8 [B, H, W, C]``.
        mirrored: ``bool [B]``; None: none is.
    """
    own = torch.arange(len(images), device=images.device)
    if mirrored is None:
        return own, None
    if not host_sees(images):
        return torch.where(mirrored, 2 * len(images) - 1 - own, own), _turned(images)
    picked = mirrored.nonzero().view(-1)
    last = len(images) + len(picked) - 1
    own[picked] = torch.arange(last, last - len(picked), -1)
    return own, _turned(images.index_select(0, picked))


def _turned(images: Tensor) -> Tensor:
    """Images turned by 180°, the last one first: all pixels in reverse order, which takes a fifth of the time of mirroring."""
    return images.view(-1, images.shape[3]).flip(0).view(images.shape)


class Memory:
    """Memory for padded images that every batch uses again: what pads them stays, and no page of it is asked for anew."""

    def __init__(self) -> None:
        self._kept: dict[object, tuple[Tensor, Tensor]] = {}

    def filled(self, images: Tensor, turned: Tensor | None, window: Window) -> Tensor:
        """Images and turned ones after them, padded on all sides, ``[N, H + 2 down, W + 2 across, C]``.

        Args:
            images: ``uint8 [B, H, W, C]``.
            turned: ``uint8 [n, H, W, C]``, at most as many.
            window: says by how much to pad, and what with.
        """
        count = len(images) if turned is None else len(images) + len(turned)
        padded, middle = self._for(images, window, len(images) if turned is None else 2 * len(images))
        middle[: len(images)] = images
        if turned is not None:
            middle[len(images) : count] = turned
        if window.fill is None:
            _reflect(padded[:count], window)
        return padded

    def _for(self, images: Tensor, window: Window, count: int) -> tuple[Tensor, Tensor]:
        """Padded images, and what of them is not padding."""
        _, height, width, channels = images.shape
        wanted = (count, images.shape, images.device, window.down, window.across, window.fill)
        if wanted not in self._kept:
            padded = images.new_full((count, height + 2 * window.down, width + 2 * window.across, channels), window.fill or 0)
            self._kept[wanted] = padded, padded.narrow(1, window.down, height).narrow(2, window.across, width)
        return self._kept[wanted]


def _reflect(padded: Tensor, window: Window) -> None:
    """Fill the added rows and columns with the image, reflected at its edge; the columns first: corners are reflected twice."""
    for dim, size in ((2, window.across), (1, window.down)):
        last = padded.shape[dim] - size
        for place, source in ((0, size + 1), (last, last - 1 - size)):
            padded.narrow(dim, place, size).copy_(_backward(padded.narrow(dim, source, size), dim))


def _backward(part: Tensor, dim: int) -> Tensor:
    """A part in the reverse order of its rows or columns; the columns by all pixels in reverse order, and then the rows."""
    if dim == 1:
        return part.flip(1)
    count, height, width, channels = part.shape
    return part.reshape(-1, channels).flip(0).view(-1, width * channels).flip(0).view(count, height, width, channels)
