"""Decoded images, kept: a folder is decoded once and opened from then on, as long as no file of it has changed.

A store holds the sound images of one folder as one `Look` brings them: ``pixels.bin`` (``uint8``, an image after the other)
and ``store.json``, written last, which says what they are made of. When it is opened

* every file's size and times (modified, and changed as the system counts it, which no program can set back) are compared
  with those at the time of decoding, and so are the decoder's version and its settings: whatever differs is decoded anew;
* the pixels are read once and their checksums compared: a torn or damaged store is decoded anew.

Memory holds up to `IN_MEMORY` bytes of a set; what is larger stays in the file and is gathered a batch at a time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import __version__ as pillow
from PIL import features
from platformdirs import user_cache_path

from contrast.decode import DECODER, Facts, Look, decode_all, decode_ragged, each, facts, workers
from contrast.errors import InputError
from contrast.images import Away, Images
from contrast.protocols import Places
from contrast.ragged import Ragged, packed, tail
from contrast.store import sync_folder, to_json, write_durably

IN_MEMORY = 2 << 30
"""Bytes of decoded pixels that are held in memory; a larger set stays in its file."""
WORTH_KEEPING = 4_000_000
"""Bytes of image files below which a set is decoded anew each time: that takes some tenths of a second."""

_BLOCK = 32 << 20
_PIXELS, _HEAD, _LOCK = "pixels.bin", "store.json", "lock"


@dataclasses.dataclass(frozen=True)
class Store:
    """What ``store.json`` says when a store is opened.

    Attributes:
        path: the file.
        stamp: SHA-256 of what the pixels depend on.
        look: what every image was brought to.
        rows: images.
        blocks: bytes and CRC-32 of each block of pixels.
        reasons: position among the files → why a file can't be used.
        notes: what the reader of a page should know.
        fingerprints: SHA-256 of ids, labels and classes → fingerprint of the set that has them.
    """

    path: Path
    stamp: str
    look: dict[str, Any]
    rows: int
    blocks: list[list[int]]
    reasons: dict[str, str]
    notes: list[str]
    fingerprints: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Store | None:
        """What the file says, or None where it says nothing whole."""
        wanted = {"stamp": str, "look": dict, "rows": int, "blocks": list, "reasons": dict, "notes": list, "fingerprints": dict}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        sound = isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in wanted.items())
        return cls(path, **{key: found[key] for key in wanted}) if sound else None

    def write(self) -> None:
        """Write the file durably."""
        said = dataclasses.asdict(self)
        del said["path"]
        write_durably(self.path, to_json(said))

    def fingerprint(self, images: Images) -> str:
        """The fingerprint of the set that has these pixels; computed once, and kept.

        Args:
            images: all images of the store, in its order.
        """
        labeled = repr((images.ids, images.classes)).encode("utf-8", "surrogateescape") + images.labels.tobytes()
        key = hashlib.sha256(labeled).hexdigest()
        if key in self.fingerprints:
            return self.fingerprints[key]
        with FileLock(self.path.parent / _LOCK):
            if Store.read(self.path) == self:  # else another process has decoded changed files since
                dataclasses.replace(self, fingerprints={key: images.fingerprint}).write()
        return images.fingerprint


@dataclasses.dataclass(frozen=True)
class Decoded:
    """The sound ones of some image files.

    Attributes:
        pixels: ``uint8 [n, height, width, channels]``, in the order of the files; a `numpy.memmap` where they stay on the disk.
        reasons: position among the files → why a file can't be used.
        notes: what the reader of a page should know.
        store: what a kept store is made of; None where nothing is kept.
    """

    pixels: NDArray[np.uint8]
    reasons: dict[int, str]
    notes: tuple[str, ...] = ()
    store: Store | None = None

    def with_fingerprint(self, images: Images) -> Images:
        """The same set, whose fingerprint is taken from the store, or computed once and kept there.

        Args:
            images: all images of the store, in its order.
        """
        if self.store is None:
            return images
        return images.known_by(self.store.fingerprint(images))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Files, and what is to be made of them.

    Attributes:
        ids: a name for each file.
        paths: the files; text, since a path object for each of a million would take longer than asking for its size.
        settings: what `look` depends on besides the files.
        look: decides what every image is brought to, and what the reader should know of that; asked only before decoding.
    """

    ids: Sequence[str]
    paths: Sequence[str]
    settings: tuple[object, ...]
    look: Callable[[], tuple[Look, tuple[str, ...]]]

    def stamp(self) -> tuple[str, int]:
        """SHA-256 of what the pixels depend on, as far as the file system tells it, and the bytes of all files."""
        made_by = (DECODER, pillow, *(features.version(name) for name in ("jpg", "zlib", "libtiff", "webp")), self.settings)
        told, size = [repr(made_by)], 0
        for name, path in zip(self.ids, self.paths, strict=True):
            try:
                status = os.stat(path)  # noqa: PTH116 (called for every file at every start)
            except OSError as error:
                told.append(f"{name}\0{error.errno}")
            else:
                size += status.st_size
                told.append(f"{name}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}")
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest(), size


def kept_in(places: Places, of: tuple[object, ...]) -> Path | None:
    """The folder of a store: in contrast's own cache folder, if that is among the places, else None.

    Args:
        places: where data is looked for.
        of: whose images they are, and the settings by which they were made; the same take the same folder, so that a
            changed set replaces its older store.
    """
    cache = user_cache_path("contrast")
    if cache not in places.folders:
        return None
    return cache / "decoded" / hashlib.sha256(repr(of).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def decoded(wanted: Wanted, folder: Path | None) -> Decoded:
    """Decode files in parallel threads, or open what was kept of them.

    Besides the pixels themselves (at most `IN_MEMORY`), 32 MB and one whole image a thread are held in memory.

    Args:
        wanted: the files, and what to make of them.
        folder: where to keep the decoded images; None where nothing is to be kept.

    Raises:
        InputError: the images do not fit into memory, and not on the disk either.
    """
    stamp, size = wanted.stamp()
    if folder is not None and (folder / _HEAD).exists() and (found := _locked(folder, stamp)):
        return found
    look, notes = wanted.look()
    needed = _needed(wanted.paths, look)
    fits = needed <= IN_MEMORY
    if folder is None or (fits and size < WORTH_KEEPING):
        return Decoded(*_in_memory(wanted.paths, look), notes) if fits else _in_passing(wanted.paths, look, notes)
    try:
        return _kept(wanted.paths, look, notes, folder, (stamp, needed))
    except OSError as error:
        if not fits:
            told = f"the decoded images take {needed / 1e9:.1f} GB, which can't be kept ({error.strerror or error})"
            raise InputError(
                told,
                where=str(folder),
                right="free some space, set XDG_CACHE_HOME to a larger disk, choose a smaller size, or decode in every epoch: stream: true",
            ) from None
        note = f"the decoded images could not be kept in {str(folder)!r} ({error.strerror or error}); they are decoded anew each time"
        return Decoded(*_in_memory(wanted.paths, look), (*notes, note))


def _needed(paths: Sequence[str], look: Look) -> int:
    """Bytes of all images; ragged ones say in their heads how large they are."""
    if look.resize != "ragged":
        return len(paths) * look.bytes
    heads = [head for head in each(facts, [Path(path) for path in paths]) if isinstance(head, Facts)]
    sizes = np.array([look.kept(head.height, head.width) for head in heads], np.int64).reshape(-1, 2)
    return int(sizes.prod(axis=1).sum()) * look.channels + len(tail(sizes, look))


def _in_memory(paths: Sequence[str], look: Look) -> tuple[NDArray[np.uint8], dict[int, str]]:
    if look.resize == "ragged":
        images, reasons = decode_ragged([Path(path) for path in paths], look)
        return cast("NDArray[np.uint8]", packed(images, look)), reasons
    pixels, reasons = decode_all([Path(path) for path in paths], look)
    return (np.delete(pixels, list(reasons), axis=0) if reasons else pixels), reasons


def _block(paths: Sequence[str], look: Look) -> tuple[NDArray[np.uint8], NDArray[np.int64], dict[int, str]]:
    """The pixels of the sound ones of some files, one image after the other, their heights and widths, and why the others can't be used."""
    if look.resize != "ragged":
        pixels, reasons = _in_memory(paths, look)
        return pixels.reshape(-1), np.tile(look.shape[:2], (len(pixels), 1)), reasons
    images, reasons = decode_ragged([Path(path) for path in paths], look)
    flat = np.concatenate([image.reshape(-1) for image in images]) if images else np.empty(0, np.uint8)
    return flat, np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2), reasons


def _shaped(flat: NDArray[np.uint8], rows: int, look: Look) -> NDArray[np.uint8]:
    """Images out of what a file of pixels holds."""
    return cast("NDArray[np.uint8]", Ragged.of(flat, rows, look)) if look.resize == "ragged" else flat.reshape(rows, *look.shape)


def _in_passing(paths: Sequence[str], look: Look, notes: tuple[str, ...]) -> Decoded:
    """Too large for memory and nothing to be kept: a file without a name, which is gone when the process ends."""
    with tempfile.TemporaryFile() as stream:
        written = _write(paths, look, stream)
        stream.flush()
        return Decoded(_shaped(_mapped(stream), written.rows, look), {int(at): reason for at, reason in written.reasons.items()}, notes)


def _locked(folder: Path, stamp: str) -> Decoded | None:
    try:
        with FileLock(folder / _LOCK):
            return _opened(folder, stamp)
    except OSError:  # a cache that can't be used is told where it is to be written
        return None


def _kept(paths: Sequence[str], look: Look, notes: tuple[str, ...], folder: Path, made_of: tuple[str, int]) -> Decoded:
    """Build the store of a stamp and a number of bytes, and open it; one process at a time, the others wait and find it made."""
    stamp, needed = made_of
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / _LOCK):
        found = _opened(folder, stamp)
        if found is None:
            written = _build(paths, look, folder, needed)
            Store(folder / _HEAD, stamp, dataclasses.asdict(look), written.rows, written.blocks, written.reasons, list(notes), {}).write()
            found = _opened(folder, stamp)
        if found is None:
            raise OSError(f"what was just written to {str(folder)!r} does not read back as it was")
        return found


@dataclasses.dataclass
class _Written:
    """What went into a file of pixels: images, the checksum of each block, and the files that could not be used."""

    rows: int = 0
    blocks: list[list[int]] = dataclasses.field(default_factory=list)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, content: NDArray[np.uint8], stream: IO[bytes]) -> None:
        """Write a block."""
        if len(content):
            self.blocks.append([len(content), zlib.crc32(content.data)])
            stream.write(content.data)


def _write(paths: Sequence[str], look: Look, stream: IO[bytes]) -> _Written:
    """Decode and write a block at a time; only sound images are written."""
    written = _Written()
    step = max(1, _BLOCK // look.bytes)
    every = [np.empty((0, 2), np.int64)]
    for start in range(0, len(paths), step):
        content, sizes, reasons = _block(paths[start : start + step], look)
        written.reasons |= {str(start + at): reason for at, reason in reasons.items()}
        written.rows += len(sizes)
        every.append(sizes)
        written.add(content, stream)
    if look.resize == "ragged":
        written.add(tail(np.concatenate(every), look), stream)
    return written


def _build(paths: Sequence[str], look: Look, folder: Path, needed: int) -> _Written:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free")
    part = folder / "pixels.part"
    try:
        with part.open("wb") as stream:
            written = _write(paths, look, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(folder / _PIXELS)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return written


def _opened(folder: Path, stamp: str) -> Decoded | None:
    """The store, if it is made of the files as they are and its pixels are whole."""
    store = Store.read(folder / _HEAD)
    if store is None or store.stamp != stamp:
        return None
    look = Look(**store.look)
    try:
        with (folder / _PIXELS).open("rb") as stream:
            if os.fstat(stream.fileno()).st_size != sum(size for size, _ in store.blocks):
                return None
            flat = _loaded(stream)
    except FileNotFoundError:
        return None
    if (look.resize != "ragged" and len(flat) != store.rows * look.bytes) or not _whole(flat, store.blocks):
        return None
    return Decoded(_shaped(flat, store.rows, look), {int(at): reason for at, reason in store.reasons.items()}, tuple(store.notes), store)


def _loaded(stream: IO[bytes]) -> NDArray[np.uint8]:
    """The content of a store. What fits is read, not mapped: a mapped file that another program cuts short takes the process down."""
    return _mapped(stream) if os.fstat(stream.fileno()).st_size > IN_MEMORY else np.fromfile(stream, np.uint8)


def _mapped(stream: IO[bytes]) -> NDArray[np.uint8]:
    """Pixels that stay in the file. What is written to them is seen by this process alone, as torch wants it, and changes no file."""
    return np.memmap(stream, np.uint8, "c") if os.fstat(stream.fileno()).st_size else np.empty(0, np.uint8)


def _whole(pixels: NDArray[np.uint8], blocks: list[list[int]]) -> bool:
    """Whether the pixels have the checksums that they were written with; read once, in parallel threads."""
    ends = np.cumsum([size for size, _ in blocks]).tolist()
    if (ends[-1] if ends else 0) != pixels.size:
        return False
    flat = np.asarray(pixels).reshape(-1)
    with ThreadPoolExecutor(workers()) as pool:
        found = pool.map(lambda end, block: zlib.crc32(flat[end - block[0] : end].data) == block[1], ends, blocks)
        return all(found)


class Rows(Away):
    """Some images of a memory-mapped set.

    Args:
        pixels: ``uint8 [N, H, W, C]``, memory-mapped.
        positions: which images, ``int64 [n]``.
    """

    def __init__(self, pixels: NDArray[np.uint8], positions: NDArray[np.int64]) -> None:
        super().__init__((len(positions), *pixels.shape[1:4]))
        self.pixels, self.positions = pixels, positions

    def at(self, positions: NDArray[np.int64]) -> Rows:
        return Rows(self.pixels, self.positions[positions])

    def __getitem__(self, which: int | slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        chosen: NDArray[np.uint8] = self.pixels[self.positions[which]]
        return chosen


def chosen(pixels: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Some images of a set, without reading those that stay on the disk."""
    if isinstance(pixels, Away):
        return cast("NDArray[np.uint8]", pixels.at(positions))
    return cast("NDArray[np.uint8]", Rows(pixels, positions)) if isinstance(pixels, np.memmap) else pixels[positions]
