"""Read what a database holds, in one pass, for comparison with what migrations leave behind."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_chainfix.chain.graph import Graph
from flask_chainfix.common.progress import Progress
from flask_chainfix.databases.applied.by_schema import TracedDatabase
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.applied.verdicts import trace
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
_LOOKED = {
    "postgresql": _ALWAYS | {Kind.CONSTRAINT},
    "sqlite": _ALWAYS | {Kind.CONSTRAINT},
    "mysql": _ALWAYS,
}
# PostgreSQL cuts longer names, MySQL refuses them.
_LONGEST = {"postgresql": 63, "mysql": 64}
_SQLITE_INDEXES = "SELECT tbl_name, name FROM main.sqlite_master WHERE type = 'index'"


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
    elif standing.tables is None:
        live = "this user may not see all tables: grant SELECT on the whole database"
    elif any(key.database for key in now.evidence.mentioned):
        live = "several binds have tables here, and trace does not tell them apart"
    if isinstance(live, str):
        return TracedDatabase(standing, claimed, None, live)
    return TracedDatabase(standing, claimed, trace(now, live, claimed, chains))


def read_schemas(
    targets: Sequence[Target], schemas: Set[str], progress: Progress
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


def read_live(connection: Connection, target: Target, schemas: Set[str] = frozenset()) -> Live:
    """Read the tables of a database with all their parts.

    Args:
        connection: to the database, in a transaction.
        target: the database.
        schemas: other schemas than that of the version table, which migrations name, in lower case.

    Raises:
        Obstacle: this user may not use the schema.
    """
    look: Any = inspect(connection)
    own = target.schema
    if target.backend == "postgresql":
        own = own or connection.execute(text("SELECT current_schema()")).scalar()
        usable = text("SELECT has_schema_privilege(:schema, 'USAGE')")
        if own is None or not connection.execute(usable, {"schema": own}).scalar():
            raise Obstacle(
                "this user may not use the schema of the version table",
                "connect as a user that may, or GRANT USAGE ON SCHEMA to this one",
            )
    places = {"": {target.schema}}
    for name in look.get_schema_names() if schemas else ():
        if name.casefold() in schemas:
            places.setdefault(name.casefold(), set()).add(name)
    there: set[Key] = set()
    unclear: set[Key] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what SQLAlchemy does not reflect
        for schema, names in places.items():
            for place in names:
                found = _Found(look, target.backend, place, schema)
                there.update(found.keys)
                unclear.update(found.unclear())
    known = [schema for schema, names in places.items() if len(names) == 1]
    return Live(
        frozenset(there),
        _LOOKED[target.backend],
        frozenset(known) | (schemas - places.keys()),
        _LONGEST.get(target.backend),
        frozenset(unclear),
        target.backend != "postgresql" or own == "public",
    )


class _Found:
    """What one schema holds."""

    def __init__(self, look: Any, backend: str, place: str | None, schema: str) -> None:
        self._backend = backend
        self._schema = schema
        tables = look.get_table_names(schema=place)
        columns = _of_each(look, "columns", place, tables)
        self._columns = [
            (table, column["name"]) for table, found in columns.items() for column in found
        ]
        self._tables = [*tables, *self._views(look, place)]
        self._indexes = self._parts(look, "indexes", place, tables)
        if backend == "sqlite" and place is None:  # SQLAlchemy leaves out those of expressions
            self._indexes += look.bind.execute(text(_SQLITE_INDEXES)).all()
        uniques = self._parts(look, "unique_constraints", place, tables)
        self._constraints = [
            *uniques,
            *self._parts(look, "foreign_keys", place, tables),
            *self._parts(look, "check_constraints", place, tables),
            *(
                (table, key["name"])
                for table, key in _of_each(look, "pk_constraint", place, tables).items()
                if key.get("name")
            ),
        ]
        self._indexes += uniques  # an index in all but name

    def _views(self, look: Any, place: str | None) -> Iterator[str]:
        """The views, and what else has columns; one that is broken has none."""
        kinds = ["get_view_names"]
        if self._backend == "postgresql":
            kinds += ["get_materialized_view_names", "get_foreign_table_names"]
        for kind in kinds:
            for name in getattr(look, kind, lambda **_: ())(schema=place):
                yield name
                with suppress(SQLAlchemyError):
                    columns = look.get_columns(name, schema=place)
                    self._columns += ((name, column["name"]) for column in columns)

    @staticmethod
    def _parts(look: Any, what: str, place: str | None, tables: Sequence[str]) -> list[Any]:
        found = _of_each(look, what, place, tables)
        return [(table, part["name"]) for table in found for part in found[table] if part["name"]]

    @property
    def keys(self) -> Iterator[Key]:
        """All of it."""
        return keys_of(self._tables, self._columns, self._indexes, self._constraints, self._schema)

    def unclear(self) -> Iterator[Key]:
        """What says nothing of migrations, whether it is there or not."""
        if self._backend == "mysql":
            # An index of a foreign key is called like its column; and each table has its own names.
            columns = {(table, column) for table, column in self._columns}
            names = Counter(name for _, name in self._indexes)
            odd = [
                (table, name)
                for table, name in self._indexes
                if (table, name) in columns or names[name] > 1
            ]
            yield from keys_of((), (), odd, (), self._schema)
        if self._backend == "postgresql":
            odd_tables = [name for name in self._tables if name != name.casefold()]
            twice = Counter(name.casefold() for name in self._tables)
            yield from keys_of(
                [name for name in odd_tables if twice[name.casefold()] > 1], schema=self._schema
            )


def _of_each(look: Any, what: str, place: str | None, names: Sequence[str]) -> Mapping[str, Any]:
    """What an inspector says of each table; at once, if it can (SQLAlchemy 2)."""
    at_once = getattr(look, f"get_multi_{what}", None)
    if at_once is None:
        return {name: getattr(look, f"get_{what}")(name, schema=place) for name in names}
    wanted = set(names)
    return {table: found for (_, table), found in at_once(schema=place).items() if table in wanted}
