"""SQLite: its online backup, and an integrity check of the copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.quoting import typed_path
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.targets import Target

_PAGES = 512  # pages at a time
_PATIENCE = 10  # seconds, for a lock
_TABLES = r"""
SELECT count(*) FROM sqlite_master
WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
"""


def write(database: Target, part: Path, progress: Progress) -> int:
    """Copy a SQLite file; returns how many tables the copy holds.

    Raises:
        CannotBackUp: the database is in memory, missing, locked, or damaged.
    """
    name, file = database.name, database.file
    if file is None:
        raise CannotBackUp(
            f"{name} is a database in memory, which only its own process can see",
            "name a database in a file with --database sqlite:///FILE",
        )
    if not file.is_file():
        raise CannotBackUp(
            f"{name} cannot be backed up: there is no file {file}",
            "correct the path in the URL: sqlite:///relative/path or sqlite:////absolute/path",
        )
    try:
        with closing(_connect(file, "rw")) as source, closing(_connect(part, "rw")) as copy:
            copy.execute("PRAGMA journal_mode = MEMORY")  # no second file to remove
            _copy(source, copy, f"copying {name}", progress)
        progress(0, 0, f"reading back {name}")
        with closing(_connect(part, "ro&immutable=1")) as copy:
            problem = str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
            tables = int(copy.execute(_TABLES).fetchone()[0])
    except (sqlite3.Error, OSError) as error:  # only the source is opened here
        remedy = "make sure that it is a SQLite database that you may read"
        if "locked" in str(error):
            remedy = "wait until whatever is writing to it has finished, then run the command again"
        elif "full" in str(error) or "I/O" in str(error):
            remedy = "make room on the disk, or name a directory on another one with --to"
        raise CannotBackUp(f"{name} cannot be backed up: {error}", remedy) from error
    if problem != "ok":
        raise CannotBackUp(
            f"the copy of {name} is not whole: {' '.join(problem.split())}",
            "see what `PRAGMA integrity_check` says of the database itself",
        )
    return tables


def restore(url: URL, path: Path) -> str:
    """The command that replaces the database with a copy."""
    place = os.path.realpath(Target("", url).file or "")
    # Leftover transaction files would be applied to the copy.
    beside = " ".join(typed_path(f"{place}{suffix}") for suffix in ("-journal", "-wal", "-shm"))
    return f"rm -f -- {beside} && cp -- {typed_path(path)} {typed_path(place)}"


def load(place: Target, path: Path) -> None:
    """Copy a backup to a file of our own.

    Raises:
        OSError: the file cannot be written.
    """
    assert place.file is not None
    shutil.copyfile(path, place.file)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.path.abspath(path))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)


def _copy(
    source: sqlite3.Connection, copy: sqlite3.Connection, what: str, progress: Progress
) -> None:
    """Copy the state at one moment; without a WAL, writers wait meanwhile."""
    source.execute("PRAGMA query_only = ON")
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()
    size = int(source.execute("PRAGMA page_size").fetchone()[0])

    def advance(status: int, remaining: int, total: int) -> None:
        progress((total - remaining) * size, total * size, what)

    source.backup(copy, pages=_PAGES, progress=advance)
    source.execute("COMMIT")
