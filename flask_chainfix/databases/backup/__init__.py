"""Consistent copies of databases, made by the databases' own means and read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.databases.backup import mysql, postgresql, sqlite
from flask_chainfix.databases.backup.backup_files import (
    Kind,
    Progress,
    new_file,
    read_back,
)
from flask_chainfix.databases.drivers import why_refused
from flask_chainfix.databases.targets import app_engines
from flask_chainfix.environment.messages import NO_URL, shown_url
from flask_chainfix.model.databases import Backup

_NAME_ONE = "name a database with --database URL"


class Source(NamedTuple):
    """A database to be backed up.

    Attributes:
        name: how users know it, passwords masked.
        url: where it is, password included.
    """

    name: str
    url: URL


def sources(written: Sequence[str], *, of_app: bool) -> tuple[Source, ...]:
    """The databases that are to be backed up, each of them once.

    Args:
        written: URLs of databases.
        of_app: whether those of the current app are among them.

    Raises:
        CannotBackUp: one is no URL, the app has no database, or there is none at all.
    """
    urls = [*map(_parsed, written), *(_urls_of_app() if of_app else ())]
    if not urls:
        raise CannotBackUp(
            "there is no app here, and no configuration that names a database", _NAME_ONE
        )
    return tuple(Source(shown_url(url), url) for url in dict.fromkeys(urls))


def _parsed(written: str) -> URL:
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise CannotBackUp(
            NO_URL,
            "write postgresql://USER:PASSWORD@HOST/NAME, mysql://… or sqlite:///FILE",
        ) from error
    if refused := why_refused(url):
        raise CannotBackUp(*refused)
    return url


def _urls_of_app() -> Iterable[URL]:
    from flask import current_app

    if "migrate" not in current_app.extensions:
        raise CannotBackUp(f"the app {current_app.name!r} has no database", _NAME_ONE)
    engines = app_engines(f"correct the app's configuration, or {_NAME_ONE}")
    return (engine.url for engine in engines.values())


# --- Consistent copies of databases, made by the databases' own means and read back --------------


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
