"""Render the schema of a database as Alembic operations, as autogenerate does.

Autogenerate compares the reflected schema with an apparently empty database, and renders the
result. It does not render types, sequences and schemas, and creates every foreign key together with
its table: here these come before and after the tables.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from alembic.autogenerate import produce_migrations, render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex, ForeignKeyConstraint
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import JSON, NullType

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.catalog import index_parts, mysql_checks, mysql_clauses, mysql_index
from flask_chainfix.rehearsal.schemas.plain_tables import (
    leave_out_defaults,
    reflecting,
    rendering_context,
    sequences_in,
    set_options,
)
from flask_chainfix.rehearsal.schemas.stored_code import (
    UNCHECKED,
    StoredCode,
    in_order,
    stored_code,
)
from flask_chainfix.schema.footprint import Kind, SchemaObject, belongs_to_database

# Indexes that SQLAlchemy does not fully reflect.
_ODD_INDEXES = """
SELECT nullif(n.nspname, current_schema()), t.relname, c.relname, pg_get_indexdef(c.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (i.indexprs IS NOT NULL OR pg_get_indexdef(c.oid) ~ '[)] INCLUDE [(]')
  AND n.nspname !~ '^pg_' AND NOT EXISTS (
    SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY n.nspname, c.relname
"""
# Constraints that autogenerate does not support, or would change.
_CONSTRAINTS = """
SELECT nullif(n.nspname, current_schema()), t.relname, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE (k.contype = 'x' OR k.contype = 'u' AND k.condeferrable OR NOT k.convalidated)
  AND n.nspname !~ '^pg_' ORDER BY 1, 2, 3
"""
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)")  # what Alembic would treat as a parameter


class Rendered(NamedTuple):
    """The text of a migration's functions, for its template.

    Attributes:
        upgrade: the lines of ``upgrade()``, not indented.
        downgrade: the lines of ``downgrade()``.
        imports: their imports in addition to ``op`` and ``sa``.
    """

    upgrade: str
    downgrade: str
    imports: tuple[str, ...]


class _Step(NamedTuple):
    """An operation, and its reverse; ``None`` if another step reverses it."""

    up: ops.MigrateOperation
    down: ops.MigrateOperation | None


def render_schema(connection: Connection, left_out: Sequence[str]) -> Rendered:
    """Render the operations that make the schema of a database.

    Args:
        connection: a connection to the database.
        left_out: the names of version tables, in lower case.

    Raises:
        SQLAlchemyError: the database cannot be read.
        CannotPlan: it has types that SQLAlchemy does not know.
        Exception: Alembic cannot render it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the comparison reports what is not supported
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda *_: False, "include_schemas": True}
        )
        metadata = reflecting(context)
        steps = list(_Schema(context, left_out).steps(metadata))
        autogenerate = rendering_context(context, metadata, as_batch=False)
        up = [each.up for each in steps]
        down = [each.down for each in reversed(steps) if each.down is not None]
        bodies = _body(autogenerate, up), _body(autogenerate, down)
        return Rendered(*bodies, imports=tuple(sorted(autogenerate.imports)))


def _body(autogenerate: AutogenContext, operations: Sequence[ops.MigrateOperation]) -> str:
    return "\n".join(render_op_text(autogenerate, each) for each in operations) or "pass"


class _Schema:
    """The rendering of one database."""

    def __init__(self, context: MigrationContext, left_out: Sequence[str]) -> None:
        assert context.connection is not None
        self._context = context
        self._connection = context.connection
        self._dialect = context.dialect
        self._look: Any = inspect(self._connection)
        self._quote = self._dialect.identifier_preparer.quote
        self._left_out = left_out
        self._is_postgresql = self._dialect.name == "postgresql"
        self._is_mysql = self._dialect.name in ("mysql", "mariadb")
        self._more: list[_Step] = []
        self._odd_constraints: Sequence[Any] = ()

    def steps(self, metadata: MetaData) -> Iterator[_Step]:
        """All operations, in a working order."""
        schemas = self._schemas()
        for schema in (None, *schemas):
            metadata.reflect(self._connection, schema=schema, resolve_fks=False, only=self._is_ours)
        _refuse_unknown_types(metadata)
        for schema in schemas:
            if not self._holds_versions(schema):
                name = self._quote(schema)
                yield _sql(f"CREATE SCHEMA {name}", f"DROP SCHEMA {name}")
        sequences = sequences_in(self._connection, metadata).values()
        yield from (_sql(each.made, each.dropped) for each in sequences if each.made)
        code = in_order(self._connection, stored_code(self._connection, others=schemas))
        if self._is_postgresql and any(each.is_function for each in (*code.early, *code.late)):
            yield _sql(UNCHECKED)
        yield from map(_stored, code.early)
        yield from self._tables(metadata)
        yield from (_sql(each.after) for each in sequences if each.after)
        yield from map(_stored, code.late)

    def _schemas(self) -> list[str]:
        """The schemas other than the default one."""
        if not self._is_postgresql:
            return []
        known = {"information_schema", self._look.default_schema_name}
        names = self._look.get_schema_names()
        return [name for name in names if name not in known and not name.startswith("pg_")]

    def _holds_versions(self, schema: str) -> bool:
        """Whether a schema exists before any migration, because Alembic's table is in it."""
        tables = self._look.get_table_names(schema=schema)
        return any(name.casefold() in self._left_out for name in tables)

    def _is_ours(self, name: str, _: Any) -> bool:
        """Whether migrations make a table; SQLAlchemy 1.4 also lists SQLite's own tables."""
        thing = SchemaObject(Kind.TABLE, name)
        return not (name.casefold() in self._left_out or belongs_to_database(thing))

    def _full(self, schema: str | None, name: str) -> str:
        return ".".join(self._quote(each) for each in (schema, name) if each)

    def _tables(self, metadata: MetaData) -> Iterator[_Step]:
        """Tables, then their indexes, then the foreign keys that need both."""
        if self._is_postgresql:
            self._odd_constraints = self._connection.execute(text(_CONSTRAINTS)).all()
        for table in metadata.tables.values():
            set_options(self._connection, table)
            leave_out_defaults(table)
            for constraint in table.constraints:
                # The usual naming convention adds to the names that checks are given.
                if isinstance(constraint, CheckConstraint) and constraint.name is not None:
                    constraint.name = conv(str(constraint.name))
            if self._is_mysql:
                self._set_checks(table)
            if self._is_postgresql:
                self._set_apart(table)
        produced: Any = produce_migrations(self._context, metadata).upgrade_ops
        made: dict[str, Table] = {}
        indexes: list[ops.MigrateOperation] = []
        later: list[ForeignKeyConstraint] = []
        for operation in produced.ops:
            if not isinstance(operation, ops.CreateTableOp):
                indexes += getattr(operation, "ops", [operation])
                continue
            table = metadata.tables[_key(operation.schema, operation.table_name)]
            made[table.key] = table
            apart = [each for each in table.foreign_key_constraints if self._is_apart(each, made)]
            gone = {id(each) for each in apart}
            operation.columns = [each for each in operation.columns if id(each) not in gone]
            later += sorted(apart, key=lambda each: str(each.name))
            yield _Step(operation, operation.reverse())
        yield from self._indexes(indexes)
        yield from self._more
        for key in later:
            add = ops.CreateForeignKeyOp.from_constraint(key)
            yield _Step(add, add.reverse())

    def _indexes(self, operations: Sequence[ops.MigrateOperation]) -> Iterator[_Step]:
        """Indexes that are fully reflected; others as the database's own SQL."""
        texts = self._index_texts()
        of_constraints = {tuple(row)[:3] for row in self._odd_constraints}
        for operation in operations:
            assert isinstance(operation, ops.CreateIndexOp)
            operation.unique = bool(operation.unique)
            key = operation.schema, operation.table_name, str(operation.index_name)
            if key in of_constraints:
                continue
            made, _ = texts.get(key, ("", ""))
            if made and self._is_postgresql:
                continue
            created = str(CreateIndex(operation.to_index()).compile(dialect=self._dialect))
            if made and index_parts(made) != index_parts(created):
                continue
            texts.pop(key, None)
            yield _Step(operation, operation.reverse())
        yield from (_sql(made, dropped) for made, dropped in texts.values())

    def _index_texts(self) -> dict[tuple[str | None, str, str], tuple[str, str]]:
        """The SQL for indexes that may not be fully reflected: create and drop."""
        if self._is_mysql:
            return {
                (None, table, name): (
                    f"ALTER TABLE {self._quote(table)} ADD {clause}",
                    f"DROP INDEX {self._quote(name)} ON {self._quote(table)}",
                )
                for table in self._look.get_table_names()
                for clause in mysql_clauses(self._connection, table)
                if (name := mysql_index(clause))
            }
        if self._is_postgresql:
            own = f" ON {self._quote(self._look.default_schema_name)}."
            rows = self._connection.execute(text(_ODD_INDEXES)).all()
            found = [(*key, sql.replace(own, " ON ", 1)) for *key, sql in rows]
        else:
            statement = "SELECT NULL, tbl_name, name, sql FROM sqlite_master WHERE type = 'index'"
            found = [tuple(row) for row in self._connection.execute(text(statement)) if row[3]]
        return {
            (schema, table, name): (sql, f"DROP INDEX {self._full(schema, name)}")
            for schema, table, name, sql in found
        }

    def _is_apart(self, key: ForeignKeyConstraint, made: Mapping[str, Table]) -> bool:
        """Whether a foreign key is created after all tables and their indexes.

        Its target may be a unique index that no constraint has. MySQL creates an index with its own
        name for a foreign key that has none; SQLite does not depend on the order, and cannot add
        foreign keys to a table.
        """
        if self._dialect.name == "sqlite":
            return False
        names = [each.target_fullname.rpartition(".") for each in key.elements]
        table = made.get(names[0][0])
        if self._is_mysql or table is None:
            return True
        within = (PrimaryKeyConstraint, UniqueConstraint)
        made_with_it = (each for each in table.constraints if isinstance(each, within))
        columns = {name for *_, name in names}
        return all(set(each.columns.keys()) != columns for each in made_with_it)

    def _set_apart(self, table: Table) -> None:
        """Move constraints in the database's own SQL after the tables."""
        for schema, name, constraint, definition in self._odd_constraints:
            if (schema, name) == (table.schema, table.name):
                table.constraints -= {each for each in table.constraints if each.name == constraint}
                where, quoted = self._full(schema, name), self._quote(constraint)
                made = f"ALTER TABLE {where} ADD CONSTRAINT {quoted} {definition}"
                self._more.append(_sql(made, f"ALTER TABLE {where} DROP CONSTRAINT {quoted}"))

    def _set_checks(self, table: Table) -> None:
        """Move the checks of columns, which belong to these in MariaDB, after the tables."""
        for column, _, definition in mysql_checks(self._connection, table.name):
            if not isinstance(table.columns[column].type, JSON):
                made = f"ALTER TABLE {self._quote(table.name)} MODIFY {definition}"
                self._more.append(_sql(made))


def _refuse_unknown_types(metadata: MetaData) -> None:
    unknown = [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, NullType)
    ]
    if unknown:
        raise CannotPlan(
            f"SQLAlchemy does not know the type of {listing(unknown)}: no operation makes it",
            "squash up to a revision below that which makes it, with --upto",
        )


def _key(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _sql(up: str, down: str | None = None) -> _Step:
    """A step with SQL for which Alembic has no operation."""
    return _Step(_execute(up), None if down is None else _execute(down))


def _stored(code: StoredCode) -> _Step:
    return _sql(code.made, code.dropped)


def _execute(sql: str) -> ops.ExecuteSQLOp:
    return ops.ExecuteSQLOp(without_parameters(sql))


def without_parameters(sql: str) -> str:
    """Escape SQL for an operation, so that Alembic treats nothing as a parameter."""
    return _BIND.sub(r"\\:", sql)
