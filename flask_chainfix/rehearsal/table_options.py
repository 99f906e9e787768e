"""Options and keys that reflection leaves out of a table, or finds though nobody has said them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import UniqueConstraint

from flask_chainfix.databases.catalog import sqlite_clauses, sqlite_references, sqlite_uniques

_SQLITE_OPTIONS = {
    "AUTOINCREMENT": ("sqlite_autoincrement", True),
    "WITHOUT ROWID": ("sqlite_with_rowid", False),
    "STRICT": ("sqlite_strict", True),
}


def set_options(connection: Connection, table: Table) -> None:
    """What reflection leaves out of a table in SQLite, or finds and nobody has said."""
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
    """Keys as SQLite's pragmas tell them, as SQLAlchemy reads no more than usual texts."""
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
    """The options that every table of a MySQL database gets where nothing is said."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return {}
    statement = (
        "SELECT @@default_storage_engine AS engine, @@character_set_database AS"
        " `default charset`, @@collation_database AS `collate`"
    )
    return dict(connection.execute(text(statement)).mappings().one())


def leave_out_defaults(table: Table) -> None:
    """Take away what reflection says of everything, and what means nothing."""
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
    except ArgumentError:  # an older SQLAlchemy does not know it: the comparison tells
        return
