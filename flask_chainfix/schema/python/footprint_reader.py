"""From the bytes of a migration to its footprint."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection

from flask_chainfix.schema.footprint import Footprint, Opaque
from flask_chainfix.schema.python.interpreter import Run, TooMuch
from flask_chainfix.schema.python.module_names import Module
from flask_chainfix.schema.python.statements import follow
from flask_chainfix.schema.python.values import Arguments, Local
from flask_chainfix.source import excess

_CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError)


def read_footprint(
    data: bytes,
    *,
    dialect: str | None = None,
    local: Collection[str] = (),
    direction: str = "upgrade",
    bind: str | None = None,
) -> Footprint:
    """Find out what a migration does to the schema, without running it.

    The statements of its function are followed as they would run: constants are worked out, loops
    over literals unrolled, helper functions of the same file entered. What depends on anything
    else is either uncertain (it may or may not happen) or opaque (it cannot be known).

    Args:
        data: the file's bytes.
        dialect: SQLAlchemy's name of the database's dialect, for SQL; ``None`` where it is not
            known.
        local: the top-level modules of the migration's own project, which may do anything,
            whatever they are called.
        direction: ``upgrade`` or ``downgrade``.
        bind: the database that it runs on, in a multi-database environment; ``None`` for each.
    """
    if (too_much := excess(data)) is not None:
        return _all_opaque(f"a file that {too_much.reason}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a migration's own SyntaxWarnings are not ours
            tree = ast.parse(data)
        module = Module(tree, data)
    except _CANNOT_PARSE:
        return _all_opaque("a file that is no valid Python for this interpreter")
    function = module.functions.get(direction)
    if function is None:
        return _all_opaque(f"{direction}() is not defined in the file itself")
    parts = {"": function}
    if function.args.args:  # as Flask-Migrate's template for several databases writes them
        prefix = f"{direction}_"
        binds = [name for name in module.functions if name.startswith(prefix)]
        parts = {name[len(prefix) :]: module.functions[name] for name in binds} or parts
        if bind is not None and binds:
            parts = {bind: parts[bind]} if bind in parts else {}
    found = Footprint()
    for database, part in parts.items():
        run = Run(module, follow, dialect, database, local)
        try:
            run.call(Local(part), Arguments([], {}, part.lineno))
        except (TooMuch, RecursionError, ValueError):
            run.doubt("too much to be followed", part.lineno)
        more, before = run.footprint, len(found.effects)
        found = Footprint(
            found.effects + more.effects,
            (*found.opaque, *(one._replace(place=one.place + before) for one in more.opaque)),
            (*found.unnamed, *((table, place + before) for table, place in more.unnamed)),
            found.rows + more.rows,
        )
    return found


def _all_opaque(detail: str) -> Footprint:
    return Footprint((), (Opaque(detail, 1),))
