"""Look again where databases stand: just before files are written, and once they are in place.

Nobody can be kept from upgrading a database while the new files are in place and Alembic has not
confirmed them yet. Whoever does so then goes by the new files, and the old ones would have the
rows lie: what has run would run again. So a database that may have moved by the new files has them
stay, whatever else has happened, and the rows of all are judged by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import (
    ChainFixError,
    Interrupted,
    NotConfirmed,
    RowsNotMoved,
    StaleSnapshot,
)
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import Progress, listing
from flask_chainfix.databases import moving
from flask_chainfix.databases.applied.has_run import can_have_written
from flask_chainfix.databases.applied.rows import restamping
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import survey
from flask_chainfix.databases.targets import Target
from flask_chainfix.databases.version_tables import read_statuses
from flask_chainfix.disk.journal import Journal
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseStatus,
    DatabaseWishes,
    Move,
    MoveResult,
    MoveState,
)
from flask_chainfix.model.environment import Environment
from flask_chainfix.planning.proposal import Planned, Proposal, planned_moves, without_missing
from flask_chainfix.report.results import Repaired

_NAMED = 3
_Targets = Mapping[str, Target]  # the databases by identity


def refuse_moved(
    targets: _Targets, before: Facts, progress: Progress, moves: Sequence[MoveResult] = ()
) -> None:
    """Stop where a database no longer stands where it did when the plan was made.

    Raises:
        StaleSnapshot: its rows are others than then, or after our moves; every file is as it was.
    """
    for now in _moved_since(targets, before, progress, moves):
        raise _left_behind(now)


def refuse_changed(environment: Environment, before: Facts) -> None:
    """Stop where the migrations are no longer those of the plan.

    Raises:
        StaleSnapshot: a file has changed.
    """
    if disk.read_snapshot(environment)[0].files != before.files:
        raise StaleSnapshot(
            "the migrations have changed since the plan was made",
            "run the command again",
            unchanged=True,
        )


def _moved_since(
    targets: _Targets, before: Facts, progress: Progress, moves: Sequence[MoveResult] = ()
) -> Iterator[DatabaseStatus]:
    """The databases that stand elsewhere by now, or cannot be asked any more."""
    known = {each.identity: each for each in before.databases.statuses}
    rows = {identity: each.rows for identity, each in known.items()}
    rows |= {each.move.identity: each.move.after for each in moves}
    for now in read_statuses(tuple(targets.values()), progress):
        if now.state is DatabaseState.UNREACHABLE:
            then = known.get(now.identity)
            if then is None or then.state is not DatabaseState.UNREACHABLE:
                yield now
        elif rows.get(now.identity) != now.rows:
            yield now


def _left_behind(now: DatabaseStatus) -> StaleSnapshot:
    if now.state is DatabaseState.UNREACHABLE:
        return StaleSnapshot(
            f"{now.name} can no longer be read: {now.problem}",
            f"every file is as it was; {now.remedy}, then run the command again",
        )
    return StaleSnapshot(
        f"{now.name} has moved since the plan was made: it is at"
        f" {', '.join(now.rows) or now.state.value} now",
        "every file is as it was; run the command again",
    )


def bound_to_new_files(
    targets: _Targets,
    before: Facts,
    after: Facts,
    progress: Progress,
    failure: BaseException | None = None,
) -> tuple[DatabaseStatus, ...]:
    """The databases that have moved while the new files were in place, if these have to stay.

    One that cannot be asked any more may be in the middle of an upgrade by the new files.
    ``failure`` is what else would have the files put back.

    Raises:
        StaleSnapshot: databases have moved, and none by the new files.
        BaseException: the failure, where no database has moved by the new files.
    """
    moved = tuple(_moved_since(targets, before, progress))
    by_new = can_have_written(after, moved)
    if failure is not None and not by_new:
        raise failure
    unreachable = any(each.state is DatabaseState.UNREACHABLE for each in moved)
    if moved and not (by_new or unreachable):
        raise _left_behind(moved[0])
    return moved


def unnoted(
    proposal: Proposal, planned: Planned, journal: Journal, moved: Sequence[DatabaseStatus]
) -> BaseException | None:
    """Note in the journal the rows that stay as they are in a repair.

    They say later that a database was upgraded by the chain as it is; and where a row has a file
    only since the repair, ``undo`` deletes that file and leaves the row. Nothing is noted of those
    that have moved meanwhile.

    Returns:
        What has kept us from it, where the new files have to stay all the same.
    """
    before, after = proposal.snapshot, planned.after
    new = {each.revision for each in planned.plan.new_revisions}.difference(before.graph)
    right = {each.move.identity for each in proposal.moves if each.state is MoveState.UNCHANGED}
    in_doubt = {each.identity for each in moved}
    stay = [
        Move(each.name, each.identity, each.rows, each.rows)
        for each in before.databases.statuses
        if not new.isdisjoint(each.rows) or (each.identity in right and each.is_known)
        if not (each.by_user or each.identity in in_doubt)
    ]
    try:
        with disk.RowLog(after.environment.directory, journal, after.graph) as log:
            log.record(*stay)
    except (ChainFixError, OSError, KeyboardInterrupt) as error:
        if can_have_written(after, moved):
            return error
        raise
    return None


def unconfirmed(moved: Sequence[DatabaseStatus], failure: BaseException) -> ChainFixError:
    """What is said where the new files have to stay although a repair could not be finished."""
    there = [each.name for each in moved if each.state is not DatabaseState.UNREACHABLE]
    names = listing(there, _NAMED)
    why = failure.message if isinstance(failure, ChainFixError) else str(failure)
    kind = NotConfirmed if isinstance(failure, ChainFixError | OSError) else Interrupted
    return kind(
        f"{why or 'interrupted'}; the new files stay all the same, as {names} has moved while they"
        " were in place: with the old ones, what has run there would run again",
        way("put back the files, and the stamps with them", "{fixchain} undo{databases}")
        | way("see what is wrong with the new ones", "{fixchain} check{databases}"),
    )


def judged_anew(
    runtime: Runtime,
    repaired: Repaired,
    moved: Sequence[DatabaseStatus],
    wishes: DatabaseWishes,
    progress: Progress,
) -> Repaired:
    """A finished repair with what becomes of the rows of databases that have moved meanwhile.

    Raises:
        CannotRead: the journal cannot be read.
    """
    now = survey(runtime, repaired.planned.after, wishes, progress)
    known = replace(repaired.snapshot.databases, statuses=now.databases.statuses)
    notices = tuple(
        f"{each.name} can no longer be read, so the new files stay: an upgrade may be using them"
        if each.state is DatabaseState.UNREACHABLE
        else f"{each.name} has moved to {', '.join(each.rows) or each.state.value} while the new"
        " files were in place, so they stay, and its stamp is judged by them"
        for each in moved
    )
    return replace(
        repaired,
        snapshot=replace(repaired.snapshot, databases=known),
        moves=without_missing(now, planned_moves(now, now)),
        notices=(*repaired.notices, *notices),
    )


def followed_back(
    targets: _Targets,
    undone: Facts,
    restored: Facts,
    moves: Sequence[MoveResult],
    progress: Progress,
) -> tuple[MoveResult, ...]:
    """The moves of an undo, and those of databases that have moved by the files that it took back.

    Their rows are put right here, where they cannot be of the files that were put back. The chain
    that was in place is ``undone``; ``restored`` is in place by now.

    Raises:
        RowsNotMoved: the rows of one are not known to be right, or cannot be put right.
    """
    moved = tuple(_moved_since(targets, undone, progress, moves))
    if not moved:
        return tuple(moves)
    known = replace(undone.databases, statuses=moved, moved={})
    by_undone = planned_moves(replace(undone, databases=known, old=()), restored)
    results = [
        _in_doubt(result, restored.graph)
        if result.state is MoveState.PLANNED and can_have_written(restored, [status])
        else result
        for status, result in zip(moved, by_undone, strict=True)
        if not (result.state is MoveState.REFUSED and can_have_written(restored, [status]))
    ]
    planned = [each.move for each in results if each.state is MoveState.PLANNED]
    made = moving.move_rows(targets, planned, lambda _: None, progress)
    done = {each.move: each for each in made}
    results = [done.get(each.move, each) for each in results]
    silent = {each.identity for each in moved if each.state is DatabaseState.UNREACHABLE}
    right = (MoveState.MOVED, MoveState.UNCHANGED)
    for wrong in (each for each in results if each.state not in right):
        what = f"has moved to {', '.join(wrong.move.before) or 'nothing'}"
        if wrong.move.identity in silent:
            what = "cannot be asked whether it has moved"
        raise RowsNotMoved(
            f"the files are as they were before the repair, and {wrong.move.name} {what}"
            f" meanwhile: {wrong.detail}",
            wrong.remedy,
        )
    latest = {each.move.identity for each in results}
    return (*(each for each in moves if each.move.identity not in latest), *results)


def _in_doubt(result: MoveResult, graph: Graph) -> MoveResult:
    before, after = result.move.before, result.move.after
    return replace(
        result,
        state=MoveState.DOUBTFUL,
        detail="that is right if the files as they are now have run there, and those of the repair"
        f" would have left {', '.join(after) or 'nothing'}",
        remedy=way(
            "if it was upgraded by the files of the repair, put its stamp right",
            *restamping(graph, before, after),
        )
        | "else leave it as it is",
    )
