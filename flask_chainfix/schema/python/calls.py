"""The value of a call in a migration, and its effects on the schema."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from flask_chainfix.schema.footprint import Action
from flask_chainfix.schema.python.definitions import DEFINITIONS, data_type
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.operations import perform, run_statement
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Clause,
    DataType,
    Foreign,
    Handle,
    Imported,
    Local,
    Method,
    Operations,
    Text,
    TypeValue,
    elements,
    held_by,
    uses,
)

_EXECUTES = frozenset({"execute", "exec_driver_sql", "scalar", "scalars", "stream"})
_QUERIES = frozenset(
    {"add", "add_all", "delete", "get", "merge", "query"}
    | {"bulk_insert_mappings", "bulk_save_objects", "bulk_update_mappings"}
)
_GIVES_HANDLE = frozenset(
    {"autocommit_block", "begin", "begin_nested", "connect", "connection"}
    | {"execution_options", "get_bind"}
)
_HARMLESS = frozenset(
    {"close", "commit", "expire_all", "expunge_all", "flush", "rollback"}
    | {"get_transaction", "in_transaction", "detach", "invalidate", "refresh", "remove"}
)
_SESSIONS = frozenset({"Connection", "Session", "scoped_session", "sessionmaker", "get_bind"})
_CONTEXTS = frozenset({"get_context", "get_bind"})
_BACK_DOORS = frozenset(
    {"__import__", "compile", "eval", "exec", "getattr", "globals", "setattr", "vars"}
)
_DEDENT = frozenset({"inspect.cleandoc", "textwrap.dedent"})
_WAYS_ROUND = frozenset({"importlib", "os.popen", "os.system", "runpy", "sqlite3", "subprocess"})
# Modules that migrations make values with and that cannot reach a database.
_LIBRARIES = frozenset(
    {"bcrypt", "dateutil", "passlib", "pytz", "slugify", "unidecode", "werkzeug"}
)
# Methods of tables and of metadata.
_ON_TABLES = {
    **dict.fromkeys(("create", "create_all"), (Action.CREATE,)),
    **dict.fromkeys(("drop", "drop_all"), (Action.DROP,)),
    "reflect": (),
}
_SEQUENCES = frozenset({"frozenset", "list", "reversed", "set", "tuple"})


def defines(function: object) -> bool:
    """Whether a call defines a column or table, so that its arguments make types and defaults."""
    return isinstance(function, Imported) and function.name.rpartition(".")[2] in DEFINITIONS


def call(run: Run, function: object, arguments: Arguments) -> object:
    """Call a value."""
    handler = _BY_TYPE.get(type(function))
    if handler is not None:
        return handler(run, function, arguments)
    if not run.defining:
        run.doubt("a call of something that is computed", arguments.line)
    return UNKNOWN


def _method(run: Run, method: Method, arguments: Arguments) -> object:
    handler = _BY_OWNER.get(type(method.owner))
    if handler is None:
        return _other_method(run, method, arguments)
    return handler(run, method.owner, method.name, arguments)


def _other_method(run: Run, method: Method, arguments: Arguments) -> object:
    """Call a method that does not change the schema itself."""
    root: object = method
    while isinstance(root, Method):
        root = root.owner
    if isinstance(root, Foreign):
        return _elsewhere(run, f"{root.name}().{method.name}()", arguments)
    if isinstance(root, Clause) and method.name in _ON_TABLES:
        for action in _ON_TABLES[method.name]:
            run.doubt(f"SQLAlchemy's {method.name}()", arguments.line, action)
    elif _hands_over(run, f"{method.name}()", arguments):
        return UNKNOWN
    used = uses([method.owner, *arguments.values])
    return Clause(used) if used or isinstance(root, Clause) else UNKNOWN


def _hands_over(run: Run, to: str, arguments: Arguments) -> bool:
    """Whether a connection or the like is passed to code that cannot be followed."""
    if not any(map(_reaches_database, arguments.values)):
        return False
    run.copied = True  # a batch may be passed, too
    if not run.defining:
        run.doubt(f"the connection is handed to {to}", arguments.line)
    return True


def _reaches_database(value: object) -> bool:
    if type(value) is tuple or isinstance(value, dict):
        return any(map(_reaches_database, held_by(value)))
    owner = value.owner if isinstance(value, Method) else value
    return isinstance(owner, (Handle, Operations))


def _handle(run: Run, owner: Handle, name: str, arguments: Arguments) -> object:
    if name in _EXECUTES:
        run_statement(run, arguments.get(0, "statement", "clause"), arguments.line)
        return UNKNOWN
    if name in _QUERIES:
        run.changes_rows(f"{name}()", arguments.line)
        used = uses(arguments.values)
        for thing in used:
            run.note(Action.USE, thing, arguments.line)
        return Clause(used)
    if name in _GIVES_HANDLE:
        if "schema_translate_map" in arguments.named:
            run.names_move = True
            run.doubt("names mean other schemas from then on", arguments.line)
        return owner
    if name not in _HARMLESS:
        run.doubt(f"the connection's {name}()", arguments.line)
    return UNKNOWN


def _type(run: Run, owner: TypeValue, name: str, arguments: Arguments) -> object:
    if owner.object is not None and name in ("create", "drop"):
        action = Action.CREATE if name == "create" else Action.DROP
        looks_first = arguments.get(1, "checkfirst")
        certain = looks_first is False or (looks_first is None and not owner.guarded)
        run.note(action, owner.object, arguments.line, certain=certain and run.has_types)
        return UNKNOWN
    return owner


def _elsewhere(run: Run, name: str, arguments: Arguments) -> object:
    """Record a doubt about a function from elsewhere."""
    if not _hands_over(run, name, arguments) and not run.defining:
        run.doubt(f"{name}, which is defined elsewhere", arguments.line)
    return UNKNOWN


def _imported(run: Run, function: Imported, arguments: Arguments) -> object:
    module, _, name = function.name.rpartition(".")
    if module == "builtins":
        return _builtin(run, name, arguments)
    if name in DEFINITIONS:
        return DEFINITIONS[name](run, arguments)
    package = function.name.partition(".")[0]
    if package == "alembic" and not _hands_over(run, function.name, arguments):
        if name == "execute":
            run_statement(run, arguments.get(0, "sql"), arguments.line)
        return Handle() if name in _CONTEXTS else UNKNOWN
    if package == "sqlalchemy":
        return Handle() if name in _SESSIONS else _type_or_clause(function, arguments)
    known = package in sys.stdlib_module_names or package in _LIBRARIES
    if known and package not in run.local:  # a module of the project may have such a name
        return _standard(run, function.name, arguments)
    if name[:1].isupper() and not any(map(_reaches_database, arguments.values)):
        return Foreign(function.name)
    return _elsewhere(run, f"{function.name}()", arguments)


def _type_or_clause(function: Imported, arguments: Arguments) -> object:
    """A value of SQLAlchemy's that is not defined in detail."""
    if (word := data_type(function, arguments)) is not None:
        return DataType(word)
    is_boolean = function.name.endswith(".Boolean")
    if "create_constraint" in arguments.named or (is_boolean and arguments.values):
        return Foreign(function.name)  # it brings a check
    types = [value for value in arguments.values if isinstance(value, TypeValue)]
    return types[0] if types else Clause(uses(arguments.values))


def _standard(run: Run, name: str, arguments: Arguments) -> object:
    """Call a function of Python's standard library, or of a library that only makes values."""
    if _hands_over(run, name, arguments):
        return UNKNOWN
    if name in _DEDENT:
        return arguments.get(0, "text", "doc")
    if name in _WAYS_ROUND or name.partition(".")[0] in _WAYS_ROUND:
        run.doubt(f"{name}()", arguments.line)
    return UNKNOWN


def _builtin(run: Run, name: str, arguments: Arguments) -> object:
    if name in _BACK_DOORS:
        run.doubt(f"{name}()", arguments.line)
    elif not _hands_over(run, f"{name}()", arguments):
        if any(isinstance(value, Local) for value in arguments.values):
            run.doubt(f"a function handed to {name}()", arguments.line)
        elif name in _SEQUENCES and arguments.complete:
            held = elements(arguments.get(0) if arguments.values else ())
            return UNKNOWN if held is None else held[::-1] if name == "reversed" else held
    return UNKNOWN


def _itself(run: Run, value: object, *_: object) -> object:
    """A session from a session's maker, a row from its model, a text with its parameters."""
    return value


_BY_TYPE: dict[type, Callable[[Run, Any, Arguments], object]] = {
    Method: _method,
    Imported: _imported,
    Local: Run.call,
    Handle: _itself,
    Clause: _itself,
}
_BY_OWNER: dict[type, Callable[[Run, Any, str, Arguments], object]] = {
    Operations: perform,
    Handle: _handle,
    TypeValue: _type,
    Text: _itself,
}
