"""What keeps us from reading or changing a database, in terms of what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from flask_chainfix.runtime.databases import limits
from flask_chainfix.runtime.databases.targets import Target
from flask_chainfix.runtime.drivers import missing_driver, without_driver
from flask_chainfix.runtime.messages import masked, said


class Kind(Enum):
    """What it is, as far as that makes a difference."""

    NO_DATABASE = "no database"
    NO_TABLE = "no table"
    NO_COLUMN = "no column"
    NO_RIGHTS = "no rights"
    LOCKED = "locked"
    TOO_SLOW = "too slow"
    READ_ONLY = "read-only"
    NO_LOGIN = "no login"
    LOST = "lost"
    OTHER = "other"


class Obstacle(Exception):
    """A database did not let us.

    Args:
        problem: what happened, in the database's words where it has said something.
        remedy: what to do about it.
        kind: what it is.
        lost: whether the connection can no longer be used.
    """

    def __init__(
        self, problem: str, remedy: str, kind: Kind = Kind.OTHER, *, lost: bool = False
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.kind = kind
        self.lost = lost


# SQLSTATE of PostgreSQL, the numbers of MySQL and MariaDB, and what SQLite and libpq only say.
_CODES: dict[str | int, Kind] = {
    **dict.fromkeys(("3D000", 1049), Kind.NO_DATABASE),
    **dict.fromkeys(("42P01", "3F000", 1146), Kind.NO_TABLE),
    **dict.fromkeys(("42703", 1054), Kind.NO_COLUMN),
    **dict.fromkeys(("42501", 1044, 1142, 1143, 1227), Kind.NO_RIGHTS),
    **dict.fromkeys(("55P03", 1205), Kind.LOCKED),
    **dict.fromkeys(("57014", 1969, 3024), Kind.TOO_SLOW),
    **dict.fromkeys(("25006", 1290, 1792, 1836), Kind.READ_ONLY),
    **dict.fromkeys(("28000", "28P01", 1045, 1698), Kind.NO_LOGIN),
    **dict.fromkeys(("57P01", "57P02", "57P03", 2003, 2006, 2013), Kind.LOST),
}
_WORDS = (
    (r'^(.*FATAL: +)?database ".*" does not exist', Kind.NO_DATABASE),
    (r"no such table|unknown database", Kind.NO_TABLE),
    (r"no such column", Kind.NO_COLUMN),
    (r"database (table |schema )?is locked", Kind.LOCKED),
    (r"readonly database|read-only", Kind.READ_ONLY),
    (r"password|authentication|role \".*\" does not exist", Kind.NO_LOGIN),
    (
        r"refused|closed the connection|timed? ?out|timeout|not known|translate host|no route",
        Kind.LOST,
    ),
)


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
    message = masked(said(error), [str(target.url.password or "")])
    kind = _kind_of(error, message)
    if kind is Kind.READ_ONLY and target.file is not None and _is_hot(target.file):
        return Obstacle(
            f"{target.file}-journal is there: an app was killed while it wrote",
            "open the database once, with that app or with sqlite3, so that it is put in order",
            kind,
        )
    lost = not isinstance(error, DBAPIError) or bool(error.connection_invalidated)
    return Obstacle(
        message,
        _remedy(kind, target),
        Kind.LOST if lost and kind is Kind.OTHER else kind,
        lost=lost,
    )


def _is_hot(file: Path) -> bool:
    """Whether what was begun in a SQLite file has to be rolled back before it can be read."""
    return Path(f"{file}-journal").exists()


def silent() -> Obstacle:
    """A database from which nothing was heard for too long."""
    return Obstacle(
        f"it has not answered for {limits.SILENCE} seconds",
        "see whether the server, and what lies between, is at work, and run the command again",
        Kind.LOST,
        lost=True,
    )


def _kind_of(error: Exception, message: str) -> Kind:
    orig = getattr(error, "orig", None)
    first = orig.args[0] if orig is not None and orig.args else None
    for code in (
        getattr(orig, "pgcode", None),
        getattr(orig, "sqlstate", None),
        getattr(orig, "errno", None),
        first.get("C") if isinstance(first, dict) else first,  # pg8000 gives a message's fields
    ):
        if isinstance(code, (int, str)) and code in _CODES:
            return _CODES[code]
    found = (kind for words, kind in _WORDS if re.search(words, message, re.IGNORECASE))
    return next(found, Kind.OTHER)


def _remedy(kind: Kind, target: Target) -> str:
    table = target.shown_table
    sessions = {
        "postgresql": "pg_stat_activity shows who is at work there",
        "mysql": "SHOW PROCESSLIST shows who is at work there",
    }.get(target.backend, "another program has the file open")
    again = "then run the command again"
    return {
        Kind.NO_DATABASE: "create the database, or correct its name in the URL",
        Kind.NO_TABLE: f"see whether {table} is the version table; version_table in the fixchain"
        " settings names another",
        Kind.NO_COLUMN: f"{table} is not a table of Alembic's: name the right one as version_table"
        " in the fixchain settings",
        Kind.NO_RIGHTS: f"give the user rights on {table} and on its schema (SELECT to read it,"
        f" UPDATE, INSERT and DELETE to move its rows), {again}",
        Kind.LOCKED: f"another session holds a lock on {table}: wait for it or end it"
        f" ({sessions}), {again}",
        Kind.TOO_SLOW: f"see what keeps the server busy ({sessions}), {again}",
        Kind.READ_ONLY: "it only lets itself be read: give the URL of the primary server, or the"
        f" right to write, {again}",
        Kind.NO_LOGIN: "correct the user and the password in the URL",
        Kind.LOST: f"make sure that the file can be read, {again}"
        if target.backend == "sqlite"
        else f"start the server, or correct the host and the port in the URL, {again}",
        Kind.OTHER: f"make sure that the database answers to this URL, {again}",
    }[kind]
