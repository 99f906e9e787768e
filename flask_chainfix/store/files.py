"""Writing single files so that they survive a crash."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from flask_chainfix.errors import CannotWrite, StaleSnapshot
from flask_chainfix.model import Edit
from flask_chainfix.regular_files import read_regular

WRITE_BITS = 0o222
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_OPTIMIZED = re.compile(r"\.opt-\w+$")


def beside(path: Path, kind: str) -> Path:
    """A name beside a file, which Alembic does not load because it does not end in ``.py``."""
    return path.with_name(f".{path.name}.fixchain-{kind}")


def compare(edit: Edit) -> None:
    """Stop before anything is written where a file is not what an edit is for.

    Raises:
        StaleSnapshot: it is not what it was when it was read.
        CannotWrite: it is read-only.
        OSError: it cannot be read.
    """
    if read_or_none(edit.path) != edit.before:
        raise StaleSnapshot(
            f"{edit.path} has been changed since it was read",
            "run the command again",
            unchanged=True,
        )
    if edit.before is not None and not edit.path.stat().st_mode & WRITE_BITS:
        raise CannotWrite(
            f"{edit.path} is read-only",
            "make the file writable, then run the command again",
            unchanged=True,
        )


def write_synced(path: Path, data: bytes, like: Path | None = None, mode: int = 0o666) -> None:
    """Write a file anew and see it to the disk.

    Args:
        path: the file; what is there is replaced.
        data: its bytes.
        like: a file whose mode and owner it gets.
        mode: its mode without one, less what the umask takes away.

    Raises:
        OSError: it cannot be written; then no part of it is left.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode
    )
    try:
        try:
            if like is not None:  # first of all: a file that holds its bytes has its mode, too
                _take_after(path, like)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _take_after(path: Path, like: Path) -> None:
    status = os.stat(like)
    if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        # Only root may give files away; the content matters more than the owner.
        with suppress(PermissionError):
            os.chown(path, status.st_uid, status.st_gid)
    shutil.copymode(like, path)  # behind chown, which clears some bits


def sync_directory(directory: Path) -> None:
    """See the names of a directory to the disk, where the system can do that."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_or_none(path: Path) -> bytes | None:
    """The bytes of a file; ``None`` where there is none.

    Raises:
        OSError: it is no regular file, or cannot be read.
    """
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None


def refuse_link(path: Path) -> None:
    """Stop where a name that is ours is a symbolic link, which could lead anywhere.

    Raises:
        OSError: so it is.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(path))


def bytecode_cache(source: Path) -> Path:
    """Where what interpreters compile from a file lies beside it."""
    return source.parent / "__pycache__"


def drop_bytecode(source: Path) -> None:
    """Delete what this interpreter has compiled from a file.

    It is taken to be current when time (in whole seconds) and size of the source are the same,
    as they often are when one id has replaced another. A cache that is a link is not ours to clear.
    """
    if bytecode_cache(source).is_symlink():
        return
    with suppress(NotImplementedError):  # an interpreter without such a cache
        Path(importlib.util.cache_from_source(str(source))).unlink(missing_ok=True)


def drop_all_bytecode(sources: Iterable[Path]) -> None:
    """Delete what any interpreter has compiled from files; lists each directory once."""
    stems: dict[Path, set[str]] = {}
    for source in sources:
        drop_bytecode(source)
        stems.setdefault(source.parent, set()).add(source.stem)
    for directory, changed in stems.items():
        if (directory / "__pycache__").is_symlink():
            continue
        for cached in directory.glob("__pycache__/*.py[co]"):
            # x.cpython-311.pyc, x.cpython-311.opt-1.pyc
            name = _OPTIMIZED.sub("", cached.stem)
            if name.rpartition(".")[0] in changed:
                cached.unlink(missing_ok=True)
