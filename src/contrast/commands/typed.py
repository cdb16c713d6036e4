"""What the words of a command line stand for: settings, a study, its results."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from contrast.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from contrast.results import Results
    from contrast.study import Study

Quiet = Annotated[bool, Parameter(negative="")]
"""A flag without its opposite."""


def out() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def study_of(name: str, changes: tuple[str, ...], trust: bool) -> Study:
    from contrast import study_file

    path = study_file.find(name)
    if trust:
        sys.path.insert(0, str(path.parent.resolve()))
    asked, overrides = study_file.read(path, trust=trust), pairs(changes)
    try:
        return asked.with_changes(overrides) if overrides else asked
    except InputError as error:
        raise error.within("command line") from None


@contextlib.contextmanager
def told_with(study: str) -> Iterator[None]:
    """Put the study file before the key paths that are wrong in it."""
    try:
        yield
    except InputError as error:
        from contrast.study import DESIGNS

        raise (error.within(Path(study).name) if error.where.partition(".")[0] in DESIGNS else error) from None


def trusted(trust: bool) -> bool:
    """The same; where it is given, modules of the folder that the command is called in can be imported."""
    if trust:
        sys.path.insert(0, str(Path.cwd()))
    return trust


def pairs(changes: tuple[str, ...]) -> dict[str, Any]:
    """``path=value`` words as a mapping; values are read as YAML."""
    from contrast.study_file import read_yaml

    made: dict[str, Any] = {}
    for word in changes:
        path, sign, value = word.partition("=")
        if not sign or not path:
            raise InputError(f"{word!r} is no path=value", where="command line", right="write e.g. epochs=3")
        if path in made:
            raise InputError("is given twice", where=f"command line: {path}", right="give it once")
        made[path] = read_yaml(value, f"command line: {path}")
    return made


def results_of(runs: str) -> Results:
    from contrast.results import Results

    below = Path("runs") / runs
    return Results(below if not Path(runs).exists() and below.exists() else Path(runs))
