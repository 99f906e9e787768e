"""Headers of compiled migrations (Alembic's ``sourceless`` mode), read without running them."""

from __future__ import annotations

import dis
import importlib.util
import struct
from collections.abc import Iterator

from flask_chainfix.model.files import Header, Unreadable
from flask_chainfix.source import marshalled
from flask_chainfix.source.docstring import Docstring, parse_docstring
from flask_chainfix.source.judge import header_ids, header_problems
from flask_chainfix.source.limits import MOST_IDS, too_many_ids
from flask_chainfix.source.literals import Computed
from flask_chainfix.source.module import HEADER_NAMES

_LARGEST_ARGUMENT = 2**32 - 1


_PREFIX_SIZE = 16  # magic number, flags, and time with size or a hash (PEP 552)


def read_bytecode(data: bytes) -> Header | Unreadable:
    """Read the header of a ``.pyc`` file, which holds constants but no spans."""
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return Unreadable(
            "was compiled by another version of Python",
            "run the command with the Python that runs the app",
        )
    values = _read_values(data[_PREFIX_SIZE:])
    if values is None:
        return Unreadable("is damaged bytecode", "compile the migration again")
    for name in ("revision", "down_revision"):
        if name not in values:
            return Unreadable(f"assigns no {name}", "add the variable, and compile it again")
    ids = {name: header_ids(name, values.get(name)) for name in HEADER_NAMES}
    for name in HEADER_NAMES:
        if len(ids[name] or ()) > MOST_IDS:
            return too_many_ids(name)
    problems = [
        problem
        for name in HEADER_NAMES
        if name in values
        for problem in header_problems(name, values[name], 0)
    ]
    document = values.get("__doc__")
    docstring = parse_docstring(document)[0] if isinstance(document, str) else Docstring()
    return Header(
        ids["revision"][0] if ids["revision"] else None,
        ids["down_revision"],
        ids["branch_labels"],
        ids["depends_on"],
        *docstring,
        {},
        tuple(problems),
    )


def _read_values(data: bytes) -> dict[str, object] | None:
    """What a module's variables hold; ``None`` where the bytecode is damaged."""
    try:
        code = marshalled.loads(data)
        return _stored_constants(code) if isinstance(code, marshalled.Code) else None
    except (ValueError, LookupError, struct.error, RecursionError, OverflowError):
        return None


def _stored_constants(code: marshalled.Code) -> dict[str, object]:
    """What module-level names hold after the last statement, where that is a constant."""
    values: dict[str, object] = {}
    instructions = list(_instructions(code.instructions))
    branches = any("JUMP" in name for name, _ in instructions)
    loaded: object = Computed("is computed")
    for name, argument in instructions:
        if name in ("STORE_NAME", "STORE_GLOBAL"):
            values[str(code.names[argument])] = loaded
        constant = name == "LOAD_CONST" and not branches
        loaded = code.constants[argument] if constant else Computed("is computed")
    return values


def _instructions(code: bytes) -> Iterator[tuple[str, int]]:
    """Each instruction's name and argument (CPython's "wordcode": two bytes each).

    Raises:
        ValueError: it is damaged.
    """
    argument = 0
    for opcode, byte in zip(code[::2], code[1::2], strict=True):
        argument = argument << 8 | byte
        if argument > _LARGEST_ARGUMENT:
            raise ValueError("an argument of more than four bytes")
        if opcode != dis.EXTENDED_ARG:
            if opcode:  # 0 keeps room for what the interpreter notes while it runs
                yield dis.opname[opcode], argument
            argument = 0
