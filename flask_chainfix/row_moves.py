"""Move the rows of databases, with what they were in the journal; and find the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from flask_chainfix import runtime as alembic
from flask_chainfix import store
from flask_chainfix.errors import RowsNotPutBack, StaleSnapshot
from flask_chainfix.model import (
    DatabaseState,
    DatabaseWishes,
    Move,
    MoveResult,
    MoveState,
    Standing,
)
from flask_chainfix.report import Report
from flask_chainfix.rules.wording import listing
from flask_chainfix.runtime import Progress, Runtime, Target
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import Applied, move_for, possibilities
from flask_chainfix.store import Journal
from flask_chainfix.survey import survey, targets_for

_RIGHT = (MoveState.MOVED, MoveState.UNCHANGED)


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
    if not standing.rows:
        return MoveResult(stay, MoveState.UNCHANGED)
    return move_for(before, after, standing, possible, taken)


def move_planned(
    runtime: Runtime,
    planned: Sequence[MoveResult],
    wishes: DatabaseWishes,
    journal: Journal | None,
    progress: Progress,
) -> tuple[MoveResult, ...]:
    """Make the moves that are planned; the lock of the environment is held by the caller.

    Args:
        runtime: the environment.
        planned: what is to be done; what is not planned stays as it is.
        wishes: the databases.
        journal: of the repair that the moves follow; a new one is made without.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        CannotWrite: the journal cannot be written; what was moved before is in it.
    """
    targets = targets_for(runtime, wishes)
    moves = [each.move for each in planned if each.state is MoveState.PLANNED]
    with store.row_log(runtime.environment.directory, journal) as log:
        done = _move(targets, moves, log.record, progress)
    return tuple(done.get(each.move.identity, each) for each in planned)


def _move(
    targets: Mapping[str, Target],
    moves: Sequence[Move],
    record: Callable[[Move], None],
    progress: Progress,
) -> dict[str, MoveResult]:
    """What came of each move, by identity; one whose database has gone away fails."""
    there = [move for move in moves if move.identity in targets]
    results = {
        result.move.identity: result
        for result in alembic.move_rows(targets, there, record, progress)
    }
    for move in moves:
        if move.identity not in targets:
            results[move.identity] = MoveResult(
                move, MoveState.FAILED, "it is not there any more, or not named", "look for it"
            )
    return results


def note_rows(directory: Path, report: Report, journal: Journal) -> None:
    """Take down where databases stand whose rows have a file only since a repair.

    An ``undo`` deletes that file again, and leaves such rows as they were.

    Raises:
        CannotWrite: the journal cannot be written.
    """
    assert report.before is not None
    known, plan = report.before.graph, report.plan
    assert plan is not None
    new = {each.revision for each in plan.new_revisions if each.revision not in known}
    with store.row_log(directory, journal) as log:
        for each in report.before.databases.standings:
            if not (each.told or new.isdisjoint(each.rows)):
                log.record(Move(each.name, each.identity, each.rows, each.rows))


def look_back(
    runtime: Runtime,
    now: Snapshot,
    journal: Journal,
    wishes: DatabaseWishes,
    progress: Progress,
) -> tuple[Snapshot, tuple[MoveResult, ...]]:
    """The moves that databases need so that their rows fit the files as they were.

    Those whose rows were moved with the repair get the old ones back; those that have been upgraded
    since get the rows that stand for what has run there. Where only rows were moved, the files fit
    every database as they did, and only what was moved goes back.

    Returns:
        The chain as it is with where the databases stand, and the moves.

    Raises:
        CannotRead: the journal is damaged.
        RowsNotPutBack: a database of the journal is none of those that are named, has run what the
            old files do not have, or has gone on with files that stay.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    recorded = {move.identity: move for move in store.recorded_moves(journal)}
    if not (recorded or journal.entries):
        return now, ()
    looked_at = survey(runtime, now, wishes, progress)
    _require_recorded(looked_at, recorded, journal)
    if not journal.entries:
        return looked_at, tuple(
            _exactly_back(standing, recorded[standing.identity], journal)
            for standing in looked_at.databases.standings
            if standing.identity in recorded
        )
    then = store.before_repair(looked_at, journal)
    results = zip(looked_at.databases.standings, planned_moves(looked_at, then), strict=True)
    moves = tuple(
        _back(result, recorded[standing.identity], looked_at, then)
        if standing.identity in recorded
        else _as_it_is(result, looked_at, then)
        for standing, result in results
    )
    _refuse_way_back(moves)
    return looked_at, moves


def _exactly_back(standing: Standing, recorded: Move, journal: Journal) -> MoveResult:
    if standing.state is DatabaseState.UNREACHABLE:
        raise RowsNotPutBack(
            f"{standing.name} cannot be asked where it stands: {standing.problem}",
            f"nothing was changed; {standing.remedy}",
        )
    if standing.rows not in (recorded.before, recorded.after):
        raise RowsNotPutBack(
            f"{standing.name} has gone on since its stamp was moved: it is at"
            f" {', '.join(standing.rows) or 'nothing'}",
            "nothing was changed; if its stamp is right as it is, take its line out of"
            f" {journal.rows_path} and undo again, for the other databases",
        )
    return _put_back(standing.name, standing.rows, recorded)


def _put_back(name: str, rows: tuple[str, ...], recorded: Move) -> MoveResult:
    state = MoveState.UNCHANGED if rows == recorded.before else MoveState.PLANNED
    return MoveResult(Move(name, recorded.identity, rows, recorded.before), state)


def _back(result: MoveResult, recorded: Move, now: Snapshot, then: Snapshot) -> MoveResult:
    """The way back of a database whose rows were moved: exactly that, unless it has gone on."""
    rows = result.move.before
    if rows == recorded.after:
        return _put_back(result.move.name, rows, recorded)
    return _as_it_is(result, now, then) if rows == recorded.before else result


def _as_it_is(result: MoveResult, now: Snapshot, then: Snapshot) -> MoveResult:
    """A row that neither the new files nor the old ones have is none the worse for going back."""
    rows = result.move.before
    if any(row not in now.graph and row not in then.graph for row in rows):
        stay = replace(result.move, after=rows)
        return MoveResult(stay, MoveState.UNCHANGED, "no file has its rows, before or after")
    return result


def _require_recorded(looked_at: Snapshot, recorded: Mapping[str, Move], journal: Journal) -> None:
    there = {
        standing.identity
        for standing in looked_at.databases.standings
        if standing.state is not DatabaseState.EMPTY
    }
    missing = [
        move.name
        for identity, move in recorded.items()
        if identity not in there and move.before != move.after
    ]
    if missing:
        raise RowsNotPutBack(
            f"the rows of {listing(missing, 3)} were moved with this repair, and that is not named"
            " or not there",
            "nothing was changed; name all of these databases, as when they were moved (--database"
            " URL, --schemas PATTERN); where one is gone for good, take its line out of"
            f" {journal.rows_path}",
        )


def _refuse_way_back(moves: Sequence[MoveResult]) -> None:
    refused = [each for each in moves if each.state in (MoveState.REFUSED, MoveState.FAILED)]
    if not refused:
        return
    first = refused[0]
    remedy = "keep the repair"
    if first.state is MoveState.FAILED:
        remedy = first.remedy
    raise RowsNotPutBack(
        f"{first.move.name} cannot go back to the old files: {first.detail}",
        f"nothing was changed; {remedy}; or leave that database as it is (--no-database for the"
        " app's own, and do not name it)",
    )


def put_rows_back(
    runtime: Runtime, moves: Sequence[MoveResult], wishes: DatabaseWishes, progress: Progress
) -> tuple[MoveResult, ...]:
    """Put back the rows of every database, before a file is.

    Raises:
        RowsNotPutBack: one of them is not as it was when it was looked at; every row that could be
            is as it was, and no file was changed.
    """
    planned = [each.move for each in moves if each.state is MoveState.PLANNED]
    if not planned:
        return tuple(moves)
    targets = targets_for(runtime, wishes)
    done = _move(targets, planned, _nothing, progress)
    failed = [each for each in done.values() if each.state not in _RIGHT]
    if failed:
        forward = [
            replace(each.move, before=each.move.after, after=each.move.before)
            for each in done.values()
            if each.state is MoveState.MOVED
        ]
        again = _move(targets, forward, _nothing, progress).values()
        raise _not_put_back(failed[0], [each for each in again if each.state not in _RIGHT])
    return tuple(done.get(each.move.identity, each) for each in moves)


def _not_put_back(failed: MoveResult, stuck: Sequence[MoveResult]) -> RowsNotPutBack:
    others = (
        f"the old rows stay in {listing([each.move.name for each in stuck], 3)}, which cannot be"
        " given the new ones again: restamp moves them"
        if stuck
        else "the rows of other databases are as they were"
    )
    return RowsNotPutBack(
        f"the rows of {failed.move.name} cannot be put back: {failed.detail}",
        f"no file was changed, and {others}; undo again once that is settled, or keep the repair",
    )


def refuse_moved(
    runtime: Runtime,
    before: Snapshot,
    wishes: DatabaseWishes,
    progress: Progress,
    moves: Sequence[MoveResult] = (),
) -> None:
    """Stop where a database no longer stands where it did when the plan was made.

    Args:
        runtime: the environment.
        before: where they stood.
        wishes: which databases.
        progress: called with the databases done, the databases in all, and the last one's name.
        moves: what has been done to their rows since.

    Raises:
        StaleSnapshot: its rows are others; every file is as it was.
    """
    targets = targets_for(runtime, wishes)
    out_of_reach = {
        each.identity
        for each in before.databases.standings
        if each.state is DatabaseState.UNREACHABLE
    }
    known = {each.identity: each.rows for each in before.databases.standings}
    known |= {each.move.identity: each.move.after for each in moves}
    for now in alembic.read_standings(tuple(targets.values()), progress):
        if now.state is DatabaseState.UNREACHABLE and now.identity not in out_of_reach:
            raise StaleSnapshot(
                f"{now.name} cannot be asked any more where it stands: {now.problem}",
                f"every file is as it was; {now.remedy}, then run the command again",
            )
        if known.get(now.identity) != now.rows:
            raise StaleSnapshot(
                f"{now.name} has moved since the plan was made: it is at"
                f" {', '.join(now.rows) or now.state.value} now",
                "every file is as it was; run the command again",
            )


def _nothing(move: Move) -> None:
    """The journal holds the way back already."""
