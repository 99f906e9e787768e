"""Rehearse the chain of a report: as it is on the disk, or as its plan will leave it."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import (
    CannotRehearse,
    RehearsalFailed,
)
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.common.wording import listing
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.rules import cause_of, diagnose
from flask_chainfix.disk.journals import journals_of
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import MoveState
from flask_chainfix.planning.diagnosed import (
    diagnosed,
    in_doubt,
    with_schema,
)
from flask_chainfix.rehearsal import run
from flask_chainfix.rehearsal.request import Chains, RehearsalRequest


def examine(runtime: Runtime, tools: Tools) -> Report:
    """Find out what is wrong with the chain, for a rehearsal of it.

    Raises:
        NoMigrations: there is nothing to rehearse.
    """
    return with_schema(diagnosed(runtime, "rehearse", tools, strict=False))


# --- Rehearse the chain of a report: as it is on the disk, or as its plan will leave it ----------


def rehearse(
    runtime: Runtime, examined: Report, request: RehearsalRequest, progress: Progress
) -> Report:
    """Run the chain as it is on a scratch database.

    Args:
        runtime: the environment.
        examined: what is known of the chain.
        request: how the user wants it.
        progress: called with the steps done, the steps in all, and what is running.

    Returns:
        A report with a rehearsal, and with an error where that failed.

    Raises:
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: see ``runtime.rehearse``.
    """
    now = examined.before
    assert now is not None
    old = _old_chain(runtime, now, request.start) if request.start else None
    report = _rehearsed(runtime, examined, request, Chains(now, old), progress)
    rehearsal = report.rehearsal
    assert rehearsal is not None
    if report.error is None and report.counting:
        faults = listing(sorted({f"{each.code} {each.name}" for each in report.counting}))
        notice = (
            f"the chain has {faults}, so nothing is proven: Alembic runs it in an order of its own,"
            " and may choose another one next time"
        )
        report = replace(report, exit_code=1, notices=(*report.notices, notice))
    if report.error is None and rehearsal.differences:
        report = replace(report, exit_code=1)
    return report


def rehearse_plan(
    runtime: Runtime, planned: Report, request: RehearsalRequest, progress: Progress
) -> Report:
    """Run the chain as a plan will leave it on a scratch database, before a file is changed.

    Args:
        runtime: the environment.
        planned: a report with a plan.
        request: how the user wants it.
        progress: called with the steps done, the steps in all, and what is running.

    Returns:
        The report with a rehearsal, another for the way of each database that is known, built up
        by the old chain, restamped and upgraded over the new one, and with an error where one
        failed.

    Raises:
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: see ``runtime.rehearse``.
    """
    assert planned.after is not None
    report = _rehearsed(runtime, planned, request, Chains(planned.after), progress)
    for move, names in _ways(planned).items():
        if report.error is not None:
            break
        start, rows = move
        on_the_way = replace(request, start=start, restamp=rows)
        chains = Chains(planned.after, planned.start)
        done = _rehearsed(runtime, planned, on_the_way, chains, progress)
        assert done.rehearsal is not None
        way = replace(done.rehearsal, way_of=names)
        report = replace(report, ways=(*report.ways, way), error=done.error)
        if done.error is not None:
            report = replace(report, rehearsal=way, exit_code=done.exit_code)
    return report


def _ways(planned: Report) -> dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]:
    """The databases that have something applied, by where they stand and what they are to get."""
    ways: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    for result in planned.moves:
        move = result.move
        if move.before and result.state in (MoveState.PLANNED, MoveState.UNCHANGED):
            way = move.before, move.after
            ways[way] = (*ways.get(way, ()), move.name)
    return ways


def _rehearsed(
    runtime: Runtime, report: Report, request: RehearsalRequest, chains: Chains, progress: Progress
) -> Report:
    rehearsal = run.rehearse(runtime, request, chains, progress)
    failure = rehearsal.failure
    if kind := rehearsal.missed_server:
        notice = f"the app uses {kind}, and this was SQLite, which takes what {kind} refuses"
        report = replace(report, notices=tuple(dict.fromkeys((*report.notices, notice))))
    if failure is None:
        return replace(report, rehearsal=rehearsal)
    cause, mend = cause_of(chains.chain, failure)
    failure = replace(failure, cause=cause, remedy=Remedy.of(mend) | failure.remedy)
    report = replace(report, rehearsal=replace(rehearsal, failure=failure))
    at = f" at {failure.revision}" if failure.revision else ""
    error = RehearsalFailed(f"the rehearsal failed{at}: {failure.message}", failure.remedy)
    return replace(report, exit_code=error.exit_code, error=error)


def _old_chain(runtime: Runtime, now: Snapshot, start: tuple[str, ...]) -> Snapshot:
    """The chain before the last repair; as it is if there was none, or nobody could run that.

    Raises:
        CannotRehearse: it does not have the revisions at which a database is to be stamped.
    """
    journal = disk.latest_repair(now, journals_of(runtime.environment))
    old = disk.before_repair(now, journal) if journal is not None else now
    if in_doubt(diagnose(old)):  # it has not brought any database anywhere
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
