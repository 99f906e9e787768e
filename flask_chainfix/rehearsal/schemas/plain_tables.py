"""Reflect tables as people write them, with their sequences, and render them as Alembic does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, DefaultClause, Enum, MetaData, Table, event, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import UniqueConstraint
from sqlalchemy.types import JSON

from flask_chainfix.databases.catalog import mysql_checks
from flask_chainfix.databases.reflecting import read_whole

_LITERAL = re.compile(r"'((?:[^'\\]|'')*)'(?:::[\w ]+)?")  # PostgreSQL adds its type
# MySQL's default display widths of integers, by whether they are unsigned.
_WIDTHS = {
    ("TINYINT", False): 4,
    ("TINYINT", True): 3,
    ("SMALLINT", False): 6,
    ("SMALLINT", True): 5,
    ("MEDIUMINT", False): 9,
    ("MEDIUMINT", True): 8,
    ("INTEGER", False): 11,
    ("INTEGER", True): 10,
    ("BIGINT", False): 20,
    ("BIGINT", True): 20,
}


def reflecting(context: MigrationContext) -> MetaData:
    """An empty collection, in which reflected columns become what people write.

    Args:
        context: with a connection to the database.
    """
    metadata, dialect = MetaData(), context.dialect
    quote = dialect.identifier_preparer.quote

    def reflected(look: Any, table: Any, column: Any) -> None:
        """A key that counts by its own sequence creates that again."""
        own = [quote(each) for each in (table.schema, f"{table.name}_{column['name']}_seq") if each]
        name = sequence_of(column["default"])
        if name is None or (
            name == ".".join(own)
            and look.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"]
            == [column["name"]]
        ):
            impl: Any = context.impl
            impl.autogen_column_reflect(look, table, column)
        column["type"] = _plain_type(column["type"], dialect)

    event.listen(metadata, "column_reflect", reflected)
    return metadata


def rendering_context(
    context: MigrationContext, metadata: MetaData, place: str | None = None, *, as_batch: bool
) -> AutogenContext:
    """The context in which Alembic renders operations.

    Args:
        context: with a connection to the database.
        metadata: the reflected tables.
        place: the schema of types that name none; ``None`` for the default one.
        as_batch: whether tables are changed in batches.
    """

    def render_item(kind: str, thing: Any, autogenerate: AutogenContext) -> str | Any:
        """Render a PostgreSQL enumerated type by name; it is created separately."""
        if kind != "type" or not isinstance(thing, postgresql.ENUM):
            return False
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        schema = f", schema={thing.schema!r}" if thing.schema not in (None, place) else ""
        return f"postgresql.ENUM(name={thing.name!r}{schema}, create_type=False)"

    return AutogenContext(
        context,
        metadata=metadata,
        opts={
            "sqlalchemy_module_prefix": "sa.",
            "alembic_module_prefix": "op.",
            "user_module_prefix": None,
            "render_as_batch": as_batch,
            "render_item": render_item,
        },
    )


def _plain_type(type_: Any, dialect: Dialect) -> Any:
    """A generic type, if the database would store the same type for it."""
    if isinstance(type_, Enum):
        return type_
    usual = _WIDTHS.get((type_.__visit_name__, getattr(type_, "unsigned", False)))
    if usual is not None and usual == getattr(type_, "display_width", None):
        type_ = type_.copy()
        type_.display_width = None
    try:
        words = type_.compile(dialect=dialect)
        if dialect.name in ("mysql", "mariadb") and words == "TINYINT(1)":
            return Boolean()
        plain = type_.as_generic()
        same = plain.compile(dialect=dialect) == words
    except Exception:  # there is none, or the type is not known
        return type_
    return plain if same else type_


# --- The sequences of PostgreSQL -----------------------------------------------------------------


_SEQUENCES = """
SELECT n.nspname, c.relname, s.seqtypid::regtype::text AS type, s.seqstart, s.seqincrement,
  s.seqmin, s.seqmax, s.seqcache, s.seqcycle, t.relname AS of_table, a.attname AS of_column,
  coalesce(d.deptype = 'i', false) AS of_identity
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
  AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE n.nspname !~ '^pg_' ORDER BY n.nspname, c.relname
"""
_WIDEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_NEXT = re.compile(r"nextval\('(.+)'::regclass\)")


class OwnSequence(NamedTuple):
    """A sequence that is not created with its column.

    Attributes:
        owner: the key of its table in the metadata, and its column; ``None`` if it has none.
        made: the statement that creates it; ``""`` if its column does.
        dropped: the statement that drops it; ``None`` if its column takes it along.
        after: the statement to run once its column is there; ``""`` for none.
    """

    owner: tuple[str, str] | None
    made: str
    dropped: str | None
    after: str


def sequences_in(connection: Connection, metadata: MetaData) -> Mapping[str, OwnSequence]:
    """The sequences that the reflected columns do not create, as PostgreSQL writes their names.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    if connection.dialect.name != "postgresql":
        return {}
    return dict(_sequences(connection, metadata))


def _sequences(connection: Connection, metadata: MetaData) -> Iterator[tuple[str, OwnSequence]]:
    default = inspect(connection).default_schema_name
    quote = connection.dialect.identifier_preparer.quote
    for found in connection.execute(text(_SEQUENCES.replace("::", "\\:\\:"))).all():
        row = found._asdict()
        schemas = [] if row["nspname"] == default else [row["nspname"]]
        place = "".join(f"{quote(each)}." for each in schemas)
        name = f"{place}{quote(row['relname'])}"
        made = f"CREATE SEQUENCE IF NOT EXISTS {name} AS {row['type']}{_options(row)}"
        if row["of_table"] is None:
            yield name, OwnSequence(None, made, f"DROP SEQUENCE {name}", "")
            continue
        owner = ".".join((*schemas, row["of_table"])), row["of_column"]
        if row["of_identity"]:
            usual = f"{place}{quote('{of_table}_{of_column}_seq'.format_map(row))}"
            if usual != name:
                renamed = f"ALTER SEQUENCE {usual} RENAME TO {quote(row['relname'])}"
                yield name, OwnSequence(owner, "", None, renamed)
            continue
        table = metadata.tables.get(owner[0])
        column = None if table is None else table.columns.get(owner[1])
        if column is None or column.server_default is not None or column.autoincrement is not True:
            column_name = f"{place}{quote(row['of_table'])}.{quote(row['of_column'])}"
            owned = f"ALTER SEQUENCE {name} OWNED BY {column_name}"
            yield name, OwnSequence(owner, made, None, owned)


def _options(row: Mapping[str, Any]) -> str:
    """The options of a sequence that differ from the defaults."""
    widest = _WIDEST.get(row["type"], 0)
    down = row["seqincrement"] < 0
    usual = {
        "INCREMENT": ("seqincrement", 1),
        "MINVALUE": ("seqmin", -widest - 1 if down else 1),
        "MAXVALUE": ("seqmax", -1 if down else widest),
        "START": ("seqstart", row["seqmax"] if down else row["seqmin"]),
        "CACHE": ("seqcache", 1),
    }
    words = [f" {word} {row[key]}" for word, (key, value) in usual.items() if row[key] != value]
    return "".join((*words, " CYCLE" if row["seqcycle"] else ""))


def sequence_of(default: Any) -> str | None:
    """The sequence from which a default takes its values, as PostgreSQL writes it."""
    found = _NEXT.fullmatch(str(default))
    return found and found[1]


# --- Options and keys that reflection misses, or adds --------------------------------------------


_SQLITE_KEYS = """
SELECT id, "from" AS name, on_update, on_delete FROM pragma_foreign_key_list(:t) ORDER BY id, seq
"""
_SQLITE_UNIQUES = """
SELECT l.seq, i.name FROM pragma_index_list(:t) l JOIN pragma_index_info(l.name) i
WHERE l.origin = 'u' ORDER BY l.seq, i.seqno
"""
_MYSQL_DEFAULTS = (
    "SELECT @@default_storage_engine AS engine, @@character_set_database AS"
    " `default charset`, @@collation_database AS `collate`"
)
_SQLITE_OPTIONS = {
    "AUTOINCREMENT": ("sqlite_autoincrement", True),
    "WITHOUT ROWID": ("sqlite_with_rowid", False),
    "STRICT": ("sqlite_strict", True),
}


def set_options(connection: Connection, table: Table) -> None:
    """Add options of a table that reflection misses, and remove implicit ones."""
    if connection.dialect.name == "sqlite":
        _set_sqlite_options(connection, table)
        _set_keys(connection, table)
    if connection.dialect.name in ("mysql", "mariadb"):
        _set_mysql_options(connection, table)


def _set_sqlite_options(connection: Connection, table: Table) -> None:
    for properties in read_whole(connection, only={table.name}).schema.values():
        words = properties.get("options", properties.get("definition", ""))
        if "options" in properties or words.startswith("PRIMARY KEY"):
            for clause, (option, value) in _SQLITE_OPTIONS.items():
                if clause in words:
                    with suppress(ArgumentError):  # unknown to an older SQLAlchemy
                        table.kwargs[option] = value


def _set_keys(connection: Connection, table: Table) -> None:
    """Set keys from SQLite's pragmas, since SQLAlchemy only parses common spellings."""
    keys, uniques = (
        [[*rows] for _, rows in groupby(found, itemgetter(0))]
        for found in (
            connection.execute(text(query), {"t": table.name}).all()
            for query in (_SQLITE_KEYS, _SQLITE_UNIQUES)
        )
    )
    actions = {tuple(row.name for row in rows): rows[0] for rows in keys}
    for each in table.foreign_key_constraints:
        found = actions.get(tuple(column.name for column in each.columns))
        if found is not None:
            update, delete = (
                None if action == "NO ACTION" else action
                for action in (found.on_update, found.on_delete)
            )
            each.onupdate, each.ondelete = each.onupdate or update, each.ondelete or delete
    known = {
        tuple(column.name for column in each.columns)
        for each in table.constraints
        if isinstance(each, UniqueConstraint)
    }
    for columns in sorted({tuple(row.name for row in rows) for rows in uniques} - known):
        table.append_constraint(UniqueConstraint(*columns))


def _set_mysql_options(connection: Connection, table: Table) -> None:
    """Remove the default options; MariaDB's JSON is a text with a check."""
    defaults = dict(connection.execute(text(_MYSQL_DEFAULTS)).mappings().one())
    if table.comment is not None:  # as it is written in SQL
        table.comment = table.comment.replace("''", "'")
    for name, value in list(table.kwargs.items()):
        option = name.partition("_")[2]
        if option == "comment" or defaults.get(option) == value:
            del table.kwargs[name]
    for column, clause, _ in mysql_checks(connection, table.name):
        if clause == f"json_valid(`{column}`)":
            table.columns[column].type = JSON()


def leave_out_defaults(table: Table) -> None:
    """Remove reflected options that equal the defaults or have no effect."""
    for column in table.columns:
        default = column.server_default
        if isinstance(default, DefaultClause) and (found := _LITERAL.fullmatch(str(default.arg))):
            column.server_default = DefaultClause(found[1].replace("''", "'"))
        is_key = column.primary_key and len(table.primary_key.columns) == 1
        if default is not None or column.autoincrement is is_key or not column.primary_key:
            column.autoincrement = "auto"
    parts: tuple[Any, ...] = (*table.constraints, *table.indexes)
    for part in parts:
        for name, value in list(part.dialect_kwargs.items()):
            if value in ([], {}, None, False):
                del part.dialect_kwargs[name]
