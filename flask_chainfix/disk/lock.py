"""One repair at a time: a lock that the system releases when its process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flask_chainfix.common.errors import CannotWrite, RepairRunning
from flask_chainfix.disk.files import NOFOLLOW, refuse_link
from flask_chainfix.disk.journal import directory_for

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(environment: Path) -> Iterator[None]:
    """Hold the lock of an environment.

    Raises:
        RepairRunning: another process holds it; nothing is waited for.
        CannotWrite: the journal's directory cannot be made, or leads elsewhere.
    """
    directory = directory_for(environment)
    try:
        refuse_link(directory)
        directory.mkdir(mode=0o700, exist_ok=True)  # old bytes are for those who may read the files
        # Journals belong to this checkout; a rule of their own spares the project's .gitignore.
        with suppress(FileExistsError), (directory / ".gitignore").open("x") as ignore:
            ignore.write("*\n")
        refuse_link(directory / "lock")
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o666)
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or directory} cannot be written: {error.strerror}",
            "make sure that it can be written, and is no link",
            unchanged=True,
        ) from error
    try:
        try:
            _try_lock(descriptor)
        except OSError as error:
            raise RepairRunning(
                "another repair of this environment is running",
                "wait until it has ended",
                unchanged=True,
            ) from error
        yield
    finally:
        with suppress(OSError):  # what was done under the lock stands, whatever closing says
            os.close(descriptor)


def is_locked(environment: Path) -> bool:
    """Whether a process holds the lock at this moment; nothing is written to find out."""
    directory = directory_for(environment)
    try:
        refuse_link(directory)
        descriptor = os.open(directory / "lock", os.O_RDWR | NOFOLLOW)
    except OSError:
        return False
    try:
        _try_lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
