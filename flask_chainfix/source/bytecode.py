"""Headers of compiled migrations (Alembic's ``sourceless`` mode), read without running them."""

from __future__ import annotations

import dis
import importlib.util
import marshal
from types import CodeType

from flask_chainfix.model import Header, Unreadable
from flask_chainfix.source.docstring import Docstring, parse_docstring
from flask_chainfix.source.judge import header_ids, header_problems
from flask_chainfix.source.literals import Computed
from flask_chainfix.source.module import HEADER_NAMES

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
        code = marshal.loads(data)  # noqa: S302  (Alembic would even run it)
        return _stored_constants(code) if isinstance(code, CodeType) else None
    except Exception:  # neither marshal nor dis checks its input: SystemError, IndexError, …
        return None


def _stored_constants(code: CodeType) -> dict[str, object]:
    """What module-level names hold after the last statement, where that is a constant."""
    values: dict[str, object] = {}
    before = None
    branches = any("JUMP" in instruction.opname for instruction in dis.get_instructions(code))
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            constant = before is not None and before.opname == "LOAD_CONST" and not branches
            values[instruction.argval] = (
                before.argval if constant and before else Computed("is computed")
            )
        before = instruction
    return values
