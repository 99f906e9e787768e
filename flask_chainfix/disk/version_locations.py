"""Read every file that Alembic would load."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from struct import Struct
from typing import NoReturn

from flask_chainfix.chain import source
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotRead
from flask_chainfix.common.regular_files import read_beginning, read_regular, read_with_status
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.common.wording import count, listing
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import ChainLock, Header, MigrationFile, Unreadable

_MOST_FILES = 30_000  # files of an environment; the largest real projects have a few thousand


def read_snapshot(environment: Environment) -> tuple[Snapshot, tuple[str, ...]]:
    """Read an environment.

    Returns:
        The snapshot, and notices about harmless oddities.

    Raises:
        CannotRead: a version location cannot be listed, or has too many files.
    """
    files: dict[str, MigrationFile] = {}
    notices: list[str] = []
    with without_garbage_collection():
        for location in environment.version_locations:
            if not location.is_dir():
                notices.append(f"the version location {location} does not exist")
                continue
            for directory in _directories(location, environment):
                repeated = _read_directory(directory, environment, files)
                if repeated:
                    notices.append(
                        f"{directory}: {repeated} of the files are also in another version"
                        " location; each is read once, as Alembic does"
                    )
    compiled = [file.name for file in files.values() if file.is_compiled]
    if compiled:
        notices.append(
            f"{count(len(compiled), 'compiled migration')} without a source"
            f" {'was' if len(compiled) == 1 else 'were'} not read: {listing(compiled, 3)}"
        )
    lock = _read_lock(environment.lock_path)
    return Snapshot(environment, tuple(files.values()), lock=lock), tuple(notices)


def unconfigured_migrations(environment: Environment) -> Iterator[Path]:
    """The migrations beside and below the version locations that Alembic does not read.

    Some projects have a directory for each kind of database, from which only ``env.py`` chooses.
    There are none if the environment is read recursively. What cannot be read is left out.
    """
    locations = () if environment.recursive else environment.version_locations
    read = {os.path.realpath(place) for place in locations}
    above = (place.parent for place in locations if environment.directory in place.parents)
    around = (environment.directory, *above, *locations) if locations else ()
    for place in dict.fromkeys(around):
        for entry in filter(_is_directory, _readable_entries(place)):
            if entry.name[0] not in "._" and os.path.realpath(entry) not in read:
                yield from _migrations_in(Path(entry))


def _migrations_in(directory: Path) -> Iterator[Path]:
    for entry in _readable_entries(directory):
        if entry.name.endswith(".py"):
            with suppress(OSError):
                reading = source.read(read_regular(Path(entry)), entry.name)
                if isinstance(reading, Header) and reading.revision is not None:
                    yield Path(entry)


def _readable_entries(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(CannotRead):
        return _list(folder)
    return []


def _read_lock(path: Path) -> ChainLock | None:
    """The chain lock; a link, which could lead anywhere, is not followed."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return ChainLock(path, None, "is a symbolic link, which is not followed")
        if not stat.S_ISREG(mode):
            return ChainLock(path, None, "is not a regular file")
        return ChainLock(path, read_regular(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        return ChainLock(path, None, f"cannot be read: {error.strerror}")


def _directories(location: Path, environment: Environment) -> Iterator[Path]:
    if not environment.recursive:
        yield location
        return
    for root, names, _ in os.walk(location, onerror=_cannot_list):
        # Alembic walks in this order, and skips caches.
        names.sort()
        if not root.endswith("__pycache__"):
            yield Path(root)


def _cannot_list(error: OSError) -> NoReturn:
    raise CannotRead(
        f"{error.filename} cannot be listed: {error.strerror}",
        "make sure that the directory can be read",
    ) from error


def _read_directory(
    directory: Path, environment: Environment, files: dict[str, MigrationFile]
) -> int:
    """Add the files of a directory to ``files``, by their real path.

    Returns:
        How many were already there.
    """
    repeated = 0
    for folder, entries in _listings(directory, environment):
        compiled = _Bytecode(folder)
        real_folder = os.path.realpath(folder)
        for entry in entries:
            if not entry.is_symlink():
                place, name, real_path = folder, entry.name, f"{real_folder}/{entry.name}"
            else:
                real_path = os.path.realpath(entry.path)
                name = os.path.basename(real_path)
                place = Path(os.path.dirname(real_path))
            exists = partial(_exists, place)
            if not source.is_loaded(name, exists, sourceless=environment.sourceless):
                continue
            if real_path in files:
                repeated += 1
                continue
            if len(files) == _MOST_FILES:
                raise CannotRead(
                    f"{directory} holds more than the {_MOST_FILES:,} files that are read",
                    "move files that are not migrations of this project elsewhere",
                )
            files[real_path] = _read_file(place, name, real_path, entry, compiled)
    return repeated


def _listings(
    directory: Path, environment: Environment
) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """The entries that Alembic reads, by name; with ``sourceless`` also the bytecode cache."""
    entries = [entry for entry in _list(directory) if not _is_directory(entry)]
    yield directory, entries
    cache = directory / "__pycache__"
    if environment.sourceless and cache.is_dir():
        stems = {entry.name.partition(".")[0] for entry in entries}
        yield cache, [entry for entry in _list(cache) if entry.name.partition(".")[0] not in stems]


def _list(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        _cannot_list(error)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points back to itself
        return False


def _exists(directory: Path, name: str) -> bool:
    return (directory / name).exists()


def _read_file(
    directory: Path, name: str, path: str, entry: os.DirEntry[str], compiled: _Bytecode
) -> MigrationFile:
    try:
        if entry.is_symlink():
            # The target of such a link has no name to look for.
            link = Path(os.path.dirname(entry.path)), entry.name
            if os.path.islink(path):
                return _unreadable(*link, "is a link that points back to itself")
            if not os.path.exists(path):
                return _unreadable(*link, "is a link to a file that is not there")
            compiled = _Bytecode(directory)
        if not entry.is_file():
            return _unreadable(directory, name, "is not a regular file")
        data, status = read_with_status(path)
    except OSError as error:
        return _unreadable(directory, name, f"cannot be read: {error.strerror}")
    reading = source.read(data, name, compiles=compiled.proves(name, status))
    return MigrationFile(directory, name, data, reading)


def _unreadable(directory: Path, name: str, reason: str) -> MigrationFile:
    remedy = "restore the file or its permissions, or remove it from the version location"
    return MigrationFile(directory, name, b"", Unreadable(reason, remedy))


class _Bytecode:
    """Knows which files the interpreter has compiled in their current state.

    The cache records the time and size of its source (PEP 552). If they match, Python imports it
    without reading the source, so the source certainly compiles.
    """

    def __init__(self, directory: Path) -> None:
        self._prefix, self._suffix = "", ""
        try:
            example = importlib.util.cache_from_source(str(directory / "x.py"))
        except NotImplementedError:  # an interpreter without such a cache
            return
        cache, name = os.path.split(example)
        if os.path.isdir(cache):
            self._prefix, self._suffix = f"{cache}/", name[1:]

    def proves(self, name: str, status: os.stat_result) -> bool:
        """Whether the cache was made from the file with this status."""
        if not self._prefix:
            return False
        try:
            head = read_beginning(f"{self._prefix}{name[:-3]}{self._suffix}", _PREFIX.size)
        except OSError:
            return False
        seconds, size = int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
        return head == _PREFIX.pack(importlib.util.MAGIC_NUMBER, 0, seconds, size)


_PREFIX = Struct("<4sLLL")  # magic number, flags, time and size of the source
