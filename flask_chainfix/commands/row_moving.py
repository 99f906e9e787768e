"""Move the rows of databases, with what they were in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from flask_chainfix import disk
from flask_chainfix.chain.graph import Graph
from flask_chainfix.common.progress import Progress
from flask_chainfix.databases.moving import move_rows
from flask_chainfix.databases.survey import targets_for, told
from flask_chainfix.databases.targets import Target
from flask_chainfix.disk.journal import Journal
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes, Move, MoveResult, MoveState, Standing
from flask_chainfix.planning.proposal import Planned, Proposal


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


def note_rows(
    directory: Path,
    proposal: Proposal,
    planned: Planned,
    journal: Journal,
    moved: Iterable[Standing],
) -> None:
    """Take down the rows that stay as they are in a repair.

    They say later that a database was upgraded by the chain as it is; and where a row has a file
    only since the repair, ``undo`` deletes that file and leaves the row.

    Args:
        directory: the environment's directory.
        proposal: what was known when the repair was planned.
        planned: the repair.
        journal: its record.
        moved: the databases that have moved meanwhile, by whichever files.

    Raises:
        CannotWrite: the journal cannot be written.
    """
    before = proposal.snapshot
    new = {
        each.revision for each in planned.plan.new_revisions if each.revision not in before.graph
    }
    right = {each.move.identity for each in proposal.moves if each.state is MoveState.UNCHANGED}
    in_doubt = {each.identity for each in moved}
    stay = (
        Move(each.name, each.identity, each.rows, each.rows)
        for each in before.databases.standings
        if not new.isdisjoint(each.rows) or (each.identity in right and each.is_known)
        if not (each.told or each.identity in in_doubt)
    )
    with disk.row_log(directory, journal, planned.after.graph) as log:
        log.record(*stay)
