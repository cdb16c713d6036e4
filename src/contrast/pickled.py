"""Arrays and lists out of old pickle files, read as data: nothing in the file is ever called or imported.

Some data sets (CIFAR in its Python form) are published as pickles. A pickle is a program for a small stack machine; this
reads the program with the standard library's disassembler and carries out only those of its instructions that
build dictionaries, lists, tuples, texts and numbers. An array is recognized by the one pattern in which NumPy
writes it. Every other instruction, name or call is an error.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from contrast.errors import InputError

_MARK = object()
_LITERALS = frozenset({"BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINUNICODE", "BININT", "BININT1", "BININT2"})
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STORE = frozenset({"BINPUT", "LONG_BINPUT"})
_FETCH = frozenset({"BINGET", "LONG_BINGET"})
_NAMES = frozenset({"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"})
_FEW_ENTRIES = 1_000_000


class _Refused(Exception):
    """The file holds something that is not plain data."""


class _Name(str):
    """A global name that the file mentions; never looked up."""

    __slots__ = ()


class _Type:
    """A NumPy element type under construction; only bytes are known."""

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("|", b"|"):
            raise _Refused("an element type other than uint8")


class _Array:
    """A NumPy array under construction."""

    value: np.ndarray[Any, np.dtype[np.uint8]] | None = None

    def build(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise _Refused("an array of an unknown form")
        _, shape, kind, by_columns, content = state
        if not (isinstance(kind, _Type) and isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape) and by_columns in (False, 0)):
            raise _Refused("an array of an unknown form")
        raw = content.encode("latin-1") if isinstance(content, str) else content
        if not isinstance(raw, bytes) or len(raw) != int(np.prod(shape, dtype=np.int64)):
            raise _Refused("an array whose bytes do not fill its shape")
        self.value = np.frombuffer(raw, np.uint8).reshape(shape)


class _Machine:
    """The stack, the memo, and the few instructions that are carried out."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.plain: dict[str, Callable[[], None]] = {
            "PROTO": lambda: None,
            "MARK": lambda: self.stack.append(_MARK),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_TUPLE": lambda: self.stack.append(()),
            "TUPLE": lambda: self.stack.append(tuple(self.since_mark())),
            "APPEND": lambda: self.extend([self.stack.pop()]),
            "APPENDS": lambda: self.extend(self.since_mark()),
            "SETITEM": lambda: self.update([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda: self.update(self.since_mark()),
            "REDUCE": self.reduce,
            "BUILD": self.build,
        }

    def step(self, code: str, argument: Any) -> None:
        """Carry out one instruction."""
        if code in _LITERALS:
            self.stack.append(argument)
        elif code in _STORE:
            self.memo[argument] = self.stack[-1]
        elif code in _FETCH:
            self.stack.append(self.memo[argument])
        elif code in _TUPLES:
            count = _TUPLES[code]
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code == "GLOBAL":
            if argument not in _NAMES:
                raise _Refused(f"the name {argument!r}")
            self.stack.append(_Name(argument))
        elif code in self.plain:
            self.plain[code]()
        else:
            raise _Refused(f"the instruction {code}")

    def since_mark(self) -> list[Any]:
        start = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Refused("items that belong to no list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise _Refused("entries that belong to no dictionary")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def reduce(self) -> None:
        """Where pickle would call, recognize NumPy's two patterns."""
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise _Refused("a call")
        if name.endswith("_reconstruct") and arguments[:1] == (_Name("numpy ndarray"),):
            self.stack.append(_Array())
        elif name == "numpy dtype" and arguments[:1] in (("u1",), (b"u1",)):
            self.stack.append(_Type())
        else:
            raise _Refused(f"a call of {name!r}")

    def build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _Type)):
            raise _Refused("the state of an object")
        self.stack[-1].build(state)


def read_pickled(content: bytes, where: str) -> dict[str, Any]:
    """The entries of a pickled dictionary, without running anything in it.

    Args:
        content: a pickle of protocol 2, as Python 2 wrote it.
        where: the file, for messages.

    Returns:
        Keys (texts) to lists, numbers, texts or ``uint8`` arrays (read-only).

    Raises:
        InputError: the file is cut short, or holds anything but plain data; says what.
    """
    machine = _Machine()
    code = ""
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
            code = operation.name
            if code == "STOP" or count > _FEW_ENTRIES:
                break
            machine.step(code, argument)
    except _Refused as refused:
        raise InputError(f"holds {refused}, which is not plain data, and was not run", where=where, right="use the binary version") from refused
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError) as error:
        raise InputError(f"is damaged ({error})", where=where, right="get the file again") from error
    if code != "STOP" or len(machine.stack) != 1 or not isinstance(machine.stack[0], dict):
        raise InputError("holds no dictionary, or far too much", where=where, right="get the file again")
    return {_text(key): item.value if isinstance(item, _Array) else item for key, item in machine.stack[0].items()}


def _text(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
