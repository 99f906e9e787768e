"""Move the rows of databases, with what they were in the journal; and find the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask_chainfix import runtime as alembic
from flask_chainfix import store
from flask_chainfix.errors import RowsNotPutBack
from flask_chainfix.model import (
    DatabaseState,
    DatabaseWishes,
    Move,
    MoveResult,
    MoveState,
    Standing,
)
from flask_chainfix.runtime import Progress, Runtime
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import Era, era_of, move_for, possibilities
from flask_chainfix.store import Journal
from flask_chainfix.survey import targets_for


def planned_moves(
    before: Snapshot, after: Snapshot, taken: Mapping[str, str], *, certain: bool = False
) -> tuple[MoveResult, ...]:
    """The move of each database, for a chain as it is or is going to be.

    Args:
        before: the chain as it is, and where its databases stand.
        after: the chain whose rows they are to have.
        taken: lost revisions, and those that the user takes them for.
        certain: whether the user has said which chain has stamped them.
    """
    return tuple(
        _planned_move(before, after, standing, taken, certain=certain)
        for standing in before.databases.standings
    )


def _planned_move(
    before: Snapshot,
    after: Snapshot,
    standing: Standing,
    taken: Mapping[str, str],
    *,
    certain: bool,
) -> MoveResult:
    stay = Move(standing.name, standing.identity, standing.rows, standing.rows)
    if standing.state is DatabaseState.UNREACHABLE:
        return MoveResult(stay, MoveState.FAILED, standing.problem, standing.remedy)
    if not standing.rows:
        return MoveResult(stay, MoveState.UNCHANGED)
    if before.old is None and era_of(before, standing) is Era.OLD:
        return MoveResult(
            stay,
            MoveState.REFUSED,
            "its rows are those before the last restamp, and the chain that has written them is in"
            " no journal",
            "name the Git revision that holds that chain: --old REF",
        )
    possible = possibilities(before, standing)
    return move_for(after, possible[-1:] if certain else possible, taken)


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
    moves = [
        result.move
        for result in planned
        if result.state is MoveState.PLANNED and result.move.identity in targets
    ]
    with store.row_log(runtime.environment.directory, journal) as log:
        done = alembic.move_rows(targets, moves, log.record, progress)
    by_identity = {result.move.identity: result for result in done}
    return tuple(by_identity.get(result.move.identity, result) for result in planned)


def way_back(runtime: Runtime, journal: Journal, wishes: DatabaseWishes) -> tuple[MoveResult, ...]:
    """The moves that put back the rows which were moved with a repair.

    Raises:
        CannotRead: the journal is damaged.
        RowsNotPutBack: a database of the journal is none of those that are named.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    recorded = store.recorded_moves(journal)
    if not recorded:
        return ()
    targets = targets_for(runtime, wishes)
    missing = [move.name for move in recorded if move.identity not in targets]
    if missing:
        raise RowsNotPutBack(
            f"the rows of {', '.join(missing)} were moved with this repair, and it is not named",
            "nothing was changed; name it with --database URL",
        )
    return tuple(
        MoveResult(replace(move, before=move.after, after=move.before), MoveState.PLANNED)
        for move in recorded
    )


def put_rows_back(
    runtime: Runtime, moves: Sequence[MoveResult], wishes: DatabaseWishes, progress: Progress
) -> tuple[MoveResult, ...]:
    """Put back the rows of every database, before a file is.

    Raises:
        RowsNotPutBack: not all of them are what they were; no file was changed.
    """
    if not moves:
        return ()
    targets = targets_for(runtime, wishes)
    results = alembic.move_rows(targets, [each.move for each in moves], _nothing, progress)
    failed = [each for each in results if each.state not in (MoveState.MOVED, MoveState.UNCHANGED)]
    if failed:
        first = failed[0]
        raise RowsNotPutBack(
            f"the rows of {len(failed)} of {len(results)} databases were not put back, so no file"
            f" was: {first.move.name}: {first.detail}",
            f"bring it back to {', '.join(first.move.before)} with a downgrade, then undo again; or"
            " keep the repair, and run restamp",
        )
    return results


def _nothing(move: Move) -> None:
    """The journal holds the way back already."""
