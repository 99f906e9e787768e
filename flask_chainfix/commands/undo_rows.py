"""The way back: rows as they were before the last repair, so that its files can be put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.common.errors import CannotWrite, ChainFixError, RowsNotPutBack
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress, listing
from flask_chainfix.databases import moving
from flask_chainfix.databases.applied.contradictions import leaving_out, naming
from flask_chainfix.databases.applied.row_moves import OF_EITHER_CHAIN
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import survey
from flask_chainfix.databases.targets import Target
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
from flask_chainfix.planning.proposal import planned_moves

_RIGHT = (MoveState.MOVED, MoveState.UNCHANGED)
_NO_WAY_BACK = (MoveState.DOUBTFUL, MoveState.REFUSED, MoveState.FAILED)


def look_back(
    runtime: Runtime, now: Facts, journal: Journal, wishes: DatabaseWishes, progress: Progress
) -> tuple[Facts, tuple[MoveResult, ...]]:
    """The moves that databases need so that their rows fit the files as they were.

    Those whose rows were moved with the repair get the old ones back; those that have been upgraded
    since get the rows that stand for what has run there, also since a repair that was killed while
    its files were in place. Where only rows were moved, only what was moved goes back.

    Returns:
        The chain as it is with where the databases stand, and the moves.

    Raises:
        CannotRead: the journal is damaged.
        RowsNotPutBack: a database of the journal is none of those that are named, has run what the
            old files do not have, or has gone on with files that stay.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    recorded = {move.identity: move for move in disk.recorded_moves(journal)}
    if not (recorded or journal.entries):
        return now, ()
    looked_at = survey(runtime, now, wishes, progress)
    _require_recorded(looked_at, recorded, journal)
    if not journal.entries:
        return looked_at, tuple(
            _exactly_back(status, recorded[status.identity], journal)
            for status in looked_at.databases.statuses
            if status.identity in recorded
        )
    then = disk.before_repair(looked_at, journal)
    old_ids = {new: old for old, new in journal.renamed.items()}
    squashed = {**looked_at.databases.squashed, **journal.squashed}
    known = replace(looked_at.databases, renamed=old_ids, squashed=squashed)
    looked_at = replace(looked_at, databases=known)
    if not journal.finished:  # and so no chain of the journal that survey knows of
        looked_at = replace(looked_at, old=(then.graph, *looked_at.old))
    results = zip(looked_at.databases.statuses, planned_moves(looked_at, then), strict=True)
    half = disk.is_half_undone(journal)
    moves = tuple(
        replace(result, move=replace(result.move, after=status.rows), state=MoveState.UNCHANGED)
        if not journal.finished and journal.stood.get(status.identity) == status.rows
        else _way_back(result, recorded.get(status.identity), looked_at, then, half=half)
        for status, result in results
        if status.state is not DatabaseState.MISSING  # then no row of it goes back
    )
    _refuse_way_back(looked_at, moves, then)
    return looked_at, moves


def _exactly_back(status: DatabaseStatus, recorded: Move, journal: Journal) -> MoveResult:
    if status.state is DatabaseState.UNREACHABLE:
        raise RowsNotPutBack(
            f"{status.name} cannot be read: {status.problem}",
            status.remedy,
            unchanged=True,
        )
    if status.rows not in (recorded.before, recorded.after):
        raise RowsNotPutBack(
            f"{status.name} has gone on since its stamp was moved: it is at"
            f" {', '.join(status.rows) or 'nothing'}",
            "if its stamp is right as it is, take its line out of"
            f" {journal.rows_path} and undo again, for the other databases",
            unchanged=True,
        )
    return _put_back(status.name, status.rows, recorded)


def _put_back(name: str, rows: tuple[str, ...], recorded: Move) -> MoveResult:
    state = MoveState.UNCHANGED if rows == recorded.before else MoveState.PLANNED
    return MoveResult(Move(name, recorded.identity, rows, recorded.before), state)


def _way_back(
    result: MoveResult, recorded: Move | None, now: Facts, then: Facts, *, half: bool
) -> MoveResult:
    """The way back of a database with the files: exactly that, unless it has gone on."""
    move, rows = result.move, result.move.before
    stay = MoveResult(replace(move, after=rows), MoveState.UNCHANGED)
    known_then = all(row in then.graph for row in rows)
    if half:  # the rows went back before the first file did
        if recorded is not None and rows in (recorded.before, recorded.after):
            return _put_back(move.name, rows, recorded)
        return stay if known_then else result
    if recorded is not None:
        # Rows that are only said to be of the new files stand for something else by the old ones.
        if rows == recorded.after and not (recorded.stays and known_then):
            return _put_back(move.name, rows, recorded)
        if not (recorded.stays or rows == recorded.before):
            return result
    # A row of neither chain is none the worse for going back, nor is one of both where the old
    # chain cannot be loaded and so means nothing.
    is_broken = then.graph.missing or then.graph.cycles or then.graph.duplicates
    if rows and known_then:  # whatever the schema has to say
        known_now = all(row in now.graph for row in rows)
        if (is_broken and known_now) or _is_alike(now, then, rows):
            return stay
    if any(row not in now.graph and row not in then.graph for row in rows):
        return replace(stay, detail="no file has its rows, before or after")
    return result


def _is_alike(now: Facts, then: Facts, rows: tuple[str, ...]) -> bool:
    """Whether rows stand for the same before and after, or are from before a squash."""
    squashed = now.databases.squashed
    if any(row in squashed for row in rows):
        return all(row in squashed or row in now.graph for row in rows)
    ran = stood_for(then.graph, rows)
    gone = {name for name, into in squashed.items() if into in ran}
    if gone:
        return ran - gone == stood_for(now.graph, rows)
    return _mean_the_same(rows, now, then)


def _mean_the_same(rows: tuple[str, ...], now: Facts, then: Facts) -> bool:
    """Whether rows stand for the same files, with the same bytes, in both chains."""
    ran = stood_for(now.graph, rows)
    return (
        all(row in then.graph for row in rows)
        and ran == stood_for(then.graph, rows)
        and all(_contents(now, revision) == _contents(then, revision) for revision in ran)
    )


def _contents(chain: Facts, revision: str) -> list[bytes]:
    return [file.data for file in chain.files_by_revision[revision]]


def _require_recorded(looked_at: Facts, recorded: Mapping[str, Move], journal: Journal) -> None:
    there = {
        status.identity
        for status in looked_at.databases.statuses
        if status.state not in (DatabaseState.EMPTY, DatabaseState.MISSING)
    }
    missing = [
        move.name for identity, move in recorded.items() if identity not in there and not move.stays
    ]
    if missing:
        options = naming(missing)
        command = () if options is None else (f"{{fixchain}} undo{{named}}{options}",)
        raise RowsNotPutBack(
            f"the rows of {listing(missing, 3)} were moved with this repair, and that"
            " database is not named or not there",
            way("name all of these databases, as when they were moved", *command)
            | f"where one is gone for good, take its line out of {journal.rows_path}",
            unchanged=True,
        )


def _refuse_way_back(looked_at: Facts, moves: Sequence[MoveResult], then: Facts) -> None:
    statuses = {each.identity: each for each in looked_at.databases.statuses}
    for first in (each for each in moves if each.state in _NO_WAY_BACK):
        status = statuses[first.move.identity]
        # The detail of a doubt takes the chain as it is for the one that is to stay.
        doubtful = first.state is MoveState.DOUBTFUL
        remedy = first.remedy if first.state is MoveState.FAILED else "keep the repair"
        raise RowsNotPutBack(
            f"{status.name} cannot go back to the old files:"
            f" {OF_EITHER_CHAIN if doubtful else first.detail}",
            _taking_down(looked_at, status, then)
            | Remedy.of(remedy)
            | leaving_out(looked_at, status, "undo", "leave that database as it is"),
            unchanged=True,
        )


def _taking_down(now: Facts, status: DatabaseStatus, then: Facts) -> Remedy:
    """To take down the revision that came with the repair, where it is all that is new there."""
    new = [row for row in status.rows if row in now.graph and row not in then.graph]
    below = now.graph.parents[new[0]] if new else ()
    if len(status.rows) != 1 or len(below) != 1 or below[0] not in then.graph:
        return Remedy()
    return way(
        f"take {new[0]} down first, and undo again",
        f"{{alembic}} downgrade {word(below[0])}",
        "{fixchain} undo{databases}",
    )


def put_rows_back(
    targets: Mapping[str, Target], moves: Sequence[MoveResult], progress: Progress
) -> tuple[MoveResult, ...]:
    """Put back the rows of every database, before a file is.

    Raises:
        RowsNotPutBack: one of them is not as it was when it was looked at; every row that could be
            is as it was, and no file was changed.
    """
    planned = [each.move for each in moves if each.state is MoveState.PLANNED]
    if not planned:
        return tuple(moves)
    results = _make(targets, planned, progress)
    failed = [each for each in results if each.state not in _RIGHT]
    if failed:
        stuck = _forward(targets, results, progress)
        others = _stuck(stuck) if stuck else "the rows of other databases are as they were"
        raise RowsNotPutBack(
            f"the rows of {failed[0].move.name} cannot be put back: {failed[0].detail}",
            f"no file was changed, and {others}; undo again once that is settled, or keep the"
            " repair",
        )
    done = {each.move: each for each in results}
    return tuple(done.get(each.move, each) for each in moves)


def without_files(
    targets: Mapping[str, Target],
    moves: Sequence[MoveResult],
    progress: Progress,
    error: ChainFixError,
    journal: Journal,
) -> ChainFixError:
    """What to say where the rows were put back, and the files could not be.

    As long as every file is a new one, the rows become the new ones again; else they stay the old
    ones, which fit once the rest of the files is put back. ``error`` has kept them from it.
    """
    if not any(each.state is MoveState.MOVED for each in moves):
        return error
    if disk.has_begun(journal):
        return CannotWrite(f"{error.message}; every stamp is back as it was", error.remedy)
    stuck = _forward(targets, moves, progress)
    if not stuck:
        return error
    return CannotWrite(f"{error.message}; {_stuck(stuck)}", error.remedy)


def _forward(
    targets: Mapping[str, Target], moves: Sequence[MoveResult], progress: Progress
) -> list[MoveResult]:
    """Give databases the new rows again; those that cannot be given them."""
    forward = [
        replace(each.move, before=each.move.after, after=each.move.before)
        for each in moves
        if each.state is MoveState.MOVED
    ]
    again = _make(targets, forward, progress)
    return [each for each in again if each.state not in _RIGHT]


def _make(
    targets: Mapping[str, Target], moves: Sequence[Move], progress: Progress
) -> tuple[MoveResult, ...]:
    # The journal holds the way back already.
    return moving.move_rows(targets, moves, lambda _: None, progress)


def _stuck(stuck: Sequence[MoveResult]) -> str:
    return (
        f"the old rows stay in {listing([each.move.name for each in stuck], 3)}, which cannot be"
        " given the new ones again: restamp moves them"
    )
