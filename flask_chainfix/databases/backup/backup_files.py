"""The files of backups: private, whole or not there at all, and never in another one's place."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from hashlib import sha256
from itertools import count
from pathlib import Path

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.quoting import word
from flask_chainfix.common.signals import Stays
from flask_chainfix.disk.files import sync_directory, write_synced

_CHUNK = 1 << 20  # bytes
_IGNORING = ".gitignore"
_LONGEST = 100  # characters of a database's name
_PART = re.compile(r"-\d{8}T\d{6}Z(-\d+)?\.[a-z]+\.part$")
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class NewFile:
    """A backup in the making.

    Attributes:
        part: where it is written.
        path: where it will be.
    """

    def __init__(self, path: Path, made: list[Path]) -> None:
        self.part = _part_of(path)
        self.path = path
        self._made = made

    def publish(self) -> tuple[int, str]:
        """Read the backup from the disk, write its checksum beside it, and give it its name.

        Returns:
            Its size in bytes, and its SHA-256 in hexadecimal.

        Raises:
            OSError: the disk does not let us.
        """
        size, digest = _read_back(self.part)
        checksum = _checksum_of(self.path)
        with signals.held():
            self._made += [checksum, self.path]
            write_synced(checksum, f"{digest}  {self.path.name}\n".encode(), mode=0o600)
            self.part.rename(self.path)
            sync_directory(self.path.parent)
        return size, digest


@contextmanager
def new_file(directory: Path, stem: str, suffix: str) -> Iterator[NewFile]:
    """Make an empty file for a backup; whatever was made is deleted if an exception ends the block.

    Args:
        directory: where it goes; it is made if it is not there.
        stem: what the name begins with, whatever characters it has.
        suffix: what the name ends with.

    Raises:
        CannotBackUp: it cannot be made, or the block has raised an ``OSError``.
    """
    made: list[Path] = []
    stays = signals.stays()
    with _file_errors(directory):
        try:
            with signals.held():
                _make(directory, made)
                new = NewFile(_free_path(directory, stem, suffix, made), made)
            yield new
            signals.stay(Stays.BACKUPS)
        except BaseException:
            with signals.held():
                signals.stay(stays)
                _unmake(made)
            raise


def unfinished(directory: Path) -> tuple[Path, ...]:
    """What killed backups have left in a directory, or running ones are writing there."""
    with suppress(OSError):
        return tuple(sorted(path for path in directory.iterdir() if _PART.search(path.name)))
    return ()


def typed(path: Path) -> str:
    """A path as a user would type it here, quoted for a shell."""
    return word(os.path.abspath(path).removeprefix(os.path.join(os.getcwd(), "")))


def _read_back(part: Path) -> tuple[int, str]:
    digest = sha256()
    with part.open("r+b") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # or the answer comes from memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return file.tell(), digest.hexdigest()


def _make(directory: Path, made: list[Path]) -> None:
    """Make a private directory that Git ignores, and list what was made."""
    for each in reversed(
        [place for place in (directory, *directory.parents) if not place.exists()]
    ):
        each.mkdir(mode=0o700)
        made.append(each)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    if made:  # one that was there is its owner's business
        made.append(directory / _IGNORING)
        made[-1].write_bytes(b"*\n")


def _unmake(made: Sequence[Path]) -> None:
    """Remove what was made, but no directory in which somebody else has put something."""
    for path in reversed(made):
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()
            elif path.name != _IGNORING or [*path.parent.iterdir()] == [path]:
                path.unlink()


def _free_path(directory: Path, stem: str, suffix: str, made: list[Path]) -> Path:
    """Take a name that no backup has; another process at work has a ``.part`` of its own."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    plain = re.sub(r"[^\w.-]|^[.-]", "_", stem)[:_LONGEST] or "database"
    for number in count(1):
        path = directory / f"{plain}-{moment}{f'-{number}' if number > 1 else ''}{suffix}"
        part = _part_of(path)
        with suppress(FileExistsError):
            part.touch(0o600, exist_ok=False)
            # Whoever had the name first has given it up only for this one.
            if not any(os.path.lexists(taken) for taken in (path, _checksum_of(path))):
                made.append(part)
                return path
            part.unlink()
    raise AssertionError("numbers do not end")


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _checksum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


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
