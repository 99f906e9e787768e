"""Confine a rehearsing process to its scratch databases."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

from sqlalchemy import Table, create_engine, event, inspect, text
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.pool import NullPool, Pool

from flask_chainfix.databases.drivers import usable
from flask_chainfix.rehearsal.child.failures import ForeignConnection

_CHECKED = "fixchain_checked"


def confine(urls: Mapping[str, URL], *, scratch: bool = True) -> Callable[[], None]:
    """Refuse SQLAlchemy connections to other databases in this process from now on.

    Args:
        urls: the allowed databases, by bind.
        scratch: whether they are scratch databases, which need not survive a power cut.

    Returns:
        A function that lifts the restriction.
    """

    def check(
        dialect: Dialect, record: Any, arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> None:
        in_memory = dialect.name == "sqlite" and arguments[0] in (":memory:", "")
        if not in_memory and not any(
            _is_to(url, dialect, arguments, options) for url in urls.values()
        ):
            raise ForeignConnection(_target(dialect, arguments, options))
        if record is not None:
            record.info[_CHECKED] = True

    def check_again(connection: Any, record: Any) -> None:
        # An engine with its own ``creator`` connects without this event.
        if _CHECKED not in record.info:
            connection.close()
            raise ForeignConnection("another database, through an engine with a creator function")
        if scratch and isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    listeners: tuple[tuple[Any, str, Callable[..., None]], ...] = (
        (Engine, "do_connect", check),
        (Pool, "connect", check_again),
        *([(Table, "before_create", _make_schema_of_versions)] if scratch else []),
    )
    for listener in listeners:
        event.listen(*listener)

    def lift() -> None:
        for listener in listeners:
            event.remove(*listener)

    return lift


def refuse_connections() -> Callable[[], None]:
    """Refuse all connections in this process from now on.

    In-memory SQLite stays allowed, and so do datagrams, which carry logs. Python's audit events
    (PEP 578) cover sockets and SQLite; drivers that connect in C are intercepted at their calls.

    Returns:
        A function that allows them again.
    """
    is_lifted = False
    intercepted: list[tuple[Any, str, Any]] = []

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if is_lifted:
            return
        if event == "sqlite3.connect":
            name = os.fsdecode(arguments[0])
            if name and ":memory:" not in name and "mode=memory" not in name:
                raise ForeignConnection(f"the SQLite database {name}")
        if event == "socket.connect" and arguments[0].type != socket.SOCK_DGRAM:
            place = arguments[1]
            is_pair = isinstance(place, tuple)
            raise ForeignConnection(f"{place[0]}:{place[1]}" if is_pair else os.fsdecode(place))

    def lift() -> None:
        nonlocal is_lifted
        is_lifted = True
        for place in intercepted:
            setattr(*place)

    sys.addaudithook(hear)
    for module, *owner, name in _IN_C:
        if find_spec(module) is not None:
            with suppress(Exception):  # a driver without its library cannot connect
                place = reduce(getattr, owner, import_module(module))
                intercepted.append((place, name, getattr(place, name)))
                setattr(place, name, _refuse)
    return lift


# The connect functions of drivers that connect in C.
_IN_C: tuple[tuple[str, ...], ...] = (
    *(("psycopg2", "connect"), ("psycopg2", "_connect")),
    *(("psycopg", "connect"), ("psycopg", "Connection", "connect")),
    ("psycopg", "AsyncConnection", "connect"),
    *(("MySQLdb", "connect"), ("MySQLdb", "Connect"), ("MySQLdb", "Connection")),
    *(("mariadb", "connect"), ("pyodbc", "connect"), ("pymssql", "connect")),
    *(("oracledb", "connect"), ("cx_Oracle", "connect")),
)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise ForeignConnection("a database")


# What driver arguments tell of a server besides the name of the database; unequal ones may reach
# another server.
_PLACE = ("host", "hostaddr", "port", "unix_socket", "unix_sock", "service", "dsn")
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {"port": "5432"},
    "mysql": {"host": "localhost", "port": "3306"},
}


def _is_to(
    url: URL, dialect: Dialect, arguments: Sequence[Any], options: Mapping[str, Any]
) -> bool:
    """Whether a driver that is called like this reaches the database with this URL."""
    kind = _kind(dialect.name)
    if kind != _kind(url.get_backend_name()):
        return False
    our_arguments, ours = dialect.create_connect_args(url)
    if kind == "sqlite":
        return bool(os.path.realpath(our_arguments[0]) == os.path.realpath(arguments[0]))
    if _databases_in(ours) != _databases_in(options):
        return False
    # A URL without a server leaves it to the arguments that the app gives the driver.
    return not any(map(ours.get, _PLACE)) or _server(kind, ours) == _server(kind, options)


def _kind(backend: str) -> str:
    return "mysql" if backend == "mariadb" else backend


def _server(kind: str, options: Mapping[str, Any]) -> list[str]:
    """The server that a driver connects to."""
    known = {**_DEFAULTS[kind], **options}
    return [str(known.get(key) or "") for key in _PLACE]


def _databases_in(options: Mapping[str, Any]) -> set[str]:
    """The names of the database in the arguments of a driver; drivers prefer different ones."""
    return {str(options[key]) for key in ("database", "dbname", "db") if key in options}


def _target(dialect: Dialect, arguments: Sequence[Any], options: Mapping[str, Any]) -> str:
    """A description of a database without its password."""
    if dialect.name == "sqlite" and arguments:
        return f"the SQLite database {arguments[0]}"
    named = " ".join(("database", *sorted(_databases_in(options))))
    return f"the {dialect.name} {named} on {options.get('host') or 'localhost'}"


def replace_engines(urls: Mapping[str, URL]) -> None:
    """Point Flask-SQLAlchemy's engines to the scratch databases as soon as an app has them.

    An app that connects while it is created then uses a new, empty database.
    """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    make_engines = SQLAlchemy.init_app

    def init_app(self: SQLAlchemy, app: Flask) -> None:
        make_engines(self, app)
        with app.app_context():
            engines: Any = self.engines  # the app's own dictionary
        for bind, engine in list(engines.items()):
            if (bind or "") in urls:
                engines[bind] = create_engine(urls[bind or ""], poolclass=NullPool)
                # For example, if an app translates schema names.
                engines[bind].update_execution_options(**engine.get_execution_options())

    SQLAlchemy.init_app = init_app  # type: ignore[method-assign]


def _make_schema_of_versions(table: Table, connection: Connection, **_: Any) -> None:
    """Create the schema of Alembic's version table, which no migration can: it comes first."""
    dialect = connection.dialect
    is_versions = table.columns.keys() == ["version_num"]
    if table.schema and is_versions and dialect.name == "postgresql":
        schema = dialect.identifier_preparer.quote_identifier(table.schema)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))


def restamp(urls: Mapping[str, URL], version_table: Any, rows: Sequence[str]) -> None:
    """Replace the rows of every stamped scratch database."""
    for url in urls.values():
        engine = create_engine(usable(url), poolclass=NullPool)
        if inspect(engine).has_table(version_table.name, version_table.schema):
            with engine.begin() as connection:
                connection.execute(version_table.delete())
                for row in rows:
                    connection.execute(version_table.insert().values(version_num=row))
        engine.dispose()


def tables_in(urls: Mapping[str, URL]) -> list[str]:
    """The tables of the scratch databases, sorted."""
    names: set[str] = set()
    for url in urls.values():
        engine = create_engine(usable(url), poolclass=NullPool)
        names.update(inspect(engine).get_table_names())
        engine.dispose()
    return sorted(names)
