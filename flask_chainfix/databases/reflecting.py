"""Read a whole schema as the database describes it, in a few queries."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.schema.footprint import Kind, SchemaObject
from flask_chainfix.schema.reflected import Properties, Reflected

_SQLITE_INDEXES = (
    "SELECT tbl_name, name, sql FROM {}.sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
)
_VIEWS = {"view": "get_view_names"}
_POSTGRESQL_VIEWS = {
    "materialized view": "get_materialized_view_names",
    "foreign table": "get_foreign_table_names",
}


class Reading(NamedTuple):
    """What a database holds.

    Attributes:
        schema: each object with its properties.
        unread: what of it SQLAlchemy does not know, in its words.
    """

    schema: Reflected
    unread: tuple[str, ...] = ()


class NoSuchSchema(Obstacle):
    """A database does not have the schema that was to be read."""


def read_whole(
    connection: Connection,
    schema: str | None = None,
    also: Set[str] = frozenset(),
    heard: Callable[[], None] = lambda: None,
    only: Set[str] | None = None,
) -> Reading:
    """Read tables with all their parts, views and enumerated types.

    Args:
        connection: to the database.
        schema: the one that is to be read; ``None`` for the default one.
        also: others to read, in lower case, by whose names their objects go; those that are not
            there are left out.
        heard: called each time that the database has answered.
        only: the names of the tables and views to read; ``None`` for all.

    Raises:
        NoSuchSchema: ``schema`` is not there.
        SQLAlchemyError: it cannot be read.
    """
    look = inspect(connection)
    names = look.get_schema_names() if schema is not None or also else ()
    if schema is not None and schema not in names:
        raise NoSuchSchema(f"there is no schema {schema}", "name one that is there")
    places = {schema: ""} | {name: name.casefold() for name in names if name.casefold() in also}
    found: dict[SchemaObject, Properties] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for place, label in places.items():
            for thing, properties in _Reader(connection, place, label, only).objects():
                found[thing] = properties
                heard()
    unread = dict.fromkeys(str(warning.message).split("\n")[0] for warning in caught)
    return Reading(found, tuple(unread))


class _Reader:
    def __init__(
        self, connection: Connection, place: str | None, label: str, only: Set[str] | None
    ) -> None:
        self._connection = connection
        self._look: Any = inspect(connection)
        self._dialect = connection.dialect
        self._place = place
        self._label = label
        self._only = only
        # Names of the schema itself are left out where a database puts them before others.
        self._own = {place, self._look.default_schema_name if place is None else place, None}

    def objects(self) -> Iterator[tuple[SchemaObject, Properties]]:
        """Each object with its properties."""
        tables = self._names("get_table_names")
        for name in tables:
            yield self._table(name), {"type": "table"}
        for table, columns in self._of_each("columns", tables).items():
            yield from self._columns(table, columns)
        yield from self._views()
        yield from self._keys(tables)
        yield from self._checks(tables)
        yield from self._indexes(tables)
        for found in getattr(self._look, "get_enums", lambda **_: ())(schema=self._place):
            labels = ", ".join(map(repr, found["labels"]))
            yield SchemaObject(Kind.TYPE, found["name"], "", self._label), {"type": labels}

    def _names(self, method: str) -> list[str]:
        found = getattr(self._look, method, lambda **_: ())(schema=self._place)
        return [name for name in found if self._only is None or name in self._only]

    def _table(self, name: str) -> SchemaObject:
        return SchemaObject(Kind.TABLE, name, "", self._label)

    def _views(self) -> Iterator[tuple[SchemaObject, Properties]]:
        """The views, and what else has columns; one that is broken has none."""
        more = _POSTGRESQL_VIEWS if self._dialect.name == "postgresql" else {}
        for word, method in (_VIEWS | more).items():
            for name in self._names(method):
                definition = ""
                with suppress(SQLAlchemyError, NotImplementedError):
                    if word != "foreign table":
                        definition = self._look.get_view_definition(name, schema=self._place)
                yield self._table(name), {"type": word, "query": self._plain(definition or "")}
                with suppress(SQLAlchemyError):
                    columns = self._look.get_columns(name, schema=self._place)
                    yield from self._columns(name, columns)

    def _columns(
        self, table: str, columns: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[SchemaObject, Properties]]:
        for column in columns:
            found = {
                "type": self._type(column["type"]),
                "nullable": "yes" if column["nullable"] and not column.get("primary_key") else "no",
                "default": self._plain(str(column["default"] or "")),
            }
            for name in ("computed", "identity"):
                if column.get(name):
                    found[name] = ", ".join(
                        f"{key} {self._plain(str(value))}" for key, value in column[name].items()
                    )
            yield self._table(table).part(Kind.COLUMN, column["name"]), found

    def _type(self, type_: Any) -> str:
        schema = getattr(type_, "schema", None)
        if schema in self._own and schema is not None:
            type_ = type_.copy()
            type_.schema = None
        try:
            return str(type_.compile(dialect=self._dialect))
        except SQLAlchemyError:  # a type that SQLAlchemy does not know
            return ""

    def _keys(self, tables: Sequence[str]) -> Iterator[tuple[SchemaObject, Properties]]:
        for table, key in self._of_each("pk_constraint", tables).items():
            if key.get("constrained_columns"):
                yield self._constraint(table, key, f"PRIMARY KEY {_in_row(key)}")
        for table, keys in self._of_each("foreign_keys", tables).items():
            for key in keys:
                schema = key["referred_schema"]
                place = "" if schema in self._own else f"{schema}."
                words = [
                    f"FOREIGN KEY {_in_row(key)} REFERENCES {place}{key['referred_table']}"
                    f" ({', '.join(key['referred_columns'])})"
                ]
                words += [
                    f"{name.upper()} {value}"
                    for name, value in sorted((key.get("options") or {}).items())
                    if value
                ]
                yield self._constraint(table, key, " ".join(words))
        if self._dialect.name not in ("mysql", "mariadb"):  # where they are indexes, and no more
            for table, keys in self._of_each("unique_constraints", tables).items():
                for key in keys:
                    words = [f"UNIQUE {_in_row(key, 'column_names')}", *_options(key)]
                    yield self._constraint(table, key, " ".join(words))

    def _checks(self, tables: Sequence[str]) -> Iterator[tuple[SchemaObject, Properties]]:
        for table, checks in self._of_each("check_constraints", tables).items():
            for check in checks:
                yield self._constraint(table, check, f"CHECK ({self._plain(check['sqltext'])})")

    def _constraint(
        self, table: str, key: Mapping[str, Any], definition: str
    ) -> tuple[SchemaObject, Properties]:
        name = key.get("name") or definition
        return self._table(table).part(Kind.CONSTRAINT, name), {"definition": definition}

    def _indexes(self, tables: Sequence[str]) -> Iterator[tuple[SchemaObject, Properties]]:
        if self._dialect.name == "sqlite":  # SQLAlchemy leaves out those of expressions
            place = self._dialect.identifier_preparer.quote(self._place or "main")
            for table, name, sql in self._connection.execute(text(_SQLITE_INDEXES.format(place))):
                if self._only is not None and table not in self._only:
                    continue
                _, _, definition = sql.partition("(")
                unique = "UNIQUE " if " UNIQUE " in sql.upper().partition(" ON ")[0] else ""
                found = f"{unique}({self._plain(definition)}"
                yield self._table(table).part(Kind.INDEX, name), {"definition": found}
            return
        for table, indexes in self._of_each("indexes", tables).items():
            for index in indexes:
                if index.get("duplicates_constraint"):
                    continue
                columns = index.get("expressions") or index["column_names"]
                order = index.get("column_sorting") or {}
                parts = (
                    " ".join((self._plain(str(column)), *order.get(column, ())))
                    for column in columns
                )
                unique = "UNIQUE " if index["unique"] else ""
                words = [f"{unique}({', '.join(parts)})", *_options(index)]
                key = self._table(table).part(Kind.INDEX, index["name"])
                yield key, {"definition": " ".join(words)}

    def _of_each(self, what: str, names: Sequence[str]) -> Mapping[str, Any]:
        """What an inspector says of each table; at once, if it can (SQLAlchemy 2)."""
        if not names:  # which SQLAlchemy would take for all
            return {}
        at_once = getattr(self._look, f"get_multi_{what}", None)
        if at_once is None:
            one = getattr(self._look, f"get_{what}")
            return {name: one(name, schema=self._place) for name in names}
        wanted = set(names)
        some = {} if self._only is None else {"filter_names": list(names)}
        found = at_once(schema=self._place, **some)
        return {table: parts for (_, table), parts in found.items() if table in wanted}

    def _plain(self, words: str) -> str:
        """An expression without the name of its own schema, on one line."""
        words = " ".join(words.split())
        for schema in filter(None, self._own):
            quoted = self._dialect.identifier_preparer.quote_identifier(schema)
            words = words.replace(f"{quoted}.", "").replace(f"{schema}.", "")
        return words


def _in_row(key: Mapping[str, Any], columns: str = "constrained_columns") -> str:
    return f"({', '.join(key[columns])})"


def _options(found: Mapping[str, Any]) -> Iterator[str]:
    """What only this kind of database has: its method, its condition, the columns it includes."""
    for name, value in sorted((found.get("dialect_options") or {}).items()):
        if value and value not in ({}, []):
            yield f"{name.partition('_')[2].upper()} {value}"
