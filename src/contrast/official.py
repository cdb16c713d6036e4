"""Published files: what they are called, how large they are, what they hash to, how they are read, and what to say where one is wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from contrast.errors import InputError


@dataclass(frozen=True)
class OfficialFile:
    """One file as its owners publish it.

    Attributes:
        name: what it is called.
        size: bytes; where the owners' hash is known but not the size, an upper bound.
        checksum: ``algorithm:hex digest``, e.g. ``sha1:aadd…``.
    """

    name: str
    size: int
    checksum: str

    def check(self, content: bytes, where: str) -> bytes:
        """Hand the content on if it is the published one.

        Raises:
            InputError: it is not; says whether it is cut short or otherwise different.
        """
        algorithm, _, expected = self.checksum.partition(":")
        if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() != expected:
            told = f"{len(content):,} bytes instead of {self.size:,}" if len(content) < self.size else f"its {algorithm.upper()} is not {expected}"
            raise InputError(f"this is not the published {self.name}: {told}", where=where, right="get the file again")
        return content

    def read(self, path: Path) -> bytes:
        """Read and check the file at `path`, decompressed where its name ends in ``.gz``; never more than one byte too many.

        Raises:
            InputError: unreadable, or not the published file.
        """
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                content = stream.read(self.size + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"can't be read ({error})", where=str(path), right="get the file again") from error
        return self.check(content, str(path))

    def unpacked(self, path: Path, most: int) -> bytes:
        """What a packed file (``.gz``) holds, where `size` and `checksum` are those of the packed file.

        Args:
            path: the file.
            most: bytes that it may hold.

        Raises:
            InputError: missing, unreadable, or not the published file.
        """
        try:
            with path.open("rb") as stream:
                packed = self.check(stream.read(self.size + 1), str(path))
            with gzip.open(io.BytesIO(packed)) as plain:
                content = plain.read(most + 1)
        except FileNotFoundError as error:
            raise InputError(f"{self.name} is missing", where=str(path.parent), right="put it beside the others") from error
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"can't be read ({error})", where=str(path), right="get the file again") from error
        if len(content) > most:
            raise InputError(f"unpacks to more than {most:,} bytes", where=str(path), right="get the file again")
        return content


def contents(found: Path, folder: str, files: Sequence[OfficialFile], most: int) -> Iterator[tuple[int, str, bytes]]:
    """The files of a set, in a folder or in a tar archive, one in memory at a time; nothing is written.

    Args:
        found: the folder or the archive.
        folder: the folder that the files lie in inside the archive.
        files: what is wanted.
        most: bytes that the archive may unpack to before all are found.

    Yields:
        Position in `files`, name for messages, and checked content; from an archive in the order that they lie in.

    Raises:
        InputError: a file is missing, unreadable, or not the published one; or the archive is damaged.
    """
    if found.is_dir():
        for at, file in enumerate(files):
            if not (found / file.name).is_file():
                raise InputError(f"{file.name} is missing", where=str(found), right="unpack the archive again")
            yield at, str(found / file.name), file.read(found / file.name)
        return
    try:
        yield from _members(found, folder, files, most)
    except (tarfile.TarError, OSError, EOFError, TypeError, zlib.error) as error:  # Python's reader trips over a .gz of three bytes
        raise InputError(f"can't be read as an archive ({error})", where=str(found), right="get the file again") from error


def _members(archive: Path, folder: str, files: Sequence[OfficialFile], most: int) -> Iterator[tuple[int, str, bytes]]:
    """The wanted members of an archive, read in memory; others are passed over, and what comes after the last is not read."""
    wanted = {f"{folder}/{file.name}": (at, file) for at, file in enumerate(files)}
    unpacked = 0
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            unpacked += member.size
            if unpacked > most:
                raise InputError(f"unpacks to more than {most:,} bytes", where=str(archive), right="get the file again")
            at, file = wanted.pop(member.name.removeprefix("./"), (0, None))
            if file is None:
                continue
            where = f"{archive}: {member.name}"
            stream: IO[bytes] | None = members.extractfile(member) if member.isreg() else None
            if stream is None:
                raise InputError("is no regular file", where=where, right="get the archive again")
            yield at, where, file.check(stream.read(file.size + 1), where)
            if not wanted:
                return
    raise InputError(f"{sorted(wanted)[0]} is missing", where=str(archive), right="get the archive again")


def missing(what: str, *, names: Iterable[str], folders: Iterable[Path], get: str) -> InputError:
    """The error for a set that was not found.

    Args:
        what: the set, e.g. ``CIFAR-10``.
        names: the files or folders that would have served.
        folders: where they were looked for.
        get: how to get them, as a clause.
    """
    looked = ", ".join(str(folder) for folder in folders) or "no folder at all"
    return InputError(
        f"{what} was not found: looked in {looked} for {' or '.join(names)}",
        where="data",
        right=f"{get}, put it into one of these folders, or name another with --data DIR or $CONTRAST_DATA",
    )
