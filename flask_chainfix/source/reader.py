"""One migration file: whether Alembic loads it, which way to read it, what makes it unreadable."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

from flask_chainfix.model.files import COMPILED, Header, Unreadable
from flask_chainfix.source.judge import judge
from flask_chainfix.source.limits import excess
from flask_chainfix.source.scan import scan

_SOURCE = re.compile(r"(?!\.\#|__init__)(.*\.py)$")
_SOURCE_OR_COMPILED = re.compile(r"(?!\.\#|__init__)(.*\.py)(c|o)?$")


def is_loaded(name: str, exists: Callable[[str], bool], *, sourceless: bool = False) -> bool:
    """Whether Alembic loads a file.

    Args:
        name: its name without directories.
        exists: tells whether a file of another name lies beside it.
        sourceless: whether compiled files count where there is nothing better to load.
    """
    match = (_SOURCE_OR_COMPILED if sourceless else _SOURCE).match(name)
    if match is None:
        return False
    if match.lastindex != 2:
        return True
    return not (exists(match[1]) or (match[2] == "o" and exists(f"{match[1]}c")))


_CONFLICT = re.compile(rb"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)
_OF_COMPILED = Header(None, None, None, None, "", None, None, None, {})
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

# What compiling bytes can raise; ValueError is for NUL bytes, the last three for source that
# is nested or sized beyond what the interpreter can take.
_CANNOT_COMPILE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def read(data: bytes, filename: str, *, compiles: bool = False) -> Header | Unreadable:
    """Read the header of a migration file without running it.

    Of a compiled file nothing is read: its header says that all of it is unknown.

    Args:
        data: the file's bytes.
        filename: its name without directories; Alembic takes the id of very old files from it.
        compiles: the caller knows that the bytes compile (the interpreter's bytecode cache says
            so), which saves compiling them only to find that out.

    Returns:
        The header; or why Alembic cannot load the file. What only running the file could show
        (a failing import, a ``NameError``) is not looked for.
    """
    if filename.endswith(COMPILED):
        return _OF_COMPILED
    header = scan(data)
    if header is not None and compiles:
        return header
    if (too_much := excess(data)) is not None:
        return too_much
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a migration's own SyntaxWarnings are not ours
            if header is not None:
                compile(data, filename, "exec", dont_inherit=True)
                return header
            judged = judge(data, filename)
            return judged if isinstance(judged, Unreadable) else judged.header
    except _CANNOT_COMPILE as error:
        return _unreadable(data, error)


def _unreadable(data: bytes, error: BaseException) -> Unreadable:
    conflict = _CONFLICT.search(data)
    if conflict is not None:
        line = 1 + data.count(b"\n", 0, conflict.start())
        return Unreadable(
            "holds Git conflict markers", "resolve the conflict in the file, then try again", line
        )
    if data.startswith(_UTF16_MARKS):
        return Unreadable("is UTF-16, which Python cannot read", "save the file as UTF-8")
    if b"\x00" in data:
        line = 1 + data.count(b"\n", 0, data.index(b"\x00"))
        return Unreadable(
            "holds NUL bytes", "restore the file, for example from version control", line
        )
    if isinstance(error, SyntaxError):
        return Unreadable(
            f"is not valid Python: {error.msg}",
            "correct the file, then try again",
            error.lineno or None,
        )
    return Unreadable(
        f"cannot be compiled: {type(error).__name__}",
        "simplify the file: Python itself cannot compile it",
    )
