"""Connections to databases: they have time limits, and are not returned to the app's pool."""

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
from flask_chainfix.environment.messages import masked, message_of, secrets_of
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.rehearsal import SentStatement

CONNECTING = 5  # seconds
WAITING = 5  # seconds for a lock; statements get twice as long if the server has such a limit
SILENCE = 15  # seconds without an answer before a connection is given up

_ISOLATION = {"postgresql": "READ COMMITTED", "mysql": "REPEATABLE READ"}
_JOURNAL_MODES = 18  # offset of the two bytes in a SQLite file
_WAL = b"\2\2"


class Obstacle(Exception):
    """A database could not be used.

    Attributes:
        problem: what happened, in the database's own words if there are any.
        remedy: what to do about it.
        kind: the kind of problem.
        lost: whether the connection can no longer be used.
    """

    def __init__(
        self, problem: str, remedy: str | Remedy, kind: Trouble = Trouble.OTHER, lost: bool = False
    ) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.kind, self.lost = problem, remedy, kind, lost


@contextmanager
def obstacles_of(target: Target) -> Iterator[None]:
    """Turn any exception of a driver into an ``Obstacle``; our own errors pass through.

    Raises:
        Obstacle: the database could not be used.
    """
    try:
        yield
    except (Obstacle, ChainFixError):
        raise
    except Exception as error:  # SQLAlchemy does not wrap every exception of a driver
        raise obstacle_from(error, target) from error


def obstacle_from(error: Exception, target: Target) -> Obstacle:
    """What an exception of a driver means."""
    if driver := missing_driver(error):
        return Obstacle(*without_driver(driver, target.url))
    message = masked(message_of(error), secrets_of(target.url))
    kind = trouble_of(error)
    # An unfinished transaction in such a file must be rolled back before it can be read.
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
    """The obstacle of a database that has not answered in time."""
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
        Trouble.VIOLATED: f"see whether the collation of {table}.version_num takes two of these"
        " ids for one, and what else that table requires",
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
    """Whether the file of a SQLite database does not exist; ``False`` for servers.

    Raises:
        Obstacle: the path cannot be examined.
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
    """A connection to a target's database, for all its schemas.

    A SQLite file must exist. Unless ``writing``, the connection is read-only. A statement may take
    ``patience`` seconds, if given, instead of the default.

    Raises:
        Obstacle: the database cannot be reached.
    """
    with obstacles_of(target):
        connection = _engine(target, writing, patience or 2 * WAITING).connect()
    try:
        with obstacles_of(target):
            connection = _isolated(connection, target)
            connection.detach()  # our settings on it must not leak into the app
            _prepare(connection, target, writing)
        yield connection
    finally:
        with suppress(Exception):  # closing a broken connection fails as well
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
        with suppress(Exception):  # the connection is lost, so the server rolls back
            begun.close()


@contextmanager
def reading(target: Target) -> Iterator[Connection]:
    """A connection for reading, in one transaction.

    Raises:
        Obstacle: the database cannot be reached or read.
    """
    with connected(target) as connection, transaction(connection, target), obstacles_of(target):
        yield connection


def verbatim(statement: str) -> Any:
    """A statement in which colons and percent signs are literal."""
    return text(statement.replace(":", r"\:"))


def _engine(target: Target, writing: bool, patience: int) -> Engine:
    own = target.engine is not None and not target.engine.dialect.is_async
    # The app's own connection would write to the file on closing, to checkpoint the WAL.
    if target.file is not None and not (own and writing):
        return create_engine("sqlite://", creator=_opener(target.file, writing), poolclass=NullPool)
    if target.engine is not None and own:
        return target.engine
    url = usable(target.url)
    bounds = timeouts(url, CONNECTING, patience)
    return create_engine(url, poolclass=NullPool, connect_args=bounds)


def _opener(file: Path, writing: bool) -> Callable[[], sqlite3.Connection]:
    """A function that opens a SQLite file; it never creates one, nor a WAL if it only reads."""
    mode = "rw" if writing else "ro"
    if not writing:
        modes = read_beginning(file, _JOURNAL_MODES + 2)[_JOURNAL_MODES:]
        if modes == _WAL and not Path(f"{file}-wal").exists():  # no process has it open
            mode += "&immutable=1"

    def connect() -> sqlite3.Connection:
        read_beginning(file, 0)  # SQLite would wait for data from a pipe
        place = f"file:{quote(file.as_posix())}?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=WAITING, check_same_thread=False)

    return connect


def _isolated(connection: Connection, target: Target) -> Connection:
    """The connection with our own transactions, whatever isolation the app has set."""
    if target.backend != "sqlite":
        return connection.execution_options(isolation_level=_ISOLATION[target.backend])
    driver = _driver(connection)  # it must not begin transactions by itself
    if hasattr(driver, "autocommit"):  # since Python 3.12
        driver.autocommit = -1  # the older default: sqlite3.LEGACY_TRANSACTION_CONTROL
    driver.isolation_level = None
    return connection


def _prepare(connection: Connection, target: Target, writing: bool) -> None:
    if target.backend == "mysql":
        waiting = f"lock_wait_timeout = {WAITING}"
        with connection.begin():
            connection.execute(text(f"SET SESSION {waiting}, SESSION innodb_{waiting}"))
            if not writing:
                connection.execute(text("SET SESSION TRANSACTION READ ONLY"))


_COMPILES_SINCE = (11,)


def _begin(connection: Connection, target: Target, writing: bool, patience: int) -> None:
    if target.backend == "postgresql":
        # Only for the transaction: a connection pooler may give the session to another client.
        if not writing:  # all queries see the same moment
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        settings = (
            "SELECT set_config('lock_timeout', :lock, true),"
            " set_config('statement_timeout', :statement, true)"
        )
        if not writing:
            settings += ", set_config('transaction_read_only', 'on', true)"
            version = connection.dialect.server_version_info or ()
            if version >= _COMPILES_SINCE:  # which takes longer than to read a catalog
                settings += ", set_config('jit', 'off', true)"
        connection.execute(text(settings), {"lock": f"{WAITING}s", "statement": f"{patience}s"})
    elif target.backend == "sqlite":
        _driver(connection).rollback()  # a listener of the app may have begun a transaction
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {WAITING * 1000}")
        if writing:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("PRAGMA query_only = ON")


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


# --- Statements of migrations ---------------------------------------------------------------------
_FOR_A_TABLE = 24 * 60 * 60  # seconds for a statement: large tables are copied


def run_statement(connection: Connection, statement: SentStatement) -> None:
    """Run one statement exactly as a migration sent it."""
    parameters: Any = statement.parameters
    several = map(_one, parameters) if statement.many else ()
    connection.exec_driver_sql(statement.sql, [*several] or _one(parameters))


def _one(parameters: Any) -> Any:
    """Parameters as drivers expect them: JSON turns tuples into lists."""
    return tuple(parameters) if isinstance(parameters, list) else parameters


def run_statements(target: Target, statements: Sequence[SentStatement], progress: Progress) -> None:
    """Run statements in one transaction; in MySQL, statements that commit implicitly stay.

    Args:
        target: the database.
        statements: the statements.
        progress: called with the number of statements run, their total, and the database.

    Raises:
        StatementFailed: the database refuses a statement, or cannot be reached.
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
