"""SQLite: a copy by its online backup, compared with what the source held at that moment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.databases.backup.backup_files import Kind, Progress, Written, typed

_PAGES = 512  # at a time; writers get their turn in between


_PATIENCE = 10  # seconds, for a lock


_ATTEMPTS = 2


_BUSY = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED: Python has names for them only since 3.11


_WAL = b"\2\2"  # in the header, at 18


_QUOTE = SQLiteDialect().identifier_preparer.quote_identifier


class _Disturbed(Exception):
    """The source was written to meanwhile, so SQLite begins anew."""


def write(url: URL, name: str, part: Path, progress: Progress) -> Written:
    """Copy a SQLite file.

    Args:
        url: names the file.
        name: how users know it.
        part: an empty file for the copy.
        progress: called with bytes done, bytes in all, and what is running.

    Raises:
        CannotBackUp: it is in memory, not there, locked, or damaged, or the copy is not whole.
    """
    path = _path(url, name)
    with _sqlite_errors(name):
        with closing(_source(path)) as source, closing(_connect(part, "rw")) as copy:
            copy.execute("PRAGMA journal_mode = MEMORY")  # no second file to clear away
            rows = _copied(source, copy, name, progress)
        progress(0, 0, f"reading back {name}")
        with closing(_connect(part, "ro&immutable=1")) as copy:
            problem = str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
            whole = problem == "ok" and _rows(copy) == rows
    if not whole:
        detail = "its rows are others" if problem == "ok" else " ".join(problem.split())
        raise CannotBackUp(
            f"the copy of {name} is not whole: {detail}",
            "see what `PRAGMA integrity_check` says of the database itself",
        )
    return Written(sum(not table.startswith("sqlite_") for table in rows))


def restore(url: URL, path: Path) -> str:
    """The command that puts a copy in the place of the database."""
    place = os.path.realpath(_file(url))
    beside = " ".join(typed(Path(f"{place}{suffix}")) for suffix in ("-journal", "-wal", "-shm"))
    # What is left of transactions would be applied to the copy.
    return f"rm -f -- {beside} && cp -- {typed(path)} {typed(Path(place))}"


KIND = Kind(".db", write, restore)


def _file(url: URL) -> str:
    database = url.database or ""
    if database.startswith("file:") and "uri" in url.query:
        return unquote(urlsplit(database).path)
    return database


def _path(url: URL, name: str) -> str:
    if _file(url) in ("", ":memory:") or url.query.get("mode") == "memory":
        raise CannotBackUp(
            f"{name} is a database in memory, which only its own process can see",
            "name a database in a file with --database sqlite:///FILE",
        )
    if not os.path.isfile(_file(url)):
        raise CannotBackUp(
            f"{name} cannot be backed up: there is no file {_file(url)}",
            "correct the path in the URL: sqlite:///relative/path or sqlite:////absolute/path",
        )
    return os.path.abspath(_file(url))


def _source(path: str) -> sqlite3.Connection:
    with open(path, "rb") as file:
        file.seek(18)
        wal = file.read(2) == _WAL
    # Of a database with a WAL that nobody has open, a read-only connection would leave files
    # behind, in the way of an app that another user runs.
    mode = "rw" if wal and not os.path.exists(f"{path}-wal") else "ro"
    source = _connect(Path(path), mode)
    source.execute("PRAGMA query_only = ON")
    return source


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.path.abspath(path))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)


def _copied(
    source: sqlite3.Connection, copy: sqlite3.Connection, name: str, progress: Progress
) -> dict[str, int]:
    """Copy everything; the number of rows of each table at the moment that the copy shows.

    With a WAL, nobody is in the way of a long look at one moment. Without one, writers wait while
    anybody reads, so they are let through as long as that can come to an end.
    """
    wal = source.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    for _ in range(0 if wal else _ATTEMPTS):
        version = _version(source)
        rows = _rows(source)
        try:
            _copy(source, copy, name, progress)
        except _Disturbed:
            continue
        if _version(source) == version:
            return rows
    source.execute("BEGIN")
    rows = _rows(source)
    _copy(source, copy, name, progress)
    source.execute("COMMIT")
    return rows


def _copy(
    source: sqlite3.Connection, copy: sqlite3.Connection, name: str, progress: Progress
) -> None:
    size = int(source.execute("PRAGMA page_size").fetchone()[0])
    least = None

    def advance(status: int, remaining: int, total: int) -> None:
        nonlocal least
        if status in _BUSY:  # it would wait for ever
            raise sqlite3.OperationalError("database is locked")
        if least is not None and 0 < least <= remaining:  # the source was written to
            raise _Disturbed
        least = remaining
        progress((total - remaining) * size, total * size, f"copying {name}")

    source.backup(copy, pages=_PAGES, progress=advance)


def _version(source: sqlite3.Connection) -> int:
    """A number that changes when another connection has written."""
    return int(source.execute("PRAGMA data_version").fetchone()[0])


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows each table has; virtual ones keep theirs in others."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    )
    return {
        name: int(connection.execute(f"SELECT count(*) FROM {_QUOTE(name)}").fetchone()[0])  # noqa: S608
        for (name,) in tables.fetchall()
    }


@contextmanager
def _sqlite_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:  # nothing but the source is opened here
        remedy = "make sure that it is a SQLite database that you may read"
        if "locked" in str(error):
            remedy = "let whatever writes to it come to an end, then run the command again"
        elif "full" in str(error) or "I/O" in str(error):
            remedy = "make room on the disk, or name a directory on another one with --to"
        raise CannotBackUp(f"{name} cannot be backed up: {error}", remedy) from error
