"""Images that are decoded anew in every epoch and never kept: for sets whose decoded images would fit on no disk.

When a set is first opened, every file is decoded once to see whether it is sound, and once more for the set's fingerprint; both are
kept beside the names and times of the files (in ``stream.json``), so that later starts only compare these. From then on an
image is read where it lies, a file or a stretch of a tar archive, and a file that has changed since it was found sound is
told by name: what is trained on is what was looked at.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from contrast.decode import Look, Unusable, decode, each, quiet, workers
from contrast.decoded import Decoded, Store, Wanted
from contrast.errors import RunFailed, in_one_line
from contrast.images import Away, levels
from contrast.store import write_durably

STREAM = "decode images anew in every epoch, in worker processes, and keep none decoded: for sets too large for the disk; changes no result"
"""What the setting does, wherever it stands."""

_HEAD = "stream.json"
_LARGEST = 256 << 20
"""Bytes of an image in an archive, which is read whole."""
_AGAIN = "put it back as it was, and run the same command again to go on"


class Piece(NamedTuple):
    """Where an image lies: a file, or a stretch of one, and how long and how old the file was when the image was found sound.

    Attributes:
        path: the file.
        start: first byte.
        size: bytes; -1 for the whole file.
        length: bytes of the whole file.
        changed: time of its last change, nanoseconds.
    """

    path: str
    start: int
    size: int
    length: int
    changed: int


@dataclasses.dataclass(frozen=True)
class Form:
    """What images are brought to: a look, and the middle that is cut out of it."""

    look: Look
    height: int
    width: int

    def __call__(self, piece: Piece) -> NDArray[np.uint8]:
        """Decode an image as it lies there now, ``uint8 [height, width, channels]``.

        Raises:
            Unusable: no image, damaged, or far too large.
        """
        pixels = decode(Path(piece.path) if piece.size < 0 else _stretch(piece), self.look)
        top, left = (self.look.height - self.height) // 2, (self.look.width - self.width) // 2
        return pixels[top : top + self.height, left : left + self.width]

    def sound(self, piece: Piece) -> NDArray[np.uint8]:
        """Decode an image that was found sound before.

        Raises:
            RunFailed: its file is gone or is not what it was; names it.
        """
        try:
            status = os.stat(piece.path)  # noqa: PTH116 (called for every image of every epoch)
            if (status.st_size, status.st_mtime_ns) != (piece.length, piece.changed):
                raise RunFailed(in_one_line(f"{piece.path}: has changed since the study looked at it; {_AGAIN}"))
            return self(piece)
        except OSError as error:
            raise RunFailed(in_one_line(f"{piece.path}: can't be read any more ({error.strerror or error}); {_AGAIN}")) from None
        except Unusable as reason:
            raise RunFailed(in_one_line(f"{piece.path}: {reason}, and was sound before; {_AGAIN}")) from None


def _stretch(piece: Piece) -> io.BytesIO:
    if piece.size > _LARGEST:
        raise Unusable(f"takes {piece.size:,} bytes, more than {_LARGEST >> 20} MiB")
    try:
        with open(piece.path, "rb") as stream:  # noqa: PTH123
            stream.seek(piece.start)
            content = stream.read(piece.size)
    except OSError as error:
        raise Unusable(f"can't be read ({error.strerror or error})") from error
    return io.BytesIO(content)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Where all images of a set lie.

    Attributes:
        paths: the file of each image.
        stretches: first byte and number of bytes, ``int64 [N, 2]``; None where each image is a file.
        states: length and time of change of each image's file, ``int64 [N, 2]``.
        form: what they are brought to.
        folder: where counts are kept; None where nothing is to be kept.
        stamp: SHA-256 of what the pixels depend on.
    """

    paths: Sequence[str]
    stretches: NDArray[np.int64] | None
    states: NDArray[np.int64]
    form: Form
    folder: Path | None
    stamp: str

    def pieces(self, positions: NDArray[np.int64]) -> list[Piece]:
        """Where some images lie."""
        stretches = np.tile([0, -1], (len(positions), 1)) if self.stretches is None else self.stretches[positions]
        rows = zip(positions.tolist(), stretches.tolist(), self.states[positions].tolist(), strict=True)
        return [Piece(self.paths[at], *stretch, *state) for at, stretch, state in rows]


class Files(Away):
    """Some images of a `Source`, each decoded when it is asked for, in parallel threads."""

    def __init__(self, source: Source, positions: NDArray[np.int64]) -> None:
        form = source.form
        super().__init__((len(positions), form.height, form.width, form.look.channels))
        self.source, self.positions = source, positions

    def at(self, positions: NDArray[np.int64]) -> Files:
        return Files(self.source, self.positions[positions])

    def middle(self, height: int, width: int) -> Files:
        """What of each image lies in its middle."""
        return Files(dataclasses.replace(self.source, form=Form(self.source.form.look, height, width)), self.positions)

    def __getitem__(self, which: int | slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode images.

        Raises:
            RunFailed: a file is gone or is not what it was.
        """
        chosen = self.positions[which]
        pieces = self.source.pieces(np.atleast_1d(chosen))
        pixels = np.empty((len(pieces), *self.shape[1:]), np.uint8)
        with quiet(), ThreadPoolExecutor(workers()) as pool:
            for at, image in enumerate(pool.map(self.source.form.sound, pieces)):
                pixels[at] = image
        return cast("NDArray[np.uint8]", pixels[0]) if np.ndim(chosen) == 0 else pixels

    def levels(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Counted once for a choice of images, and kept."""
        source = self.source
        of = repr((source.stamp, source.form)).encode() + self.positions[positions].tobytes()
        path = None if source.folder is None else source.folder / f"levels-{hashlib.sha256(of).hexdigest()[:24]}.bin"
        if path is not None and path.exists() and path.stat().st_size == 256 * 8 * self.shape[3]:
            return np.fromfile(path, np.float64).reshape(self.shape[3], 256)
        counts = levels(cast("NDArray[np.uint8]", self), positions)
        if path is not None:
            with contextlib.suppress(OSError):  # what can't be kept is counted anew at the next start
                write_durably(path, counts.tobytes())
        return counts


def streamed(wanted: Wanted, folder: Path | None, stretches: NDArray[np.int64] | None = None) -> Decoded:
    """Look at image files, and leave them where they are.

    Args:
        wanted: the files, one an image, and what to make of them.
        folder: where to keep what was found; None where nothing is to be kept.
        stretches: first byte and number of bytes of each image in its file, ``int64 [N, 2]``; None where each image is a file.

    Returns:
        The sound ones, their `pixels` a `Files`.
    """
    stamp, _ = wanted.stamp()
    states = np.array([_state(path) for path in wanted.paths], np.int64).reshape(-1, 2)
    store = Store.read(folder / _HEAD) if folder is not None else None
    if store is None or store.stamp != stamp:
        store = _looked_at(wanted, stretches, stamp, folder or Path())
        folder = folder if folder is not None and _kept(store, folder) else None
    look = Look(**store.look)
    source = Source(wanted.paths, stretches, states, Form(look, look.height, look.width), folder, stamp)
    reasons = {int(at): reason for at, reason in store.reasons.items()}
    sound = np.array([at for at in range(len(wanted.paths)) if at not in reasons], np.int64)
    pixels = cast("NDArray[np.uint8]", Files(source, sound))
    return Decoded(pixels, reasons, tuple(store.notes), store if folder is not None else None)


def _looked_at(wanted: Wanted, stretches: NDArray[np.int64] | None, stamp: str, folder: Path) -> Store:
    """Decode every image once."""
    look, notes = wanted.look()
    form = Form(look, look.height, look.width)
    where = stretches if stretches is not None else np.tile([0, -1], (len(wanted.paths), 1))
    pieces = [Piece(path, start, size, 0, 0) for path, (start, size) in zip(wanted.paths, where.tolist(), strict=True)]
    reasons = {str(at): str(told) for at, told in enumerate(each(_tried(form), pieces)) if isinstance(told, Unusable)}
    rows = len(wanted.paths) - len(reasons)
    return Store(folder / _HEAD, stamp, dataclasses.asdict(look), rows, [], reasons, list(notes), {})


def _kept(store: Store, folder: Path) -> bool:
    """Whether what was found could be kept; else it is looked for anew at the next start, and the page tells."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store.write()
    except OSError as error:
        told = f"what was found of the images could not be kept in {str(folder)!r} ({error.strerror or error}); it is looked for at every start"
        store.notes.append(told)
        return False
    return True


def _tried(form: Form) -> Callable[[Piece], None]:
    """Decode, and keep nothing: `each` hands results over in order, and those behind a slow image would pile up."""

    def one(piece: Piece) -> None:
        form(piece)

    return one


def _state(path: str) -> tuple[int, int]:
    """Length and time of change of a file; of one that is not there, what no file has."""
    try:
        status = os.stat(path)  # noqa: PTH116 (called for every file at every start)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
