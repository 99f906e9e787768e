"""repair: a plan that is safe for every known database, carried out and confirmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.commands.second_look import (
    error_with_new_files,
    judged_by_new_files,
    moved_with_new_files,
    record_unchanged_rows,
    refuse_moved,
)
from flask_chainfix.commands.session import Session, refuse_empty, split_again
from flask_chainfix.common.errors import (
    CannotPlan,
    ChainFixError,
    NotConfirmed,
    RowsNotMoved,
    UnsafeForDatabases,
)
from flask_chainfix.common.remedies import way
from flask_chainfix.databases.applied.row_moves import planned_moves, rows_after
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, errors_of
from flask_chainfix.diagnosis.rules import Family, codes_of
from flask_chainfix.model.databases import MoveState
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.plan import propose
from flask_chainfix.planning.proposal import Planned, Proposal, with_moves, with_ways_that_work
from flask_chainfix.rehearsal.confirm import confirm
from flask_chainfix.report.results import Planning, Repaired, Result


def plan_repair(session: Session, wishes: Wishes) -> Planning:
    """Plan a repair that is safe for every known database, without changing anything.

    Returns:
        A plan with its edits, and the rows that each database is to have; no plan if there is
        nothing to repair; an error if the plan is refused, or if a database does not fit healthy
        files.

    Raises:
        NoMigrations: there is nothing to repair.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        DatabaseUnreachable: a database cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    diagnosis = session.begin(strict=wishes.strict, may_be_empty=True)
    graph = diagnosis.snapshot.graph
    attach = split_again(wishes.attach, lambda name, parent: name in graph and parent in graph)
    wishes = replace(wishes, attach=attach)
    needed = bool(diagnosis.to_mend) or wishes.asks_for_change
    if needed or session.databases.any:
        lost = (*wishes.bring_back, *wishes.tombstones, *diagnosis.snapshot.graph.missing)
        before = diagnosis.snapshot
        command = "repair" if needed else ""
        snapshot = session.survey(before, command, also=lost)
        diagnosis = diagnosis.with_databases(snapshot)
    if not (wishes.bring_back or wishes.tombstones):
        refuse_empty(diagnosis.snapshot)
    proposal = propose(session.runtime, diagnosis.with_schema(), wishes)
    proposal = _stopped_by_shorter_ids(proposal)
    if proposal.planned is None and proposal.obstacle is None:
        proposal = replace(proposal, obstacle=_remaining_error(proposal.diagnosis))
    proposal = with_ways_that_work(with_moves(proposal, "repair"), wishes.strategy)
    return session.planning("repair", proposal)


def _stopped_by_shorter_ids(proposal: Proposal) -> Proposal:
    """The proposal without its plan if that shortens ids, and no database has been read."""
    planned = proposal.planned
    if planned is None or proposal.snapshot.databases.statuses:
        return proposal
    if not any(mend.code == "FC109" for mend in planned.plan.mends):
        return proposal
    return proposal.stopped_by(
        UnsafeForDatabases(
            "no database was looked at, and one may be stamped with an id that becomes shorter",
            way(
                "name those that have run these migrations, the project's own for example",
                "{fixchain} repair --shorten-ids --database{named}",
            ),
        )
    )


def _remaining_error(diagnosis: Diagnosis) -> ChainFixError | None:
    """The error that no plan repairs, such as a database that does not fit healthy files."""
    of_databases = codes_of(Family.DATABASE)
    wrong = sorted(errors_of(diagnosis.findings), key=lambda each: each.code not in of_databases)
    if not wrong:
        return _doubt(diagnosis.snapshot)
    if wrong[0].code in of_databases:
        message = f"the files need no repair, but a database does: {wrong[0].message}"
        return CannotPlan(message, wrong[0].hint)
    return CannotPlan(f"no repair mends this: {wrong[0].message}", wrong[0].hint)


def _doubt(snapshot: Facts) -> ChainFixError | None:
    """The error for a database of which it is unclear which chain stamped it."""
    doubtful = (MoveState.DOUBTFUL, MoveState.REFUSED)
    for each in planned_moves(snapshot, snapshot):
        if each.state in doubtful:
            return RowsNotMoved(
                f"the files need no repair, but the stamp of {each.move.name} is in doubt:"
                f" {each.detail}",
                each.remedy,
            )
    return None


def carry_out(session: Session, planning: Planning, planned: Planned) -> Repaired:
    """Change the files as planned, and have Alembic confirm the result.

    The databases are read again before anything is written, and once more before the repair is
    final.

    Raises:
        ChainFixError: the repair failed; every file is unchanged.
    """
    with disk.locked(session.environment.directory):
        return change_files(session, planning, planned)


def change_files(
    session: Session,
    planning: Planning,
    planned: Planned,
    *,
    then: Callable[[], None] | None = None,
) -> Repaired:
    """``carry_out`` for a caller that holds the lock of the environment.

    ``then`` is called once the new files are confirmed; if it raises, the old files are restored.

    Raises:
        ChainFixError: the repair failed; every file is unchanged.
    """
    proposal, after = planning.proposal, planned.after
    before = proposal.snapshot
    directory = session.environment.directory
    failure: BaseException | None = None
    refuse_moved(session.targets(before), before, session.progress)
    with disk.changed_files(
        directory,
        planned.edits,
        missing=frozenset(before.graph.missing),
        renamed=planned.plan.renamed,
        rows_before={each.identity: each.rows for each in before.databases.statuses},
        squashed=planned.plan.squashed,
        command=planning.command,
    ) as journal:
        try:
            confirmation = confirm(session.runtime, after, rows_after(proposal.moves), before)
        except (ChainFixError, OSError, KeyboardInterrupt) as error:
            failure = error
        targets = session.targets(before)  # there may be new tenants
        moved = moved_with_new_files(targets, before, after, session.progress, failure)
        failure = failure or record_unchanged_rows(proposal, planned, journal, moved)
        if then is not None and failure is None:
            then()
    if failure is not None:
        raise error_with_new_files(moved, failure) from failure
    repaired = Repaired(
        command=planning.command,
        tools=planning.tools,
        planning=planning,
        planned=planned,
        snapshot=before,
        confirmation=confirmation,
        journal=journal.path,
        moves=proposal.moves,
    )
    if moved or any(each.state is MoveState.DOUBTFUL for each in proposal.moves):
        return judged_by_new_files(session, repaired, moved)
    return repaired


def confirmed(session: Session, planning: Planning) -> Planning:
    """A repair with nothing to write; with an error if Alembic sees the chain differently.

    The planning has neither a plan nor an error.
    """
    now = planning.proposal.snapshot
    places = [each.rows for each in now.databases.statuses if each.is_known]
    try:
        return replace(planning, confirmation=confirm(session.runtime, now, places, now))
    except NotConfirmed as error:
        return planning.stopped_by(error)


def noting_unreadable(result: Result, findings: tuple[Finding, ...]) -> Result:
    """The result of a repair; with an error if Alembic cannot load the chain for another reason."""
    left = [finding for finding in findings if finding.code == "FC106"]
    if result.error is not None or not left:
        return result
    return result.stopped_by(
        CannotPlan(
            f"the repair is made, but Alembic still cannot load the chain: {left[0].message}",
            left[0].hint,
        )
    )
