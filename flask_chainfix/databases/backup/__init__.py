"""Private copies of databases, made with the databases' own tools and verified."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from hashlib import sha256
from itertools import count
from pathlib import Path
from time import monotonic

from sqlalchemy.engine import URL, Engine

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.signals import Done
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.backup import servers, sqlite
from flask_chainfix.databases.drivers import check_url, parse_url
from flask_chainfix.databases.selection import place_of
from flask_chainfix.databases.targets import Target, app_engines
from flask_chainfix.disk.safe_files import sync_directory, write_synced
from flask_chainfix.environment.messages import shown_url
from flask_chainfix.model.databases import Backup

_NAME_ONE = "name a database with --database URL"
_CHUNK = 1 << 20  # bytes
_IGNORING = ".gitignore"
_LONGEST = 100  # characters of a database's name
_PART = re.compile(r"-\d{8}T\d{6}Z(-\d+)?\.[a-z]+\.part$")
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))

_MYSQL = (".sql", servers.write_mysql, servers.restore_mysql, servers.load_mysql)
# For each kind: the suffix of a copy, the function that writes it and counts its tables,
# the restoring command, and the function that loads it into another, empty database.
_KINDS = {
    "sqlite": (".db", sqlite.write, sqlite.restore, sqlite.load),
    "postgresql": (
        ".dump",
        servers.write_postgresql,
        servers.restore_postgresql,
        servers.load_postgresql,
    ),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}


def sources(written: Sequence[str], *, of_app: bool) -> tuple[Target, ...]:
    """The databases to back up, each once: those of some URLs, and those of the current app.

    Raises:
        CannotBackUp: a URL is wrong, the app has no database, or there is none at all.
    """
    found = dict.fromkeys(parse_url(each, CannotBackUp) for each in written)
    engines: dict[URL, Engine | None] = {**found, **(_engines_of_app() if of_app else {})}
    if not engines:
        raise CannotBackUp(
            "there is no app here, and no configuration that names a database", _NAME_ONE
        )
    return tuple(Target(shown_url(url), url, engine=each) for url, each in engines.items())


def _engines_of_app() -> dict[URL, Engine]:
    from flask import current_app

    if "migrate" not in current_app.extensions:
        raise CannotBackUp(f"the app {current_app.name!r} has no database", _NAME_ONE)
    engines = app_engines(f"correct the app's configuration, or {_NAME_ONE}")
    return {engine.url: engine for engine in engines.values()}


def back_up(database: Target, directory: Path, progress: Progress) -> Backup:
    """Copy one database to a new file, and verify the file.

    Args:
        database: the whole database is copied, whatever the target's schema.
        directory: the directory of the file, created if necessary.
        progress: called with the bytes done, the total bytes (0 if unknown), and what is running.

    Raises:
        CannotBackUp: the copy cannot be made; no part of it remains.
    """
    started = monotonic()
    url, name = database.url, database.name
    check_url(url, CannotBackUp)
    if database.engine is not None and place_of(database) != place_of(
        replace(database, engine=None)
    ):  # the tools know only the URL
        raise CannotBackUp(
            f"the app does not connect where {name} points, perhaps because of connect_args, so"
            " another database would be copied",
            "name the database that the app uses with --database URL",
        )
    suffix, write, restore, _ = _KINDS[url.get_backend_name()]
    stem = url.database or ""
    stem = Path(stem).stem if database.backend == "sqlite" else stem
    made: list[Path] = []
    with signals.listening(), _file_errors(directory), _unmade_on_failure(made):
        with signals.held():
            _make_directory(directory, made)
            path, part = _free_paths(directory, stem, suffix, made)
        tables = write(database, part, progress)
        command = restore(url, path)
        size, digest = _read_back(part)
        with signals.held():
            checksum = _beside(path, ".sha256")
            made += [checksum, path]
            write_synced(checksum, f"{digest}  {path.name}\n".encode(), mode=0o600)
            part.rename(path)
            sync_directory(directory)
            signals.record_done(Done.BACKUPS)
    return Backup(name, path, size, digest, tables, round(monotonic() - started, 4), command)


def copy_into(place: Target, database: Target, progress: Progress) -> Backup:
    """Copy one database into an empty one of the same kind; no file remains.

    Args:
        place: the empty database.
        database: the database to copy, which is only read.
        progress: as for ``back_up``.

    Returns:
        The intermediate backup; its seconds include loading it.

    Raises:
        CannotBackUp: the database cannot be copied or loaded.
    """
    started, done = monotonic(), signals.done_so_far()
    with tempfile.TemporaryDirectory(prefix="fixchain_copy_") as directory:
        made = back_up(database, Path(directory, "copy"), progress)
        signals.record_done(done)
        progress(0, 0, f"restoring {database.name}")
        *_, load = _KINDS[database.url.get_backend_name()]
        with _file_errors(made.path.parent):
            load(place, made.path)
    return replace(made, seconds=round(monotonic() - started, 4))


def unfinished(directory: Path) -> tuple[Path, ...]:
    """The partial files in a directory, of killed backups or of running ones."""
    with suppress(OSError):
        return tuple(sorted(path for path in directory.iterdir() if _PART.search(path.name)))
    return ()


def _read_back(part: Path) -> tuple[int, str]:
    """The size in bytes and the SHA-256 of what is on the disk."""
    digest = sha256()
    with part.open("r+b") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # else the data may come from the cache
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return file.tell(), digest.hexdigest()


def _make_directory(directory: Path, made: list[Path]) -> None:
    """Make a private directory that Git ignores."""
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700)
        made.append(each)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    if made:  # an existing one is left as it is
        made.append(directory / _IGNORING)
        made[-1].write_bytes(b"*\n")


@contextmanager
def _unmade_on_failure(made: Sequence[Path]) -> Iterator[None]:
    """Remove what was made, except for directories with other files in them."""
    done = signals.done_so_far()
    try:
        yield
    except BaseException:
        with signals.held():
            signals.record_done(done)
            for path in reversed(made):
                with suppress(OSError):
                    if path.is_dir():
                        path.rmdir()
                    elif path.name != _IGNORING or [*path.parent.iterdir()] == [path]:
                        path.unlink()
        raise


def _free_paths(directory: Path, stem: str, suffix: str, made: list[Path]) -> tuple[Path, Path]:
    """An unused path for a backup, and an empty ``.part`` file that no other process writes."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    plain = re.sub(r"[^\w.-]|^[.-]", "_", stem)[:_LONGEST] or "database"
    for number in count(1):
        path = directory / f"{plain}-{moment}{f'-{number}' if number > 1 else ''}{suffix}"
        part = _beside(path, ".part")
        with suppress(FileExistsError):
            part.touch(0o600, exist_ok=False)
            # The other process gives up the name only in favour of this one.
            if not any(os.path.lexists(taken) for taken in (path, _beside(path, ".sha256"))):
                made.append(part)
                return path, part
            part.unlink()
    raise AssertionError("numbers do not end")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


@contextmanager
def _file_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            remedy = "make room on that disk, or name a directory on another one with --to"
        else:
            remedy = "name a directory that you may write to with --to"
        raise CannotBackUp(f"no backup can be written to {directory}: {error}", remedy) from error
