"""Read a whole schema from the database's own catalog, in a few queries.

``postgresql_catalog``, ``mysql_catalog`` and ``sqlite_master`` each read one kind of database.
SQLAlchemy's inspector is not enough: it knows only its own types, no exclusion constraints and no
indexes on expressions in SQLite, and it queries MySQL table by table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.databases.reflecting import mysql_catalog, postgresql_catalog, sqlite_master
from flask_chainfix.schema.footprint import Kind, SchemaObject
from flask_chainfix.schema.reflected import Described, Properties, Reflected, Unread

_READERS = {
    "postgresql": postgresql_catalog,
    "mysql": mysql_catalog,
    "mariadb": mysql_catalog,
    "sqlite": sqlite_master,
}
_NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
# The schemas that the search path names, also those that PostgreSQL skips as the user may not use
# them.
_SCHEMAS_OF_PATH = """
SELECT 1 FROM pg_catalog.pg_namespace WHERE quote_ident(nspname) = ANY(regexp_split_to_array(
    replace(current_setting('search_path'), '"$user"', quote_ident(current_user)), ', *'))
"""


class Reading(NamedTuple):
    """What a database holds.

    Attributes:
        schema: each object with its properties. Unknown properties are left out. A constraint
            without a name is identified by its definition.
        unread: what could not be read, in words.
        server: the kind and the version of the server.
        collation: the default collation; ``""`` if it is always the same.
        hidden: the kinds of objects of which this user may see none.
    """

    schema: Reflected
    unread: tuple[str, ...] = ()
    server: str = ""
    collation: str = ""
    hidden: Set[Kind] = frozenset()


class NoSuchSchema(Obstacle):
    """A database does not have the schema that was to be read."""


def read_whole(
    connection: Connection,
    schema: str | None = None,
    also: Set[str] = frozenset(),
    answered: Callable[[], None] = lambda: None,
    only: Set[str] | None = None,
) -> Reading:
    """Read tables with all their parts, views and enumerated types.

    Args:
        connection: to the database, in a transaction.
        schema: the schema to read; ``None`` for the default one.
        also: further schemas to read, in lower case; their names qualify their objects. Missing
            ones are ignored.
        answered: called each time that the database has answered.
        only: the names of the tables and views to read; ``None`` for all.

    Raises:
        NoSuchSchema: ``schema`` does not exist, or there is no default one.
        SQLAlchemyError: the database cannot be read.
    """
    own = default_schema(connection) if schema is None else schema
    if own is None:
        raise no_default_schema(connection)
    reader = _READERS[connection.dialect.name]
    names = schemas_there(connection, {own}, also)
    answered()
    if own not in names:
        raise no_schema(own)
    places = {own: ""} | {name: name.casefold() for name in sorted(names - {own})}
    found: dict[SchemaObject, Properties] = {}
    unread: dict[str, None] = {}
    for place, label in places.items():
        _take(reader.objects(connection, [place], answered, only)[place], label, found, unread)
    collation = ""
    if reader is mysql_catalog:
        collation = mysql_catalog.default_collation(connection, own)
    return Reading(found, tuple(unread), _server(connection), collation)


def default_schema(connection: Connection) -> str | None:
    """The schema of objects that name none; ``None`` if there is none."""
    reader: Any = _READERS[connection.dialect.name]
    found: str | None = reader.default_schema(connection)
    return found


def is_path_forbidden(connection: Connection) -> bool:
    """Whether the schemas of the search path are there, but the user may use none of them.

    PostgreSQL then says that there is no default schema.
    """
    if connection.dialect.name != "postgresql":
        return False
    return connection.execute(text(_SCHEMAS_OF_PATH)).first() is not None


def no_default_schema(connection: Connection) -> Obstacle:
    """The obstacle of a database that has no default schema."""
    if is_path_forbidden(connection):
        return no_usage()
    return NoSuchSchema(
        "its search path leads to no schema", "create the schema, or have search_path name one"
    )


def no_usage(schema: str = "") -> Obstacle:
    """The obstacle of a schema that the user may not use; ``""`` for all of the search path."""
    which = f"the schema {schema}" if schema else "the schema that search_path names"
    return Obstacle(
        f"this user may not use {which}",
        "connect as a user that may, or GRANT USAGE ON SCHEMA to this one",
    )


def no_schema(name: str) -> NoSuchSchema:
    """The obstacle of a database that does not have a schema."""
    return NoSuchSchema(f"there is no schema {name}", "name an existing one")


def read_several(
    connection: Connection, schemas: Sequence[str], answered: Callable[[], None]
) -> Mapping[str, Sequence[Described | Unread]]:
    """Read the objects of some schemas, each as if it were the default one.

    Equal schemas may share one result. Where there are several, a definition may differ in the
    names of schemas from what ``read_whole`` reads.

    Args:
        connection: to the database, in a transaction.
        schemas: schemas that exist.
        answered: called each time that the database has answered.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    reader: Any = _READERS[connection.dialect.name]
    found: Mapping[str, Sequence[Described | Unread]] = reader.objects(
        connection, schemas, answered, partly=True
    )
    return found


def schemas_there(
    connection: Connection, names: Set[str], folded: Set[str] = frozenset()
) -> set[str]:
    """Which of some schemas exist in a database, which may have a thousand.

    Args:
        connection: to the database.
        names: their names.
        folded: names of others in lower case.
    """
    query = text(_READERS[connection.dialect.name].SCHEMAS).bindparams(
        bindparam("exact", expanding=True), bindparam("folded", expanding=True)
    )
    # No schema has an empty name, but an empty list would have no type.
    wanted = {"exact": ["", *names], "folded": ["", *folded]}
    return set(connection.execute(query, wanted).scalars())


def _take(
    objects: Iterable[Described | Unread],
    label: str,
    found: dict[SchemaObject, Properties],
    unread: dict[str, None],
) -> None:
    for each in objects:
        if isinstance(each, Unread):
            unread[each.words] = None
        else:
            thing, properties = each
            found[thing._replace(schema=label)] = properties


def _server(connection: Connection) -> str:
    dialect = connection.dialect
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    version = (dialect.server_version_info or ())[: 1 if name == "postgresql" else 2]
    return " ".join((_NAMES[name], ".".join(map(str, version))))
