"""What `contrast list` prints: every ingredient and shipped study, one line each, read without importing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrast import catalog
from contrast.errors import InputError, nearest
from contrast.study_file import read_yaml, shipped

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

STUDIES = "studies"


def kinds() -> list[str]:
    """What can be listed."""
    return [STUDIES, *catalog.FOLDERS]


def entries(kind: str) -> dict[str, str]:
    """Name → one line.

    Raises:
        InputError: there is no such kind.
    """
    wanted = "studies" if kind == "study" else kind
    if wanted == STUDIES:
        return {name: question(path) for name, path in shipped().items()}
    singular = (
        wanted if wanted in catalog.FOLDERS else {folder: name for name, folder in catalog.FOLDERS.items()}.get(wanted, wanted.removesuffix("s"))
    )
    if singular not in catalog.FOLDERS:
        raise InputError(f"there is no kind {kind!r}", right=nearest(kind, kinds()))
    return catalog.listing(singular)


def question(path: Path) -> str:
    """A study file's question, read without planning the study."""
    return str(read_yaml(path.read_text(encoding="utf-8"), path.name).get("question", ""))


def render(kind: str | None, console: Console) -> None:
    """Print one kind, or all."""
    from rich.text import Text

    for number, each in enumerate([kind] if kind else kinds()):
        if not kind:
            console.print(Text(f"{chr(10) if number else ''}{each}", style="bold"))
        found = entries(each)
        width = max((len(name) for name in found), default=0)
        for name, line in found.items():
            console.print(Text.assemble("  ", (name.ljust(width), "cyan"), f"  {line}"))
