"""One short composition for each command: read -> diagnose -> plan -> change -> report."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix import chain_lock, store
from flask_chainfix import runtime as alembic
from flask_chainfix.diagnosis import (
    diagnosed,
    noticed_interruption,
    refuse_empty,
    refuse_interrupted,
    to_mend,
    with_databases,
    with_schema,
    with_ways_that_work,
)
from flask_chainfix.errors import (
    ChainFixError,
    NothingToUndo,
    UnsafeForDatabases,
)
from flask_chainfix.gate import Against, with_gate
from flask_chainfix.git import checked_out
from flask_chainfix.journals import journal_to_undo, journals_of, noticed_strangers
from flask_chainfix.model import DatabaseState, DatabaseWishes, MoveState, Wishes
from flask_chainfix.planning import planned
from flask_chainfix.remedies import way
from flask_chainfix.report import Report, Tools
from flask_chainfix.row_moves import places_after, with_moves
from flask_chainfix.rules import diagnose
from flask_chainfix.rules.wording import count
from flask_chainfix.runtime import Progress, Runtime, configured_urls
from flask_chainfix.second_look import (
    bound_to_new_files,
    followed_back,
    judged_anew,
    refuse_moved,
    unconfirmed,
    unnoted,
)
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import distance
from flask_chainfix.survey import (
    NO_DATABASE_NAMED,
    NO_DATABASE_TOLD,
    noticed_missing,
    refuse_unreachable,
    survey,
)
from flask_chainfix.untouched import misfit
from flask_chainfix.way_back import look_back, put_rows_back, without_files

NO_DATABASES = DatabaseWishes()


_DELETES_UNSEEN = (
    "no database was looked at: one that has run what is deleted here will be stamped with a"
    " revision that no file has; name it with --database"
)


_PLANNED_WITHOUT_AGAINST = (
    "what a repair would make of missing revisions is shown by check without --against"
)


_ASKED_BY_REPAIR = (
    "a repair also asks the database of the configuration, and may come to another plan, which"
    " `{}` shows"
)


def _unseen(done: int, total: int, what: str) -> None:
    """Progress that nobody looks at."""


def check(  # noqa: PLR0913  (what users can ask of it)
    runtime: Runtime,
    tools: Tools,
    *,
    strict: bool,
    schema: bool = False,
    databases: DatabaseWishes = NO_DATABASES,
    against: Against | None = None,
    progress: Progress = _unseen,
) -> Report:
    """Diagnose the chain, and show what a repair would make of it.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        strict: whether warnings count like errors.
        schema: whether to look at the schema also where there is nothing to repair.
        databases: which databases to ask where they stand; none if it names none.
        against: what the files are compared with; ``None`` for nothing.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        NoMigrations: there is nothing to check.
        CannotReadGit: Git cannot tell what they are to be compared with.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    runtime = replace(runtime, own_template=False)
    report = diagnosed(runtime, "check", tools, strict=strict, may_be_empty=True)
    if schema or to_mend(report):
        report = with_schema(report)
    assert report.before is not None
    missing = report.before.graph.missing
    if databases.any:
        looked_at = survey(runtime, report.before, databases, progress, also=missing)
        report = with_databases(report, looked_at)
        if not (looked_at.databases.standings or looked_at.databases.notices):
            report = replace(report, notices=(*report.notices, NO_DATABASE_NAMED))
    assert report.before is not None
    refuse_empty(report.before)
    report = with_gate(report, against)
    report = replace(report, notices=report.notices + noticed_interruption(runtime, tools))
    behind = _behind(report) if strict else ()
    report = replace(report, notices=report.notices + behind)
    if report.counting or behind:
        report = replace(report, exit_code=1)
    assert report.before is not None
    # Two long questions for Git are one too many.
    if against is not None and (missing or report.before.databases.sought):
        return replace(report, notices=(*report.notices, _PLANNED_WITHOUT_AGAINST))
    return _with_commit(with_ways_that_work(_foreseen(runtime, report, databases)))


def _behind(report: Report) -> tuple[str, ...]:
    """The stamped databases that an upgrade would bring further, as notices."""
    assert report.before is not None
    found = {
        standing.name: distance(report.before, standing)
        for standing in report.before.databases.standings
        if standing.state is DatabaseState.STAMPED
    }
    return tuple(
        f"{name} is {count(each.behind, 'revision')} behind, which counts with --strict:"
        f" `{report.tools.alembic} upgrade` runs them"
        for name, each in found.items()
        if each is not None and each.behind
    )


def _foreseen(runtime: Runtime, report: Report, databases: DatabaseWishes) -> Report:
    """The report with what a repair would make of the chain."""
    report = with_moves(planned(runtime, report, Wishes(strict=report.strict)))
    if report.plan is None or report.before is None:
        return report
    if not databases.any and not report.tools.own and configured_urls(runtime):
        notice = _ASKED_BY_REPAIR.format(f"{report.tools.fixchain} check --database")
        return replace(report, notices=(*report.notices, notice))
    notices = noticed_missing(report.before, databases)
    own = [each for each in report.before.databases.standings if each.own]
    if notices and all(each.state is DatabaseState.MISSING for each in own):
        tools = report.tools
        report = replace(report, tools=replace(tools, databases=f" --no-database{tools.named}"))
    return replace(report, notices=(*report.notices, *notices))


def _with_commit(report: Report) -> Report:
    """The report with the commit that has the chain as it was, for the time after the repair."""
    if report.plan is None or report.before is None:
        return report
    return replace(report, commit=checked_out(report.before.environment.directory, report.edits))


def examine(runtime: Runtime, tools: Tools) -> Report:
    """Find out what is wrong with the chain, for a rehearsal of it.

    Raises:
        NoMigrations: there is nothing to rehearse.
    """
    return with_schema(diagnosed(runtime, "rehearse", tools, strict=False))


def plan_repair(
    runtime: Runtime,
    tools: Tools,
    wishes: Wishes,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = _unseen,
) -> Report:
    """Work out a repair that is safe for every known database, without changing anything.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        wishes: what the user asks of the plan.
        databases: which databases it has to be safe for.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        A report with a plan, its edits, and the rows that each database is to have; without a plan
        where there is nothing to repair; with an error where a plan is refused, or where the files
        need none and a database does not fit them.

    Raises:
        NoMigrations: there is nothing to repair.
        RepairInterrupted, RepairRunning: an earlier repair is not at its end.
        DatabaseUnreachable: a database cannot be asked where it stands.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    refuse_interrupted(runtime, tools)
    report = diagnosed(runtime, "repair", tools, strict=wishes.strict, may_be_empty=True)
    assert report.before is not None
    snapshot = report.before
    needed = bool(to_mend(report)) or wishes.asks_for_change
    if needed or databases.any:
        lost = (*wishes.bring_back, *wishes.tombstones, *snapshot.graph.missing)
        snapshot = survey(runtime, snapshot, databases, progress, also=lost)
        if needed:
            refuse_unreachable(snapshot, "repair")
        report = with_databases(report, snapshot)
    if not (wishes.bring_back or wishes.tombstones):
        refuse_empty(snapshot)
    looked = bool(snapshot.databases.standings)
    report = planned(runtime, with_schema(report), wishes)
    shortened = report.plan is not None and any(mend.code == "FC109" for mend in report.plan.mends)
    if shortened and not looked:
        report = _without_plan(
            report,
            UnsafeForDatabases(
                "no database was looked at, and one may be stamped with an id that becomes shorter",
                way(
                    "name those that have run these migrations, the project's own for example",
                    "{fixchain} repair --shorten-ids --database{named}",
                ),
            ),
        )
    if report.plan is None and report.obstacle is None:
        report = replace(report, obstacle=misfit(report))
    report = _with_commit(with_moves(report))
    if report.plan is not None:
        notices = noticed_missing(snapshot, databases) if looked else (NO_DATABASE_TOLD,)
        report = replace(report, exit_code=1, notices=(*report.notices, *notices))
    if report.obstacle is not None:
        report = replace(report, exit_code=report.obstacle.exit_code, error=report.obstacle)
    return with_ways_that_work(report, wishes.strategy)


def _without_plan(report: Report, obstacle: ChainFixError) -> Report:
    return replace(report, plan=None, edits=(), after=None, obstacle=obstacle)


def carry_out(
    runtime: Runtime,
    report: Report,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = _unseen,
) -> Report:
    """Make the changes of a planned report, and let Alembic confirm them.

    Args:
        runtime: the environment.
        report: what is planned.
        databases: as in ``plan_repair``; they are looked at again before anything is written, and
            once more before it is final.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        ChainFixError: it could not be done; every file is as it was.
    """
    assert report.before is not None
    assert report.after is not None
    assert report.plan is not None
    directory = runtime.environment.directory
    failure: BaseException | None = None
    with store.locked(directory):
        refuse_moved(runtime, report.before, databases, progress)
        missing = frozenset(report.before.graph.missing)
        renamed = report.plan.renamed
        stood = {each.identity: each.rows for each in report.before.databases.standings}
        with store.changed_files(directory, report.edits, missing, renamed, stood) as journal:
            try:
                confirmation = alembic.confirm(
                    runtime, report.after, places_after(report.moves), report.before
                )
                report = replace(report, confirmation=confirmation)
            except (ChainFixError, OSError, KeyboardInterrupt) as error:
                failure = error
            moved = bound_to_new_files(runtime, report, databases, progress, failure)
            failure = failure or unnoted(report, journal, moved)
        if failure is not None:
            raise unconfirmed(moved, failure) from failure
        report = replace(report, exit_code=0, journal=journal.path, done=True)
        if moved or any(each.state is MoveState.DOUBTFUL for each in report.moves):
            report = judged_anew(runtime, report, moved, databases, progress)
    return report


def plan_undo(
    runtime: Runtime,
    tools: Tools,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = _unseen,
) -> Report:
    """Find the last repair, also one that was killed half-way, without changing anything.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        databases: which databases have to fit the files as they were.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        NothingToUndo: there is none.
        StrangeJournal: this user has made none of those that are here on this machine.
        StaleSnapshot: a migration that has come since builds on one that undo would delete.
        RowsNotPutBack: a database cannot go back, or one whose rows were moved is not named.
    """
    now, _ = store.read_snapshot(runtime.environment)
    journals = journals_of(runtime.environment)
    journal = journal_to_undo(now, journals)
    store.refuse_orphans(journal, runtime.environment)
    deleted = tuple(entry.path for entry in journal.entries if entry.before is None)
    restored = [entry.path for entry in journal.entries if entry.before is not None]
    if chain_lock.edit_for(store.before_repair(now, journal)) is not None:
        restored.append(journal.lock_path)
    now, moves = look_back(runtime, now, journal, databases, progress)
    unseen = (_DELETES_UNSEEN,) if deleted and not now.databases.standings else ()
    return Report(
        "undo",
        tools=tools,
        before=now,
        journal=journal.path,
        moves=moves,
        restored=tuple(dict.fromkeys(restored)),
        deleted=deleted,
        notices=noticed_strangers(journals) + unseen,
    )


def carry_out_undo(
    runtime: Runtime,
    report: Report,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = _unseen,
) -> Report:
    """Put back the rows that were moved with the last repair, and then its files.

    Args:
        runtime: the environment.
        report: what is to be undone.
        databases: as in ``plan_undo``.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        ChainFixError: rows or a file have changed since, or cannot be written; then no file was
            changed.
    """
    assert report.before is not None
    directory = runtime.environment.directory
    with store.locked(directory):
        now, _ = store.read_snapshot(runtime.environment)
        journal = store.to_undo(now, journals_of(runtime.environment))
        if journal is None or journal.path != report.journal:
            raise NothingToUndo(
                "the repair has been undone meanwhile", "run check to see the chain"
            )
        store.refuse_orphans(journal, runtime.environment)
        with store.prepared(journal, runtime.environment.version_locations):
            refuse_moved(runtime, report.before, databases, progress)
            moves = put_rows_back(runtime, report.moves, databases, progress)
            try:
                refuse_moved(runtime, report.before, databases, progress, moves)
                left = store.undo(journal, runtime.environment.version_locations)
            except ChainFixError as error:
                raise without_files(
                    runtime, moves, databases, progress, error=error, journal=journal
                ) from error
        snapshot, notices = _in_step(*store.read_snapshot(runtime.environment))
        moves = followed_back(
            runtime, report.before, snapshot, moves, wishes=databases, progress=progress
        )
    findings = diagnose(snapshot)
    return replace(
        report, before=snapshot, findings=findings, notices=left + notices, moves=moves, done=True
    )


def _in_step(snapshot: Snapshot, notices: tuple[str, ...]) -> tuple[Snapshot, tuple[str, ...]]:
    """Write the lock anew where what was undone has put it out of step."""
    edit = chain_lock.edit_for(snapshot)
    if edit is None:
        return snapshot, notices
    try:
        store.add_together([edit])
    except ChainFixError as error:  # the chain itself is as it should be
        return snapshot, (*notices, f"{error.message}; lock writes it once that is corrected")
    return snapshot.after([edit]), notices
