"""undo: the files, and the rows moved with them, as they were before the last repair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask_chainfix import disk
from flask_chainfix.chain import heads_file
from flask_chainfix.commands.second_look import moves_after_undo, refuse_moved
from flask_chainfix.commands.session import Session, carried_out
from flask_chainfix.commands.undo_rows import look_back, put_rows_back, without_files
from flask_chainfix.common.errors import ChainFixError, NothingToUndo
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.disk.past_repairs import journal_to_undo, noticed_ignored
from flask_chainfix.disk.safe_files import read_or_none
from flask_chainfix.git.in_progress import operation
from flask_chainfix.git.repositories import checked_out
from flask_chainfix.model.files import Edit
from flask_chainfix.report.results import Undone, UndoPlan

_DELETES_UNSEEN = (
    "no database was looked at: one that has run what is deleted here will be stamped with a"
    " revision that no file has; name it with --database"
)


def plan_undo(session: Session) -> UndoPlan:
    """Find the last repair, even one that was killed half-way, without changing anything.

    Raises:
        NothingToUndo: there is no repair to undo.
        StrangeJournal: this user made none of the journals here on this machine.
        StaleSnapshot: a newer migration is on top of one that undo would delete.
        RowsNotPutBack: a database cannot go back, or one whose rows were moved is not named.
    """
    now = Facts.around(session.snapshot())
    journals = session.journals
    journal = journal_to_undo(now, journals)
    disk.refuse_orphans(journal, session.environment)
    deleted = tuple(entry.path for entry in journal.entries if entry.before is None)
    restored = [entry.path for entry in journal.entries if entry.before is not None]
    if heads_file.edit_for(disk.before_repair(now, journal)) is not None:
        restored.append(journal.lock_path)
    now, moves = look_back(session, now, journal)
    unseen = (_DELETES_UNSEEN,) if deleted and not now.databases.statuses else ()
    return UndoPlan(
        tools=session.tools,
        snapshot=now,
        journal=journal.path,
        undoes=journal.command,
        moves=moves,
        restored=tuple(dict.fromkeys(restored)),
        deleted=deleted,
        notices=noticed_ignored(journals) + unseen,
    )


def carry_out_undo(session: Session, plan: UndoPlan) -> Undone:
    """Restore the rows that the last repair moved, and then its files.

    Raises:
        ChainFixError: rows or a file have changed since, or cannot be written; no file was changed.
    """
    directory = session.environment.directory
    with disk.locked(directory):
        journal = disk.to_undo(session.snapshot(), session.journals)
        if journal is None or journal.path != plan.journal:
            raise NothingToUndo(
                "the repair has been undone meanwhile", "run check to see the chain"
            )
        disk.refuse_orphans(journal, session.environment)
        with disk.prepared(journal, session.environment.version_locations):
            was_committed = _is_committed(directory, (*plan.restored, *plan.deleted))
            targets = session.targets(plan.snapshot)
            refuse_moved(targets, plan.snapshot, session.progress)
            moves = put_rows_back(targets, plan.moves, session.progress)
            try:
                targets = session.targets(plan.snapshot)  # there may be new tenants
                refuse_moved(targets, plan.snapshot, session.progress, moves)
                left = disk.undo(journal, session.environment.version_locations)
            except ChainFixError as error:
                raise without_files(targets, moves, session.progress, error, journal) from error
        read, notices = disk.read_snapshot(session.environment)
        snapshot, notices = _in_step(Facts.around(read), notices)
        targets = session.targets(plan.snapshot)
        moves = moves_after_undo(targets, plan.snapshot, snapshot, moves, session.progress)
    return carried_out(
        Undone,
        plan,
        notices=left + notices,
        snapshot=snapshot,
        moves=moves,
        findings=diagnose(snapshot),
        was_committed=was_committed,
        operation=operation(snapshot) if was_committed else "",
    )


def _is_committed(directory: Path, paths: Sequence[Path]) -> bool:
    """Whether the checked-out commit has some files as they are."""
    edits = [Edit(path, None, read_or_none(path)) for path in paths]
    return bool(edits and checked_out(directory, ())) and checked_out(directory, edits) is None


def _in_step(snapshot: Facts, notices: tuple[str, ...]) -> tuple[Facts, tuple[str, ...]]:
    """Rewrite the lock if the undo has made it outdated."""
    edit = heads_file.edit_for(snapshot)
    if edit is None:
        return snapshot, notices
    try:
        disk.add_together([edit])
    except ChainFixError as error:  # the chain itself is restored
        return snapshot, (*notices, f"{error.message}; lock writes it once that is corrected")
    return snapshot.after([edit]), notices
