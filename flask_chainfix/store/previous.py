"""Repairs that are still in the files, and the chain as it was before each of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from flask_chainfix.model import Edit
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.store.files import read_or_none
from flask_chainfix.store.journal import Entry, Journal
from flask_chainfix.store.rows import recorded_moves, still_means
from flask_chainfix.store.shelf import Journals


def in_force(now: Snapshot, journals: Sequence[Journal]) -> tuple[tuple[Journal, Snapshot], ...]:
    """The repairs whose links the files still hold; others say nothing about these files.

    They were made on another branch or in another clone, or have been reverted.

    Args:
        now: the chain as it is.
        journals: the records of repairs, the oldest first.

    Returns:
        Each with the chain as it was before it, the latest first.
    """
    contents = _contents(now)
    found = []
    for journal in reversed(journals):
        if _holds(contents, journal):
            now = before_repair(now, journal)
            contents.update((entry.path, entry.before) for entry in journal.migrations)
            found.append((journal, now))
    return tuple(found)


def _holds(contents: Mapping[Path, bytes | None], journal: Journal) -> bool:
    """Whether some files stand where a repair has put them, and of those that are there all do."""
    there = [entry for entry in journal.migrations if contents.get(entry.path) is not None]
    deleted = [entry for entry in journal.migrations if entry.after is None]
    return all(entry.holds_links(contents[entry.path]) for entry in there) and any(
        _is_left(contents, entry) for entry in there or deleted
    )


def _is_left(contents: Mapping[Path, bytes | None], entry: Entry) -> bool:
    """Whether a file stands where the repair has put it, and has not stood there before."""
    data = contents.get(entry.path)
    return entry.moved and entry.holds_links(data)


def latest_repair(now: Snapshot, journals: Journals) -> Journal | None:
    """The newest repair whose links the files still hold."""
    found = in_force(now, journals.ended)
    return found[0][0] if found else None


def to_undo(now: Snapshot, journals: Journals) -> Journal | None:
    """The journal of the repair that was killed half-way, else of the newest one in force."""
    return journals.unfinished or next(
        (journal for journal in reversed(journals.ended) if _is_in_files(now, journal)), None
    )


def half_undone(journals: Journals) -> Journal | None:
    """The journal of an undo that was killed: it has put back some migrations, and not the others.

    That is the state itself, and not a mark of it: nothing has to be written for it on a disk that
    may be full.
    """
    newest = next((each for each in reversed(journals.ended) if each.migrations), None)
    return newest if newest is not None and is_half_undone(newest) else None


def is_half_undone(journal: Journal) -> bool:
    """Whether of the migrations of a repair that has ended some are old, and all others new.

    What the repair made goes last: where it is gone before that, somebody has deleted a file.
    """
    try:
        found = [(entry, read_or_none(entry.path)) for entry in journal.migrations]
    except OSError:
        return False
    old = [entry for entry, data in found if data == entry.before]
    new = [entry for entry, data in found if entry.holds_new(data)]
    whole = all(entry in old or entry in new for entry, _ in found)
    gone = any(entry.before is None for entry in old)
    rewritten = any(entry.before is not None for entry in new)
    return journal.finished and whole and bool(old and new) and not (gone and rewritten)


def _is_in_files(now: Snapshot, journal: Journal) -> bool:
    """Whether there is anything for an undo: a file as the repair has left it, or moved rows.

    An undo that was killed may have left the chain lock alone. A journal that names a file which no
    version location has counts as well: ``undo`` refuses it.
    """
    if not journal.migrations:
        moves = recorded_moves(journal)
        return not moves or any(still_means(move, now.graph) for move in moves)
    contents = _contents(now)
    files = [(entry, contents.get(entry.path)) for entry in journal.migrations]
    if any(entry.path not in contents and entry.path.exists() for entry, _ in files):
        return True
    if all(data == entry.before for entry, data in files):
        lock = now.lock.data if now.lock is not None else None
        files = [(entry, lock) for entry in journal.entries if entry.path == journal.lock_path]
    return any(entry.holds_links(data) and data != entry.before for entry, data in files)


def _contents(snapshot: Snapshot) -> dict[Path, bytes | None]:
    return {Path(os.path.realpath(file.path)): file.data for file in snapshot.files}


def before_repair(now: Snapshot, journal: Journal) -> Snapshot:
    """The chain with the files of a repair as they were, and all others as they are.

    Args:
        now: the chain as it is.
        journal: the record of the repair.
    """
    before = {entry.path: entry.before for entry in journal.entries}
    paths = {Path(os.path.realpath(file.path)): file.path for file in now.files}
    paths[journal.lock_path] = now.environment.lock_path
    gone = {paths.get(path) for path, data in before.items() if data is None}
    left = replace(now, files=tuple(file for file in now.files if file.path not in gone))
    return left.after(
        Edit(paths.get(path, path), None, data) for path, data in before.items() if data is not None
    )
