"""Prove that two chains make the same schema, on scratch databases of several kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.catalog import Catalog, read_catalog, rows_in
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.reflecting import Reading
from flask_chainfix.databases.targets import Target, version_table
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.plans import Proof
from flask_chainfix.rehearsal.round_trip import built
from flask_chainfix.rehearsal.schemas.drift import expected
from flask_chainfix.rehearsal.schemas.rendering import Rendered, render_schema
from flask_chainfix.rehearsal.scratch import connection_to
from flask_chainfix.schema.footprint import Kind, SchemaObject, table_of
from flask_chainfix.schema.reflected import Reflected, differences

_ALIKE = ("INTEGER", "INT")  # in SQLite, and not in a key


class ObjectDifference(NamedTuple):
    """An object that two chains make differently.

    Attributes:
        what: the object, ``view active_users`` for example.
        name: its own name.
        old: what the old chain makes; ``""`` for nothing.
        new: what the new one makes; ``""`` for nothing.
    """

    what: str
    name: str
    old: str
    new: str


class _Held(NamedTuple):
    """The contents of one database."""

    reading: Reading
    catalog: Catalog
    rows: Mapping[str, int]


class Made(NamedTuple):
    """What a chain has made on a server.

    Attributes:
        database: the database, passwords masked.
        dialect: the kind of server.
        held: the contents of each bind's database.
        rendered: the operations that make them, by bind; empty if not asked for.
    """

    database: str
    dialect: str
    held: Mapping[str, _Held]
    rendered: Mapping[str, Rendered]


def make(  # noqa: PLR0913  (where, what, and whether to write it down)
    runtime: Runtime,
    server: str | None,
    chain: Facts,
    revision: str,
    progress: Progress,
    *,
    render: bool = False,
) -> Made:
    """Run a chain up to a revision on scratch databases, and read the result.

    Args:
        runtime: the environment.
        server: as in ``built``.
        chain: the chain; it does not have to be on disk.
        revision: the revision to upgrade to.
        progress: as in ``built``.
        render: whether to render the operations that make the schema.

    Raises:
        RehearsalFailed: a migration fails.
        CannotPlan: the schema cannot be rendered.
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: as ``built``.
    """
    left_out = {"alembic_version", version_table(runtime).name.casefold()}
    with built(runtime, server, chain, [revision], progress) as scratch:
        held: dict[str, _Held] = {}
        rendered: dict[str, Rendered] = {}
        for bind in scratch.urls:
            url, failed = scratch.urls[bind], f"{scratch.shown} cannot be read"
            with connection_to(url, failed, "run the command again") as connection:
                rows = rows_in(connection)
                rows = {each: rows[each] for each in rows if each.casefold() not in left_out}
                if render:
                    rendered[bind] = _rendered(connection, sorted(left_out))
                catalog = read_catalog(connection)
            reading = expected(chain, scratch, Target(scratch.shown, url, bind=bind))
            held[bind] = _Held(reading, catalog, rows)
    return Made(scratch.shown, scratch.dialect, held, rendered)


def _rendered(connection: Connection, left_out: Sequence[str]) -> Rendered:
    try:
        return render_schema(connection, left_out)
    except (SQLAlchemyError, CannotPlan):
        raise
    except Exception as error:  # third-party types can raise anything
        raise CannotPlan(
            f"Alembic cannot render what the chain makes: {type(error).__name__}: {error}",
            "squash up to a lower revision with --upto",
        ) from error


def compared(old: Made, new: Made) -> tuple[ObjectDifference, ...]:
    """The differences between two chains on the same server."""
    return tuple(each for bind in old.held for each in _compared(old.held[bind], new.held[bind]))


def proof_of(old: Made, new: Made) -> Proof:
    """The proof that two chains make the same schema on a server."""
    held, after = old.held.values(), new.held
    rows = {
        table: number
        for bind, each in old.held.items()
        for table, number in each.rows.items()
        if number != after[bind].rows.get(table, 0)
    }
    number = sum(len(each.reading.schema) + len(each.catalog) for each in held)
    return Proof(old.database, old.dialect, number, rows)


def _compared(old: _Held, new: _Held) -> Iterator[ObjectDifference]:
    reported: set[str] = set()
    for item in sorted({*old.catalog, *new.catalog}):
        was, now = (catalog.get(item, "") for catalog in (old.catalog, new.catalog))
        if was != now:
            reported.add(item.name.partition(":")[0])
            yield ObjectDifference(f"{item.kind} {item.name}", item.name, was, now)
    for each in differences(old.reading.schema, new.reading.schema):
        thing = each.object
        if thing.spelled in reported or thing.table in reported or thing.name in reported:
            continue
        if (each.found, each.expected) == _ALIKE and not _is_in_key(thing, old.reading.schema):
            continue
        properties = old.reading.schema.get(thing) or new.reading.schema[thing]
        kind = properties["type"] if thing.kind is Kind.TABLE else thing.kind.value
        what, now = f"{kind} {thing.spelled}", each.found
        if each.aspect:
            what, now = f"{what}, {each.aspect}", now or "nothing"
        yield ObjectDifference(what, thing.name, each.expected, now)


def _is_in_key(column: SchemaObject, schema: Reflected) -> bool:
    """Whether a column of SQLite is in a primary key, where an INTEGER is the rowid."""
    keys = (
        properties["definition"].removeprefix("PRIMARY KEY (").partition(")")[0]
        for thing, properties in schema.items()
        if table_of(thing) == table_of(column)
        and properties.get("definition", "").startswith("PRIMARY KEY (")
    )
    return any(
        part.strip().removesuffix(" ASC").strip('"') == column.name
        for key in keys
        for part in key.split(",")
    )
