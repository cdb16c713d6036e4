"""Images that are decoded while the network learns: worker processes decode the batches that are coming, and the loop cannot tell.

The order of an epoch is known before it begins (`contrast.engine.sampling`), so the workers are told ahead. They get small chunks of
a batch and give back their pixels through shared memory; all workers work at one batch, then at the next. What the chunks
hold follows from the order alone, so that the number of workers changes no bit.

Memory, whatever the size of the set: a batch, and for each worker up to `AHEAD` + 1 chunks of at most `CHUNK_BYTES` (or one image),
the image that it decodes (`contrast.decode.MOST_PIXELS`), and the interpreter with torch; in this process, some hundred bytes an image for
its name and place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, cast
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from contrast.decode import quiet
from contrast.engine.machine import cores
from contrast.errors import RunFailed, in_one_line
from contrast.streamed import Files, Form, Piece, Source

AHEAD = 2
"""Chunks that wait for each worker."""
CHUNK, CHUNK_BYTES = 64, 4 << 20
"""Images, and bytes of them, that a worker decodes before it hands them over."""
MOST_WORKERS = 16


class Streamed:
    """What a `Part` asks of its pixels (a tensor, where they fit into memory), over files that are decoded as they are needed.

    Args:
        files: the images.
        device: where batches go.
    """

    def __init__(self, files: Files, device: str) -> None:
        self._files, self.device = files, torch.device(device)
        self.workers = _POOLS.setdefault(files.source, Workers(files.source))
        self._order: Tensor | None = None
        self._epoch = self._whole = _Plan(files.positions)

    def expect(self, order: Tensor) -> None:
        """Say which images will be asked for, one stretch of `order` after the other.

        Args:
            order: positions, ``int64 [n]``; what `index_select` is given is a part of this very tensor.
        """
        self._order, self._epoch = order, _Plan(self._files.positions[order.cpu().numpy()])

    def index_select(self, dimension: int, chosen: Tensor) -> Tensor:
        """The images at some positions, ``uint8 [B, H, W, C]`` on the device.

        Args:
            dimension: 0, the images'.
            chosen: ``int64 [B]``.

        Raises:
            RunFailed: a file is gone or has changed, or a worker has died; names the file.
        """
        assert dimension == 0
        start = self._place(chosen)
        if start is None:
            return self._decoded(_Plan(self._files.positions[chosen.cpu().numpy()]), 0, len(chosen))
        return self._decoded(self._epoch, start, len(chosen))

    def __getitem__(self, which: slice) -> Tensor:
        """A stretch of the images; the next ones of the same length are decoded ahead."""
        start, stop, _ = which.indices(len(self._files))
        return self._decoded(self._whole, start, max(0, stop - start))

    def cpu(self) -> Streamed:
        """Itself: the files are on no device."""
        return self

    def numpy(self) -> NDArray[np.uint8]:
        """All images, as what takes an array by blocks takes them (`contrast.images.Images`)."""
        return cast("NDArray[np.uint8]", self._files)

    def _place(self, chosen: Tensor) -> int | None:
        """Where in the expected order a part of it begins, by its address: nothing waits for the device."""
        if self._order is None or not chosen.is_contiguous():
            return None
        start, rest = divmod(chosen.data_ptr() - self._order.data_ptr(), self._order.element_size())
        return start if rest == 0 and 0 <= start <= len(self._order) - len(chosen) else None

    def _decoded(self, plan: _Plan, start: int, count: int) -> Tensor:
        pixels = torch.empty((count, *self._files.shape[1:]), dtype=torch.uint8, device=self.device)
        at = 0
        for chunk in self.workers.chunks(plan, start, count, pinned=self.device.type == "cuda"):
            pixels[at : at + len(chunk)].copy_(chunk, non_blocking=True)
            at += len(chunk)
        return pixels


class _Plan:
    """Positions of the images that are coming, ``int64 [n]``; two plans are the same if they are one object."""

    def __init__(self, positions: NDArray[np.int64]) -> None:
        self.positions = positions


class Workers:
    """Processes that decode the images of one source; they are begun when first needed, and stay.

    Args:
        source: where the images lie.
        count: how many; 0 to decode in this process; None for as many as this process has threads.
    """

    def __init__(self, source: Source, count: int | None = None) -> None:
        self.source, self.count = source, count
        self._coming = _Coming()
        self._loader: DataLoader[Any] | None = None
        self._chunks: Iterator[Tensor | str] = iter(())
        self._at: tuple[_Plan | None, int, int] = (None, 0, 0)
        form = source.form
        self._size = max(1, min(CHUNK, CHUNK_BYTES // (form.height * form.width * form.look.channels)))

    def chunks(self, plan: _Plan, start: int, count: int, *, pinned: bool = False) -> Iterator[Tensor]:
        """The pixels of `count` images of a plan, in its order; then those behind them are begun.

        Raises:
            RunFailed: see `Streamed.index_select`.
        """
        expected, at, length = self._at
        rest = len(plan.positions) - start
        if not (plan is expected and start == at and count == min(length, rest)):
            with self._telling(plan, start):
                self._begin(plan, start, count, pinned=pinned)
        for _ in range(start, start + count, self._size):
            with self._telling(plan, start):
                chunk = self._next()
            yield chunk
        self._at = (plan, start + count, count)

    def _begin(self, plan: _Plan, start: int, count: int, *, pinned: bool) -> None:
        if self._loader is None:
            self._loader = self._started(pinned=pinned)
        self._coming.chunks = self._planned(plan.positions, start, count)
        self._chunks = iter(self._loader)

    def _planned(self, positions: NDArray[np.int64], start: int, count: int) -> Iterator[list[Piece]]:
        for batch in range(start, len(positions), max(1, count)):
            end = min(batch + count, len(positions))
            for chunk in range(batch, end, self._size):
                yield self.source.pieces(positions[chunk : min(chunk + self._size, end)])

    def _started(self, *, pinned: bool) -> DataLoader[Any]:
        many: dict[str, Any] = {}
        if number := self._number():
            many = {"persistent_workers": True, "prefetch_factor": AHEAD, "multiprocessing_context": _context(), "worker_init_fn": _bound}
        return DataLoader(
            _Decoding(self.source.form),
            batch_sampler=cast("Any", self._coming),
            num_workers=number,
            collate_fn=_as_it_is,
            pin_memory=pinned,
            generator=torch.Generator(),  # else torch's own is drawn from
            **many,
        )

    def _number(self) -> int:
        if multiprocessing.current_process().daemon:  # such a process may not have children
            return 0
        return min(MOST_WORKERS, cores(), torch.get_num_threads()) if self.count is None else self.count

    def _next(self) -> Tensor:
        found = next(self._chunks)
        if isinstance(found, str):
            self._at = (None, 0, 0)
            raise RunFailed(found)
        return found

    @contextlib.contextmanager
    def _telling(self, plan: _Plan, start: int) -> Iterator[None]:
        """Tell in one line that a worker died, and which images were due."""
        try:
            yield
        except RuntimeError as error:
            self._loader, self._at = None, (None, 0, 0)
            if "DataLoader worker" not in str(error):
                raise
            place = self.source.paths[int(plan.positions[start])]
            told = f"{place}: a worker process died while this image and those after it were decoded (out of memory, or killed)"
            raise RunFailed(in_one_line(f"{told}; run the same command again to go on")) from error


_POOLS: WeakValueDictionary[Source, Workers] = WeakValueDictionary()
"""The parts of a set share its workers, which end with the last of them."""


def _context() -> str:
    """How workers are begun: never as copies of this process, whose threads and device they could not use."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    return "forkserver"


class _Coming:
    """What a `DataLoader` asks for the places of the coming chunks."""

    chunks: Iterable[list[Piece]] = ()

    def __iter__(self) -> Iterator[list[Piece]]:
        return iter(self.chunks)


class _Decoding(Dataset[Any]):
    """What a worker does; it knows nothing of the set but what it is sent."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def __getitem__(self, piece: Piece) -> Tensor | str:
        return self.__getitems__([piece])

    def __getitems__(self, pieces: list[Piece]) -> Tensor | str:
        """``uint8 [n, H, W, C]``, or which file can't be used, and why."""
        pixels = np.empty((len(pieces), self._form.height, self._form.width, self._form.look.channels), np.uint8)
        try:
            with quiet():
                for at, piece in enumerate(pieces):
                    pixels[at] = self._form.sound(piece)
        except RunFailed as failed:
            return str(failed)
        return torch.from_numpy(pixels)


def _as_it_is(chunk: Any) -> Any:
    return chunk


def _bound(worker: int) -> None:
    """Bind a worker to the process that trains: Ctrl-C reaches that one, which ends its workers, and none lives on without it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = silent_where_the_other_end_is_gone
    threading.Thread(target=_end_with_parent, daemon=True).start()


def silent_where_the_other_end_is_gone(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception hook: a process that was ended while it took a chunk has told so itself, and the thread that hands chunks over need not."""
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # torch looks whether the fork server is gone, which waits for us in its turn
        os._exit(1)
