"""Move the rows of databases, with what they were in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from flask_chainfix import disk
from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.applied.contradictions import by_its_origin, leaving_out
from flask_chainfix.databases.applied.row_moves import move_for
from flask_chainfix.databases.applied.writers import Applied, possibilities, unexplained
from flask_chainfix.databases.moving import move_rows
from flask_chainfix.databases.survey import targets_for, told
from flask_chainfix.databases.targets import Target
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.disk.journal import Journal
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseWishes,
    Move,
    MoveResult,
    MoveState,
    Standing,
)
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.rehearsal.confirm import foresee

# Findings that say that it is not known what a database has run.
_NOT_KNOWN = ("FC301", "FC302", "FC305", "FC306")


def planned_moves(
    before: Snapshot, after: Snapshot, taken: Mapping[str, str] = MappingProxyType({})
) -> tuple[MoveResult, ...]:
    """The move of each database, for a chain as it is or is going to be.

    Args:
        before: the chain as it is, and where its databases stand.
        after: the chain whose rows they are to have.
        taken: lost revisions, and those that the user takes them for.
    """
    known: dict[object, MoveResult] = {}
    moves = []
    for standing in before.databases.standings:
        possible = possibilities(before, standing)
        # Most of a thousand tenants stand at the same few places.
        ran = tuple((each.revisions, each.unknown) for each in possible)
        alike = (standing.state, standing.problem, standing.rows, ran)
        if alike not in known or taken:
            known[alike] = _planned_move(before, after, standing, possible, taken)
        move = replace(known[alike].move, name=standing.name, identity=standing.identity)
        moves.append(replace(known[alike], move=move))
    return tuple(moves)


def _planned_move(
    before: Snapshot,
    after: Snapshot,
    standing: Standing,
    possible: Sequence[Applied],
    taken: Mapping[str, str],
) -> MoveResult:
    stay = Move(standing.name, standing.identity, standing.rows, standing.rows)
    if standing.state is DatabaseState.UNREACHABLE:
        return MoveResult(stay, MoveState.FAILED, standing.problem, standing.remedy)
    if standing.state is DatabaseState.MISSING and not standing.own:
        remedy = "create the database, or correct its name in the URL"
        return MoveResult(stay, MoveState.FAILED, "it does not exist", remedy)
    if not standing.rows:
        return MoveResult(stay, MoveState.UNCHANGED)
    return move_for(before, after, standing, possible, taken)


def settled(now: Snapshot, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves; of databases in doubt, what they are if the chain as it is has stamped them.

    Rows that are right then stay, and the journal takes that down.

    Args:
        now: the chain as it is, and where its databases stand.
        moves: the move of each database.
    """
    said = replace(now, databases=replace(now.databases, current_is_named=True))
    in_doubt = (MoveState.DOUBTFUL, MoveState.REFUSED)
    return tuple(
        MoveResult(then.move, MoveState.PLANNED, "the chain as it is has stamped it, as you say")
        if first.state in in_doubt and then.state is MoveState.UNCHANGED
        else first
        for first, then in zip(moves, planned_moves(said, said), strict=True)
    )


def refuse_unknown_rows(report: Report) -> None:
    """Stop where it is not known what a database has run.

    Raises:
        UnsafeForDatabases: no plan is safe then.
    """
    assert report.before is not None
    # Ignoring such a finding makes it no less true that a plan could strand a revision.
    of_databases = (*report.findings, *diagnose(report.before, Family.DATABASE, ignored=True))
    for finding in of_databases:
        if finding.code in _NOT_KNOWN and finding.severity is Severity.ERROR:
            raise UnsafeForDatabases(
                f"no plan is safe while it is not known what a database has run: {finding.message}",
                Remedy.of(finding.hint) | _without_what_it_is_of(report, finding),
            )
    for standing in unexplained(report.before):
        raise UnsafeForDatabases(
            f"no known chain can have written the rows of {standing.name}"
            f" ({', '.join(standing.rows)}), so what has run there is not known",
            by_its_origin(report.before, standing)
            | leaving_out(report.before, standing, report.planner),
        )


def _without_what_it_is_of(report: Report, finding: Finding) -> Remedy:
    """To leave out the databases that a finding is about; of the app's own all go together."""
    snapshot = report.before
    assert snapshot is not None
    standings = snapshot.databases.standings
    for standing in standings:
        left = tuple(
            each for each in standings if each is not standing and not (each.own and standing.own)
        )
        without = replace(snapshot, databases=replace(snapshot.databases, standings=left))
        if finding not in diagnose(without, Family.DATABASE, ignored=True) + diagnose(
            without, Family.DATABASE
        ):
            return leaving_out(snapshot, standing, report.planner)
    return Remedy()


def with_moves(report: Report) -> Report:
    """The report with the rows that databases are to have; without a plan if one cannot follow."""
    if report.plan is None:
        return report
    assert report.start is not None
    assert report.after is not None
    moves = without_missing(report.start, planned_moves(report.start, report.after))
    refused = next((each for each in moves if each.state is MoveState.REFUSED), None)
    if refused is None:
        return _foreseen(replace(report, moves=moves))
    obstacle = UnsafeForDatabases(
        f"the stamp of {refused.move.name} could not follow the files: {refused.detail}",
        Remedy.of(refused.remedy) | _without(report, refused),
    )
    return replace(report, plan=None, edits=(), after=None, moves=moves, obstacle=obstacle)


def _without(report: Report, refused: MoveResult) -> Remedy:
    """To leave a database out that is in the way, unless that is among the ways out already."""
    assert report.start is not None
    told = {command for way in Remedy.of(refused.remedy).ways for command in way.commands}
    return Remedy(
        tuple(
            way
            for standing in report.start.databases.standings
            if standing.identity == refused.move.identity
            for way in leaving_out(report.start, standing, report.planner).ways
            if told.isdisjoint(way.commands)
        )
    )


def without_missing(now: Snapshot, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves, of which none fails because its database does not exist: no row has to follow."""
    missing = {
        each.identity for each in now.databases.standings if each.state is DatabaseState.MISSING
    }
    return tuple(
        MoveResult(each.move, MoveState.UNCHANGED) if each.move.identity in missing else each
        for each in moves
    )


def _foreseen(report: Report) -> Report:
    """The report; without a plan if Alembic could not upgrade one of the databases."""
    assert report.after is not None
    if report.moves:
        try:
            foresee(report.after, places_after(report.moves), report.before)
        except CannotPlan as error:
            return replace(report, plan=None, edits=(), after=None, obstacle=error)
    return report


def places_after(moves: Sequence[MoveResult]) -> tuple[tuple[str, ...], ...]:
    """The rows from which databases will be upgraded once their moves are made, each once."""
    stay = (MoveState.PLANNED, MoveState.UNCHANGED)
    return tuple(dict.fromkeys(each.move.after for each in moves if each.state in stay))


def move_planned(  # noqa: PLR0913  (what a change of rows depends on)
    runtime: Runtime,
    planned: Sequence[MoveResult],
    wishes: DatabaseWishes,
    journal: Journal | None,
    progress: Progress,
    *,
    graph: Graph,
) -> tuple[MoveResult, ...]:
    """Make the moves that are planned; the lock of the environment is held by the caller.

    Args:
        runtime: the environment.
        planned: what is to be done; what is not planned stays as it is, and so do databases that
            are only told of, of which no more than that can be taken down.
        wishes: the databases.
        journal: of the repair that the moves follow; a new one is made without.
        progress: called with the databases done, the databases in all, and the last one's name.
        graph: the chain whose rows they are to have.

    Raises:
        CannotWrite: the journal cannot be written; what was moved before is in it.
    """
    targets = targets_for(runtime, wishes)
    out_of_reach = {each.identity for each in told(wishes.stamps)}
    moves = [each.move for each in planned if each.state is MoveState.PLANNED]
    there = [move for move in moves if move.identity not in out_of_reach]
    with disk.row_log(runtime.environment.directory, journal, graph) as log:
        done = make_moves(targets, there, log.record, progress)
        for move in moves:
            if move.stays and move.identity in out_of_reach:
                log.record(move)
                done[move.identity] = MoveResult(move, MoveState.UNCHANGED)
    return tuple(done.get(each.move.identity, each) for each in planned)


def make_moves(
    targets: Mapping[str, Target],
    moves: Sequence[Move],
    record: Callable[[Move], None],
    progress: Progress,
) -> dict[str, MoveResult]:
    """What came of each move, by identity; one whose database has gone away fails.

    Args:
        targets: the databases, by identity.
        moves: what is to be done.
        record: called with each move, inside its transaction, before its rows are replaced.
        progress: called with the databases done, the databases in all, and the last one's name.
    """
    there = [move for move in moves if move.identity in targets]
    results = {
        result.move.identity: result for result in move_rows(targets, there, record, progress)
    }
    for move in moves:
        if move.identity not in targets:
            results[move.identity] = MoveResult(
                move, MoveState.FAILED, "it is not there any more, or not named", "look for it"
            )
    return results


def note_rows(directory: Path, report: Report, journal: Journal, moved: Iterable[Standing]) -> None:
    """Take down the rows that stay as they are in a repair.

    They say later that a database was upgraded by the chain as it is; and where a row has a file
    only since the repair, ``undo`` deletes that file and leaves the row.

    Args:
        directory: the environment's directory.
        report: the repair.
        journal: its record.
        moved: the databases that have moved meanwhile, by whichever files.

    Raises:
        CannotWrite: the journal cannot be written.
    """
    assert report.before is not None
    assert report.after is not None
    known, plan = report.before.graph, report.plan
    assert plan is not None
    new = {each.revision for each in plan.new_revisions if each.revision not in known}
    right = {each.move.identity for each in report.moves if each.state is MoveState.UNCHANGED}
    in_doubt = {each.identity for each in moved}
    stay = (
        Move(each.name, each.identity, each.rows, each.rows)
        for each in report.before.databases.standings
        if not new.isdisjoint(each.rows) or (each.identity in right and each.is_known)
        if not (each.told or each.identity in in_doubt)
    )
    with disk.row_log(directory, journal, report.after.graph) as log:
        log.record(*stay)
