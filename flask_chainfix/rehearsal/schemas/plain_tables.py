"""Normalize reflected tables to what people write: types, sequences, options and keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Boolean, Column, DefaultClause, Enum, MetaData, Table, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import UniqueConstraint

from flask_chainfix.databases.catalog import sqlite_clauses, sqlite_references, sqlite_uniques
from flask_chainfix.schema.footprint import SchemaObject

_PROBE = "fixchain_types"
_LITERAL = re.compile(r"'((?:[^'\\]|'')*)'(?:::[\w ]+)?")  # PostgreSQL adds its type
# MySQL's default display widths of integers, by whether they are unsigned.
_WIDTHS = {
    ("TINYINT", False): 4,
    ("TINYINT", True): 3,
    ("SMALLINT", False): 6,
    ("SMALLINT", True): 5,
    ("MEDIUMINT", False): 9,
    ("MEDIUMINT", True): 8,
    ("INTEGER", False): 11,
    ("INTEGER", True): 10,
    ("BIGINT", False): 20,
    ("BIGINT", True): 20,
}


def plain_type(type_: Any, dialect: Dialect) -> Any:
    """A generic type, if the database would store the same type for it."""
    if isinstance(type_, Enum):
        return type_
    usual = _WIDTHS.get((type_.__visit_name__, getattr(type_, "unsigned", False)))
    if usual is not None and usual == getattr(type_, "display_width", None):
        type_ = type_.copy()
        type_.display_width = None
    try:
        plain = type_.as_generic()
        same = plain.compile(dialect=dialect) == type_.compile(dialect=dialect)
    except Exception:  # there is none, or the type is not known
        return type_
    return plain if same else type_


def use_portable_types(connection: Connection, tables: Iterable[Table]) -> None:
    """Use ``String`` for columns if the database stores the same type for it."""
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
    """The types for which the database stores what is expected."""
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
    """Remove implicit attributes: ``text()`` around literals, and autoincrement."""
    default = column.server_default
    if isinstance(default, DefaultClause) and (found := _LITERAL.fullmatch(str(default.arg))):
        column.server_default = DefaultClause(found[1].replace("''", "'"))
    is_key = column.primary_key and len(column.table.primary_key.columns) == 1
    if column.autoincrement is is_key and (is_key or not column.primary_key):
        column.autoincrement = "auto"


# --- The sequences of PostgreSQL -----------------------------------------------------------------


_SEQUENCES = """
SELECT n.nspname, c.relname, s.seqtypid::regtype::text AS type, s.seqstart, s.seqincrement,
  s.seqmin, s.seqmax, s.seqcache, s.seqcycle, t.relname AS of_table, a.attname AS of_column,
  coalesce(d.deptype = 'i', false) AS of_identity
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
  AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE n.nspname !~ '^pg_' ORDER BY n.nspname, c.relname
"""
_WIDEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_NEXT = re.compile(r"nextval\('(.+)'::regclass\)")


def sequences_in(connection: Connection) -> list[dict[str, Any]]:
    """All sequences with their columns; ``schema`` is ``None`` for the default one."""
    default = inspect(connection).default_schema_name
    found = connection.execute(text(_SEQUENCES.replace("::", "\\:\\:")))
    rows = [row._asdict() for row in found]
    return [
        {**row, "schema": None if row["nspname"] == default else row["nspname"]} for row in rows
    ]


def sequence_options(row: Mapping[str, Any]) -> str:
    """The options of a sequence that differ from the defaults."""
    widest = _WIDEST.get(row["type"], 0)
    down = row["seqincrement"] < 0
    usual = {
        "INCREMENT": ("seqincrement", 1),
        "MINVALUE": ("seqmin", -widest - 1 if down else 1),
        "MAXVALUE": ("seqmax", -1 if down else widest),
        "START": ("seqstart", row["seqmax"] if down else row["seqmin"]),
        "CACHE": ("seqcache", 1),
    }
    words = [f" {word} {row[key]}" for word, (key, value) in usual.items() if row[key] != value]
    return "".join((*words, " CYCLE" if row["seqcycle"] else ""))


def sequence_of(default: Any) -> str | None:
    """The sequence from which a default takes its values, as PostgreSQL writes it."""
    found = _NEXT.fullmatch(str(default))
    return found and found[1]


def sequences_for(
    thing: SchemaObject, columns: Iterable[Column[Any]]
) -> tuple[list[str], list[str]]:
    """The statements that create sequences before their columns, and link them afterwards."""
    made, owned = [], []
    quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]
    for column in columns:
        default = column.server_default
        name = sequence_of(default.arg) if isinstance(default, DefaultClause) else None
        if name is not None:
            place = ".".join(map(quote, filter(None, (thing.schema, column.table.name))))
            owner = f"{place}.{quote(column.name)}"
            made.append(f"op.execute({f'CREATE SEQUENCE IF NOT EXISTS {name}'!r})")
            owned.append(f"op.execute({f'ALTER SEQUENCE {name} OWNED BY {owner}'!r})")
    return made, owned


# --- Options and keys that reflection misses, or adds --------------------------------------------


_SQLITE_OPTIONS = {
    "AUTOINCREMENT": ("sqlite_autoincrement", True),
    "WITHOUT ROWID": ("sqlite_with_rowid", False),
    "STRICT": ("sqlite_strict", True),
}


def set_options(connection: Connection, table: Table) -> None:
    """Add options of a table that reflection misses, and remove implicit ones."""
    if connection.dialect.name == "sqlite":
        quoted = {"name": table.name}
        statement = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"
        sql = connection.execute(text(statement), quoted).scalar_one_or_none()
        for clause in sqlite_clauses(sql or ""):
            if clause in _SQLITE_OPTIONS:
                _set(table, *_SQLITE_OPTIONS[clause])
        _set_keys(connection, table)
    defaults = _defaults(connection)
    for name, value in list(table.kwargs.items()):
        if defaults.get(name.partition("_")[2]) == value:
            del table.kwargs[name]


def _set_keys(connection: Connection, table: Table) -> None:
    """Set keys from SQLite's pragmas, since SQLAlchemy only parses common spellings."""
    known = {tuple(c.name for c in each.columns): each for each in table.foreign_key_constraints}
    for reference in sqlite_references(connection, table.name):
        key = known.get(reference.columns)
        if key is not None:
            update, delete = (None if a == "NO ACTION" else a for a in reference.actions)
            key.onupdate, key.ondelete = key.onupdate or update, key.ondelete or delete
    uniques = [
        tuple(column.name for column in each.columns)
        for each in table.constraints
        if isinstance(each, UniqueConstraint)
    ]
    for columns in sqlite_uniques(connection, table.name):
        if columns not in uniques:
            table.append_constraint(UniqueConstraint(*columns))


def _defaults(connection: Connection) -> Mapping[str, str]:
    """The default options of tables in a MySQL database."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return {}
    statement = (
        "SELECT @@default_storage_engine AS engine, @@character_set_database AS"
        " `default charset`, @@collation_database AS `collate`"
    )
    return dict(connection.execute(text(statement)).mappings().one())


def leave_out_defaults(table: Table) -> None:
    """Remove reflected options that equal the defaults or have no effect."""
    for column in table.columns:
        if not column.primary_key or column.server_default is not None:
            column.autoincrement = "auto"
    parts: tuple[Any, ...] = (*table.constraints, *table.indexes)
    for part in parts:
        for name, value in list(part.dialect_kwargs.items()):
            if value in ([], {}, None):
                del part.dialect_kwargs[name]


def _set(table: Table, option: str, value: object) -> None:
    try:
        table.kwargs[option] = value
    except ArgumentError:  # unknown to an older SQLAlchemy; the comparison reports it
        return
