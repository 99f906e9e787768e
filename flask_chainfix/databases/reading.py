"""Read where databases stand, and change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from flask_chainfix.common.errors import BadDatabase
from flask_chainfix.common.progress import Progress
from flask_chainfix.databases.catalog import Catalog, SchemaContents, read_catalog, read_rows
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    is_missing,
    no_answer,
    obstacles_of,
    transaction,
)
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.targets import Target, distinct, named
from flask_chainfix.model.databases import DatabaseState, Standing, Trouble

# Every table that a transaction has read counts against what a PostgreSQL server can lock.
_PER_TRANSACTION = 50
PASSING = 2  # seconds for all databases that are looked at in passing
_NOTHING = SchemaContents(listed=False, tables=frozenset(), complete=True)


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
        lambda target, _: _unreachable(target, no_answer(within)),
        lambda done, target: progress(done, len(targets), target.name),
    )
    return tuple(found[index] for index in range(len(targets)))


def with_columns(
    standings: Sequence[Standing], targets: Mapping[str, Target], tables: Collection[str]
) -> tuple[Standing, ...]:
    """The same standings with the columns of some tables, where these can be read.

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
        with connected(target) as connection, transaction(connection, target), obstacles_of(target):
            look = inspect(connection)
            return frozenset(
                (table.lower(), str(column["name"]).lower())
                for table in there
                for column in look.get_columns(table, schema=target.schema)
            )
    except Obstacle:
        return None


def _read(job: Job[Target]) -> Iterator[tuple[int, Standing]]:
    left = dict(job.items)
    first = next(iter(left.values()))
    try:
        if is_missing(first):
            raise Obstacle(f"there is no file {first.file}", "", Trouble.NO_DATABASE)
        with connected(first) as connection:
            job.heard()
            with transaction(connection, first), obstacles_of(first):
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
        beside = catalog.contents_around(target)
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


def _look(connection: Connection, beside: SchemaContents, target: Target) -> Standing:
    # MySQL lists no table on which the user has no right.
    if beside.listed or target.backend == "mysql":
        with obstacles_of(target):
            rows = read_rows(connection, target)
        if rows:
            return _standing(target, DatabaseState.STAMPED, rows, beside)
    return _unstamped(target, beside)


def _unstamped(target: Target, beside: SchemaContents) -> Standing:
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
    beside: SchemaContents = _NOTHING,
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


# --- The schemas that hold a version table --------------------------------------------------------
_HOLDING = {
    "postgresql": """
SELECT n.nspname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = :name AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
""",
    "mysql": "SELECT table_schema FROM information_schema.tables WHERE table_name = :name",
}


def in_schemas(targets: Sequence[Target], pattern: str) -> tuple[Target, ...]:
    """The schemas of databases that hold a version table, instead of the databases themselves.

    A database that does not answer stays as it is. One of the app's own that has no schemas is left
    out where there are others.

    Args:
        targets: the databases; a schema that they name does not count.
        pattern: for the names of schemas, as shells have it: ``tenant_*``.

    Raises:
        BadDatabase: a database has no schemas, or none fits.
    """
    without = [target for target in targets if target.backend == "sqlite"]
    for target in without:
        if not target.own or len(without) == len(targets):
            raise BadDatabase(
                f"{target.name} is a SQLite database, which has no schemas",
                "leave --schemas out, or name databases on a server",
            )
    targets = [target for target in targets if target not in without]
    jobs = [Job({index: target}) for index, target in enumerate(targets)]
    found = run(jobs, _schemas, lambda *_: no_answer())
    expanded = []
    for index, target in enumerate(targets):
        schemas = found[index]
        if isinstance(schemas, Obstacle):  # whoever reads it will be told the same
            expanded.append(target)
            continue
        expanded += [_in(target, schema) for schema in schemas if fnmatchcase(schema, pattern)]
    if not expanded:
        names = ", ".join(target.name for target in targets)
        raise BadDatabase(
            f"no schema with a version table matches {pattern!r} in {names or 'no database'}",
            "correct the pattern; the version table is the one that env.py or the setting"
            " version_table names",
        )
    return distinct(expanded)


def _in(target: Target, schema: str) -> Target:
    name = target.name.removesuffix(named("", target.schema))
    return replace(target, name=named(name, schema), schema=schema)


def _schemas(job: Job[Target]) -> Iterator[tuple[int, list[str] | Obstacle]]:
    for index, target in job.items.items():
        found: list[str] | Obstacle
        try:
            with (
                connected(target) as connection,
                transaction(connection, target),
                obstacles_of(target),
            ):
                query = text(_HOLDING[target.backend])
                names = connection.execute(query, {"name": target.version_table}).scalars()
                found = sorted(names)
        except Obstacle as obstacle:
            found = [] if obstacle.kind is Trouble.NO_DATABASE else obstacle
        yield index, found
