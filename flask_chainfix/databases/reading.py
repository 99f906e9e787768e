"""Read where databases stand, and change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from flask_chainfix.common.progress import Progress
from flask_chainfix.databases import limits
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    is_missing,
    silent,
    told,
    transaction,
)
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.tables import Beside, Catalog, read_catalog, read_rows
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import DatabaseState, Standing, Trouble

# Every table that a transaction has read counts against what a PostgreSQL server can lock.
_PER_TRANSACTION = 50


_NOTHING = Beside(listed=False, tables=frozenset(), complete=True)


def read_standings(
    targets: Sequence[Target], progress: Progress, within: float | None = None
) -> tuple[Standing, ...]:
    """Read the version table of each database.

    Args:
        targets: the databases.
        progress: called with the databases done, the databases in all, and the last one's name.
        within: how many seconds that may take; ``None`` for as long as they answer.

    Returns:
        Where they stand, in the same order; also where one cannot be read.
    """
    found = run(
        jobs_for(targets, lambda target: target, within),
        _read,
        lambda target, _: _unreachable(target, silent(within)),
        lambda done, target: progress(done, len(targets), target.name),
    )
    return tuple(found[index] for index in range(len(targets)))


def with_columns(
    standings: Sequence[Standing], targets: Mapping[str, Target], tables: Collection[str]
) -> tuple[Standing, ...]:
    """The same standings with the columns of some tables; of what cannot be read, without.

    Args:
        standings: where databases stand.
        targets: the databases, by identity.
        tables: the tables, in lower case.
    """
    return tuple(
        replace(standing, columns=_columns(targets[standing.identity], standing, tables))
        if standing.rows and standing.identity in targets
        else standing
        for standing in standings
    )


def _columns(
    target: Target, standing: Standing, tables: Collection[str]
) -> frozenset[tuple[str, str]] | None:
    there = [table for table in standing.tables or () if table.lower() in tables]
    try:
        with connected(target) as connection, transaction(connection, target), told(target):
            look = inspect(connection)
            return frozenset(
                (table.lower(), str(column["name"]).lower())
                for table in there
                for column in look.get_columns(table, schema=target.schema)
            )
    except Obstacle:
        return None


def read_in_passing(targets: Sequence[Target]) -> tuple[Standing, ...]:
    """Read version tables as far as that is quick; see ``read_standings``."""
    return read_standings(targets, _unseen, limits.PASSING)


def _unseen(done: int, total: int, what: str) -> None:
    """Progress that nobody looks at."""


def _read(job: Job[Target]) -> Iterator[tuple[int, Standing]]:
    left = dict(job.items)
    first = next(iter(left.values()))
    try:
        if is_missing(first):
            raise Obstacle(f"there is no file {first.file}", "", Trouble.NO_DATABASE)
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
        beside = catalog.around(target)
        try:
            standing = _look(connection, beside, target)
        except Obstacle as obstacle:
            if obstacle.lost:
                raise
            gone = obstacle.kind in (Trouble.NO_TABLE, Trouble.NO_DATABASE)
            yield index, _unstamped(target, beside) if gone else _without_rows(target, obstacle)
            del left[index]
            return  # PostgreSQL answers nothing more in this transaction
        yield index, standing
        del left[index]


def _look(connection: Connection, beside: Beside, target: Target) -> Standing:
    # MySQL lists no table on which the user has no right.
    if beside.listed or target.backend == "mysql":
        with told(target):
            rows = read_rows(connection, target)
        if rows:
            return _standing(target, DatabaseState.STAMPED, rows, beside)
    return _unstamped(target, beside)


def _unstamped(target: Target, beside: Beside) -> Standing:
    state = DatabaseState.UNSTAMPED if beside.tables else DatabaseState.EMPTY
    return _standing(target, state, (), beside)


def _without_rows(target: Target, obstacle: Obstacle) -> Standing:
    if obstacle.kind is Trouble.NO_DATABASE:
        # One in memory is always there, and a new one each time.
        in_memory = target.backend == "sqlite" and target.file is None
        if in_memory:
            return _standing(target, DatabaseState.EMPTY)
        missing = _standing(target, DatabaseState.MISSING)
        return replace(missing, problem=obstacle.problem)
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
        None if beside.hidden else beside.tables,
        target.own,
        complete=beside.complete,
        width=beside.width,
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
