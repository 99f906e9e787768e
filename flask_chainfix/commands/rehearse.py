"""rehearse: run the current or the planned chain on a scratch database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import CannotRehearse, RehearsalFailed
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import (
    DOWNGRADE_INCOMPLETE,
    Diagnosis,
    cause_of,
    errors_of,
    in_doubt,
)
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.databases import MoveResult, MoveState, Trouble
from flask_chainfix.model.rehearsal import (
    FailureKind,
    Rehearsal,
    RehearsalFailure,
    RehearsalRequest,
)
from flask_chainfix.planning.proposal import Planned
from flask_chainfix.report.results import Planning, Rehearsed

# Failures caused by existing rows.
_OF_ROWS = (Trouble.NULLS, Trouble.VIOLATED, Trouble.CAST)
# A missing parent, a cycle, a missing dependency.
_UNLOADABLE = frozenset({"FC103", "FC105", "FC107"})


def rehearse(session: Session, request: RehearsalRequest) -> Rehearsed:
    """Run the current chain on a scratch database.

    Returns:
        The result; with an error if the rehearsal failed.

    Raises:
        NoMigrations: there is nothing to rehearse.
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: see ``rehearsal.round_trip``.
    """
    diagnosis = session.read_and_judge().with_schema()
    now = diagnosis.snapshot
    old = _old_chain(session, now, request.start) if request.start else None
    rehearsal = _with_chain_fault(_run(session, request, now, old), diagnosis)
    if rehearsal.gaps:
        shown = replace(diagnosis.snapshot, downgrade_gaps=rehearsal.gaps)
        diagnosis = replace(diagnosis, snapshot=shown).judge(Family.REHEARSAL)
        if DOWNGRADE_INCOMPLETE in now.environment.settings.ignore:
            rehearsal = replace(rehearsal, gaps=())
    result = Rehearsed(tools=session.tools, diagnosis=diagnosis, rehearsal=rehearsal)
    result = result.noticing(*_missed_server(rehearsal))
    if rehearsal.failure is not None:
        return result.stopped_by(_failed(rehearsal.failure))
    if diagnosis.counting:
        faults = listing(sorted({f"{each.code} {each.name}" for each in diagnosis.counting}))
        return replace(result, exit_code=1).noticing(
            f"the chain has {faults}, so nothing is proven: Alembic runs it in an order of its own,"
            " and may choose another one next time"
        )
    return replace(result, exit_code=1 if rehearsal.differences or rehearsal.gaps else 0)


def _with_chain_fault(rehearsal: Rehearsal, diagnosis: Diagnosis) -> Rehearsal:
    """The rehearsal, with a proper error if Alembic only printed a revision id."""
    failure = rehearsal.failure
    broken = [each for each in errors_of(diagnosis.findings) if each.code in _UNLOADABLE]
    if failure is None or failure.revision or failure.kind is not FailureKind.CHAIN or not broken:
        return rehearsal
    message = f"the chain is broken, so Alembic cannot run it: {broken[0].message}"
    remedy = way("see what a repair would make of it", "{fixchain} check")
    remedy |= way("repair it", REPAIR)
    return replace(rehearsal, failure=replace(failure, message=message, remedy=remedy))


def rehearse_plan(
    session: Session, planning: Planning, planned: Planned, request: RehearsalRequest
) -> tuple[Planning, Rehearsal]:
    """Run the planned chain on a scratch database, before a file is changed.

    Also rehearse the path of each known database: built by the old chain, restamped, and upgraded
    with the new one.

    Returns:
        The planning with all rehearsals, and with an error if one failed; and the rehearsal to
        show: the one that failed, else the first.

    Raises:
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: see ``rehearsal.round_trip``.
    """
    rehearsal = _run(session, request, planned.after)
    notices = _missed_server(rehearsal)
    ways: list[Rehearsal] = []
    for (start, rows), names in _ways(planning.proposal.moves).items():
        if rehearsal.failure is not None:
            break
        on_the_way = replace(request, start=start, restamp=rows)
        done = _run(session, on_the_way, planned.after, planned.start)
        notices += _missed_server(done)
        ways.append(replace(done, for_databases=names))
        if done.failure is not None:
            rehearsal = ways[-1]
    result = replace(planning, rehearsal=rehearsal, ways=tuple(ways))
    known = (*planning.diagnosis.notices, *planning.notices)
    result = result.noticing(*(each for each in dict.fromkeys(notices) if each not in known))
    if rehearsal.failure is not None:
        result = result.stopped_by(_failed(rehearsal.failure))
    return result, rehearsal


def _ways(
    moves: Sequence[MoveResult],
) -> dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]:
    """The databases that have run revisions, grouped by their old and new rows."""
    ways: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    for result in moves:
        move = result.move
        if move.before and result.state in (MoveState.PLANNED, MoveState.UNCHANGED):
            way = move.before, move.after
            ways[way] = (*ways.get(way, ()), move.name)
    return ways


def _run(
    session: Session, request: RehearsalRequest, chain: Facts, old: Facts | None = None
) -> Rehearsal:
    """A rehearsal whose failure is explained from the source of the migrations."""
    from flask_chainfix.rehearsal import round_trip

    rehearsal = round_trip.rehearse(session.runtime, request, chain, session.progress, old)
    failure = rehearsal.failure
    if failure is None:
        return rehearsal
    cause, mend = cause_of(chain, failure)
    if failure.trouble in _OF_ROWS:
        cause = _cause_in_rows(request) or cause
    failure = replace(failure, cause=cause, remedy=Remedy.of(mend) | failure.remedy)
    return replace(rehearsal, failure=failure)


def _cause_in_rows(request: RehearsalRequest) -> str:
    if request.copy is not None:
        return "the rows that were copied do not allow it, and neither will those of the database"
    if request.rows:
        return "tables hold rows here, as they do in production; without --rows they are empty"
    return ""


def _missed_server(rehearsal: Rehearsal) -> tuple[str, ...]:
    kind = rehearsal.missed_server
    if not kind:
        return ()
    return (f"the app uses {kind}, and this was SQLite, which accepts what {kind} refuses",)


def _failed(failure: RehearsalFailure) -> RehearsalFailed:
    at = f" at {failure.revision}" if failure.revision else ""
    return RehearsalFailed(f"the rehearsal failed{at}: {failure.message}", failure.remedy)


def _old_chain(session: Session, now: Facts, start: tuple[str, ...]) -> Facts:
    """The chain before the last repair; the current one if there was none or it cannot run.

    Raises:
        CannotRehearse: the chain lacks a revision at which a database is to be stamped.
    """
    journal = disk.latest_repair(now, session.journals)
    old = disk.before_repair(now, journal) if journal is not None else now
    if in_doubt(diagnose(old)):  # it cannot have upgraded a database
        journal, old = None, now
    unknown = [revision for revision in start if revision not in old.graph]
    if unknown:
        when = "before the last repair" if journal is not None else "as it is"
        raise CannotRehearse(
            f"no database can be stamped at {listing(unknown)}: the chain {when} has no such"
            " revision",
            way(
                f"name revisions that it has; its heads are {listing(old.graph.heads)}",
                f"{{fixchain}} rehearse --from {word(','.join(old.graph.heads))}",
            ),
        )
    return old
