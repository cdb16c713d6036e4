"""Published files that are missing, fetched once into contrast's cache folder and believed by their checksum alone.

Nothing is fetched unless a set was asked for by name, is at none of the places, and the cache folder is one of them.
``CONTRAST_OFFLINE=1`` forbids it altogether.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from platformdirs import user_cache_path

from contrast.errors import InputError
from contrast.protocols import Places

OFFLINE = "CONTRAST_OFFLINE"
ATTEMPTS = 3
PAUSE = 2.0
"""Seconds before a transfer that broke off is tried again."""
_CONNECT, _SILENCE = 10.0, 60.0
"""Seconds to wait for a connection, and for the next bytes."""
_CHUNK = 1 << 18

Told = Callable[[int], None]


@dataclass(frozen=True)
class Remote:
    """One file as its owners publish it.

    Attributes:
        url: where it is.
        name: what it is called below the cache folder, where it will be looked for.
        checksum: ``algorithm:hex digest`` of the file as it is sent.
        size: bytes, at most.
    """

    url: str
    name: str
    checksum: str
    size: int


class _TooLarge(Exception):
    """More came than the published file holds."""


def fetched(remotes: Sequence[Remote], places: Places, missing: InputError) -> Path:
    """Download files that were found nowhere.

    Args:
        remotes: what makes up the set.
        places: where it was looked for.
        missing: the error that says so, raised where nothing may be downloaded.

    Returns:
        The first file's place.

    Raises:
        InputError: nothing may be downloaded, or a file can't be; names the file, its address, and where to put it by hand.
    """
    folder = _folder(places)
    if folder is None:
        raise missing
    for remote in reversed(remotes):  # the first is what a set is found by, and comes last
        target = folder / remote.name
        try:
            _retrieved(remote, target)
        except (OSError, ValueError, _TooLarge) as error:
            told = f"{missing.what}, and {remote.url} could not be downloaded ({_short(error)})"
            right = f"get it by other means and put it at {target}, or name the folder that holds it with --data DIR or $CONTRAST_DATA"
            raise InputError(told, where=missing.where, right=right) from error
    return folder / remotes[0].name


def _folder(places: Places) -> Path | None:
    """Where downloads go: contrast's own cache folder, if that is among the places, else nowhere."""
    cache = user_cache_path("contrast")
    return cache if cache in places.folders and not places.offline and not os.environ.get(OFFLINE) else None


def _retrieved(remote: Remote, target: Path) -> None:
    """Fetch one file; a transfer that broke off, or came out wrong, is tried again from the start."""
    import pooch

    for attempt in range(ATTEMPTS):
        with _telling(remote) as told, _quiet_pooch():
            transfer = _Transfer(remote.size, told)
            try:
                pooch.retrieve(remote.url, known_hash=remote.checksum, fname=target.name, path=target.parent, downloader=transfer)
                return
            except (OSError, ValueError) as error:
                is_local = isinstance(error, OSError) and error.errno is not None
                if not transfer.received or is_local or attempt == ATTEMPTS - 1:
                    raise
                cause = _short(error)
        print(f"{remote.name}: {cause}; trying again", file=sys.stderr)
        time.sleep(PAUSE)


class _Transfer:
    """What pooch calls to bring a file over HTTP.

    Args:
        most: bytes that are taken at most.
        told: is told of each piece how long it is.
    """

    def __init__(self, most: int, told: Told) -> None:
        self.most, self.told, self.received = most, told, 0

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        from pooch import HTTPDownloader

        with Path(output_file).open("wb") as stream, contextlib.ExitStack() as closing:

            def close_later(response: Any, **_: Any) -> None:  # pooch leaves it open where something goes wrong
                closing.callback(response.close)

            bring = HTTPDownloader(
                chunk_size=_CHUNK,
                timeout=(_CONNECT, _SILENCE),
                headers={"Accept-Encoding": "identity"},  # else some hosts unpack a .gz on the way, and its checksum is another
                hooks={"response": close_later},
            )
            bring(url, _Bounded(stream, self), pooch)


class _Bounded:
    """A file to write to, which takes no more than a published file's bytes, and counts them."""

    def __init__(self, stream: IO[bytes], transfer: _Transfer) -> None:
        self.stream, self.transfer = stream, transfer

    def write(self, content: bytes) -> None:
        """Take a piece.

        Raises:
            _TooLarge: more came than the published file holds.
        """
        self.transfer.received += len(content)
        if self.transfer.received > self.transfer.most:
            raise _TooLarge(f"more than {self.transfer.most:,} bytes came, so this is not the published file")
        self.stream.write(content)
        self.transfer.told(len(content))

    def flush(self) -> None:
        """Nothing: the file is flushed when it is closed."""


@contextlib.contextmanager
def _telling(remote: Remote) -> Iterator[Told]:
    """Tell on stderr what is fetched: a moving bar on a terminal, else one line."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"downloading {remote.url} ({remote.size / 1e6:.1f} MB)", file=sys.stderr)
        yield lambda count: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(remote.name, total=remote.size)
        yield lambda count: progress.advance(task, count)


@contextlib.contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch's own lines out of ours."""
    import pooch

    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _short(error: Exception) -> str:
    """The cause of an error in few words: libraries wrap it, and tell a page."""
    told = str(error)
    if "NameResolution" in told or "resolve" in told.lower():
        return "its host is not known here: no network?"
    if "refused" in told.lower():
        return "its host refuses the connection"
    if "timed out" in told.lower():
        return "its host does not answer"
    if "doesn't match the known hash" in told or "does not match the known hash" in told:
        return "what came has another checksum than the published file"
    if "IncompleteRead" in told or "prematurely" in told:
        return "the transfer broke off"
    return " ".join(told.split())[:160] or type(error).__name__
