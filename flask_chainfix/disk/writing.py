"""Change files all or none.

The steps, with the state that a crash after each leaves:

1. every file is compared with what the plan was made from: nothing changed;
2. the journal is written and synced: nothing changed;
3. every new content is written beside its file, under a name that Alembic does not load, and
synced: only these names are new;
4. file by file, the old content gets a second name, and the new content takes its place, or the
first name is removed: some files old, some new, each of them whole;
5. the caller verifies the result, and the journal is marked as finished: every file new;
6. the second names of the old contents are deleted: every file new.

If anything fails before the end of step 5, every file is restored, which only renames and deletes,
so a full disk does not prevent it. After a crash the journal, still marked as unfinished, has every
old byte for ``undo``. Names that step 6 leaves behind are harmless, as Alembic does not load them;
the next repair or ``undo`` of such a file removes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotRead, CannotWrite, ChainFixError, StaleSnapshot
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.common.remedies import way
from flask_chainfix.common.signals import Done
from flask_chainfix.disk.journal import Journal, JournalEntry, create_journal, entry_for
from flask_chainfix.disk.safe_files import (
    beside,
    bytecode_cache,
    drop_all_bytecode,
    drop_bytecode,
    read_or_none,
    sync_directory,
    write_synced,
)
from flask_chainfix.model.files import Edit

_WRITE_BITS = 0o222
_SCRIPT, _FILE = 0o777, 0o666  # less the umask


@contextmanager
def changed_files(environment: Path, edits: Sequence[Edit], **about: Any) -> Iterator[Journal]:
    """Make the edits; keep them if the block ends, and restore every file if it raises.

    Args:
        environment: the environment's directory; the caller holds its lock.
        edits: what to change.
        about: further attributes of ``Journal``, by name.

    Raises:
        StaleSnapshot: a file has changed since it was read; nothing was changed.
        CannotWrite: a file cannot be written; every file was restored.
    """
    journal: Journal | None = None
    done = signals.done_so_far()
    try:
        with signals.held():
            _compare(edits)
            journal = create_journal(environment, edits, **about)
        _write_all(journal.entries, edits)
        yield journal
        with signals.held():
            journal.finish()
            _clear_away(journal.entries)
        signals.record_done(Done.REPAIR)
    except BaseException as error:
        if journal is not None:
            with signals.held():
                put_back(journal)
                signals.record_done(done)
        if isinstance(error, OSError):
            raise _cannot_write(error) from error
        raise


def add_together(edits: Sequence[Edit]) -> None:
    """Write files that are no migrations, all or none, without a journal.

    A new file that begins like a script becomes executable. For a link, its target is written.

    Raises:
        StaleSnapshot: a file has changed since it was read; nothing was changed.
        CannotWrite: a file cannot be written; every file is unchanged.
    """
    edits = [replace(edit, path=Path(os.path.realpath(edit.path))) for edit in edits]
    try:
        _compare(edits)
        entries = [entry_for(edit) for edit in edits]
        try:
            _write_all(entries, edits)
            with signals.held():
                _clear_away(entries)
                signals.record_done(Done.FILES)
        except BaseException:
            with signals.held():
                _put_back_all(entries)
            raise
    except OSError as error:
        raise _cannot_write(error) from error


@contextmanager
def prepared(journal: Journal, version_locations: Sequence[Path]) -> Iterator[None]:
    """Write every old content beside its file, so that the rest of an undo needs no space.

    Args:
        journal: the record of the repair.
        version_locations: the directories that its files must be in.

    Raises:
        CannotRead, StaleSnapshot, CannotWrite: as ``undo`` does, or a content cannot be written;
            nothing was changed.
    """
    _refuse_strangers(journal, version_locations)
    for entry in journal.entries:
        data = _read_now(entry.path)
        if data == entry.before or entry.path == journal.lock_path:
            continue  # the lock can be written again for any chain
        if not entry.holds_new(data):
            raise StaleSnapshot(
                f"{entry.path} has been changed since the repair",
                "revert your change to that file first, then run undo again",
                unchanged=True,
            )
        _refuse_directories(entry.path)
    with ExitStack() as written:
        try:
            for entry in journal.entries:
                if _keep_before(entry):
                    written.callback(_unlink, beside(entry.path, "old"))
        except OSError as error:
            raise CannotWrite(
                f"the old files cannot be written: {error}",
                "no file and no stamp was changed; correct that, then undo again",
            ) from error
        yield
        written.pop_all()


def undo(journal: Journal, version_locations: Sequence[Path]) -> tuple[str, ...]:
    """Restore the files of a repair, whether it ended or was killed half-way.

    Args:
        journal: the record of the repair.
        version_locations: the directories that its files must be in.

    Returns:
        Notices about harmless remains.

    Raises:
        CannotRead: the journal names a file that is no migration of these locations, or one cannot
            be read; nothing was changed.
        StaleSnapshot: a file has changed since; nothing was changed.
        CannotWrite: a file cannot be written; the journal is kept, so undo can be run again.
    """
    with prepared(journal, version_locations), signals.held():
        return put_back(journal)


def has_begun(journal: Journal) -> bool:
    """Whether an undo has restored a file."""
    return any(_is_before(entry) for entry in journal.migrations)


def put_back(journal: Journal) -> tuple[str, ...]:
    """Restore every file of a journal, and remove what the repair left beside them.

    Returns:
        Notices about harmless remains.
    """
    try:
        _put_back_all(journal.entries)
    except OSError as error:
        raise CannotWrite(
            f"the files could not all be put back: {error}",
            f"correct that, then run the command undo: {journal.path.parent} holds every old byte",
        ) from error
    try:
        journal.discard()
    except OSError as error:
        said = f"every file is as it was before, but its journal cannot be cleared away: {error}"
        if journal.finished:  # it says nothing about files that do not match it
            return (said,)
        raise CannotWrite(said, "correct that, then run the command undo") from error
    return ()


def _put_back_all(entries: Sequence[JournalEntry]) -> None:
    paths = [entry.path for entry in entries]
    with suppress(OSError):  # a crash from here on leaves no bytecode of the new files
        drop_all_bytecode(paths)
    in_order = sorted(
        entries, key=lambda entry: entry.before is None
    )  # created files are deleted last
    restored = [_restore(entry) for entry in in_order]
    # If no file had to be restored, remains beside the files do not keep the journal.
    with suppress(*([] if any(restored) else [OSError])):
        drop_all_bytecode(paths)
    _clear_away(entries)
    for entry in entries:  # other files in a directory keep it
        for directory in tuple(entry.path.parents)[: entry.missing]:
            for path in (directory / "__pycache__", directory):
                with suppress(OSError):
                    path.rmdir()


def _refuse_strangers(journal: Journal, version_locations: Sequence[Path]) -> None:
    locations = [Path(os.path.realpath(location)) for location in version_locations]
    foreign = {
        entry.path
        for entry in journal.entries
        if not any(entry.path.is_relative_to(location) for location in locations)
        or os.path.realpath(entry.path) != str(entry.path)  # a link that is new since
    } - {journal.lock_path}
    if foreign:
        foreign -= {target for location in locations for target in _link_targets(location)}
    if foreign:
        raise CannotRead(
            f"the journal {journal.path} names {min(foreign)}, which is not a migration of"
            " this environment",
            "if you know that its repair is not to be undone, move the journal elsewhere",
            unchanged=True,
        )


def _link_targets(location: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(location):
        for path in (os.path.join(directory, name) for name in names):
            if os.path.islink(path):
                yield Path(os.path.realpath(path))


def _read_now(path: Path) -> bytes | None:
    try:
        return read_or_none(path)
    except OSError as error:
        raise CannotRead(
            f"{path} cannot be read: {error.strerror}",
            "restore the file or its permissions, then run undo again",
            unchanged=True,
        ) from error


def _refuse_directories(path: Path) -> None:
    """Stop if a directory has a temporary name that is needed beside a file."""
    cache = bytecode_cache(path)
    if cache.is_symlink():
        raise CannotWrite(
            f"{cache} is a symbolic link, and stale bytecode is not deleted through one",
            way("have Python make a cache of its own", f"rm -- {path_word(str(cache))}"),
            unchanged=True,
        )
    for name in (beside(path, "old"), beside(path, "new")):
        if name.is_dir() and not name.is_symlink():
            raise CannotWrite(
                f"{name} is a directory, and a temporary file needs that name",
                "move it elsewhere, then run the command again",
                unchanged=True,
            )


def _compare(edits: Iterable[Edit]) -> None:
    """Stop if a file has not the content that an edit was made for, or is read-only."""
    for edit in edits:
        _refuse_directories(Path(os.path.realpath(edit.path)))
        if read_or_none(edit.path) != edit.before:
            raise StaleSnapshot(
                f"{edit.path} has been changed since it was read",
                "run the command again",
                unchanged=True,
            )
        if edit.before is not None and not edit.path.stat().st_mode & _WRITE_BITS:
            raise CannotWrite(
                f"{edit.path} is read-only",
                "make the file writable, then run the command again",
                unchanged=True,
            )


def _write_all(entries: Sequence[JournalEntry], edits: Sequence[Edit]) -> None:
    for entry, edit in zip(entries, edits, strict=True):
        if entry.missing:
            entry.path.parent.mkdir(parents=True, exist_ok=True)
        if edit.after is not None:
            like = entry.path if entry.before is not None else None
            script = edit.after.startswith(b"#!") and entry.path.suffix != ".py"
            mode = _SCRIPT if script else _FILE
            write_synced(beside(entry.path, "new"), edit.after, like, mode)
    for entry, edit in zip(entries, edits, strict=True):
        if entry.before is not None:
            _keep_old(entry.path)
        if edit.after is None:
            entry.path.unlink()
        else:
            os.replace(beside(entry.path, "new"), entry.path)
        drop_bytecode(entry.path)
    drop_all_bytecode(entry.path for entry in entries)
    named = (tuple(entry.path.parents)[: entry.missing + 1] for entry in entries)
    for directory in {directory for directories in named for directory in directories}:
        sync_directory(directory)


def _keep_old(path: Path) -> None:
    old = beside(path, "old")
    old.unlink(missing_ok=True)
    try:
        os.link(path, old)
    except OSError:  # a file system without hard links
        write_synced(old, read_regular(path), path)


def _keep_before(entry: JournalEntry) -> bool:
    """Write the old content of a file beside it, unless it is there already."""
    if entry.before is None or _is_before(entry):
        return False
    old = beside(entry.path, "old")
    if not old.is_symlink() and read_or_none(old) == entry.before:
        return False
    write_synced(old, entry.before, entry.path if entry.path.exists() else None)
    if entry.mode is not None:
        old.chmod(entry.mode)
    return True


def _is_before(entry: JournalEntry) -> bool:
    return read_or_none(entry.path) == entry.before


def _restore(entry: JournalEntry) -> bool:
    """Restore one file; returns whether it had to be restored."""
    if _is_before(entry):
        return False
    if entry.before is None:
        entry.path.unlink()
    else:
        _keep_before(entry)
        os.replace(beside(entry.path, "old"), entry.path)
    sync_directory(entry.path.parent)
    return True


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _clear_away(entries: Iterable[JournalEntry]) -> None:
    """Delete the names beside the files; Alembic does not load any that remain."""
    for entry in entries:
        for kind in ("old", "new"):
            _unlink(beside(entry.path, kind))


def _cannot_write(error: OSError) -> ChainFixError:
    return CannotWrite(
        f"the files could not be written: {error}",
        "every file is as it was; correct that, then run the command again",
    )
