"""The files of backups: private, whole or not there at all, and never in another one's place."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.quoting import word
from flask_chainfix.common.signals import Stays

Progress = Callable[[int, int, str], None]


class Written(NamedTuple):
    """A copy that is written and known to be complete.

    Attributes:
        tables: how many tables it holds.
        sha256: of the bytes on their way to the disk; ``None`` where nobody saw them.
    """

    tables: int
    sha256: str | None = None


class Kind(NamedTuple):
    """A kind of database.

    Attributes:
        suffix: of the file's name.
        write: writes the copy to an empty file; takes the URL, the name for users, the file, and
            whom to tell the bytes done, the bytes in all, and what is running.
        restore: the command that puts the copy back; takes the URL and the path of the copy.
    """

    suffix: str
    write: Callable[[URL, str, Path, Progress], Written]
    restore: Callable[[URL, Path], str]


# --- The files of backups: private, whole or not there at all, and never in another one's place --


_CHUNK = 1 << 20


_IGNORING = ".gitignore"


_LONGEST = 100


_PART = re.compile(r"-\d{8}T\d{6}Z(-\d+)?\.[a-z]+\.part$")


_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class NewFile:
    """A backup in the making.

    Attributes:
        part: where it is written.
        path: where it will be.
    """

    def __init__(self, part: Path, path: Path) -> None:
        self.part = part
        self.path = path
        self._made = [part]

    def publish(self, digest: str) -> None:
        """Write the checksum beside the backup, and give the backup its name.

        Raises:
            OSError: the disk does not let us.
        """
        checksum = _checksum_file(self.path)
        with signals.held():
            descriptor = _create(checksum)
            self._made.append(checksum)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{digest}  {self.path.name}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self._made.append(self.path)
        self.part.rename(self.path)
        _sync_directory(self.path.parent)

    def discard(self) -> None:
        """Leave nothing of it."""
        for path in self._made:
            path.unlink(missing_ok=True)


@contextmanager
def new_file(directory: Path, stem: str, suffix: str) -> Iterator[NewFile]:
    """Make an empty file for a backup; it is deleted if an exception ends the block.

    Args:
        directory: where it is to lie; it is made if it is not there.
        stem: what the name begins with, whatever characters it has.
        suffix: what the name ends with.

    Raises:
        CannotBackUp: it cannot be made, or the block has raised an ``OSError``.
    """
    made: list[Path] = []
    new: NewFile | None = None
    stays = signals.stays()
    with _file_errors(directory):
        try:
            with signals.held():
                made = _make(directory)
                new = _free_name(directory, stem, suffix)
            yield new
            signals.stay(Stays.BACKUPS)
        except BaseException:
            with signals.held():
                signals.stay(stays)
                if new is not None:
                    new.discard()
                _unmake(directory, made)
            raise


def read_back(part: Path) -> tuple[int, str]:
    """See a file to the disk, and read it from there.

    Returns:
        Its size in bytes, and its SHA-256 in hexadecimal.

    Raises:
        OSError: it cannot be written or read.
    """
    digest = sha256()
    with part.open("r+b") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # or the answer comes from memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return file.tell(), digest.hexdigest()


def unfinished(directory: Path) -> tuple[Path, ...]:
    """What backups have left in a directory that were killed, or are at work there."""
    with suppress(OSError):
        return tuple(sorted(path for path in directory.iterdir() if _PART.search(path.name)))
    return ()


def typed(path: Path) -> str:
    """A path as a user would type it here, quoted for a shell."""
    return word(os.path.abspath(path).removeprefix(os.path.join(os.getcwd(), "")))


def _make(directory: Path) -> list[Path]:
    """Make a directory that Git ignores; those that were made, the innermost first."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    if missing:  # one that was there is its owner's business
        try:
            (directory / _IGNORING).write_bytes(b"*\n")
        except OSError:
            _unmake(directory, missing)
            raise
    return missing


def _unmake(directory: Path, made: Sequence[Path]) -> None:
    """Remove the directories that were made, unless somebody else has put something there."""
    with suppress(OSError):
        if made and not {each.name for each in directory.iterdir()} - {_IGNORING}:
            (directory / _IGNORING).unlink()
    for each in made:
        with suppress(OSError):
            each.rmdir()


def _free_name(directory: Path, stem: str, suffix: str) -> NewFile:
    """Take a name that no backup has; another process at work has a ``.part`` of its own."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    plain = re.sub(r"[^\w.-]|^[.-]", "_", stem)[:_LONGEST] or "database"
    for number in count(1):
        path = directory / f"{plain}-{moment}{f'-{number}' if number > 1 else ''}{suffix}"
        part = path.with_name(f"{path.name}.part")
        with suppress(FileExistsError):
            os.close(_create(part))
            # Whoever had the name first has given it up only for this one.
            if not any(os.path.lexists(taken) for taken in (path, _checksum_file(path))):
                return NewFile(part, path)
            part.unlink()
    raise AssertionError("numbers do not end")


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)


def _checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
