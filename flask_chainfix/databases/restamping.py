"""Change version rows, each database in one transaction and only if its rows are as expected.

The rows are locked and read, the journal notes the change, the rows are changed and read again, and
the transaction is committed. A server that dies before the commit rolls everything back. If the
commit gets no answer, the rows are read over a new connection, which shows whether it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from flask_chainfix.common.wording import Progress, in_rows
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    is_missing,
    no_answer,
    obstacle_from,
    obstacles_of,
    transaction,
    verbatim,
)
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.targets import Target
from flask_chainfix.databases.version_tables import read_rows, version_table
from flask_chainfix.model.databases import Move, MoveResult, MoveState

_LOOK = "look at its rows (check does it), and run the command again"

_WITHOUT_TRANSACTIONS = """
SELECT t.engine FROM information_schema.tables t
JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = COALESCE(:schema, DATABASE()) AND t.table_name = :name
AND e.transactions <> 'YES'
"""


def move_rows(
    targets: Mapping[str, Target],
    moves: Sequence[Move],
    record: Callable[[Move], None],
    progress: Progress,
) -> tuple[MoveResult, ...]:
    """Change the version rows of databases, each independently of the others.

    Args:
        targets: the databases by identity; a missing one is no longer there.
        moves: the changes.
        record: called inside each database's transaction before the change, one call at a time and
            not always in the caller's thread. If it raises, everything ends, and that database
            stays as it was.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        The result of each move, in the same order.
    """
    gone = Obstacle("it is not there any more, or not named", "look for it")
    there = [move for move in moves if move.identity in targets]
    one_at_a_time = Lock()

    def recorded(move: Move) -> None:
        with one_at_a_time:
            record(move)

    results = run(
        jobs_for(there, lambda move: targets[move.identity]),
        lambda job: _move_all(job, targets, recorded),
        _unanswered,
        lambda done, move: progress(done, len(there), move.name),
    )
    # Each on a connection of its own: each is read once, and usually there is at most one.
    looks = [
        Job({index: result})
        for index, result in results.items()
        if result.state is MoveState.UNKNOWN
    ]
    results |= run(
        looks,
        lambda job: _look_again(job, targets),
        lambda result, _: _unanswered(result.move, final=True),
    )
    done = {move: results[index] for index, move in enumerate(there)}
    return tuple(done.get(move) or _failed(move, gone) for move in moves)


def _unanswered(move: Move, final: bool) -> MoveResult:
    obstacle = no_answer()
    if final:
        return MoveResult(move, MoveState.UNKNOWN, obstacle.problem, _LOOK)
    return _failed(move, obstacle)


def _failed(move: Move, obstacle: Obstacle) -> MoveResult:
    return MoveResult(move, MoveState.FAILED, obstacle.problem, obstacle.remedy)


def _move_all(
    job: Job[Move], targets: Mapping[str, Target], record: Callable[[Move], None]
) -> Iterator[tuple[int, MoveResult]]:
    left = dict(job.items)
    first = next(iter(left.values()))
    try:
        with _connected(targets[first.identity]) as connection:
            for index, move in job.items.items():
                job.answered()
                target, make_final = targets[move.identity], partial(job.make_final, index)
                try:
                    result = _move(connection, target, move, record, make_final)
                except Obstacle as obstacle:
                    if obstacle.lost:
                        raise
                    result = _failed(move, obstacle)
                del left[index]
                yield index, result
    except Obstacle as obstacle:
        for index, move in left.items():
            yield index, _failed(move, obstacle)


@contextmanager
def _connected(target: Target) -> Iterator[Connection]:
    if is_missing(target):
        raise Obstacle(
            f"there is no file {target.file}", "correct the URL, or make the database first"
        )
    with connected(target, writing=True) as connection:
        yield connection


def _move(
    connection: Connection,
    target: Target,
    move: Move,
    record: Callable[[Move], None],
    make_final: Callable[[], None],
) -> MoveResult:
    with transaction(connection, target, writing=True) as begun:
        with obstacles_of(target):
            rows = _locked_rows(connection, target)
        if rows not in (move.before, move.after):
            found = f"{_shown(rows)} instead of {_shown(move.before)}"
            return MoveResult(
                move,
                MoveState.REFUSED,
                f"its rows have changed: {found}",
                "see who else is changing them, then run the command again",
            )
        if rows == move.before:  # also if they stay the same, which is recorded
            record(move)
        if rows == move.after:
            return MoveResult(move, MoveState.UNCHANGED)
        with obstacles_of(target):
            _replace(connection, target, move)
        make_final()
        try:
            begun.commit()
        except (
            Exception
        ) as error:  # whatever the error is, only reading the rows again shows the result
            obstacle = obstacle_from(error, target)
            return MoveResult(move, MoveState.UNKNOWN, obstacle.problem, _LOOK)
    return MoveResult(move, MoveState.MOVED)


def _shown(rows: tuple[str, ...]) -> str:
    return in_rows(rows) or "none"


def _locked_rows(connection: Connection, target: Target) -> tuple[str, ...]:
    """The rows, locked until the end of the transaction."""
    if target.backend == "postgresql":
        connection.execute(verbatim(f"LOCK TABLE {_quoted_table(target)} IN ACCESS EXCLUSIVE MODE"))
    elif target.backend == "mysql":
        names = {"schema": target.schema, "name": target.version_table}
        if engine := connection.execute(text(_WITHOUT_TRANSACTIONS), names).scalar():
            raise Obstacle(
                f"{target.shown_table} is a {engine} table, which has no transactions",
                f"run ALTER TABLE {_quoted_table(target)} ENGINE=InnoDB, then the command again",
            )
    return read_rows(connection, target, locking=target.backend == "mysql")


def _replace(connection: Connection, target: Target, move: Move) -> None:
    changes, table = changes_for(move), version_table(target)
    its_id: Any = table.c.version_num == bindparam("old")
    if target.backend == "mysql":
        its_id = text(f"{binary('version_num')} = {binary(':old')}")
    for old in changes.deleted:
        connection.execute(table.delete().where(its_id), {"old": old})
    for old, new in changes.updated:
        connection.execute(table.update().where(its_id).values(version_num=new), {"old": old})
    for new in changes.inserted:
        connection.execute(table.insert().values(version_num=new))
    found = read_rows(connection, target)
    if found != move.after:
        raise Obstacle(
            f"{target.shown_table} would hold {_shown(found)} instead of {_shown(move.after)}",
            "see whether its column version_num is long enough, and what triggers it has",
        )


def _look_again(
    job: Job[MoveResult], targets: Mapping[str, Target]
) -> Iterator[tuple[int, MoveResult]]:
    """The result of a commit that got no answer; reading waits for the lock, so for its end."""
    for index, unknown in job.items.items():
        move, reason = unknown.move, unknown.detail
        target = targets[move.identity]
        try:
            with (
                _connected(target) as connection,
                transaction(connection, target, writing=True),
                obstacles_of(target),
            ):
                rows = _locked_rows(connection, target)
        except Obstacle as obstacle:
            detail = f"{reason}; and then: {obstacle.problem}"
            yield index, MoveResult(move, MoveState.UNKNOWN, detail, _LOOK)
            continue
        states = {move.after: MoveState.MOVED, move.before: MoveState.FAILED}
        state = states.get(rows, MoveState.UNKNOWN)
        detail = "" if state is MoveState.MOVED else f"{reason}; its rows are {_shown(rows)} now"
        yield index, MoveResult(move, state, detail, _LOOK if detail else "")


class Changes(NamedTuple):
    """The changes to single rows."""

    updated: tuple[tuple[str, str], ...]  # ids before and after
    deleted: tuple[str, ...]
    inserted: tuple[str, ...]


def changes_for(move: Move) -> Changes:
    """The changes to the rows; a row that can be used again keeps its other columns."""
    counted = Counter(move.before)
    # Rows with the same id cannot be told apart, so none of them is used again.
    twice = {revision for revision, times in counted.items() if times > 1}
    surplus = sorted(set(move.before) - set(move.after) - twice)
    missing = sorted(set(move.after) - (set(move.before) - twice))
    # A server may refuse an id that differs from the old row only in case or blanks at its end.
    pairs = [(old, new) for old in surplus for new in missing if _folded(old) == _folded(new)]
    surplus, missing = (
        [revision for revision in side if not any(revision in pair for pair in pairs)]
        for side in (surplus, missing)
    )
    count = min(len(surplus), len(missing))
    return Changes(
        (*pairs, *zip(surplus[:count], missing[:count], strict=True)),
        (*sorted(twice), *surplus[count:]),
        tuple(missing[count:]),
    )


def _folded(revision: str) -> str:
    return revision.rstrip(" ").casefold()


def binary(value: str) -> str:
    """An expression of MySQL's that is equal to nothing else, whatever the collation."""
    return f"CAST(CONVERT({value} USING utf8mb4) AS BINARY)"


# --- Names in SQL ---------------------------------------------------------------------------------
def _quoted_table(target: Target) -> str:
    """The name of the version table in SQL, quoted if necessary."""
    name: str = preparer(target).format_table(version_table(target))
    return name


def preparer(target: Target) -> Any:
    """The object that quotes names as the dialect does."""
    # This parameter style does not double percent signs.
    of_backend: Any = target.url.get_dialect()
    return of_backend(paramstyle="named").identifier_preparer
