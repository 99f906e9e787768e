"""Read the stamps of databases again: just before files are written, and once they are in place.

A database can be upgraded while the new files are in place but not confirmed yet. Its rows then
follow the new files; with the old files they would be wrong, and revisions would run again. So if a
database may have been upgraded with the new files, these stay, whatever else has failed, and the
rows of all databases are judged by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import (
    ChainFixError,
    Interrupted,
    NotConfirmed,
    RowsNotMoved,
    StaleSnapshot,
)
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import Progress, in_rows, listing
from flask_chainfix.databases.applied.has_run import can_have_written
from flask_chainfix.databases.applied.row_moves import planned_moves, without_missing
from flask_chainfix.databases.applied.rows import stamp_commands
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import Target
from flask_chainfix.disk.journal import Journal
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseStatus,
    Move,
    MoveResult,
    MoveState,
)
from flask_chainfix.model.environment import Environment
from flask_chainfix.planning.proposal import Planned, Proposal
from flask_chainfix.report.results import Repaired

_NAMED = 3
_Targets = Mapping[str, Target]  # the databases by identity


def refuse_moved(
    targets: _Targets, before: Facts, progress: Progress, moves: Sequence[MoveResult] = ()
) -> None:
    """Refuse if the stamp of a database has changed since the plan was made.

    Raises:
        StaleSnapshot: its rows differ from those in the plan and those after our moves; every file
            is unchanged.
    """
    for now in _moved_since(targets, before, progress, moves):
        raise _left_behind(now)


def refuse_changed(environment: Environment, before: Facts) -> None:
    """Refuse if the migrations have changed since the plan was made.

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
    """The databases whose stamp has changed, or that can no longer be read."""
    if not targets:
        return
    from flask_chainfix.databases.version_tables import read_statuses

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


def _looked_at(
    targets: _Targets, chain: Facts, statuses: tuple[DatabaseStatus, ...], progress: Progress
) -> Facts:
    """A chain with the status and the schemas of databases as they are now."""
    chain = replace(chain, databases=replace(chain.databases, statuses=statuses))
    if not statuses:
        return chain
    from flask_chainfix.databases.live_schema import with_schemas

    return with_schemas(chain, targets, progress)


def _left_behind(now: DatabaseStatus) -> StaleSnapshot:
    if now.state is DatabaseState.UNREACHABLE:
        return StaleSnapshot(
            f"{now.name} can no longer be read: {now.problem}",
            f"every file is as it was; {now.remedy}, then run the command again",
        )
    return StaleSnapshot(
        f"{now.name} has moved since the plan was made: it is at"
        f" {in_rows(now.rows) or now.state.value} now",
        "every file is as it was; run the command again",
    )


def moved_with_new_files(
    targets: _Targets,
    before: Facts,
    after: Facts,
    progress: Progress,
    failure: BaseException | None = None,
) -> tuple[DatabaseStatus, ...]:
    """The databases that have moved while the new files were in place, if these must stay.

    A database that can no longer be read may be in the middle of an upgrade with the new files.
    ``failure`` is an error for which the old files would otherwise be restored.

    Raises:
        StaleSnapshot: databases have moved, but none with the new files.
        BaseException: the failure, if no database has moved with the new files.
    """
    moved = tuple(_moved_since(targets, before, progress))
    by_new = can_have_written(_looked_at(targets, after, moved, progress), moved)
    if failure is not None and not by_new:
        raise failure
    unreachable = any(each.state is DatabaseState.UNREACHABLE for each in moved)
    if moved and not (by_new or unreachable):
        raise _left_behind(moved[0])
    return moved


def record_unchanged_rows(
    proposal: Proposal, planned: Planned, journal: Journal, moved: Sequence[DatabaseStatus]
) -> BaseException | None:
    """Record in the journal the rows that a repair leaves unchanged.

    They prove later that the database was stamped by this chain. If a row has a file only since the
    repair, ``undo`` deletes that file and leaves the row. Databases that have moved meanwhile are
    not recorded.

    Returns:
        The error that prevented it, if the new files must stay nevertheless.
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


def error_with_new_files(moved: Sequence[DatabaseStatus], failure: BaseException) -> ChainFixError:
    """The error for an unfinished repair whose new files must stay."""
    there = [each.name for each in moved if each.state is not DatabaseState.UNREACHABLE]
    names = listing(there, _NAMED)
    why = failure.message if isinstance(failure, ChainFixError) else str(failure)
    kind = NotConfirmed if isinstance(failure, ChainFixError | OSError) else Interrupted
    return kind(
        f"{why or 'interrupted'}; the new files stay anyway, as {names} has moved while they"
        " were in place: with the old ones, what has run there would run again",
        way("put back the files, and the stamps with them", "{fixchain} undo{databases}")
        | way("see what is wrong with the new ones", "{fixchain} check{databases}"),
    )


def judged_by_new_files(
    session: Session, repaired: Repaired, moved: Sequence[DatabaseStatus]
) -> Repaired:
    """A finished repair, with the moves of databases that have moved meanwhile.

    Raises:
        CannotRead: the journal cannot be read.
    """
    now = session.survey(repaired.planned.after)
    known = replace(repaired.snapshot.databases, statuses=now.databases.statuses)
    notices = tuple(
        f"{each.name} can no longer be read, so the new files stay: an upgrade may be using them"
        if each.state is DatabaseState.UNREACHABLE
        else f"{each.name} has moved to {in_rows(each.rows) or each.state.value} while the new"
        " files were in place, so they stay, and its stamp is judged by them"
        for each in moved
    )
    return replace(
        repaired,
        snapshot=replace(repaired.snapshot, databases=known),
        moves=without_missing(now, planned_moves(now, now)),
        notices=(*repaired.notices, *notices),
    )


def moves_after_undo(
    targets: _Targets,
    undone: Facts,
    restored: Facts,
    moves: Sequence[MoveResult],
    progress: Progress,
) -> tuple[MoveResult, ...]:
    """The moves of an undo, plus those of databases that moved with the undone files.

    Rows that do not belong to the restored files are corrected here. ``undone`` is the chain that
    was in place before, ``restored`` the one that is in place now.

    Raises:
        RowsNotMoved: the rows of a database are in doubt, or cannot be corrected.
    """
    moved = tuple(_moved_since(targets, undone, progress, moves))
    if not moved:
        return tuple(moves)
    from flask_chainfix.databases.restamping import move_rows

    known = replace(undone.databases, moved={})
    undone = _looked_at(targets, replace(undone, databases=known, old=()), moved, progress)
    restored = replace(restored, schemas=undone.schemas)
    by_undone = planned_moves(undone, restored)
    results = [
        _in_doubt(result, restored.graph)
        if result.state is MoveState.PLANNED and can_have_written(restored, [status])
        else result
        for status, result in zip(moved, by_undone, strict=True)
        if not (result.state is MoveState.REFUSED and can_have_written(restored, [status]))
    ]
    planned = [each.move for each in results if each.state is MoveState.PLANNED]
    made = move_rows(targets, planned, lambda _: None, progress)
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
            *stamp_commands(graph, before, after),
        )
        | "else leave it as it is",
    )
