"""Consistent copies of databases, made by the databases' own means and read back."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from sqlalchemy.engine import URL

from flask_chainfix import signals
from flask_chainfix.errors import CannotBackUp
from flask_chainfix.model import Backup
from flask_chainfix.runtime.backups import mysql, postgresql, sqlite
from flask_chainfix.runtime.backups.files import new_file, read_back, typed, unfinished
from flask_chainfix.runtime.backups.kinds import Kind, Progress
from flask_chainfix.runtime.backups.sources import Source, sources

__all__ = ["Source", "back_up", "sources", "typed", "unfinished"]

_KINDS = {
    "sqlite": sqlite.KIND,
    "postgresql": postgresql.KIND,
    "mysql": mysql.KIND,
    "mariadb": mysql.KIND,
}


def back_up(url: URL, name: str, directory: Path, progress: Progress) -> Backup:
    """Copy one database to a new file, and read that back.

    Args:
        url: the database, password included.
        name: how users know it, passwords masked.
        directory: where the file is to lie; it is made if it is not there.
        progress: called with the bytes done, the bytes in all, and what is running. How many there
            will be in all is an estimate for servers.

    Raises:
        CannotBackUp: there is no such copy; nothing is left of it.
    """
    started = monotonic()
    kind = _kind(url, name)
    stem = Path(url.database or "").stem if kind is sqlite.KIND else url.database or ""
    with signals.listening(), new_file(directory, stem, kind.suffix) as new:
        written = kind.write(url, name, new.part, progress)
        size, digest = read_back(new.part)
        if written.sha256 not in (None, digest):
            raise CannotBackUp(
                f"what is read from {new.path} is not what was written there",
                "name a directory on another disk with --to",
            )
        restore = kind.restore(url, new.path)
        new.publish(digest)
    seconds = round(monotonic() - started, 4)
    return Backup(name, new.path, size, digest, written.tables, seconds, restore)


def _kind(url: URL, name: str) -> Kind:
    backend = url.get_backend_name()
    if backend not in _KINDS:
        raise CannotBackUp(
            f"{name} cannot be backed up: {backend} is not known",
            "write postgresql: instead of postgres:"
            if backend == "postgres"
            else "name a SQLite, PostgreSQL, MariaDB or MySQL database; back up others with their"
            " own tools",
        )
    return _KINDS[backend]
