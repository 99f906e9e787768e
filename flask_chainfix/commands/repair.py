"""repair: a plan that is safe for every known database, carried out and confirmed."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.check import NO_DATABASES, _with_commit
from flask_chainfix.commands.second_look import (
    bound_to_new_files,
    judged_anew,
    refuse_moved,
    unconfirmed,
    unnoted,
)
from flask_chainfix.common.errors import (
    CannotPlan,
    ChainFixError,
    NotConfirmed,
    RowsNotMoved,
    UnsafeForDatabases,
)
from flask_chainfix.common.progress import Progress, unseen
from flask_chainfix.common.remedies import Tools, way
from flask_chainfix.databases.survey import (
    NO_DATABASE_TOLD,
    noticed_missing,
    refuse_unreachable,
    survey,
)
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.rules import Family, codes_of
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes, MoveState
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.diagnosed import (
    diagnosed,
    errors_of,
    refuse_empty,
    refuse_interrupted,
    to_mend,
    with_databases,
    with_schema,
    with_ways_that_work,
)
from flask_chainfix.planning.plan import planned
from flask_chainfix.planning.row_moving import places_after, planned_moves, with_moves
from flask_chainfix.rehearsal.confirm import confirm


def misfit(report: Report) -> ChainFixError | None:
    """What is wrong, and is left as it is: a database that does not fit healthy files, say."""
    assert report.before is not None
    of_databases = codes_of(Family.DATABASE)
    wrong = sorted(errors_of(report.findings), key=lambda each: each.code not in of_databases)
    if not wrong:
        return _doubt(report.before)
    if wrong[0].code in of_databases:
        message = f"the files need no repair, and a database does: {wrong[0].message}"
        return CannotPlan(message, wrong[0].hint)
    return CannotPlan(f"no repair mends this: {wrong[0].message}", wrong[0].hint)


def _doubt(snapshot: Snapshot) -> ChainFixError | None:
    """What is said where nobody knows which chain has stamped a database."""
    doubtful = (MoveState.DOUBTFUL, MoveState.REFUSED)
    for each in planned_moves(snapshot, snapshot):
        if each.state in doubtful:
            return RowsNotMoved(
                f"the files need no repair, and the stamp of {each.move.name} is in doubt:"
                f" {each.detail}",
                each.remedy,
            )
    return None


def confirmed(runtime: Runtime, report: Report) -> Report:
    """The report of a repair with nothing to write; with an error if Alembic sees it differently.

    Args:
        runtime: the environment.
        report: without a plan and without an error.
    """
    now = report.before
    assert now is not None
    places = [each.rows for each in now.databases.standings if each.is_known]
    try:
        return replace(report, confirmation=confirm(runtime, now, places, now))
    except NotConfirmed as error:
        return replace(report, exit_code=error.exit_code, error=error)


def with_what_is_left(report: Report) -> Report:
    """The report of a repair; with an error if Alembic cannot load the chain for another reason."""
    left = [finding for finding in report.findings if finding.code == "FC106"]
    if report.error is not None or not left:
        return report
    error = CannotPlan(
        f"the repair is made, and Alembic still cannot load the chain: {left[0].message}",
        left[0].hint,
    )
    return replace(report, exit_code=error.exit_code, error=error)


# --- One short composition for each command: read -> diagnose -> plan -> change -> report --------


def plan_repair(
    runtime: Runtime,
    tools: Tools,
    wishes: Wishes,
    databases: DatabaseWishes = NO_DATABASES,
    progress: Progress = unseen,
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
    progress: Progress = unseen,
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
    with disk.locked(directory):
        refuse_moved(runtime, report.before, databases, progress)
        missing = frozenset(report.before.graph.missing)
        renamed = report.plan.renamed
        stood = {each.identity: each.rows for each in report.before.databases.standings}
        with disk.changed_files(directory, report.edits, missing, renamed, stood) as journal:
            try:
                confirmation = confirm(
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
