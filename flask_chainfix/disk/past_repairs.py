"""Past repairs, from their journals: which journals are valid, which repairs are in the files.

A journal is valid if this user made it on this machine and Git does not track it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotRead, NothingToUndo, StaleSnapshot, StrangeJournal
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import way
from flask_chainfix.disk.journal import KEPT, Journal, candidates, read_journal
from flask_chainfix.disk.recorded_rows import recorded_moves, still_means
from flask_chainfix.disk.safe_files import NotOurs, directory_for, known_key, read_or_none
from flask_chainfix.disk.version_locations import read_snapshot
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import Edit

_S = TypeVar("_S", bound=Snapshot)


class IgnoredFile(NamedTuple):
    """A file in a journal's place that this user has not written; ``why`` begins with "it"."""

    path: Path
    why: str


@dataclass(frozen=True)
class Journals:
    """What is known about the repairs of an environment.

    Attributes:
        ended: the journals of finished repairs, the oldest first.
        unfinished: the journal of a repair that is running, or was killed half-way.
        ignored: the files in their place that this user has not written.
    """

    ended: tuple[Journal, ...] = ()
    unfinished: Journal | None = None
    ignored: tuple[IgnoredFile, ...] = ()

    @property
    def latest(self) -> Journal | None:
        """The journal of the unfinished repair, or the newest one."""
        return self.unfinished or (self.ended[-1] if self.ended else None)


def read_journals(environment: Path) -> Journals:
    """Read the journals of an environment.

    Raises:
        CannotRead: their directory cannot be listed.
    """
    directory = directory_for(environment)
    if directory.is_symlink():
        return Journals(ignored=(IgnoredFile(directory, "it is a symbolic link"),))
    journals: list[Journal] = []
    ignored: list[IgnoredFile] = []
    for path in candidates(directory):
        try:
            journal = read_journal(path, known_key())
            recorded_moves(journal)
            journals.append(journal)
        except NotOurs as error:  # noqa: PERF203 - there are few
            ignored.append(IgnoredFile(path, str(error)))
        except CannotRead as error:
            ignored.append(IgnoredFile(path, error.message))
    ended = [each for each in journals if each.finished]
    unfinished = [each for each in journals if not each.finished]
    return Journals(tuple(ended[-KEPT:]), unfinished[-1] if unfinished else None, tuple(ignored))


def journals_of(environment: Environment) -> Journals:
    """The journals of an environment; Git runs only if there are any.

    Raises:
        CannotRead: their directory cannot be listed.
    """
    found = read_journals(environment.directory)
    if found.latest is None or not environment.asks_git:
        return found
    from flask_chainfix.git.repositories import tracked_below

    tracked = tracked_below(directory_for(environment.directory))
    journals = (*found.ended, *([found.unfinished] if found.unfinished else ()))
    theirs = [each for each in journals if os.path.realpath(each.path) in tracked]
    return Journals(
        tuple(each for each in found.ended if each not in theirs),
        None if found.unfinished in theirs else found.unfinished,
        (*found.ignored, *(IgnoredFile(each.file, "Git tracks it") for each in theirs)),
    )


def noticed_ignored(journals: Journals) -> tuple[str, ...]:
    """A notice about the files that are ignored."""
    if not journals.ignored:
        return ()
    first, *others = journals.ignored
    more = f" (and so are {len(others)} more)" if others else ""
    path = os.path.relpath(first.path)
    return (f"the journal {path} is not yours and is ignored{more}: {first.why}",)


def refuse_orphans(journal: Journal, environment: Environment) -> None:
    """Stop before an undo that would remove a parent of other migrations.

    What was missing before the repair may be missing again.

    Raises:
        StaleSnapshot: a migration that the undo does not change names a revision that would be
            gone: its file is deleted, or gets its old id back.
        CannotRead: a version location cannot be listed.
    """
    now, _ = read_snapshot(environment)
    before = before_repair(now, journal)
    doomed = set(now.graph).difference(before.graph, journal.missing)
    if not doomed:
        return
    changed = {str(entry.path) for entry in journal.entries}
    remaining = {file.path for file in before.files}
    for file, header in now.readable:
        place = os.path.realpath(file.path)
        if place in changed:
            continue
        for name in (*(header.down_revision or ()), *(header.depends_on or ())):
            if name in doomed:
                owner = now.file(name)
                undoing = (
                    f"give {owner.name} its old id back"
                    if owner.path in remaining
                    else f"delete its file {owner.name}"
                )
                raise StaleSnapshot(
                    f"{place} builds on {name}, and undo would {undoing}",
                    "delete that migration first, or put it on another revision, if no database"
                    " has run it",
                    unchanged=True,
                )


# --- Repairs that are still in the files ---------------------------------------------------------


def in_force(now: _S, journals: Sequence[Journal]) -> tuple[tuple[Journal, _S], ...]:
    """The repairs whose links are still in the files, the latest first.

    The others were made on another branch or in another clone, or were reverted.

    Returns:
        Each with the chain as it was before it.
    """
    contents = _contents(now) if journals else {}
    found = []
    for journal in reversed(journals):
        if _holds(contents, journal):
            now = before_repair(now, journal)
            contents.update((entry.path, entry.before) for entry in journal.migrations)
            found.append((journal, now))
    return tuple(found)


def _holds(contents: Mapping[Path, bytes | None], journal: Journal) -> bool:
    """Whether all existing files of a repair have the links that it wrote."""
    there = [entry for entry in journal.migrations if contents.get(entry.path) is not None]
    deleted = [entry for entry in journal.migrations if entry.after is None]
    # At least one of them must have had other links before.
    return all(entry.holds_links(contents[entry.path]) for entry in there) and any(
        entry.moved and entry.holds_links(contents.get(entry.path)) for entry in there or deleted
    )


def latest_repair(now: Snapshot, journals: Journals) -> Journal | None:
    """The newest repair whose links are still in the files."""
    found = in_force(now, journals.ended)
    return found[0][0] if found else None


def to_undo(now: Snapshot, journals: Journals) -> Journal | None:
    """The journal of the repair that was killed half-way, or of the newest one in the files."""
    return journals.unfinished or next(
        (journal for journal in reversed(journals.ended) if _is_in_files(now, journal)), None
    )


def journal_to_undo(now: Snapshot, journals: Journals) -> Journal:
    """The journal to undo next.

    Raises:
        NothingToUndo: there is none.
        StrangeJournal: there are only files that are ignored.
    """
    journal = to_undo(now, journals)
    if journal is not None:
        return journal
    if journals.ignored:
        latest = journals.ignored[-1]
        path = os.path.relpath(latest.path)
        raise StrangeJournal(
            f"the journal {path} is ignored: {latest.why}",
            "put the migrations back with version control"
            | way("delete it if its repair is to stay", f"rm -- {path_word(path)}"),
            unchanged=True,
        )
    if not journals.ended:
        older = "use version control for older changes"
        dropped = "where unwind has downgraded a database, restore the backup that it made"
        raise NothingToUndo("there is no repair to undo", older | way(dropped))
    raise NothingToUndo(
        "these files hold none of the repairs in the journal: they were made on another branch, or"
        " have been undone since",
        "check out the branch that has the repair, and run undo there",
        unchanged=True,
    )


def half_undone(journals: Journals) -> Journal | None:
    """The journal of an undo that was killed after restoring some of the migrations.

    The files themselves show this, so that nothing has to be written on a disk that may be full.
    """
    newest = next((each for each in reversed(journals.ended) if each.migrations), None)
    return newest if newest is not None and is_half_undone(newest) else None


def is_half_undone(journal: Journal) -> bool:
    """Whether some migrations of a finished repair are old again, and all others still new.

    Undo deletes created files last: if one is missing before that, somebody has deleted it.
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
    """Whether an undo has something to do: a file that the repair wrote, or moved rows.

    A killed undo may have left only the chain lock. A journal that names a file outside the version
    locations also counts, and ``undo`` refuses it.
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


def before_repair(now: _S, journal: Journal) -> _S:
    """The chain with the old files of a repair, and all others as they are."""
    before = {entry.path: entry.before for entry in journal.entries}
    paths = {Path(os.path.realpath(file.path)): file.path for file in now.files}
    paths[journal.lock_path] = now.environment.lock_path
    gone = {paths.get(path) for path, data in before.items() if data is None}
    left = replace(now, files=tuple(file for file in now.files if file.path not in gone))
    return left.after(
        Edit(paths.get(path, path), None, data) for path, data in before.items() if data is not None
    )
