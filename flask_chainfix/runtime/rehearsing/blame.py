"""In the rehearsing process: what a failure is to be blamed on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy.exc import CompileError, DBAPIError, NoSuchTableError

from flask_chainfix.model import FailureKind
from flask_chainfix.runtime.drivers import missing_driver
from flask_chainfix.runtime.messages import said
from flask_chainfix.runtime.rehearsing.engines import ForeignConnection

# SQLSTATEs of PostgreSQL and numbers of MySQL and MariaDB: something is missing, or there already.
_CHAIN_CODES = {
    *("42P01", "42703", "42P07", "42701", "42704", "42710", "3F000", "42P06", "42P16", "22001"),
    *(1005, 1050, 1054, 1060, 1061, 1072, 1091, 1146, 1215, 1406, 1822, 1824, 1826),
}
_DATABASE_CODES = {
    *("53100", "53200", "57P01", "57P02", "57P03", "08003", "08006"),
    *(3, 28, 1021, 1030, 1114, 2006, 2013),
}
_CHAIN_WORDS = re.compile(
    r"no such (table|column|index|constraint)|already exists|duplicate column|does not exist"
    r"|No such constraint",
    re.IGNORECASE,
)
_SQLITE_WORDS = re.compile(
    r"syntax error|No support for ALTER of constraints in SQLite|Cannot add a |no such function"
    r"|unknown database|no such collation|database is locked|in SQLite dialect"
    r"|cannot drop column|unrecognized token",
    re.IGNORECASE,
)
_FULL_WORDS = re.compile(r"database or disk is full|disk I/O error|No space left", re.IGNORECASE)


def kind_of(error: BaseException, direction: str, round_: int, dialect: str) -> FailureKind:
    """What an exception that a migration has raised is to be blamed on."""
    errors = list(causes(error))
    if any(isinstance(each, ForeignConnection) for each in errors):
        return FailureKind.CONNECTION
    if any(missing_driver(each) for each in errors):
        return FailureKind.DRIVER
    if any(_is_full(each) for each in errors):
        return FailureKind.DATABASE
    if dialect == "sqlite" and any(_sqlite_cannot(each) for each in errors):
        return FailureKind.SQLITE
    if direction == "down":
        return FailureKind.DOWNGRADE
    if any(_misses_something(each) for each in errors):
        # What has run once fails only for what a downgrade() has left behind or taken away.
        return FailureKind.CHAIN if round_ < 2 else FailureKind.DOWNGRADE
    return FailureKind.MIGRATION


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those behind it, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _codes(error: BaseException) -> set[Any]:
    """The SQLSTATE and the number of an error, whichever the driver tells."""
    orig = getattr(error, "orig", None)
    states = {getattr(orig, name, None) for name in ("pgcode", "sqlstate")}
    return states.union(getattr(orig, "args", ())[:1])


def _misses_something(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return bool(_codes(error) & _CHAIN_CODES or _CHAIN_WORDS.search(said(error)))
    if isinstance(error, KeyError | ValueError):  # batch mode looks into the table's columns
        return _raised_by_batch_mode(error)
    return isinstance(error, NoSuchTableError)


def _raised_by_batch_mode(error: BaseException) -> bool:
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return "alembic.operations.batch" in frames


def _sqlite_cannot(error: BaseException) -> bool:
    if isinstance(error, CompileError):  # a type of another database
        return True
    if isinstance(error, DBAPIError | NotImplementedError):
        return bool(_SQLITE_WORDS.search(str(error.args[0]) if error.args else ""))
    return False


def _is_full(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and (
        bool(_codes(error) & _DATABASE_CODES)
        or error.connection_invalidated
        or bool(_FULL_WORDS.search(said(error)))
    )
