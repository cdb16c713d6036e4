"""Folders of class folders: which images lie there, of which class and part; nothing is opened.

root/cat/1.jpg                    classes
root/train/cat/1.jpg              parts, then classes; also trainset, val, valid, validation, test, testset …
root/train/cat/siamese/1.jpg      deeper folders belong to the class
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from contrast.decode import SUFFIXES, Damage
from contrast.errors import InputError, nearest
from contrast.images import TEST, TRAIN, VALIDATION

_PART = re.compile(r"^(?:(train|training)|(val|valid|validation)|(test|testing))[ _-]?(?:set)?$", re.IGNORECASE)
_SUFFIXES = tuple(SUFFIXES)
_HIDDEN = ("__MACOSX",)


class Entry(NamedTuple):
    """One image file: its path below the root is its id. Where it lies is kept as text: there may be a million."""

    id: str
    location: str
    label: str
    part: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.location)


@dataclass
class ClassFolders:
    """What lies below a root.

    Attributes:
        root: with links resolved.
        classes: names in plain sorted order.
        entries: in the order of part (train, validation, test), then id.
        damages: what looks like an image and can't be used (links out of the root, say).
        passed: files that do not look like images.
        hidden: files and folders that are passed over because their names say that they are hidden.
    """

    root: Path
    classes: tuple[str, ...] = ()
    entries: list[Entry] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a page should know."""
        if not self.passed:
            return ()
        return (f"{len(self.passed)} files that are no images, or lie in no class folder, were left out, {self.passed[0]!r} first",)


def scan(root: Path, exclude: Sequence[str] = (), *, strict: bool = True) -> ClassFolders:
    """Find the images below a folder.

    Args:
        root: the folder that holds the class folders, or the part folders.
        exclude: class names to leave out.
        strict: whether a class without images is an error.

    Raises:
        InputError: there is no such folder, no class or one class only, a class without images, part folders that
            contradict each other, or a name to exclude that is not there.
    """
    if not root.is_dir():
        told = "is a file" if root.exists() else "does not exist"
        raise InputError(told, where=str(root), right="name a folder of class folders; unpack an archive first")
    found = ClassFolders(root.resolve())
    labels: set[str] = set()
    for part, folder in _parts(found, exclude).items():
        for child in _children(folder, found):
            if child.name in exclude:
                labels.add(child.name)
            elif _is_folder(child, found):
                labels.add(child.name)
                _collect(child.path, part, found)
    unknown = [name for name in exclude if name not in labels]
    if unknown:
        raise InputError(f"there is no class {unknown[0]!r} to exclude", where=str(root), right=nearest(unknown[0], labels))
    found.classes = tuple(sorted(labels - set(exclude)))
    _check(found)
    if strict:
        check_classes(found)
    return found


class _Child(NamedTuple):
    """What a folder's listing says of one of its children, without asking for each again: there may be a million."""

    name: str
    location: str
    is_link: bool
    is_folder: bool
    """Whether it is a folder itself, no link to one."""

    @property
    def path(self) -> Path:
        return Path(self.location)


def _children(folder: Path, found: ClassFolders) -> Iterator[_Child]:
    """What lies in a folder, sorted by name, without what is hidden and what has no UTF-8 name."""
    try:
        with os.scandir(folder) as listing:
            children = sorted(
                (_Child(child.name, child.path, child.is_symlink(), child.is_dir(follow_symlinks=False)) for child in listing),
                key=lambda child: child.name,
            )
    except PermissionError:
        found.damages.append(Damage(_id(folder, found), "is a folder that this user may not read"))
        return
    for child in children:
        if child.name.startswith(".") or child.name in _HIDDEN:
            found.hidden.append(_id(child, found))
        elif not _is_text(child.name):
            found.damages.append(Damage(_id(child, found), "has a name that is not UTF-8"))
        else:
            yield child


def _is_folder(child: _Child, found: ClassFolders) -> bool:
    """Whether to look into it; a link to a folder is refused, since it could lead out or in a circle, or show images twice."""
    if child.is_folder:
        return True
    nowhere = child.is_link and _leads_nowhere(child.path)
    if nowhere or (child.is_link and child.path.is_dir()):
        found.damages.append(Damage(_id(child, found), "is a link to nowhere or in a circle" if nowhere else "is a link to a folder"))
    else:
        found.passed.append(_id(child, found))
    return False


def _parts(found: ClassFolders, exclude: Sequence[str]) -> dict[str, Path]:
    """Part → folder that holds its class folders; the root itself where there are no part folders."""
    scratch = ClassFolders(found.root)  # what is passed over is told once, by the walk itself
    folders = [child.path for child in _children(found.root, scratch) if child.name not in exclude and child.is_folder]
    named = [(part, folder) for folder in folders if (part := part_of(folder.name)) and any(child.is_folder for child in _children(folder, scratch))]
    parts = dict(named)
    where, names = str(found.root), ", ".join(repr(child.name) for _, child in named)
    if not named:
        return {TRAIN: found.root}
    if len(parts) < len(named):
        raise InputError(f"two of the folders {names} stand for one part", where=where, right="keep one")
    if TRAIN not in parts:
        raise InputError(f"there is {names} but no training folder", where=where, right="name it train")
    others = [child.name for child in folders if child not in parts.values()]
    if others:
        told = f"part folders ({names}) and class folders ({others[0]!r}) lie side by side"
        raise InputError(told, where=where, right="move them apart, or exclude one")
    for child in _children(found.root, found):
        if not child.is_folder:
            _is_folder(child, found)
    return {part: parts[part] for part in (TRAIN, VALIDATION, TEST) if part in parts}


def part_of(name: str) -> str | None:
    """The part that a folder or a file of this name is meant for (``trainset``, ``val``), or None."""
    matched = _PART.match(name)
    if not matched:
        return None
    return TRAIN if matched[1] else VALIDATION if matched[2] else TEST


def _collect(folder: Path, part: str, found: ClassFolders) -> None:
    """Add all images below a class folder, in the order of their ids."""
    pending, entries = [folder], []
    while pending:
        for child in _children(pending.pop(), found):
            name = _id(child, found)
            reason = _refused(child, found.root)
            if reason:
                found.damages.append(Damage(name, reason))
            elif child.is_folder:
                pending.append(child.path)
            elif child.name.lower().endswith(_SUFFIXES):
                entries.append(Entry(name, child.location, folder.name, part))
            else:
                found.passed.append(name)
    found.entries += sorted(entries, key=lambda entry: entry.id)


def _refused(child: _Child, root: Path) -> str:
    """Why something in a class folder is not looked at, or nothing."""
    if not child.is_link:
        return ""
    if _leads_nowhere(child.path):
        return "is a link to nowhere or in a circle"
    if child.path.is_dir():
        return "is a link to a folder"
    return "" if child.path.resolve().is_relative_to(root) else "is a link out of the folder"


def _leads_nowhere(link: Path) -> bool:
    return not link.exists()


def _is_text(name: str) -> bool:
    return name.isascii() or name.encode("utf-8", "replace").decode() == name


def _id(path: Path | _Child, found: ClassFolders) -> str:
    """The path below the root, bytes that are no UTF-8 written as escapes."""
    below = (path.location if isinstance(path, _Child) else str(path))[len(str(found.root)) :].lstrip(os.sep)
    return below.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode()


def _check(found: ClassFolders) -> None:
    """Refuse what can't be learned from."""
    where = str(found.root)
    if not found.classes:
        right = "put the images of each class into a folder of its own"
        raise InputError("holds no class folders" + (f", only files ({found.passed[0]!r} first)" if found.passed else ""), where=where, right=right)
    if len(found.classes) == 1:
        only = found.root / found.classes[0]
        deeper = only.is_dir() and sum(child.is_dir() for child in only.iterdir()) > 1
        right = f"did you mean the folder {str(only)!r}?" if deeper else "two classes are the least"
        raise InputError(f"holds one class folder only ({found.classes[0]!r})", where=where, right=right)


def hollow(found: ClassFolders) -> dict[str, str]:
    """Classes that can't be trained on, and what they lack, as a clause.

    A class whose images are all links that were refused is not among them: these are told one by one.
    """
    trained = Counter(entry.label for entry in found.entries if entry.part == TRAIN)
    labels = {entry.label for entry in found.entries}
    broken = [f"/{damage.id}" for damage in found.damages]
    lacking = [name for name in found.classes if not trained[name] and not any(f"/{name}/" in path for path in broken)]
    return {name: "has no image to train on" if name in labels else "has no image" for name in lacking}


def check_classes(found: ClassFolders) -> None:
    """Refuse classes without images.

    Raises:
        InputError: there is one; names the first.
    """
    for name, told in hollow(found).items():
        raise InputError(f"class {name!r} {told}", where=str(found.root), right=f"put images there, or leave it out: exclude: [{name!r}]")
