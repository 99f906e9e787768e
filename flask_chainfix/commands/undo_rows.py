"""Restore the rows from before the last repair, so that its files can be restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import CannotWrite, ChainFixError, RowsNotPutBack
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress, in_rows, listing
from flask_chainfix.databases.applied.contradictions import leaving_out, naming
from flask_chainfix.databases.applied.row_moves import OF_EITHER_CHAIN, planned_moves
from flask_chainfix.databases.applied.rows import stood_for
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

_RIGHT = (MoveState.MOVED, MoveState.UNCHANGED)
_STUCK = (MoveState.DOUBTFUL, MoveState.REFUSED, MoveState.FAILED)


def look_back(
    session: Session, now: Facts, journal: Journal
) -> tuple[Facts, tuple[MoveResult, ...]]:
    """The moves after which the rows of databases fit the old files.

    Databases whose rows were moved by the repair get the old rows back. Databases that were
    upgraded since (also after a repair that was killed with its files in place) get the rows that
    stand for what has run there. If the repair moved only rows, only moved rows are restored.

    Returns:
        The current chain with the state of the databases, and the moves.

    Raises:
        CannotRead: the journal is damaged.
        RowsNotPutBack: a database of the journal is not named, has run revisions that the old files
            do not have, or was upgraded with files that stay.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    recorded: Mapping[str, Move] = {move.identity: move for move in disk.recorded_moves(journal)}
    if not (recorded or journal.entries):
        return now, ()
    looked_at = session.survey(now)
    recorded = looked_at.databases.as_read(recorded)
    _require_recorded(looked_at, recorded, journal)
    if not journal.entries:
        return looked_at, tuple(
            _reverse_move(status, recorded[status.identity], journal)
            for status in looked_at.databases.statuses
            if status.identity in recorded
        )
    then = disk.before_repair(looked_at, journal)
    old_ids = {new: old for old, new in journal.renamed.items()}
    squashed = {**looked_at.databases.squashed, **journal.squashed}
    known = replace(looked_at.databases, renamed=old_ids, squashed=squashed)
    looked_at = replace(looked_at, databases=known)
    if not journal.finished:  # so survey does not know the journal's chain
        looked_at = replace(looked_at, old=(then.graph, *looked_at.old))
    results = zip(looked_at.databases.statuses, planned_moves(looked_at, then), strict=True)
    half = disk.is_half_undone(journal)
    moves = tuple(
        replace(result, move=replace(result.move, after=status.rows), state=MoveState.UNCHANGED)
        if not journal.finished and journal.rows_before.get(status.identity) == status.rows
        else _move_back(result, recorded.get(status.identity), looked_at, then, half=half)
        for status, result in results
        if status.state is not DatabaseState.MISSING  # a missing database has no rows to restore
    )
    _refuse_unrestorable(looked_at, moves, then, recorded)
    return looked_at, moves


def _reverse_move(status: DatabaseStatus, recorded: Move, journal: Journal) -> MoveResult:
    if status.state is DatabaseState.UNREACHABLE:
        raise RowsNotPutBack(
            f"{status.name} cannot be read: {status.problem}",
            status.remedy,
            unchanged=True,
        )
    if status.rows not in (recorded.before, recorded.after):
        raise RowsNotPutBack(
            f"{status.name} has gone on since its stamp was moved: it is at"
            f" {in_rows(status.rows) or 'nothing'}",
            "if its stamp is right as it is, take its line out of"
            f" {journal.rows_path} and undo again, for the other databases",
            unchanged=True,
        )
    return _put_back(status.name, status.rows, recorded)


def _put_back(name: str, rows: tuple[str, ...], recorded: Move) -> MoveResult:
    state = MoveState.UNCHANGED if rows == recorded.before else MoveState.PLANNED
    return MoveResult(Move(name, recorded.identity, rows, recorded.before), state)


def _move_back(
    result: MoveResult, recorded: Move | None, now: Facts, then: Facts, *, half: bool
) -> MoveResult:
    """The move that restores the old rows, or the matching ones if the database was upgraded."""
    move, rows = result.move, result.move.before
    stay = MoveResult(replace(move, after=rows), MoveState.UNCHANGED)
    known_then = all(row in then.graph for row in rows)
    if half:  # the rows were restored before the first file
        if recorded is not None and rows in (recorded.before, recorded.after):
            return _put_back(move.name, rows, recorded)
        return stay if known_then else result
    if recorded is not None:
        # Rows only assumed to follow the new files would mean something else with the old ones.
        if rows == recorded.after and not (recorded.stays and known_then):
            return _put_back(move.name, rows, recorded)
        if not (recorded.stays or rows == recorded.before):
            return result
    # An undo does no harm to a row that is in neither chain, nor to one that is in both if the old
    # chain cannot be loaded and so has no meaning.
    is_broken = then.graph.missing or then.graph.cycles or then.graph.duplicates
    if rows and known_then:  # whatever the schema shows
        known_now = all(row in now.graph for row in rows)
        if (is_broken and known_now) or _is_alike(now, then, rows):
            return stay
    if any(row not in now.graph and row not in then.graph for row in rows):
        return replace(stay, detail="no file has its rows, before or after")
    return result


def _is_alike(now: Facts, then: Facts, rows: tuple[str, ...]) -> bool:
    """Whether rows mean the same before and after, or are from before a squash."""
    squashed = now.databases.squashed
    if any(row in squashed for row in rows):
        return all(row in squashed or row in now.graph for row in rows)
    ran = stood_for(then.graph, rows)
    gone = {name for name, into in squashed.items() if into in ran}
    if gone:
        return ran - gone == stood_for(now.graph, rows)
    return _have_same_files(rows, now, then)


def _have_same_files(rows: tuple[str, ...], now: Facts, then: Facts) -> bool:
    """Whether rows stand for the same files, byte for byte, in both chains."""
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


def _refuse_unrestorable(
    looked_at: Facts, moves: Sequence[MoveResult], then: Facts, recorded: Mapping[str, Move]
) -> None:
    refused = [each for each in moves if each.state in _STUCK]
    if not refused:
        return
    statuses = {each.identity: each for each in looked_at.databases.statuses}
    first, identities = refused[0], {each.move.identity for each in refused}
    status, names = statuses[first.move.identity], [statuses[each].name for each in identities]
    # The text of a doubt assumes that the current chain stays.
    doubtful = first.state is MoveState.DOUBTFUL
    remedy = first.remedy if first.state is MoveState.FAILED else "keep the repair"
    remedy = _downgrade_remedy(looked_at, status, then).placed(here=status.own) | Remedy.of(remedy)
    if all(each not in recorded or recorded[each].stays for each in identities):
        them = "that database as it is" if len(names) == 1 else "those databases as they are"
        remedy |= leaving_out(looked_at, names, "undo", f"leave {them}")
    raise RowsNotPutBack(
        f"{status.name} cannot go back to the old files:"
        f" {OF_EITHER_CHAIN if doubtful else first.detail}",
        remedy,
        unchanged=True,
    )


def _downgrade_remedy(now: Facts, status: DatabaseStatus, then: Facts) -> Remedy:
    """The remedy: downgrade the repair's own revision, if nothing else is new there."""
    new = [row for row in status.rows if row in now.graph and row not in then.graph]
    below = now.graph.parents[new[0]] if new else ()
    if len(status.rows) != 1 or len(below) != 1 or below[0] not in then.graph:
        return Remedy()
    return way(
        f"downgrade {new[0]} first, then undo again",
        f"{{alembic}} downgrade {word(below[0])}",
        "{fixchain} undo{databases}",
    )


def put_rows_back(
    targets: Mapping[str, Target], moves: Sequence[MoveResult], progress: Progress
) -> tuple[MoveResult, ...]:
    """Restore the rows of every database, before any file.

    Raises:
        RowsNotPutBack: a database has changed since it was read; the moves made so far were
            reversed where possible, and no file was changed.
    """
    planned = [each.move for each in moves if each.state is MoveState.PLANNED]
    if not planned:
        return tuple(moves)
    results = _make(targets, planned, progress)
    failed = [each for each in results if each.state not in _RIGHT]
    if failed:
        stuck = _forward(targets, results, progress)
        others = _stuck_rows(stuck) if stuck else "the rows of other databases are as they were"
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
    """The error if the rows were restored but the files could not be.

    If every file is still new, the rows become the new ones again; otherwise they stay the old
    ones, which fit once the remaining files are restored. ``error`` is why the files failed.
    """
    if not any(each.state is MoveState.MOVED for each in moves):
        return error
    if disk.has_begun(journal):
        return CannotWrite(f"{error.message}; every stamp is back as it was", error.remedy)
    stuck = _forward(targets, moves, progress)
    if not stuck:
        return error
    return CannotWrite(f"{error.message}; {_stuck_rows(stuck)}", error.remedy)


def _forward(
    targets: Mapping[str, Target], moves: Sequence[MoveResult], progress: Progress
) -> list[MoveResult]:
    """Give databases the new rows again; return the moves that failed."""
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
    from flask_chainfix.databases.restamping import move_rows

    # The journal already holds the reverse moves.
    return move_rows(targets, moves, lambda _: None, progress)


def _stuck_rows(stuck: Sequence[MoveResult]) -> str:
    return (
        f"the old rows stay in {listing([each.move.name for each in stuck], 3)}, which cannot be"
        " given the new ones again: restamp moves them"
    )
