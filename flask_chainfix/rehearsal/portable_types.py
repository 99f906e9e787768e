"""The types of reflected columns as people write them, where a database makes just that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Boolean, Column, DefaultClause, Enum, MetaData, Table, inspect
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import SQLAlchemyError

_PROBE = "fixchain_types"
_LITERAL = re.compile(r"'((?:[^'\\]|'')*)'(?:::[\w ]+)?")  # PostgreSQL adds its type
# How MySQL shows whole numbers where nobody says it, by whether they are unsigned.
_WIDTHS = {
    ("TINYINT", False): (4,),
    ("TINYINT", True): (3,),
    ("SMALLINT", False): (6,),
    ("SMALLINT", True): (5,),
    ("MEDIUMINT", False): (9,),
    ("MEDIUMINT", True): (8,),
    ("INTEGER", False): (11,),
    ("INTEGER", True): (10,),
    ("BIGINT", False): (20,),
    ("BIGINT", True): (20,),
}


def plain_type(type_: Any, dialect: Dialect) -> Any:
    """A type that is no dialect's, where the database would make the same of it."""
    if isinstance(type_, Enum):
        return type_
    width = getattr(type_, "display_width", None)
    if width in _WIDTHS.get((type_.__visit_name__, getattr(type_, "unsigned", False)), ()):
        type_ = type_.copy()
        type_.display_width = None
    try:
        plain = type_.as_generic()
        same = plain.compile(dialect=dialect) == type_.compile(dialect=dialect)
    except Exception:  # there is none, or the type is not known
        return type_
    return plain if same else type_


def use_portable_types(connection: Connection, tables: Iterable[Table]) -> None:
    """Have columns say ``String`` where the database makes just that of it."""
    dialect = connection.dialect
    columns = [column for table in tables for column in table.columns]
    candidates: dict[str, Any] = {}
    for column in columns:
        words = _compiled(column.type, dialect)
        is_flag = dialect.name in ("mysql", "mariadb") and words == "TINYINT(1)"
        with suppress(NotImplementedError, SQLAlchemyError, AttributeError):
            portable = Boolean() if is_flag else column.type.as_generic()
            if _compiled(portable, dialect) and not isinstance(column.type, Enum):
                candidates[words] = portable
    proven = _proven(connection, candidates)
    for column in columns:
        _forget_defaults(column)
        column.type = proven.get(_compiled(column.type, dialect), column.type)


def _proven(connection: Connection, candidates: Mapping[str, Any]) -> Mapping[str, Any]:
    """The types of which the database makes what is expected."""
    named = {f"c{number}": words for number, words in enumerate(candidates)}
    probe = Table(
        _PROBE,
        MetaData(),
        *(Column(name, candidates[words]) for name, words in named.items()),
    )
    try:
        probe.create(connection)
        found = inspect(connection).get_columns(_PROBE)
        probe.drop(connection)
    except SQLAlchemyError:
        return {}
    same = (
        named[each["name"]]
        for each in found
        if _compiled(each["type"], connection.dialect) == named[each["name"]]
    )
    return {words: candidates[words] for words in same}


def _compiled(type_: Any, dialect: Dialect) -> str:
    try:
        return str(type_.compile(dialect=dialect))
    except SQLAlchemyError:  # a type that SQLAlchemy does not know
        return ""


def _forget_defaults(column: Column[Any]) -> None:
    """Leave out what goes without saying: that a literal is SQL, and which columns count up."""
    default = column.server_default
    if isinstance(default, DefaultClause) and (found := _LITERAL.fullmatch(str(default.arg))):
        column.server_default = DefaultClause(found[1].replace("''", "'"))
    is_key = column.primary_key and len(column.table.primary_key.columns) == 1
    if column.autoincrement is is_key and (is_key or not column.primary_key):
        column.autoincrement = "auto"
