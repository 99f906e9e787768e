"""New, empty databases of every kind that the tests use.

A server is found through ``FIXCHAIN_TEST_POSTGRESQL`` and ``FIXCHAIN_TEST_MARIADB``, which hold
URLs; without them the usual local ports are tried. A server that is not there skips the test, and
fails it where ``CI=true``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

SERVERS = ("postgresql", "mariadb")
KINDS = ("sqlite", *SERVERS)

_VARIABLES = {"postgresql": "FIXCHAIN_TEST_POSTGRESQL", "mariadb": "FIXCHAIN_TEST_MARIADB"}
_USUAL = {
    "postgresql": "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres",
    "mariadb": "mysql+pymysql://root@127.0.0.1:3306/",
}
# SQLAlchemy 1.4 knows only the older of the two drivers.
_OTHER_DRIVERS = {"postgresql": ("postgresql+psycopg2", "postgresql+psycopg"), "mariadb": ()}


@contextmanager
def new_database(kind: str, directory: Path) -> Iterator[str]:
    """Create a database and drop it afterwards.

    Args:
        kind: one of ``KINDS``.
        directory: where a SQLite file may lie.

    Yields:
        Its URL, password included.
    """
    if kind == "sqlite":
        yield f"sqlite:///{directory / 'test.db'}"
        return
    server = _connect(kind)
    name = f"chainfix_test_{uuid4().hex}"
    try:
        _execute(server, f"CREATE DATABASE {name}")
        try:
            yield server.url.set(database=name).render_as_string(hide_password=False)
        finally:
            _execute(server, f"DROP DATABASE {name}")
    finally:
        server.dispose()


def _connect(kind: str) -> Engine:
    """An engine for the server itself, which has answered."""
    variable = _VARIABLES[kind]
    url = make_url(os.environ.get(variable) or _USUAL[kind])
    try:
        engine = _engine(url, _OTHER_DRIVERS[kind])
        with engine.connect():
            return engine
    except (OperationalError, ImportError) as error:
        reason = f"no {kind} server: {variable} names none that answers ({error})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def _engine(url: URL, other_drivers: tuple[str, ...]) -> Engine:
    for driver in (url.drivername, *other_drivers):
        with suppress(NoSuchModuleError, ImportError):
            return create_engine(
                url.set(drivername=driver), poolclass=NullPool, isolation_level="AUTOCOMMIT"
            )
    raise ImportError(f"no driver for {url.drivername} is installed")


def _execute(server: Engine, statement: str) -> None:
    with server.connect() as connection:
        connection.execute(text(statement))
