"""Move version rows: each database in one transaction, and only from the rows that are expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from flask_chainfix.common.progress import Progress
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    is_missing,
    no_answer,
    obstacle_from,
    obstacles_of,
    transaction,
)
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.sql_scripts import changes_for, quoted_table, verbatim
from flask_chainfix.databases.tables import read_rows, version_table
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Move, MoveResult, MoveState

_LOOK = "look at its rows (check does it), and run the command again"

_WITHOUT_TRANSACTIONS = """
SELECT t.engine FROM information_schema.tables t
JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = COALESCE(:schema, DATABASE()) AND t.table_name = :name
AND e.transactions <> 'YES'
"""


class _Task(NamedTuple):
    target: Target
    move: Move


def move_rows(
    targets: Mapping[str, Target],
    moves: Sequence[Move],
    record: Callable[[Move], None],
    progress: Progress,
) -> tuple[MoveResult, ...]:
    """Move the version rows of databases, each of them for itself.

    Args:
        targets: the databases by identity.
        moves: what to do; each names a database of ``targets``.
        record: called before a database is changed, inside its transaction, once at a time and
            not always in the thread of the caller. What it raises ends everything, and that
            database stays as it was.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        What came of each move, in the same order.
    """
    tasks = [_Task(targets[move.identity], move) for move in moves]
    one_at_a_time = Lock()

    def recorded(move: Move) -> None:
        with one_at_a_time:
            record(move)

    results = run(
        jobs_for(tasks, _target),
        lambda job: _move_all(job, recorded),
        _unanswered,
        lambda done, task: progress(done, len(tasks), task.move.name),
    )
    doubtful = {
        index: tasks[index]
        for index, result in results.items()
        if result.state is MoveState.UNKNOWN
    }
    # Each on a connection of its own: it is looked at once, and most will be one or none.
    looks = [Job({index: task}) for index, task in doubtful.items()]
    reasons = {task.move.identity: results[index].detail for index, task in doubtful.items()}
    results |= run(
        looks,
        lambda job: _look_again(job, reasons),
        lambda task, _: _unanswered(task, final=True),
    )
    return tuple(results[index] for index in range(len(tasks)))


def _target(task: _Task) -> Target:
    return task.target


def _unanswered(task: _Task, final: bool) -> MoveResult:
    obstacle = no_answer()
    if final:
        return MoveResult(task.move, MoveState.UNKNOWN, obstacle.problem, _LOOK)
    return _failed(task.move, obstacle)


def _failed(move: Move, obstacle: Obstacle) -> MoveResult:
    return MoveResult(move, MoveState.FAILED, obstacle.problem, obstacle.remedy)


def _move_all(job: Job[_Task], record: Callable[[Move], None]) -> Iterator[tuple[int, MoveResult]]:
    left = dict(job.items)
    try:
        with _connected(next(iter(left.values())).target) as connection:
            for index, task in job.items.items():
                job.heard()
                try:
                    result = _move(connection, task, record, partial(job.make_final, index))
                except Obstacle as obstacle:
                    if obstacle.lost:
                        raise
                    result = _failed(task.move, obstacle)
                del left[index]
                yield index, result
    except Obstacle as obstacle:
        for index, task in left.items():
            yield index, _failed(task.move, obstacle)


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
    task: _Task,
    record: Callable[[Move], None],
    make_final: Callable[[], None],
) -> MoveResult:
    target, move = task
    with transaction(connection, target, writing=True) as begun:
        with obstacles_of(target):
            rows = _locked_rows(connection, target)
        if rows not in (move.before, move.after):
            return _refused(move, rows)
        if rows == move.before:  # also where they stay, and that is to be taken down
            record(move)
        if rows == move.after:
            return MoveResult(move, MoveState.UNCHANGED)
        with obstacles_of(target):
            _replace(connection, target, move)
        make_final()
        try:
            begun.commit()
        except Exception as error:  # whatever it is, only another look tells what it means
            obstacle = obstacle_from(error, target)
            return MoveResult(move, MoveState.UNKNOWN, obstacle.problem, _LOOK)
    return MoveResult(move, MoveState.MOVED)


def _refused(move: Move, rows: tuple[str, ...]) -> MoveResult:
    return MoveResult(
        move,
        MoveState.REFUSED,
        f"its rows have changed: {_shown(rows)} instead of {_shown(move.before)}",
        "see who else is changing them, then run the command again",
    )


def _shown(rows: tuple[str, ...]) -> str:
    return ", ".join(rows) or "none"


def _locked_rows(connection: Connection, target: Target) -> tuple[str, ...]:
    """The rows, which nobody else can change before the end of the transaction."""
    if target.backend == "postgresql":
        connection.execute(verbatim(f"LOCK TABLE {quoted_table(target)} IN ACCESS EXCLUSIVE MODE"))
    elif target.backend == "mysql":
        names = {"schema": target.schema, "name": target.version_table}
        if engine := connection.execute(text(_WITHOUT_TRANSACTIONS), names).scalar():
            raise Obstacle(
                f"{target.shown_table} is a {engine} table, which has no transactions",
                f"run ALTER TABLE {quoted_table(target)} ENGINE=InnoDB, then the command again",
            )
    return read_rows(connection, target, locking=target.backend == "mysql")


def _replace(connection: Connection, target: Target, move: Move) -> None:
    changes, table = changes_for(move), version_table(target)
    its_id = table.c.version_num == bindparam("old")
    for old, new in changes.updated:
        connection.execute(table.update().where(its_id).values(version_num=new), {"old": old})
    for old in changes.deleted:
        connection.execute(table.delete().where(its_id), {"old": old})
    for new in changes.inserted:
        connection.execute(table.insert().values(version_num=new))
    found = read_rows(connection, target)
    if found != move.after:
        raise Obstacle(
            f"{target.shown_table} would hold {_shown(found)} instead of {_shown(move.after)}",
            "see whether its column version_num is long enough, and what triggers it has",
        )


def _look_again(job: Job[_Task], reasons: Mapping[str, str]) -> Iterator[tuple[int, MoveResult]]:
    """What has become of a change whose end nobody has seen: the lock waits for that end."""
    for index, (target, move) in job.items.items():
        reason = reasons[move.identity]
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
