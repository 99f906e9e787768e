"""Read where databases stand, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy.engine import Connection

from flask_chainfix.model import DatabaseState, Standing, Trouble
from flask_chainfix.runtime.databases.connecting import connected, is_missing, transaction
from flask_chainfix.runtime.databases.crew import Job, jobs_for, run
from flask_chainfix.runtime.databases.obstacles import Obstacle, silent, told
from flask_chainfix.runtime.databases.tables import Beside, Catalog, read_catalog, read_rows
from flask_chainfix.runtime.databases.targets import Target
from flask_chainfix.runtime.rehearsing.process import Progress

# Every table that a transaction has read counts against what a PostgreSQL server can lock.
_PER_TRANSACTION = 50
_NOTHING = Beside(listed=False, tables=frozenset(), complete=True)


def read_standings(targets: Sequence[Target], progress: Progress) -> tuple[Standing, ...]:
    """Read the version table of each database.

    Args:
        targets: the databases.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        Where they stand, in the same order; also where one cannot be read.
    """
    found = run(
        jobs_for(targets, lambda target: target),
        _read,
        lambda target, _: _unreachable(target, silent()),
        lambda done, target: progress(done, len(targets), target.name),
    )
    return tuple(found[index] for index in range(len(targets)))


def _read(job: Job[Target]) -> Iterator[tuple[int, Standing]]:
    left = dict(job.items)
    first = next(iter(left.values()))
    try:
        if is_missing(first):
            raise Obstacle("there is no such file", "", Trouble.NO_DATABASE)
        with connected(first) as connection:
            job.heard()
            with transaction(connection, first), told(first):
                catalog = read_catalog(connection, left.values())
            while left:
                job.heard()
                with transaction(connection, first):
                    yield from _read_some(connection, catalog, left)
    except Obstacle as obstacle:
        for index, target in left.items():
            yield index, _without_rows(target, obstacle)


def _read_some(
    connection: Connection, catalog: Catalog, left: dict[int, Target]
) -> Iterator[tuple[int, Standing]]:
    """Read as many as fit into one transaction, and take them out of those that are left."""
    for index, target in list(islice(left.items(), _PER_TRANSACTION)):
        try:
            standing = _look(connection, catalog, target)
        except Obstacle as obstacle:
            if obstacle.lost:
                raise
            yield index, _without_rows(target, obstacle)
            del left[index]
            return  # PostgreSQL answers nothing more in this transaction
        yield index, standing
        del left[index]


def _look(connection: Connection, catalog: Catalog, target: Target) -> Standing:
    beside = catalog.around(target)
    rows: tuple[str, ...] = ()
    # MySQL lists no table on which the user has no right.
    if beside.listed or target.backend == "mysql":
        try:
            with told(target):
                rows = read_rows(connection, target)
        except Obstacle as obstacle:
            if obstacle.kind not in (Trouble.NO_TABLE, Trouble.NO_DATABASE):
                raise
    if rows:
        return _standing(target, DatabaseState.STAMPED, rows, beside)
    state = DatabaseState.UNSTAMPED if beside.tables else DatabaseState.EMPTY
    return _standing(target, state, (), beside)


def _without_rows(target: Target, obstacle: Obstacle) -> Standing:
    if obstacle.kind is Trouble.NO_DATABASE:
        return _standing(target, DatabaseState.EMPTY)
    return _unreachable(target, obstacle)


def _standing(
    target: Target,
    state: DatabaseState,
    rows: tuple[str, ...] = (),
    beside: Beside = _NOTHING,
) -> Standing:
    return Standing(
        target.name,
        target.identity,
        state,
        rows,
        beside.tables,
        target.own,
        complete=beside.complete,
    )


def _unreachable(target: Target, obstacle: Obstacle) -> Standing:
    return Standing(
        target.name,
        target.identity,
        DatabaseState.UNREACHABLE,
        own=target.own,
        problem=obstacle.problem,
        remedy=obstacle.remedy,
    )
