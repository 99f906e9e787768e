"""Copies of databases, made by the databases' own tools and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from sqlalchemy.engine import URL

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.progress import Progress
from flask_chainfix.databases.backup import servers, sqlite
from flask_chainfix.databases.backup.backup_files import new_file
from flask_chainfix.databases.targets import app_engines
from flask_chainfix.databases.urls import check_url, parse_url
from flask_chainfix.environment.messages import shown_url
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


class Kind(NamedTuple):
    """A kind of database.

    Attributes:
        suffix: of the file's name.
        write: writes the copy to an empty file, and returns how many tables the copy holds. It
            takes the URL, the name for users, the file, and what to call with the bytes done, the
            bytes in all (0 where that is not known), and what is running. It raises
            ``CannotBackUp`` where there is no complete copy, and ``OSError`` where the file cannot
            be written.
        restore: the command that puts the copy back; takes the URL and the path of the copy.
    """

    suffix: str
    write: Callable[[URL, str, Path, Progress], int]
    restore: Callable[[URL, Path], str]


_SQLITE = Kind(".db", sqlite.write, sqlite.restore)
_POSTGRESQL = Kind(".dump", servers.write_postgresql, servers.restore_postgresql)
_MYSQL = Kind(".sql", servers.write_mysql, servers.restore_mysql)
_KINDS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL, "mysql": _MYSQL, "mariadb": _MYSQL}


def sources(written: Sequence[str], *, of_app: bool) -> tuple[Source, ...]:
    """The databases to back up, each once.

    Args:
        written: URLs of databases.
        of_app: whether those of the current app are among them.

    Raises:
        CannotBackUp: a URL is wrong, the app has no database, or there is none at all.
    """
    urls = [parse_url(each, CannotBackUp) for each in written]
    if of_app:
        urls += _urls_of_app()
    if not urls:
        raise CannotBackUp(
            "there is no app here, and no configuration that names a database", _NAME_ONE
        )
    return tuple(Source(shown_url(url), url) for url in dict.fromkeys(urls))


def _urls_of_app() -> Iterable[URL]:
    from flask import current_app

    if "migrate" not in current_app.extensions:
        raise CannotBackUp(f"the app {current_app.name!r} has no database", _NAME_ONE)
    engines = app_engines(f"correct the app's configuration, or {_NAME_ONE}")
    return (engine.url for engine in engines.values())


def back_up(url: URL, name: str, directory: Path, progress: Progress) -> Backup:
    """Copy one database to a new file, and read that back.

    Args:
        url: the database, password included.
        name: how users know it, passwords masked.
        directory: where the file goes; it is made if it is not there.
        progress: called with the bytes done, the bytes in all (0 where that is not known), and
            what is running.

    Raises:
        CannotBackUp: the copy cannot be made; nothing is left of it.
    """
    started = monotonic()
    check_url(url, CannotBackUp)
    kind = _KINDS[url.get_backend_name()]
    stem = Path(url.database or "").stem if kind is _SQLITE else url.database or ""
    with signals.listening(), new_file(directory, stem, kind.suffix) as new:
        tables = kind.write(url, name, new.part, progress)
        restore = kind.restore(url, new.path)
        size, digest = new.publish()
    return Backup(name, new.path, size, digest, tables, round(monotonic() - started, 4), restore)
