"""Published files: what they are called, how large they are, what they hash to, and what to say where one is wrong."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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
