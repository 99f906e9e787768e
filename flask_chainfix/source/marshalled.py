"""Code objects as they are written on disk, read without making any of them.

``marshal.loads`` makes no checks and takes the interpreter down with it where its input is
damaged, and so do code objects of which a part is wrong. Here a wrong byte is an exception.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

from flask_chainfix.source.literals import Computed

_SHARED = 0x80  # set in the type byte of what later references may mean


class Code(NamedTuple):
    """What of a code object tells the constants it stores."""

    instructions: bytes
    constants: tuple[object, ...]
    names: tuple[object, ...]


def loads(data: bytes) -> object:
    """Read one value in the format of ``marshal``.

    The format is that of the running Python, 3.10 or newer (CPython, ``Python/marshal.c``).

    Args:
        data: what stands behind the first 16 bytes of a ``.pyc`` file.

    Returns:
        A constant, a tuple of them, or ``Code``; ``Computed`` for what no header can hold.

    Raises:
        ValueError, LookupError, struct.error, RecursionError, OverflowError: it is damaged.
    """
    return _Reader(data).read_value()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._shared: list[object] = []

    def read_value(self) -> object:
        kind = self._number("<B")
        place = len(self._shared)
        if kind & _SHARED:
            self._shared.append(None)  # its number is taken before those of its parts
        letter = chr(kind & ~_SHARED)
        value = _SINGLE[letter] if letter in _SINGLE else _READERS[letter](self)
        if kind & _SHARED:
            self._shared[place] = value
        return value

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise ValueError(f"{size} bytes are not there")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def _number(self, form: str) -> int:
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        assert isinstance(number, int)
        return number

    def read_integer(self) -> int:
        return self._number("<i")

    def read_long_integer(self) -> Computed:
        self._take(2 * abs(self.read_integer()))
        return Computed("is a large integer")

    def read_floating(self) -> float:
        (number,) = struct.unpack("<d", self._take(8))
        assert isinstance(number, float)
        return number

    def read_complex_number(self) -> complex:
        return complex(self.read_floating(), self.read_floating())

    def read_bytes(self) -> bytes:
        return self._take(self.read_integer())

    def read_short_text(self) -> str:
        return self._take(self._number("<B")).decode("ascii")

    def read_ascii_text(self) -> str:
        return self.read_bytes().decode("ascii")

    def read_text(self) -> str:
        return self.read_bytes().decode("utf-8", "surrogatepass")

    def read_small_tuple(self) -> tuple[object, ...]:
        return self._tuple(self._number("<B"))

    def read_tuple(self) -> tuple[object, ...]:
        return self._tuple(self.read_integer())

    def _tuple(self, size: int) -> tuple[object, ...]:
        if size < 0:
            raise ValueError("fewer than no items")
        return tuple(self.read_value() for _ in range(size))

    def read_frozen_set(self) -> Computed:
        self.read_tuple()
        return Computed("is a frozenset")

    def read_slice(self) -> Computed:
        for _ in ("start", "stop", "step"):
            self.read_value()
        return Computed("is a slice")

    def read_shared(self) -> object:
        return self._shared[self._number("<I")]

    def read_code(self) -> Code:
        # Five or six numbers: the arguments, (before 3.11) the local variables, and so on.
        for _ in range(5 if sys.version_info >= (3, 11) else 6):
            self.read_integer()
        instructions, constants, names = self.read_value(), self.read_value(), self.read_value()
        if sys.version_info >= (3, 11):
            rest = "variables", "their kinds", "file", "name", "qualified name"
            after = "lines", "exceptions"
        else:
            rest = "variables", "free ones", "cells", "file", "name"
            after = ("lines",)
        for _ in rest:
            self.read_value()
        self.read_integer()  # the first line
        for _ in after:
            self.read_value()
        if not (
            isinstance(instructions, bytes)
            and isinstance(constants, tuple)
            and isinstance(names, tuple)
        ):
            raise ValueError("a part of the code is something else")
        return Code(instructions, constants, names)


_SINGLE: dict[str, object] = {"N": None, "T": True, "F": False, ".": ...}


_READERS: dict[str, Callable[[_Reader], object]] = {
    "i": _Reader.read_integer,
    "l": _Reader.read_long_integer,
    "g": _Reader.read_floating,
    "y": _Reader.read_complex_number,
    "s": _Reader.read_bytes,
    "z": _Reader.read_short_text,
    "Z": _Reader.read_short_text,
    "a": _Reader.read_ascii_text,
    "A": _Reader.read_ascii_text,
    "u": _Reader.read_text,
    "t": _Reader.read_text,
    ")": _Reader.read_small_tuple,
    "(": _Reader.read_tuple,
    ">": _Reader.read_frozen_set,
    ":": _Reader.read_slice,
    "r": _Reader.read_shared,
    "c": _Reader.read_code,
}
