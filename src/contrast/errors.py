"""The errors that a person can mend, each told in one line: what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ContrastError(Exception):
    """Base of the errors that are told in one line instead of a traceback."""

    exit_code = 1


class InputError(ContrastError):
    """What the user gave is wrong (exit code 2).

    Args:
        what: what is wrong, as a clause without a full stop.
        where: the file, key path or image that it is about.
        right: what would be right.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", right: str = "") -> None:
        self.what, self.where, self.right = what, where, right
        super().__init__(in_one_line(": ".join(part for part in (where, what) if part) + (f"; {right}" if right else "")))

    def within(self, place: str) -> InputError:
        """The same error, told from one place further out, e.g. the file around a key path."""
        return InputError(self.what, where=f"{place}: {self.where}" if self.where else place, right=self.right)

    def below(self, path: str) -> InputError:
        """The same error, its key path continued upwards: ``norm`` below ``model`` is ``model.norm``."""
        return InputError(self.what, where=f"{path}.{self.where}" if self.where else path, right=self.right)


class RunFailed(ContrastError):
    """A run could not be carried out for a reason that lies outside its recipe, such as a full disk (exit code 1)."""


def in_one_line(text: str) -> str:
    """A message whose control characters, lone surrogates and direction marks, which may come from a file, are written as escapes."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode("ascii") for character in text)


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Say what is allowed, and which of it was probably meant.

    Returns:
        A clause such as ``did you mean 'norm'? (allowed: channels, kernel, norm)``.
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    shown = ", ".join(names[:40]) + (" …" if len(names) > 40 else "")
    listed = f"allowed: {shown}" if names else "nothing is allowed here"
    return f"did you mean {close[0]!r}? ({listed})" if close else listed
