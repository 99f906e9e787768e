"""Connections to databases: they never wait for long, and nobody else gets them afterwards."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine, RootTransaction
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flask_chainfix.common.errors import ChainFixError, StatementFailed
from flask_chainfix.common.regular_files import read_beginning
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.database_errors import remedy_for_connecting, trouble_of
from flask_chainfix.databases.drivers import missing_driver, timeouts, usable, without_driver
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.messages import masked, said, secrets_of
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.rehearsal import Statement

CONNECTING = 5  # seconds
WAITING = 5  # seconds for a lock; a statement may take twice that where the server can be told
SILENCE = 15  # seconds without any sign of life, after which nobody waits any longer

_ISOLATION = {"postgresql": "READ COMMITTED", "mysql": "REPEATABLE READ"}
_JOURNAL_MODES = 18  # where in a SQLite file two bytes tell them
_WAL = b"\2\2"


class Obstacle(Exception):
    """A database could not be used.

    Attributes:
        problem: what happened, in the database's words where it has said something.
        remedy: what to do about it.
        kind: what it is.
        lost: whether the connection can no longer be used.
    """

    def __init__(
        self, problem: str, remedy: str | Remedy, kind: Trouble = Trouble.OTHER, lost: bool = False
    ) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.kind, self.lost = problem, remedy, kind, lost


@contextmanager
def obstacles_of(target: Target) -> Iterator[None]:
    """Turn whatever a driver raises into an ``Obstacle``; errors of our own stay what they are.

    Raises:
        Obstacle: the database could not be used.
    """
    try:
        yield
    except (Obstacle, ChainFixError):
        raise
    except Exception as error:  # drivers do not only raise what SQLAlchemy wraps
        raise obstacle_from(error, target) from error


def obstacle_from(error: Exception, target: Target) -> Obstacle:
    """What an exception of a driver means."""
    if driver := missing_driver(error):
        return Obstacle(*without_driver(driver, target.url))
    message = masked(said(error), secrets_of(target.url))
    kind = trouble_of(error)
    # What was begun in such a file has to be rolled back before it can be read.
    if kind is Trouble.READ_ONLY and target.file and Path(f"{target.file}-journal").exists():
        return Obstacle(
            f"{target.file}-journal is there: an app was killed while it wrote",
            "open the database once, with that app or with sqlite3, which rolls that write back",
            kind,
        )
    lost = not isinstance(error, DBAPIError) or bool(error.connection_invalidated)
    remedy = _remedy(kind, target)
    return Obstacle(
        message, remedy, Trouble.LOST if lost and kind is Trouble.OTHER else kind, lost=lost
    )


def no_answer(seconds: float | None = None) -> Obstacle:
    """A database from which nothing was heard for too long."""
    return Obstacle(
        f"it has not answered for {seconds or SILENCE} seconds",
        "see whether the server and the network work, then run the command again",
        Trouble.LOST,
        lost=True,
    )


def _remedy(kind: Trouble, target: Target) -> str:
    table = target.shown_table
    sessions = {
        "postgresql": "pg_stat_activity shows who is at work there",
        "mysql": "SHOW PROCESSLIST shows who is at work there",
    }.get(target.backend, "another program has the file open")
    special = {
        Trouble.NO_TABLE: f"see whether {table} is the version table; version_table in the"
        " fixchain settings names another",
        Trouble.NO_COLUMN: f"{table} is not a table of Alembic's: name the right one as"
        " version_table in the fixchain settings",
        Trouble.LOCKED: f"another session holds a lock on {table}: wait for it or end it"
        f" ({sessions})",
        Trouble.TOO_SLOW: f"see what keeps the server busy ({sessions})",
    }
    if target.backend == "sqlite":
        special[Trouble.LOST] = "make sure that the file can be read"
    remedy = special.get(kind) or remedy_for_connecting(
        kind,
        rights=f"give the user rights on {table} and on its schema (SELECT to read it, UPDATE,"
        " INSERT and DELETE to move its rows)",
        otherwise="make sure that the database answers to this URL",
    )
    return f"{remedy}, then run the command again"


# --- Connections ----------------------------------------------------------------------------------
def is_missing(target: Target) -> bool:
    """Whether the file of a SQLite database is not there; ``False`` for servers.

    Raises:
        Obstacle: it cannot be found out.
    """
    if target.backend != "sqlite":
        return False
    try:
        with obstacles_of(target):
            return target.file is None or not os.stat(target.file)
    except Obstacle as obstacle:
        if isinstance(obstacle.__cause__, (FileNotFoundError, NotADirectoryError)):
            return True
        raise


@contextmanager
def connected(
    target: Target, *, writing: bool = False, patience: int | None = None
) -> Iterator[Connection]:
    """A connection to the database of a target, for all schemas of it.

    The file of a SQLite database has to be there. Unless it is for writing, nothing can be changed.
    A statement may take ``patience`` seconds, where that is not the usual.

    Raises:
        Obstacle: it cannot be reached.
    """
    with obstacles_of(target):
        connection = _engine(target, writing, patience or 2 * WAITING).connect()
    try:
        with obstacles_of(target):
            connection = _isolated(connection, target)
            connection.detach()  # what is set on it must not come to the app
            _prepare(connection, target, writing)
        yield connection
    finally:
        with suppress(Exception):  # a broken connection cannot be closed either
            connection.close()


@contextmanager
def transaction(
    connection: Connection, target: Target, *, writing: bool = False, patience: int | None = None
) -> Iterator[RootTransaction]:
    """A transaction that is rolled back at the end unless it was committed; see ``connected``."""
    with obstacles_of(target):
        begun = connection.begin()
    try:
        with obstacles_of(target):
            _begin(connection, target, writing, patience or 2 * WAITING)
        yield begun
    finally:
        with suppress(Exception):  # then the server rolls back, as it has lost the connection
            begun.close()


def verbatim(statement: str) -> Any:
    """A statement in which a colon is a colon, and a percent sign a percent sign."""
    return text(statement.replace(":", r"\:"))


def _engine(target: Target, writing: bool, patience: int) -> Engine:
    own = target.engine is not None and not target.engine.dialect.is_async
    # The app's own way to open a file would write it when it is closed: it keeps up the WAL.
    if target.file is not None and not (own and writing):
        return create_engine("sqlite://", creator=_opener(target.file, writing), poolclass=NullPool)
    if target.engine is not None and own:
        return target.engine
    url = usable(target.url)
    bounds = timeouts(url, CONNECTING, patience)
    return create_engine(url, poolclass=NullPool, connect_args=bounds)


def _opener(file: Path, writing: bool) -> Callable[[], sqlite3.Connection]:
    """What opens a SQLite file; it makes none, and none beside it when it only reads."""
    mode = "rw" if writing else "ro"
    if not writing:
        modes = read_beginning(file, _JOURNAL_MODES + 2)[_JOURNAL_MODES:]
        if modes == _WAL and not Path(f"{file}-wal").exists():  # nobody has it open
            mode += "&immutable=1"

    def connect() -> sqlite3.Connection:
        read_beginning(file, 0)  # SQLite would wait for what a pipe may hold some day
        place = f"file:{quote(file.as_posix())}?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=WAITING, check_same_thread=False)

    return connect


def _isolated(connection: Connection, target: Target) -> Connection:
    """The connection with transactions of its own, whatever the app has set."""
    if target.backend != "sqlite":
        return connection.execution_options(isolation_level=_ISOLATION[target.backend])
    driver = _driver(connection)  # which is to begin no transactions by itself
    if hasattr(driver, "autocommit"):  # since Python 3.12
        driver.autocommit = -1  # as before it: sqlite3.LEGACY_TRANSACTION_CONTROL
    driver.isolation_level = None
    return connection


def _prepare(connection: Connection, target: Target, writing: bool) -> None:
    if target.backend == "mysql":
        waiting = f"lock_wait_timeout = {WAITING}"
        with connection.begin():
            connection.execute(text(f"SET SESSION {waiting}, SESSION innodb_{waiting}"))
            if not writing:
                connection.execute(text("SET SESSION TRANSACTION READ ONLY"))


def _begin(connection: Connection, target: Target, writing: bool, patience: int) -> None:
    if target.backend == "postgresql":
        # For the transaction only: a pool on the way may hand the session to somebody else.
        connection.execute(
            text(
                "SELECT set_config('lock_timeout', :lock, true),"
                " set_config('statement_timeout', :statement, true)"
                + ("" if writing else ", set_config('transaction_read_only', 'on', true)")
            ),
            {"lock": f"{WAITING}s", "statement": f"{patience}s"},
        )
    elif target.backend == "sqlite":
        _driver(connection).rollback()  # what a listener of the app may have begun
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {WAITING * 1000}")
        if writing:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("PRAGMA query_only = ON")


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


# --- Statements of migrations ---------------------------------------------------------------------
_FOR_A_TABLE = 24 * 60 * 60  # seconds for a statement: large tables are copied


def run_statement(connection: Connection, statement: Statement) -> None:
    """Run one statement just as a migration has sent it."""
    parameters: Any = statement.parameters
    several = map(_one, parameters) if statement.many else ()
    connection.exec_driver_sql(statement.sql, [*several] or _one(parameters))


def _one(parameters: Any) -> Any:
    """Parameters as drivers want them; JSON has lists for tuples."""
    return tuple(parameters) if isinstance(parameters, list) else parameters


def run_statements(target: Target, statements: Sequence[Statement], progress: Progress) -> None:
    """Run statements in one transaction; one that MySQL ends early stays where it has come to.

    Args:
        target: the database.
        statements: what to run.
        progress: called with those that have run, how many there are, and the database.

    Raises:
        StatementFailed: the database has refused one, or cannot be reached.
    """
    done = 0
    try:
        with (
            connected(target, writing=True, patience=_FOR_A_TABLE) as connection,
            transaction(connection, target, writing=True, patience=_FOR_A_TABLE) as begun,
            obstacles_of(target),
        ):
            for statement in statements:
                run_statement(connection, statement)
                done += 1
                progress(done, len(statements), target.name)
            begun.commit()
    except Obstacle as obstacle:
        stay = target.backend == "mysql" and done
        before = "; those before it have run" if stay else "; nothing was changed there"
        raise StatementFailed(
            f"statement {done + 1} of {len(statements)} has failed in {target.name}:"
            f" {obstacle.problem}{before}",
            obstacle.remedy,
        ) from obstacle
