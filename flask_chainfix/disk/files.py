"""Writing single files so that they survive a crash."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotWrite, StaleSnapshot
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.common.signals import Stays
from flask_chainfix.model.files import Edit

WRITE_BITS = 0o222


NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


_OPTIMIZED = re.compile(r"\.opt-\w+$")


def beside(path: Path, kind: str) -> Path:
    """A name beside a file, which Alembic does not load because it does not end in ``.py``."""
    return path.with_name(f".{path.name}.fixchain-{kind}")


def compare(edit: Edit) -> None:
    """Stop where a file is not what an edit was made for.

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
    """Write a new file, and have it on the disk when this returns.

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
    from shutil import copymode  # what only reads goes without

    status = os.stat(like)
    if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        # Only root may give files away; the content matters more than the owner.
        with suppress(PermissionError):
            os.chown(path, status.st_uid, status.st_gid)
    copymode(like, path)  # behind chown, which clears some bits


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk, where the system can do that."""
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
    """Stop where one of our names is a symbolic link, which could lead anywhere.

    Raises:
        OSError: it is one.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(path))


def bytecode_cache(source: Path) -> Path:
    """Where Python keeps what it has compiled from a file."""
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
    """Delete what any interpreter has compiled from files."""
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


# --- Adding to files that are no migrations: all of them or none ---------------------------------


_SCRIPT, _FILE = 0o777, 0o666  # less what the umask takes away


def find_named(directory: Path, name: str) -> Path:
    """The file of a name in a directory, in capitals or not; it need not be there."""
    with suppress(OSError):
        for other in sorted(os.listdir(directory)):
            if other.lower() == name.lower():
                return directory / other
    return directory / name


def is_there(path: Path) -> bool:
    """Whether a name is taken, even by a link that leads nowhere."""
    return os.path.lexists(path)


def leads_elsewhere(path: Path) -> bool:
    """Whether a symbolic link on the path leads elsewhere."""
    return os.path.realpath(path) != str(path)


def add_together(edits: Sequence[Edit]) -> None:
    """Write all of the files or none; a new one that begins like a script becomes executable.

    The file that a link leads to is written, and not the link.

    Raises:
        StaleSnapshot: a file is not what it was when it was read; nothing was changed.
        CannotWrite: a file cannot be written; every file is as it was.
    """
    edits = [replace(edit, path=Path(os.path.realpath(edit.path))) for edit in edits]
    try:
        with ExitStack() as cleanup:
            for edit in edits:
                _prepare(edit, cleanup)
            for edit in edits:
                cleanup.callback(_put_back, edit)
                os.replace(beside(edit.path, "new"), edit.path)
                sync_directory(edit.path.parent)
            with signals.held():
                cleanup.pop_all()
                for edit in edits:
                    _remove(partial(beside(edit.path, "old").unlink, missing_ok=True))
                signals.stay(Stays.FILES)
    except OSError as error:
        raise CannotWrite(
            f"the files could not be written: {error}",
            "every file is as it was; correct that, then run the command again",
        ) from error


def _prepare(edit: Edit, cleanup: ExitStack) -> None:
    """Compare a file, and write both of its contents beside it."""
    assert edit.after is not None
    compare(edit)
    for directory in reversed(edit.path.parents):
        if not directory.exists():
            directory.mkdir()
            cleanup.callback(_remove, directory.rmdir)
    new, old = beside(edit.path, "new"), beside(edit.path, "old")
    cleanup.callback(_remove, partial(new.unlink, missing_ok=True))
    if edit.before is None:
        write_synced(new, edit.after, mode=_SCRIPT if _is_script(edit) else _FILE)
        return
    cleanup.callback(_remove, partial(old.unlink, missing_ok=True))
    write_synced(old, edit.before, edit.path)
    write_synced(new, edit.after, edit.path)


def _put_back(edit: Edit) -> None:
    """Undo the writing of one file, if it was written; needs no space."""
    if read_or_none(edit.path) == edit.before:
        return
    if edit.before is None:
        edit.path.unlink()
    else:
        os.replace(beside(edit.path, "old"), edit.path)


def _is_script(edit: Edit) -> bool:
    return edit.after is not None and edit.after.startswith(b"#!")


def _remove(remove: Callable[[], None]) -> None:
    with suppress(OSError):
        remove()
