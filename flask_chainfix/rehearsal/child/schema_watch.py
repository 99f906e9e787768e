"""Read a schema after every step; only changed tables are read again.

One or a few queries fingerprint every table in the catalog. Reading columns, keys and indexes takes
far longer, and most steps change one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection

from flask_chainfix.databases.reflecting import read_whole
from flask_chainfix.schema.footprint import Kind, SchemaObject, table_of
from flask_chainfix.schema.reflected import Properties, PropertyDifference, Reflected, differences

# The catalog's entry for each table or view, by name; types are under "".
Parts = Mapping[str, Reflected]

_SQLITE = "SELECT tbl_name, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
# A changed catalog row becomes a new row version, with a different place and transaction.
_POSTGRESQL = """
SELECT relname, nspname, sum(hashtext(row)) FROM (
    SELECT oid AS id, xmin::text || ctid::text AS row FROM pg_class
    UNION ALL SELECT attrelid, xmin::text || ctid::text FROM pg_attribute
    UNION ALL SELECT adrelid, xmin::text || ctid::text FROM pg_attrdef
    UNION ALL SELECT conrelid, xmin::text || ctid::text FROM pg_constraint
    UNION ALL SELECT indrelid, xmin::text || ctid::text FROM pg_index
    UNION ALL SELECT ev_class, xmin::text || ctid::text FROM pg_rewrite
) AS rows JOIN pg_class ON oid = id JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_|^information_schema$'
GROUP BY relname, nspname
UNION ALL SELECT '', '', sum(hashtext(row)) FROM (
    SELECT xmin::text || ctid::text AS row FROM pg_type WHERE typtype = 'e'
    UNION ALL SELECT xmin::text || ctid::text FROM pg_enum
) AS types
"""
_MYSQL = "SELECT {table}, '{view}', SUM(CRC32(CONCAT_WS('|', {columns}))) FROM {source} GROUP BY 1"
_MYSQL_VIEWS = {
    "columns": "ordinal_position, column_name, column_type, is_nullable, extra, collation_name,"
    " COALESCE(column_default, '~'), COALESCE(generation_expression, '')",
    "statistics": "index_name, non_unique, seq_in_index, COALESCE(column_name, ''), sub_part",
    "key_column_usage": "constraint_name, column_name, referenced_table_name,"
    " referenced_column_name",
    "referential_constraints": "constraint_name, delete_rule, update_rule",
    "table_constraints": "constraint_name, constraint_type",
    "views": "view_definition",
}
_MARIADB_CHECKS = "SELECT table_name, constraint_name, check_clause FROM {}.check_constraints"
_MYSQL_CHECKS = (
    "SELECT table_name, constraint_name, check_clause FROM {0}.check_constraints"
    " JOIN {0}.table_constraints USING (constraint_schema, constraint_name)"
)

Fingerprints = Mapping[str, frozenset[tuple[object, ...]]]


def fingerprints(connection: Connection) -> Fingerprints:
    """A value for each table and view that changes with it, by name; for types under ``""``.

    Raises:
        SQLAlchemyError: the catalog cannot be read.
    """
    found: dict[str, set[tuple[object, ...]]] = {}
    for query in _queries(connection):
        for table, *rest in connection.execute(text(query)):
            found.setdefault(table, set()).add(tuple(rest))
    return {name: frozenset(rows) for name, rows in found.items()}


def _queries(connection: Connection) -> Iterator[str]:
    dialect = connection.dialect
    if dialect.name == "sqlite":
        yield _SQLITE
    elif dialect.name == "postgresql":
        yield _POSTGRESQL
    else:
        for view, columns in _MYSQL_VIEWS.items():
            schema = "constraint" if view == "referential_constraints" else "table"
            source = f"information_schema.{view} WHERE {schema}_schema = DATABASE()"
            yield _MYSQL.format(table="table_name", view=view, columns=columns, source=source)
        checks = _MARIADB_CHECKS if getattr(dialect, "is_mariadb", False) else _MYSQL_CHECKS
        yield f"{checks.format('information_schema')} WHERE constraint_schema = DATABASE()"


class SchemaWatch:
    """The schema of a database, step after step."""

    def __init__(self, version_table: str, schemas: Set[str]) -> None:
        """Watch a database.

        Args:
            version_table: the name of Alembic's table, which is left out.
            schemas: the schemas to watch in addition to the default one, in lower case.
        """
        self._version_table = version_table
        self._schemas = schemas
        self._known: Fingerprints = {}
        self._parts: Parts = {}

    def look(self, connection: Connection) -> Parts:
        """The current schema; unchanged parts are the same objects as last time.

        Raises:
            SQLAlchemyError: the schema cannot be read.
        """
        now = fingerprints(connection)
        changed = {name for name in {*now, *self._known} if now.get(name) != self._known.get(name)}
        changed.discard(self._version_table)
        if changed:
            reading = read_whole(connection, also=self._schemas, only=changed)
            parts: dict[str, dict[SchemaObject, Properties]] = {name: {} for name in ("", *changed)}
            for thing, properties in reading.schema.items():
                kept: Properties | None = properties
                if connection.dialect.name == "sqlite":
                    kept = _as_copied(connection, thing, properties)
                name = "" if thing.kind is Kind.TYPE else table_of(thing).name
                if kept is not None:
                    parts[name][thing] = kept
            self._parts = {**self._parts, **parts}
        self._known = now
        return self._parts


def _as_copied(
    connection: Connection, thing: SchemaObject, properties: Properties
) -> Properties | None:
    """What an SQLite object becomes when batch mode copies its table.

    Some unnamed constraints (identified here by their definitions) and collations are lost; types
    are spelled as SQLAlchemy spells them.
    """
    if thing.kind is Kind.CONSTRAINT and thing.name.startswith(("CHECK (", "UNIQUE (")):
        return None
    if thing.kind is not Kind.COLUMN:
        return properties
    dialect: Any = connection.dialect
    type_ = dialect._resolve_type_affinity(properties.get("type", ""))
    return {**properties, "type": str(type_), "collation": ""}


def compared(before: Parts, after: Parts, ignored: Sequence[str]) -> tuple[PropertyDifference, ...]:
    """The differences between two schemas.

    Args:
        before: the expected schema.
        after: the actual schema.
        ignored: as for ``differences``.
    """
    names = [name for name in {*before, *after} if before.get(name) is not after.get(name)]
    expected, found = _merged(before, names), _merged(after, names)
    return differences(expected, found, ignored)


def _merged(parts: Parts, names: Sequence[str]) -> Reflected:
    return {thing: each for name in names for thing, each in parts.get(name, {}).items()}


# --- In words -------------------------------------------------------------------------------------
def after_down(difference: PropertyDifference) -> str:
    """What a ``downgrade()`` has not undone, in words."""
    thing = difference.named
    if difference.is_extra:
        return f"leaves {thing}"
    if difference.is_missing:
        return f"does not bring back {thing}"
    found, expected = difference.found or "nothing", difference.expected or "nothing"
    return f"leaves {thing} with {difference.aspect} {found}, where it was {expected}"


def after_second_up(difference: PropertyDifference) -> str:
    """What differs when ``upgrade()`` runs again after a ``downgrade()``, in words."""
    thing, again = difference.named, "makes a second upgrade()"
    if difference.is_extra:
        return f"{again} add {thing}, too"
    if difference.is_missing:
        return f"{again} leave out {thing}"
    found, expected = difference.found or "nothing", difference.expected or "nothing"
    what = f"leave {thing} with {difference.aspect} {found}"
    return f"{again} {what}, where the first one left {expected}"
