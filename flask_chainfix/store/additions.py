"""Adding to files that are no migrations: all of them or none.

Nothing is kept for ``undo``: such files are under version control, or have a part of their own that
can be taken out again. A process that is killed leaves some files old and some new, each of them
whole, and perhaps names that end in ``.fixchain-new`` or ``.fixchain-old``; adding again does the
rest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from flask_chainfix import signals
from flask_chainfix.errors import CannotMerge, CannotWrite
from flask_chainfix.model import Edit
from flask_chainfix.regular_files import read_regular
from flask_chainfix.signals import Stays
from flask_chainfix.store.files import (
    WRITE_BITS,
    beside,
    compare,
    read_or_none,
    sync_directory,
    write_synced,
)

_SCRIPT, _FILE = 0o777, 0o666  # less what the umask takes away


def find_named(directory: Path, name: str) -> Path:
    """The file of a name in a directory, be it written in capitals or not; it need not be there."""
    with suppress(OSError):
        for other in sorted(os.listdir(directory)):
            if other.lower() == name.lower():
                return directory / other
    return directory / name


def is_there(path: Path) -> bool:
    """Whether a name is taken, be it by a link that leads nowhere."""
    return os.path.lexists(path)


def read_plain(path: Path) -> bytes | None:
    """The bytes of a plain file, or of one that a link leads to; ``None`` where there is none.

    Raises:
        CannotMerge: there is something else of that name, or it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CannotMerge("it is no plain file")
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotMerge(f"it cannot be read: {error.strerror}") from error


def refuse_unaddable(edit: Edit) -> None:
    """Stop where a file is not to be written, or would be written in vain.

    Args:
        edit: what is to be written; its path is the real one, but for links of the project's own.

    Raises:
        CannotMerge: it is not to be written.
    """
    path = edit.path
    if os.path.realpath(path) != str(path):
        raise CannotMerge("a symbolic link leads to another file")
    if edit.before is None:
        return
    if not path.stat().st_mode & WRITE_BITS or not os.access(path, os.W_OK):
        raise CannotMerge("it is read-only")
    if _is_script(edit) and not os.access(path, os.X_OK):
        raise CannotMerge("it is not executable, so Git does not run it")


def add_together(edits: Sequence[Edit]) -> None:
    """Write files; what begins like a script and is new becomes executable.

    The file that a link leads to is written, and not the link.

    Raises:
        StaleSnapshot: a file is not what it was when it was read; nothing was changed.
        CannotWrite: a file cannot be written; every file is as it was.
    """
    edits = [replace(edit, path=Path(os.path.realpath(edit.path))) for edit in edits]
    try:
        with ExitStack() as way_back:
            for edit in edits:
                _prepare(edit, way_back)
            for edit in edits:
                way_back.callback(_put_back, edit)
                os.replace(beside(edit.path, "new"), edit.path)
                sync_directory(edit.path.parent)
            with signals.held():
                way_back.pop_all()
                for edit in edits:
                    _remove(partial(beside(edit.path, "old").unlink, missing_ok=True))
                signals.stay(Stays.FILES)
    except OSError as error:
        raise CannotWrite(
            f"the files could not be written: {error}",
            "every file is as it was; correct that, then run the command again",
        ) from error


def _prepare(edit: Edit, way_back: ExitStack) -> None:
    """Compare a file, and write both of its contents beside it."""
    assert edit.after is not None
    compare(edit)
    for directory in reversed(edit.path.parents):
        if not directory.exists():
            directory.mkdir()
            way_back.callback(_remove, directory.rmdir)
    new, old = beside(edit.path, "new"), beside(edit.path, "old")
    way_back.callback(_remove, partial(new.unlink, missing_ok=True))
    if edit.before is None:
        write_synced(new, edit.after, mode=_SCRIPT if _is_script(edit) else _FILE)
        return
    way_back.callback(_remove, partial(old.unlink, missing_ok=True))
    write_synced(old, edit.before, edit.path)
    write_synced(new, edit.after, edit.path)


def _put_back(edit: Edit) -> None:
    """Undo the writing of one file, which may not have come to pass; needs no space."""
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
