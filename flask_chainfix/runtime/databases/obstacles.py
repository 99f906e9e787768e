"""What keeps us from reading or changing a database, in terms of what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from flask_chainfix.model import Trouble
from flask_chainfix.remedies import Remedy
from flask_chainfix.runtime.database_errors import trouble_of
from flask_chainfix.runtime.databases import limits
from flask_chainfix.runtime.databases.targets import Target
from flask_chainfix.runtime.drivers import missing_driver, without_driver
from flask_chainfix.runtime.messages import masked, said, secrets_of


class Obstacle(Exception):
    """A database did not let us.

    Args:
        problem: what happened, in the database's words where it has said something.
        remedy: what to do about it.
        kind: what it is.
        lost: whether the connection can no longer be used.
    """

    def __init__(
        self,
        problem: str,
        remedy: str | Remedy,
        kind: Trouble = Trouble.OTHER,
        *,
        lost: bool = False,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.kind = kind
        self.lost = lost


@contextmanager
def told(target: Target) -> Iterator[None]:
    """Turn whatever a driver raises into an ``Obstacle``.

    Raises:
        Obstacle: the database did not let us.
    """
    try:
        yield
    except Obstacle:
        raise
    except Exception as error:  # drivers do not only raise what SQLAlchemy wraps
        raise obstacle_from(error, target) from error


def obstacle_from(error: Exception, target: Target) -> Obstacle:
    """What an exception of a driver means."""
    if driver := missing_driver(error):
        return Obstacle(*without_driver(driver, target.url))
    message = masked(said(error), secrets_of(target.url))
    kind = trouble_of(error)
    if kind is Trouble.READ_ONLY and target.file is not None and _is_hot(target.file):
        return Obstacle(
            f"{target.file}-journal is there: an app was killed while it wrote",
            "open the database once, with that app or with sqlite3, so that it is put in order",
            kind,
        )
    lost = not isinstance(error, DBAPIError) or bool(error.connection_invalidated)
    return Obstacle(
        message,
        _remedy(kind, target),
        Trouble.LOST if lost and kind is Trouble.OTHER else kind,
        lost=lost,
    )


def _is_hot(file: Path) -> bool:
    """Whether what was begun in a SQLite file has to be rolled back before it can be read."""
    return Path(f"{file}-journal").exists()


def silent(seconds: float | None = None) -> Obstacle:
    """A database from which nothing was heard for too long."""
    return Obstacle(
        f"it has not answered for {seconds or limits.SILENCE} seconds",
        "see whether the server, and what lies between, is at work, and run the command again",
        Trouble.LOST,
        lost=True,
    )


def _remedy(kind: Trouble, target: Target) -> str:
    table = target.shown_table
    sessions = {
        "postgresql": "pg_stat_activity shows who is at work there",
        "mysql": "SHOW PROCESSLIST shows who is at work there",
    }.get(target.backend, "another program has the file open")
    again = "then run the command again"
    return {
        Trouble.NO_DATABASE: "create the database, or correct its name in the URL",
        Trouble.NO_TABLE: f"see whether {table} is the version table; version_table in the"
        " fixchain settings names another",
        Trouble.NO_COLUMN: f"{table} is not a table of Alembic's: name the right one as"
        " version_table in the fixchain settings",
        Trouble.NO_RIGHTS: f"give the user rights on {table} and on its schema (SELECT to read it,"
        f" UPDATE, INSERT and DELETE to move its rows), {again}",
        Trouble.LOCKED: f"another session holds a lock on {table}: wait for it or end it"
        f" ({sessions}), {again}",
        Trouble.TOO_SLOW: f"see what keeps the server busy ({sessions}), {again}",
        Trouble.READ_ONLY: "it only lets itself be read: give the URL of the primary server, or the"
        f" right to write, {again}",
        Trouble.NO_LOGIN: "correct the user and the password in the URL",
        Trouble.LOST: f"make sure that the file can be read, {again}"
        if target.backend == "sqlite"
        else f"start the server, or correct the host and the port in the URL, {again}",
    }.get(kind, f"make sure that the database answers to this URL, {again}")
