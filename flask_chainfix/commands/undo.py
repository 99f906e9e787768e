"""undo: the files, and the rows moved with them, as they were before the last repair."""

from __future__ import annotations

from flask_chainfix import disk
from flask_chainfix.chain import heads_file
from flask_chainfix.commands.check import NO_DATABASES
from flask_chainfix.commands.second_look import followed_back, refuse_moved
from flask_chainfix.commands.undo_rows import look_back, put_rows_back, without_files
from flask_chainfix.common.errors import ChainFixError, NothingToUndo
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import Progress, unseen
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import targets_for
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.disk.journals import journal_to_undo, journals_of, noticed_ignored
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report.results import Undone, UndoPlan

_DELETES_UNSEEN = (
    "no database was looked at: one that has run what is deleted here will be stamped with a"
    " revision that no file has; name it with --database"
)


def plan_undo(
    runtime: Runtime,
    tools: Tools,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = unseen,
) -> UndoPlan:
    """Find the last repair, even one that was killed half-way, without changing anything.

    Raises:
        NothingToUndo: there is no repair to undo.
        StrangeJournal: this user made none of the journals here on this machine.
        StaleSnapshot: a newer migration is on top of one that undo would delete.
        RowsNotPutBack: a database cannot go back, or one whose rows were moved is not named.
    """
    now = Facts.around(disk.read_snapshot(runtime.environment)[0])
    journals = journals_of(runtime.environment)
    journal = journal_to_undo(now, journals)
    disk.refuse_orphans(journal, runtime.environment)
    deleted = tuple(entry.path for entry in journal.entries if entry.before is None)
    restored = [entry.path for entry in journal.entries if entry.before is not None]
    if heads_file.edit_for(disk.before_repair(now, journal)) is not None:
        restored.append(journal.lock_path)
    now, moves = look_back(runtime, now, journal, databases, progress)
    unseen = (_DELETES_UNSEEN,) if deleted and not now.databases.statuses else ()
    return UndoPlan(
        tools=tools,
        snapshot=now,
        journal=journal.path,
        undoes=journal.command,
        moves=moves,
        restored=tuple(dict.fromkeys(restored)),
        deleted=deleted,
        notices=noticed_ignored(journals) + unseen,
    )


def carry_out_undo(
    runtime: Runtime,
    plan: UndoPlan,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = unseen,
) -> Undone:
    """Restore the rows that the last repair moved, and then its files.

    Raises:
        ChainFixError: rows or a file have changed since, or cannot be written; no file was changed.
    """
    directory = runtime.environment.directory
    with disk.locked(directory):
        now, _ = disk.read_snapshot(runtime.environment)
        journal = disk.to_undo(now, journals_of(runtime.environment))
        if journal is None or journal.path != plan.journal:
            raise NothingToUndo(
                "the repair has been undone meanwhile", "run check to see the chain"
            )
        disk.refuse_orphans(journal, runtime.environment)
        with disk.prepared(journal, runtime.environment.version_locations):
            targets = targets_for(runtime, databases)
            refuse_moved(targets, plan.snapshot, progress)
            moves = put_rows_back(targets, plan.moves, progress)
            try:
                targets = targets_for(runtime, databases)  # there may be new tenants
                refuse_moved(targets, plan.snapshot, progress, moves)
                left = disk.undo(journal, runtime.environment.version_locations)
            except ChainFixError as error:
                raise without_files(targets, moves, progress, error, journal) from error
        read, notices = disk.read_snapshot(runtime.environment)
        snapshot, notices = _in_step(Facts.around(read), notices)
        targets = targets_for(runtime, databases)
        moves = followed_back(targets, plan.snapshot, snapshot, moves, progress)
    return Undone(
        tools=plan.tools,
        notices=left + notices,
        snapshot=snapshot,
        journal=plan.journal,
        undoes=plan.undoes,
        moves=moves,
        restored=plan.restored,
        deleted=plan.deleted,
        findings=diagnose(snapshot),
    )


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
