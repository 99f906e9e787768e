"""Read what a database holds, in one pass, for comparison with what migrations leave behind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from flask_chainfix.chain.graph import Graph
from flask_chainfix.common.progress import Progress
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.applied.verdicts import TracedDatabase, trace
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    no_answer,
    obstacles_of,
    transaction,
)
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.targets import Target
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.databases import Standing
from flask_chainfix.model.files import Header
from flask_chainfix.schema.footprint import Kind
from flask_chainfix.schema.live import Live, keys_of
from flask_chainfix.schema.objects import Key

_ALWAYS = frozenset({Kind.TABLE, Kind.COLUMN, Kind.INDEX})
# MySQL does not keep the names of primary keys.
_EXACTLY = {
    "postgresql": frozenset({Kind.CONSTRAINT, Kind.TYPE}),
    "sqlite": frozenset({Kind.CONSTRAINT}),
}
# PostgreSQL cuts longer names, MySQL refuses them; Alembic lets either happen.
_LONGEST = {"postgresql": 63, "mysql": 64}


def trace_databases(
    now: Facts, targets: Mapping[str, Target], progress: Progress
) -> tuple[tuple[TracedDatabase, ...], tuple[str, ...]]:
    """Compare what databases hold with what the migrations leave behind.

    Args:
        now: the chain, and where its databases stand.
        targets: those that can be reached, by identity.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        What each of them shows, and notices.
    """
    published, notices = read_published(now) if now.environment.asks_git else ((), ())
    # A chain that others have may have built them, with other revisions below.
    headers = (
        [file.reading for file in chain.files if isinstance(file.reading, Header)]
        for chain in published
    )
    chains = [*now.old, *map(Graph, headers)]
    lives = read_schemas(tuple(targets.values()), now.named_schemas, progress)
    return tuple(_traced(now, each, lives, chains) for each in now.databases.standings), notices


def _traced(
    now: Facts, standing: Standing, lives: Mapping[str, Live | str], chains: Sequence[Graph]
) -> TracedDatabase:
    claimed = stood_for(now.graph, standing.rows)
    live = lives.get(standing.identity, "it cannot be reached from here")
    if not standing.is_known:
        live = standing.problem or "there is no such database"
    if isinstance(live, str):
        return TracedDatabase(standing, claimed, None, live)
    return TracedDatabase(standing, claimed, trace(now, live, claimed, chains))


def read_schemas(
    targets: Sequence[Target], schemas: Collection[str], progress: Progress
) -> Mapping[str, Live | str]:
    """Read what several databases hold.

    Args:
        targets: the databases.
        schemas: other schemas than that of the version table, which migrations name.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        What each holds, by identity, or why it could not be read.
    """

    def work(job: Job[Target]) -> Iterator[tuple[int, Live | str]]:
        for index, target in job.items.items():
            try:
                with (
                    connected(target) as connection,
                    transaction(connection, target),
                    obstacles_of(target),
                ):
                    yield index, read_live(connection, target, schemas)
            except Obstacle as obstacle:
                yield index, obstacle.problem
            job.heard()

    found = run(
        jobs_for(targets, lambda target: target),
        work,
        lambda *_: no_answer().problem,
        lambda done, target: progress(done, len(targets), target.name),
    )
    return {target.identity: found[index] for index, target in enumerate(targets)}


def read_live(connection: Connection, target: Target, schemas: Collection[str] = ()) -> Live:
    """Read the tables of a database with all their parts.

    Args:
        connection: to the database, in a transaction.
        target: the database.
        schemas: other schemas than that of the version table, which migrations name.
    """
    look: Any = inspect(connection)
    found: set[Key] = set()
    there = set(look.get_schema_names()) if schemas else set()
    for schema in {"", *schemas}:
        if not schema or schema in there:
            found.update(_keys(look, target, schema))
    exactly = _EXACTLY.get(target.backend, frozenset())
    return Live(
        frozenset(found),
        _ALWAYS | exactly,
        frozenset({"", *schemas}),
        _LONGEST.get(target.backend),
    )


def _keys(look: Any, target: Target, schema: str) -> Iterator[Key]:
    place = schema or target.schema
    tables, views = look.get_table_names(schema=place), look.get_view_names(schema=place)
    columns = _of_each(look, "columns", place, [*tables, *views])
    parts = [
        (table, part["name"])
        for what in ("indexes", "unique_constraints", "foreign_keys", "check_constraints")
        for table, found in _of_each(look, what, place, tables).items()
        for part in found
        if part["name"]
    ]
    parts += [
        (table, key["name"])
        for table, key in _of_each(look, "pk_constraint", place, tables).items()
        if key.get("name")
    ]
    types = look.get_enums(schema=place) if target.backend == "postgresql" else []
    yield from keys_of(
        [*tables, *views],
        [(table, column["name"]) for table, found in columns.items() for column in found],
        parts,
        [each["name"] for each in types],
        schema,
    )


def _of_each(look: Any, what: str, place: str | None, names: Sequence[str]) -> Mapping[str, Any]:
    """What an inspector says of each table; at once, if it can (SQLAlchemy 2)."""
    at_once = getattr(look, f"get_multi_{what}", None)
    if at_once is None:
        return {name: getattr(look, f"get_{what}")(name, schema=place) for name in names}
    wanted = set(names)
    return {
        table: found
        for (_, table), found in at_once(schema=place, kind=_any_kind()).items()
        if table in wanted
    }


def _any_kind() -> Any:
    from sqlalchemy.engine.reflection import ObjectKind  # SQLAlchemy 2

    return ObjectKind.ANY
