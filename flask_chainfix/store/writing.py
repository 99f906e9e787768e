"""Change files all or none.

The order of steps, and what a crash behind each leaves:

1. every file is compared with what the plan was made from: nothing changed;
2. the journal is written and synced: nothing changed;
3. every new content is written beside its file, under a name that Alembic does not load, and
   synced: nothing changed but such names;
4. file by file, the old content gets a second name and the new content takes its place: some
   files old, some new, each of them whole;
5. the caller looks at the result; only then is the journal marked as done.

Whatever fails before the end of step 5 is answered by putting every file back, which only renames
and deletes, so a full disk does not stop it. After a crash the journal, still marked as
unfinished, holds every old byte for ``undo``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flask_chainfix.errors import CannotWrite, ChainFixError, StaleSnapshot
from flask_chainfix.model import Edit
from flask_chainfix.store import journal as journals
from flask_chainfix.store.files import (
    drop_all_bytecode,
    drop_bytecode,
    read_or_none,
    sync_directory,
    write_synced,
)
from flask_chainfix.store.journal import Entry, Journal

_WRITE_BITS = 0o222


@contextmanager
def changed_files(environment: Path, edits: Sequence[Edit]) -> Iterator[Journal]:
    """Make the edits; keep them if the block ends, and put every file back if it raises.

    Args:
        environment: the environment's directory; its lock is held by the caller.
        edits: what to change.

    Raises:
        StaleSnapshot: a file is not what it was when it was read; nothing was changed.
        CannotWrite: a file cannot be written; every file was put back.
    """
    try:
        _compare(edits)
        journal = journals.create(environment, edits)
    except OSError as error:
        raise _cannot_write(error) from error
    try:
        _write_all(journal, edits)
        yield journal
        for entry in journal.entries:
            _beside(entry.path, "old").unlink(missing_ok=True)
        journal.finish()
    except OSError as error:
        put_back(journal)
        raise _cannot_write(error) from error
    except BaseException:
        put_back(journal)
        raise


def undo(journal: Journal) -> None:
    """Put back the files of a repair, whether it ended or was killed half-way.

    Raises:
        StaleSnapshot: a file has been changed since; nothing was changed.
        CannotWrite: a file cannot be written; the journal is kept, so undo can be run again.
    """
    for entry in journal.entries:
        data = read_or_none(entry.path)
        if data != entry.before and not entry.holds_new(data):
            raise StaleSnapshot(
                f"{entry.path} has been changed since the repair",
                "nothing was changed; undo your change of that file first, or use version control",
            )
    put_back(journal)


def put_back(journal: Journal) -> None:
    """Restore every file of a journal and clear away whatever the repair left beside them."""
    try:
        for entry in journal.entries:
            _restore(entry)
        drop_all_bytecode(entry.path for entry in journal.entries)
        journal.discard()
    except OSError as error:
        raise CannotWrite(
            f"the files could not all be put back: {error}",
            f"correct that, then run the command undo: {journal.path.parent} holds every old byte",
        ) from error


def _compare(edits: Sequence[Edit]) -> None:
    for edit in edits:
        if read_or_none(edit.path) != edit.before:
            raise StaleSnapshot(
                f"{edit.path} has been changed since it was read",
                "nothing was changed; run the command again",
            )
        if edit.before is not None and not os.stat(edit.path).st_mode & _WRITE_BITS:
            raise CannotWrite(
                f"{edit.path} is read-only",
                "nothing was changed; make the file writable, then run the command again",
            )


def _write_all(journal: Journal, edits: Sequence[Edit]) -> None:
    for entry, edit in zip(journal.entries, edits, strict=True):
        like = entry.path if entry.before is not None else None
        write_synced(_beside(entry.path, "new"), edit.after, like)
    for entry in journal.entries:
        if entry.before is not None:
            _keep_old(entry.path)
        os.replace(_beside(entry.path, "new"), entry.path)
        drop_bytecode(entry.path)
    drop_all_bytecode(entry.path for entry in journal.entries)
    for directory in {entry.path.parent for entry in journal.entries}:
        sync_directory(directory)


def _keep_old(path: Path) -> None:
    old = _beside(path, "old")
    old.unlink(missing_ok=True)
    try:
        os.link(path, old)
    except OSError:  # a file system without hard links
        write_synced(old, path.read_bytes(), path)


def _restore(entry: Entry) -> None:
    old, new = _beside(entry.path, "old"), _beside(entry.path, "new")
    if entry.before is None:
        entry.path.unlink(missing_ok=True)
    elif read_or_none(entry.path) != entry.before:
        if read_or_none(old) != entry.before:
            write_synced(old, entry.before, entry.path if entry.path.exists() else None)
        os.replace(old, entry.path)
    old.unlink(missing_ok=True)
    new.unlink(missing_ok=True)
    drop_bytecode(entry.path)
    sync_directory(entry.path.parent)


def _beside(path: Path, kind: str) -> Path:
    """A name beside a file, which Alembic does not load because it does not end in ``.py``."""
    return path.with_name(f".{path.name}.fixchain-{kind}")


def _cannot_write(error: OSError) -> ChainFixError:
    return CannotWrite(
        f"the files could not be written: {error}",
        "every file is as it was; correct that, then run the command again",
    )
