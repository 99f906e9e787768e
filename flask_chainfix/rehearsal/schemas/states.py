"""Bring a scratch database into the state of another one: its schema, without its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from flask_chainfix.common.errors import CannotRehearse
from flask_chainfix.databases.connecting import connected, obstacles_of, transaction, verbatim
from flask_chainfix.databases.drivers import usable
from flask_chainfix.databases.targets import Target
from flask_chainfix.databases.version_tables import version_table
from flask_chainfix.environment.messages import masked, said
from flask_chainfix.schema.footprint import Kind, SchemaObject
from flask_chainfix.schema.objects import table_of

_SQLITE = (
    "SELECT name, sql FROM main.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%'"
    " ESCAPE '\\' ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 ELSE 3 END, rowid"
)
# A virtual table comes with others.
_IS_THERE = {
    "sqlite": "SELECT 1 FROM main.sqlite_master WHERE name = :name",
    "mysql": "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE()"
    " AND table_name = :name",
}
_MYSQL = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    " AND table_type = 'BASE TABLE'"
)


def keeps_statements(target: Target) -> bool:
    """Whether a database keeps the statements that make its tables."""
    return target.backend != "postgresql"


def copy_state(url: URL, target: Target, rows: Sequence[str]) -> None:
    """Make the tables of another database in an empty scratch database, and stamp it.

    Args:
        url: the scratch database.
        target: the other one, which keeps statements and is only read.
        rows: its stamp.

    Raises:
        Obstacle: it cannot be read.
        CannotRehearse: its tables cannot be made.
    """
    with (
        connected(target) as connection,
        transaction(connection, target),
        obstacles_of(target),
    ):
        made = tuple(_statements(connection, target))
    with _at_work(url, target) as scratch:
        if target.backend == "mysql":
            scratch.execute(text("SET foreign_key_checks = 0"))
        is_there = text(_IS_THERE[target.backend])
        for name, statement in made:
            if scratch.execute(is_there, {"name": name}).first() is None:
                scratch.execute(verbatim(statement))
        for row in rows:
            scratch.execute(version_table(target).insert().values(version_num=row))


def _statements(connection: Connection, target: Target) -> Iterator[tuple[str, str]]:
    """What makes each object, in an order in which that can be done."""
    if target.backend == "sqlite":
        yield from map(tuple, connection.execute(text(_SQLITE)))
        return
    quote = connection.dialect.identifier_preparer.quote_identifier
    for name in connection.execute(text(_MYSQL)).scalars().all():
        yield name, connection.execute(verbatim(f"SHOW CREATE TABLE {quote(name)}")).one()[1]


def drop_lacking(url: URL, target: Target, lacking: Sequence[SchemaObject]) -> None:
    """Drop from a scratch database what another one lacks.

    Args:
        url: the scratch database, upgraded to where the other one is stamped.
        target: the other one, of PostgreSQL.
        lacking: what it lacks of what the chain has made.

    Raises:
        CannotRehearse: it cannot be dropped.
    """
    with _at_work(url, target) as scratch:
        for statement in _drops(scratch, target, lacking):
            scratch.execute(verbatim(statement))


@contextmanager
def _at_work(url: URL, target: Target) -> Iterator[Connection]:
    engine = create_engine(usable(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as scratch:
            yield scratch
    except SQLAlchemyError as error:
        raise CannotRehearse(
            f"the schema of {target.name} cannot be copied: {masked(said(error))}",
            "leave that database out, or drop there what cannot be copied",
        ) from error
    finally:
        engine.dispose()


def _drops(scratch: Connection, target: Target, lacking: Sequence[SchemaObject]) -> Iterator[str]:
    look = inspect(scratch)
    own = target.schema if target.schema in look.get_schema_names() else None
    quote = scratch.dialect.identifier_preparer.quote_identifier
    for thing in lacking:
        schema = thing.schema or own
        tables = look.get_table_names(schema=schema)
        if thing.kind is not Kind.TYPE and table_of(thing).name not in tables:
            continue  # a view
        place = f"{quote(schema)}." if schema else ""
        name, table = f"{place}{quote(thing.name)}", f"{place}{quote(thing.table)}"
        yield {
            Kind.TABLE: f"DROP TABLE IF EXISTS {name} CASCADE",
            Kind.COLUMN: f"ALTER TABLE {table} DROP COLUMN IF EXISTS {quote(thing.name)} CASCADE",
            Kind.INDEX: f"DROP INDEX IF EXISTS {name}",
            Kind.CONSTRAINT: f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {quote(thing.name)}"
            " CASCADE",
            Kind.TYPE: f"DROP TYPE IF EXISTS {name} CASCADE",
        }[thing.kind]
