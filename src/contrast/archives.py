"""Archives of images (.zip, .tar, .tar.gz, …) unpacked once, by an extractor that writes nothing outside its folder.

What a user hands in is untrusted. Only plain files and folders are written, from names that were checked one by one;
links, devices and everything else are refused, and so is what unpacks to far more than any set of images would.
The folder appears whole, by one rename, or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, Self

from filelock import FileLock
from platformdirs import user_cache_path

from contrast.errors import InputError
from contrast.protocols import Places
from contrast.store import sync_folder

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOLDER = "unpacked"
MOST_BYTES = 500_000_000_000
MOST_FILES = 5_000_000
MOST_DEPTH = 50
RATIO, FREE = 100, 200_000_000
"""An archive may unpack to this many times its size, or to so many bytes if that is more: images hardly shrink by packing."""

_LONGEST_HEAD = 1 << 20
_CHUNK = 1 << 20
_HIDDEN = ("__MACOSX",)
_SPECIAL_HEADS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class _Refused(Exception):
    """The archive holds something that is not unpacked; the message says what, as a clause about the archive."""


class _Member(NamedTuple):
    """One thing in an archive: its name, and what opens its content, or None for a folder."""

    name: str
    opened: Callable[[], IO[bytes]] | None


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive that `unpacked` knows."""
    return path.name.lower().endswith(SUFFIXES)


def kept_in(places: Places) -> Path:
    """Where unpacked archives are kept: in contrast's own cache folder if that is among the places, else in the last of them.

    Raises:
        InputError: there is no place.
    """
    if not places.folders:
        raise InputError("there is no folder to unpack an archive in", where="data", right="name one with --data DIR or $CONTRAST_DATA")
    cache = user_cache_path("contrast")
    return (cache if cache in places.folders else places.folders[-1]) / FOLDER


def unpacked(path: Path, into: Path) -> Path:
    """Unpack an archive, or find it unpacked before: the same content is unpacked once, whatever its file is called.

    Args:
        path: a file whose name ends in one of `SUFFIXES`.
        into: the folder in which unpacked archives are kept, each under its SHA-256.

    Returns:
        The folder of what was in the archive; where everything lies in one folder around others, that folder.

    Raises:
        InputError: the archive is damaged, holds what is not unpacked (a link, a device, a name that leads out), would
            unpack to far too much, or can't be written; nothing is left behind.
    """
    try:
        target = into / _digest(path)
        into.mkdir(parents=True, exist_ok=True)
        with FileLock(into / f".{target.name}.lock"):
            if not target.is_dir():
                _unpack(path, target)
    except _Refused as refused:
        raise InputError(str(refused), where=str(path), right="unpack it yourself if you trust it, and name the folder") from None
    except OSError as error:
        raise InputError(f"can't be unpacked into {into}: {error.strerror or error}", where=str(path), right="unpack it yourself") from error
    except Exception as error:  # on damaged bytes Python's readers raise whatever comes, a TypeError for a .gz of three bytes
        told = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"is no archive that can be read ({told})", where=str(path), right="get or pack it again") from error
    return _inner(target)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _unpack(path: Path, target: Path) -> None:
    """Write everything into a folder beside the target, then rename it."""
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    try:
        packed = path.stat().st_size
        free = shutil.disk_usage(part).free
        budget = _Budget(min(MOST_BYTES, max(FREE, RATIO * packed)), free, MOST_FILES)
        with _members(path) as members:
            for member in members:
                _write(member, part, budget)
        os.sync()  # one wait for all of the files, before the name says that they are whole
        part.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@dataclass
class _Budget:
    """What may still be written."""

    bytes: int
    free: int
    files: int
    names: set[str] = field(default_factory=set)

    def file(self, name: str) -> None:
        """Count a member; `name` is empty for a folder, which may come again."""
        self.files -= 1
        if self.files < 0:
            raise _Refused(f"holds more than {MOST_FILES:,} files")
        if name and name in self.names:
            raise _Refused(f"holds {name!r} twice")
        self.names.add(name)

    def content(self, count: int) -> None:
        """Count bytes before they are written."""
        self.bytes, self.free = self.bytes - count, self.free - count
        if self.bytes < 0:
            raise _Refused("unpacks to far more than its size, as no set of images does")
        if self.free < 0:
            raise _Refused("unpacks to more than there is room on the disk")


def _write(member: _Member, root: Path, budget: _Budget) -> None:
    parts = _checked(member.name)
    if not parts:
        return
    target = root.joinpath(*parts)
    budget.file("" if member.opened is None else "/".join(parts))
    if member.opened is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.opened() as content, target.open("xb") as stream:
        while chunk := content.read(_CHUNK):
            budget.content(len(chunk))
            stream.write(chunk)


def _checked(name: str) -> tuple[str, ...]:
    """The parts of a member's name.

    Raises:
        _Refused: the name leads out of the folder, or means different things to different systems.
    """
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        raise _Refused(f"holds {name!r}, which is an absolute path")
    if "\\" in name or "\0" in name:
        raise _Refused(f"holds {name!r}, a name that is not allowed")
    parts = PurePosixPath(name).parts
    if ".." in parts:
        raise _Refused(f"holds {name!r}, which leads out of the folder")
    if len(parts) > MOST_DEPTH:
        raise _Refused(f"holds folders more than {MOST_DEPTH} deep")
    return parts


class Stretch(NamedTuple):
    """A file in a tar archive that is not compressed: its name, and which bytes of the archive it is."""

    name: str
    start: int
    size: int


def stretches(path: Path) -> Iterator[Stretch]:
    """Where the files of a tar archive lie in it, in their order, so that they can be read without unpacking it; only heads are read.

    Raises:
        InputError: the archive is compressed or damaged, or holds what is no plain file (a link, a device, a name that leads out).
    """
    end = 0
    try:
        with tarfile.open(path, "r:", tarinfo=_Head) as archive:
            for count, member in enumerate(archive):
                if count >= MOST_FILES:
                    raise _Refused(f"holds more than {MOST_FILES:,} files")
                if not member.isdir():
                    _check_plain(member)
                    yield Stretch("/".join(_checked(member.name)), member.offset_data, member.size)
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        _check_end(path, end)
    except _Refused as refused:
        raise InputError(str(refused), where=str(path), right="get or pack it again") from None
    except (OSError, tarfile.TarError, ValueError) as error:
        told = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"is no plain tar archive that can be read ({told})", where=str(path), right="get or pack it again, uncompressed") from error


def _check_end(path: Path, end: int) -> None:
    """Refuse an archive that does not say where it ends: Python's reader takes one that is cut short in a head for a whole one."""
    with path.open("rb") as stream:
        stream.seek(end)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise _Refused("is cut short")


@contextlib.contextmanager
def _members(path: Path) -> Iterator[Iterator[_Member]]:
    """What lies in an archive, one after the other; each is to be read before the next is asked for."""
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            yield _of_zip(archive)
    else:
        with tarfile.open(path, "r|*", tarinfo=_Head) as stream:
            yield _of_tar(stream)


class _Head(tarfile.TarInfo):
    """The head of a member; long names and the like are read into memory whole, and so must not be long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        head = super().frombuf(buf, encoding, errors)
        if head.type in _SPECIAL_HEADS and head.size > _LONGEST_HEAD:
            raise _Refused(f"has a head of {head.size:,} bytes")
        return head


def _of_tar(archive: tarfile.TarFile) -> Iterator[_Member]:
    for member in archive:
        if member.isdir():
            yield _Member(member.name, None)
        else:
            _check_plain(member)
            yield _Member(member.name, partial(_content, archive, member))


def _check_plain(member: tarfile.TarInfo) -> None:
    if not member.isreg() or member.issparse():
        raise _Refused(f"holds {member.name!r}, which is {_kind(member)} and no plain file")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    assert content is not None, "a plain file has content"
    return content


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    return "a device or a pipe" if member.isdev() else "of a special kind"


def _of_zip(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _Refused(f"holds {info.filename!r}, which is {'a link' if stat.S_ISLNK(mode) else 'a device or a pipe'} and no plain file")
        if info.flag_bits & 1:
            raise _Refused(f"holds {info.filename!r}, which is locked with a password")
        yield _Member(info.filename, None if info.is_dir() else partial(archive.open, info))


def _inner(folder: Path) -> Path:
    """The folder itself, or the one in which all of it lies, as long as that one holds folders too."""
    while True:
        children = [child for child in folder.iterdir() if not child.name.startswith(".") and child.name not in _HIDDEN]
        only = children[0] if len(children) == 1 and children[0].is_dir() else None
        if only is None or not any(child.is_dir() for child in only.iterdir()):
            return folder
        folder = only
