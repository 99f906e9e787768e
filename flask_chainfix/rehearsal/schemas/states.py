"""Give a scratch database the state of another database: its schema and stamp, without its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, suppress

from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_chainfix.common.errors import CannotRehearse
from flask_chainfix.common.remedies import Remedy, Way
from flask_chainfix.databases.connecting import connected, obstacles_of, transaction, verbatim
from flask_chainfix.databases.targets import Target
from flask_chainfix.databases.version_tables import version_table
from flask_chainfix.environment.messages import masked, message_of
from flask_chainfix.rehearsal.schemas.stored_code import StoredCode, in_order, stored_code
from flask_chainfix.rehearsal.scratch import connection_to
from flask_chainfix.schema.footprint import Kind, SchemaObject, table_of

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


def copy_state(
    url: URL,
    target: Target,
    rows: Sequence[str],
    missing: Collection[SchemaObject],
    complete: URL,
) -> None:
    """Create the objects of another database in an empty scratch database, and stamp it.

    Args:
        url: the scratch database.
        target: the other database, which is not PostgreSQL: the others store their statements.
        rows: its stamp.
        missing: what it lacks.
        complete: a database that lacks nothing. MySQL keeps a view without its tables, but only
            creates it with them.

    Raises:
        Obstacle: the other database cannot be read.
        CannotRehearse: its objects cannot be created.
    """
    code: Sequence[StoredCode] = ()
    with (
        connected(target) as connection,
        transaction(connection, target),
        obstacles_of(target),
    ):
        if target.backend == "mysql":
            made, code = _of_mysql(connection), stored_code(connection)
        else:
            made = [(name, sql) for name, sql in connection.execute(text(_SQLITE))]
    lacking: list[tuple[str, str]] = []
    lost: list[StoredCode] = []
    if target.backend == "mysql":
        with _at_work(complete, target) as other:
            named = {thing.name for thing in missing if thing.kind is Kind.TABLE}
            lacking = [each for each in _of_mysql(other) if each[0] in named]
            lost = [each for each in stored_code(other) if each.object in missing]
            lost = [each for each in lost if each.object.kind is not Kind.TRIGGER]
    with _at_work(url, target) as scratch:
        if target.backend == "mysql":
            scratch.execute(text("SET foreign_key_checks = 0"))
        is_there = text(_IS_THERE[target.backend])
        for name, statement in (*made, *lacking):
            if scratch.execute(is_there, {"name": name}).first() is None:
                scratch.execute(verbatim(statement))
        for each in in_order(scratch, [*code, *lost]).late:
            if each not in lost:
                _create(scratch, target, each)
                continue
            with suppress(SQLAlchemyError):  # then nothing that is there needs it
                scratch.execute(verbatim(each.made))
        quote = scratch.dialect.identifier_preparer.quote_identifier
        tables = [f"DROP TABLE {quote(name)}" for name, _ in lacking]
        gone = [f"DROP {each.words} IF EXISTS {each.place}" for each in lost]
        for statement in (*gone, *tables):
            scratch.execute(verbatim(statement))
        for row in rows:
            scratch.execute(version_table(target).insert().values(version_num=row))


def _create(scratch: Connection, target: Target, each: StoredCode) -> None:
    """Create a view, function or trigger.

    Raises:
        CannotRehearse: it uses what is not there.
    """
    try:
        scratch.execute(verbatim(each.made))
    except SQLAlchemyError as error:
        drop = "drop it there; if the chain makes it, this command makes it again"
        raise CannotRehearse(
            f"{each.words.lower()} {each.object.spelled} of {target.name} uses what is not there:"
            f" {masked(message_of(error))}",
            Remedy((Way(drop, lines=(f"{each.dropped};",)),)) | "leave that database out",
        ) from error


def _of_mysql(connection: Connection) -> list[tuple[str, str]]:
    """The tables of a MySQL database, each with the statement that creates it."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return [
        (name, connection.execute(verbatim(f"SHOW CREATE TABLE {quote(name)}")).one()[1])
        for name in connection.execute(text(_MYSQL)).scalars().all()
    ]


def drop_lacking(url: URL, target: Target, missing: Sequence[SchemaObject]) -> None:
    """Drop from a scratch database what a PostgreSQL database lacks.

    Raises:
        CannotRehearse: it cannot be dropped.
    """
    with _at_work(url, target) as scratch:
        for statement in _drops(scratch, target, missing):
            scratch.execute(verbatim(statement))


def _at_work(url: URL, target: Target) -> AbstractContextManager[Connection]:
    failed = f"the schema of {target.name} cannot be copied"
    return connection_to(
        url, failed, "leave that database out, or drop there what cannot be copied"
    )


def _drops(scratch: Connection, target: Target, lacking: Sequence[SchemaObject]) -> Iterator[str]:
    look = inspect(scratch)
    own = target.tables_schema if target.tables_schema in look.get_schema_names() else None
    quote = scratch.dialect.identifier_preparer.quote_identifier
    schemas = sorted({thing.schema for thing in lacking if thing.schema})
    stored = {each.object: each for each in stored_code(scratch, own, schemas)}
    for thing in lacking:
        if thing in stored:
            each = stored[thing]
            yield f"DROP {each.words} IF EXISTS {each.place} CASCADE"
            continue
        schema = thing.schema or own
        tables = look.get_table_names(schema=schema)
        if thing.kind is not Kind.TYPE and table_of(thing).name not in tables:
            continue  # a part of a view
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
