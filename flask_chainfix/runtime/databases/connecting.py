"""Connections to databases: bounded in time, and back to nobody else afterwards."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine, RootTransaction
from sqlalchemy.pool import NullPool

from flask_chainfix.regular_files import read_beginning
from flask_chainfix.runtime.databases import limits
from flask_chainfix.runtime.databases.obstacles import Obstacle, told
from flask_chainfix.runtime.databases.targets import Target
from flask_chainfix.runtime.drivers import timeouts, usable

_ISOLATION = {"postgresql": "READ COMMITTED", "mysql": "REPEATABLE READ"}
_JOURNAL_MODES = 18  # where in a SQLite file two bytes tell them
_WAL = b"\2\2"


def is_missing(target: Target) -> bool:
    """Whether a SQLite database is in no file; a server is asked when it is connected to.

    Raises:
        Obstacle: it cannot be found out.
    """
    if target.backend != "sqlite":
        return False
    try:
        with told(target):
            return target.file is None or not os.stat(target.file)
    except Obstacle as obstacle:
        if isinstance(obstacle.__cause__, (FileNotFoundError, NotADirectoryError)):
            return True
        raise


@contextmanager
def connected(target: Target, *, writing: bool = False) -> Iterator[Connection]:
    """A connection to the database of a target, for all schemas of it.

    The file of a SQLite database has to be there.

    Args:
        target: one of the database's.
        writing: whether rows are to be moved; otherwise nothing can be changed.

    Raises:
        Obstacle: it cannot be reached.
    """
    with told(target):
        connection = _engine(target, writing).connect()
    try:
        with told(target):
            connection = _isolated(connection, target)
            connection.detach()  # what is set on it must not come to the app
            _prepare(connection, target, writing)
        yield connection
    finally:
        with suppress(Exception):  # a broken connection cannot be closed either
            connection.close()


@contextmanager
def transaction(
    connection: Connection, target: Target, *, writing: bool = False
) -> Iterator[RootTransaction]:
    """A transaction that is rolled back at the end unless it was committed."""
    with told(target):
        begun = connection.begin()
    try:
        with told(target):
            _begin(connection, target, writing)
        yield begun
    finally:
        with suppress(Exception):  # then the server rolls back, as it has lost the connection
            begun.close()


def _engine(target: Target, writing: bool) -> Engine:
    own = target.engine is not None and not target.engine.dialect.is_async
    # The app's own way to open a file would write it when it is closed: it keeps up the WAL.
    if target.file is not None and not (own and writing):
        return create_engine("sqlite://", creator=_opener(target.file, writing), poolclass=NullPool)
    if target.engine is not None and own:
        return target.engine
    url = usable(target.url)
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=timeouts(url, limits.CONNECTING, 2 * limits.WAITING),
    )


def _opener(file: Path, writing: bool) -> Callable[[], sqlite3.Connection]:
    """What opens a SQLite file and makes none, nor any beside it when it is only read."""
    mode = "rw" if writing else "ro"
    if not writing and _rests(file):
        mode += "&immutable=1"

    def connect() -> sqlite3.Connection:
        read_beginning(file, 0)  # SQLite would wait for what a pipe may hold some day
        place = f"file:{quote(file.as_posix())}?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=limits.WAITING, check_same_thread=False)

    return connect


def _rests(file: Path) -> bool:
    """Whether nobody has a SQLite file open that would otherwise need files beside it."""
    modes = read_beginning(file, _JOURNAL_MODES + 2)[_JOURNAL_MODES:]
    return modes == _WAL and not Path(f"{file}-wal").exists()


def _isolated(connection: Connection, target: Target) -> Connection:
    """The connection with transactions, whatever the app has set for its own ones."""
    if target.backend == "sqlite":
        _take_over(_driver(connection))
        return connection
    return connection.execution_options(isolation_level=_ISOLATION[target.backend])


def _prepare(connection: Connection, target: Target, writing: bool) -> None:
    if target.backend == "mysql":
        waiting = f"lock_wait_timeout = {limits.WAITING}"
        with connection.begin():
            connection.execute(text(f"SET SESSION {waiting}, SESSION innodb_{waiting}"))
            if not writing:
                connection.execute(text("SET SESSION TRANSACTION READ ONLY"))


def _begin(connection: Connection, target: Target, writing: bool) -> None:
    if target.backend == "postgresql":
        # For the transaction only: a pool on the way may hand the session to somebody else.
        connection.execute(
            text(
                "SELECT set_config('lock_timeout', :lock, true),"
                " set_config('statement_timeout', :statement, true)"
                + ("" if writing else ", set_config('transaction_read_only', 'on', true)")
            ),
            {"lock": f"{limits.WAITING}s", "statement": f"{2 * limits.WAITING}s"},
        )
    elif target.backend == "sqlite":
        _driver(connection).rollback()  # what a listener of the app may have begun
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {limits.WAITING * 1000}")
        if writing:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("PRAGMA query_only = ON")


def _take_over(driver: Any) -> None:
    """Have the driver begin no transactions by itself."""
    if hasattr(driver, "autocommit"):  # since Python 3.12
        driver.autocommit = -1  # as before it: sqlite3.LEGACY_TRANSACTION_CONTROL
    driver.isolation_level = None


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
