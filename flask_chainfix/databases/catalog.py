"""Version tables and the tables beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import bindparam, column, select, table, text
from sqlalchemy.engine import Connection
from sqlalchemy.sql import quoted_name

from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.databases.targets import Target

_AT_ONCE = 1_000  # schemas in one query

# What an extension has brought along is nobody's migration.
_POSTGRESQL = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname IN :schemas AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

_MYSQL = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN :schemas"
)

# Which schemas hold tables at all; and whether MySQL shows this user every table of a database.
_POSTGRESQL_USED = """
SELECT DISTINCT n.nspname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)' AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

_MYSQL_SEEN = """
SELECT DATABASE() FROM information_schema.user_privileges
WHERE privilege_type = 'SELECT' AND REPLACE(grantee, CHAR(39), SPACE(0)) = CURRENT_USER()
UNION SELECT DATABASE() FROM information_schema.schema_privileges
WHERE privilege_type = 'SELECT' AND REPLACE(grantee, CHAR(39), SPACE(0)) = CURRENT_USER()
AND DATABASE() LIKE table_schema
"""

# How many characters fit into columns that are called like that of Alembic's.
_POSTGRESQL_WIDTHS = """
SELECT n.nspname, c.relname, CASE
    WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4
    THEN a.atttypmod - 4 ELSE 2147483647 END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attname = 'version_num' AND NOT a.attisdropped AND n.nspname IN :schemas
"""

_MYSQL_WIDTHS = """
SELECT table_schema, table_name, COALESCE(character_maximum_length, 2147483647)
FROM information_schema.columns
WHERE column_name = 'version_num' AND table_schema IN :schemas
"""

_POSTGRESQL_PATH = """
SELECT place::text FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(place, rank)
ORDER BY rank
"""


class Catalog:
    """The tables that some schemas hold.

    Args:
        default: the schemas that are looked through where none is named, in this order.
        tables: the names of tables by schema.
        used: the schemas that hold all tables of the database; ``None`` where not all tables may be
            seen.
        widths: how many characters fit into the column of a version table, by schema and table.
    """

    def __init__(
        self,
        default: tuple[str, ...],
        tables: Mapping[str, frozenset[str]],
        used: frozenset[str] | None,
        widths: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        self._default = default
        self._tables = tables
        self._used = used
        self._widths = widths

    def contents_around(self, target: Target) -> SchemaContents:
        """What is where a target's version table is, or would be."""
        places = self._default if target.schema is None else (target.schema,)
        place = next(
            (each for each in places if target.version_table in self._names(each)),
            next(iter(places), ""),
        )
        names = self._names(place)
        return SchemaContents(
            target.version_table in names,
            names - {target.version_table},
            self._used is not None and self._used <= {place},
            self._widths.get((place, target.version_table)),
            self._used is None,
        )

    def _names(self, place: str) -> frozenset[str]:
        return self._tables.get(place, frozenset())


class SchemaContents(NamedTuple):
    """What one schema holds.

    Attributes:
        listed: whether the version table is there.
        tables: the other tables.
        complete: whether no table of the database is anywhere else.
        width: how many characters an id may have; ``None`` where that is not known.
        hidden: whether there may be tables that this user must not see.
    """

    listed: bool
    tables: frozenset[str]
    complete: bool
    width: int | None = None
    hidden: bool = False


def read_catalog(connection: Connection, targets: Iterable[Target]) -> Catalog:
    """Look which tables are in the schemas of some targets of one database."""
    targets = list(targets)
    named = {target.schema for target in targets if target.schema is not None}
    kind = targets[0].backend
    if kind == "sqlite":
        return _sqlite_catalog(connection)
    path = _POSTGRESQL_PATH if kind == "postgresql" else "SELECT DATABASE()"
    default = tuple(row[0] for row in connection.execute(text(path)) if row[0] is not None)
    found: dict[str, set[str]] = {}
    widths: dict[tuple[str, str], int] = {}
    asked = (_POSTGRESQL, _POSTGRESQL_WIDTHS) if kind == "postgresql" else (_MYSQL, _MYSQL_WIDTHS)
    of_tables, of_widths = (
        text(each).bindparams(bindparam("schemas", expanding=True)) for each in asked
    )
    schemas = sorted(named.union(default))
    for start in range(0, len(schemas), _AT_ONCE):
        part = {"schemas": schemas[start : start + _AT_ONCE]}
        for schema, name in connection.execute(of_tables, part):
            found.setdefault(schema, set()).add(name)
        for schema, name, width in connection.execute(of_widths, part):
            widths[schema, name] = int(width)  # MariaDB's is a Decimal
    tables = {schema: frozenset(names) for schema, names in found.items()}
    if kind == "postgresql":
        used = frozenset(connection.execute(text(_POSTGRESQL_USED)).scalars())
        return Catalog(default, tables, used, widths)
    seen = frozenset(connection.execute(text(_MYSQL_SEEN)).scalars())
    return Catalog(default, tables, seen or None, widths)


def _sqlite_catalog(connection: Connection) -> Catalog:
    attached = [row[1] for row in connection.execute(text("PRAGMA database_list"))]
    return Catalog(
        ("main",),
        {
            schema: frozenset(
                connection.execute(
                    select(column("name"))
                    .select_from(table("sqlite_master", schema=schema))
                    .where(column("type").in_(["table", "view"]))
                    .where(column("name").notlike("sqlite_%"))
                ).scalars()
            )
            for schema in attached
        },
        frozenset(["main"]),
    )


def version_table(target: Target) -> Any:
    """A target's version table, for SQLAlchemy to write in the way of any database."""
    schema = None if target.schema is None else _exact(target.schema)
    return table(_exact(target.version_table), column("version_num"), schema=schema)


def _exact(name: str) -> quoted_name:
    """A name that is quoted where it has to be; SQLAlchemy sees no line end at the end of one."""
    return quoted_name(name, quote=None if name.isidentifier() else True)


def read_rows(connection: Connection, target: Target, *, locking: bool = False) -> tuple[str, ...]:
    """The ids in a target's version table, sorted.

    Args:
        connection: to its database, in a transaction.
        target: whose rows to read.
        locking: whether MySQL is to lock them.

    Raises:
        Obstacle: it holds something that is no id.
    """
    query: Any = select(column("version_num")).select_from(version_table(target))
    values = list(connection.execute(query.with_for_update() if locking else query).scalars())
    for value in values:
        if not isinstance(value, str):
            held = "NULL" if value is None else repr(value)
            raise Obstacle(
                f"a row of {target.shown_table} holds {held} instead of the id of a revision",
                "delete that row, or write the right id into it; all rows are shown by"  # noqa: S608
                f" SELECT * FROM {target.shown_table}",
            )
    return tuple(sorted(values))
