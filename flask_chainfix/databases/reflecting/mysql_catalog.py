"""Read a schema from ``information_schema`` of MySQL and MariaDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from flask_chainfix.schema.reflected import (
    Described,
    Unread,
    column,
    constraint,
    index,
    on_one_line,
    relation,
)

SCHEMAS = """
SELECT schema_name FROM information_schema.schemata
WHERE schema_name IN :exact OR lower(schema_name) IN :folded
"""
_COLLATION = """
SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = :schema
"""
# A collation that was not set explicitly is the database's default.
_TABLES = """
SELECT t.table_name, t.table_type, t.engine, t.create_options,
    NULLIF(t.table_collation, s.default_collation_name)
FROM information_schema.tables t
JOIN information_schema.schemata s ON s.schema_name = t.table_schema
WHERE t.table_schema = :schema
"""
_VIEWS = """
SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = :schema
"""
_COLUMNS = """
SELECT c.table_name, c.column_name, c.column_type, c.is_nullable, c.column_default, c.extra,
    c.generation_expression, NULLIF(c.collation_name, s.default_collation_name)
FROM information_schema.columns c
JOIN information_schema.schemata s ON s.schema_name = c.table_schema
WHERE c.table_schema = :schema
"""
_INDEXES = """
SELECT table_name, index_name, non_unique, index_type, column_name, sub_part,
    collation, {expression}
FROM information_schema.statistics WHERE table_schema = :schema
ORDER BY table_name, index_name, seq_in_index
"""
_FOREIGN_KEYS = """
SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema,
    k.referenced_table_name, k.referenced_column_name, r.update_rule, r.delete_rule
FROM information_schema.key_column_usage k
JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema
    AND r.table_name = k.table_name AND r.constraint_name = k.constraint_name
WHERE k.table_schema = :schema AND r.constraint_schema = :schema
    AND k.referenced_table_name IS NOT NULL
ORDER BY k.table_name, k.constraint_name, k.ordinal_position
"""
_CHECKS = {
    True: """
SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints
WHERE constraint_schema = :schema
""",
    False: """
SELECT t.table_name, c.constraint_name, c.check_clause
FROM information_schema.check_constraints c
JOIN information_schema.table_constraints t ON t.constraint_schema = c.constraint_schema
    AND t.constraint_name = c.constraint_name AND t.constraint_type = 'CHECK'
WHERE t.table_schema = :schema AND c.constraint_schema = :schema
""",
}

# Where a query says which schema it is about; the tables have it, too.
_SCHEMA = re.compile(r"(?<=WHERE )(?:([tck]\.|)table_schema|constraint_schema) = :schema")

_TYPES = {"BASE TABLE": "table", "VIEW": "view"}
_USUAL_RULES = ("RESTRICT", "NO ACTION")  # they mean the same there
_EXPRESSIONS_SINCE = (8, 0, 13)


def default_schema(connection: Connection) -> str | None:
    """The database of the connection; ``None`` if it has none."""
    found: str | None = connection.execute(text("SELECT DATABASE()")).scalar()
    return found


def default_collation(connection: Connection, schema: str) -> str:
    """The collation of columns that do not name one."""
    return str(connection.execute(text(_COLLATION), {"schema": schema}).scalar())


def objects(
    connection: Connection,
    schemas: Sequence[str],
    answered: Callable[[], None],
    only: Set[str] | None = None,
    *,
    partly: bool = False,
) -> Mapping[str, Sequence[Described | Unread]]:
    """The objects of some schemas: all of them, or those of some tables.

    The server looks up one schema at a time quickly, and several only by reading all.
    """
    return {each: [*_objects(_Catalog(connection, each, answered, only), each)] for each in schemas}


def _objects(catalog: _Catalog, schema: str) -> Iterator[Described | Unread]:
    yield from catalog.tables()
    yield from catalog.columns()
    yield from catalog.indexes()
    for (table, name), parts in groupby(catalog.rows(_FOREIGN_KEYS), lambda row: (row[0], row[1])):
        yield _foreign_key(table, name, [*parts], schema)
    yield from catalog.checks()


class _Catalog:
    def __init__(
        self,
        connection: Connection,
        schema: str,
        answered: Callable[[], None],
        only: Set[str] | None,
    ) -> None:
        self._connection = connection
        self._only = only
        self._schema = schema
        self._answered = answered
        dialect: Any = connection.dialect
        self._is_mariadb: bool = dialect.is_mariadb
        self._kinds: dict[str, str] = {}
        self._version: tuple[Any, ...] = dialect.server_version_info or ()

    def rows(self, query: str) -> list[Any]:
        asked = text(query)
        if self._only is not None:
            asked = text(_SCHEMA.sub(r"\g<0> AND \1table_name IN :only", query))
            asked = asked.bindparams(bindparam("only", ["", *self._only], expanding=True))
        found = self._connection.execute(asked, {"schema": self._schema}).all()
        self._answered()
        return list(found)

    def _plain(self, words: str | None) -> str:
        return _without(self._schema, on_one_line(words or ""))

    def tables(self) -> Iterator[Described | Unread]:
        queries: dict[str, str] = dict(self.rows(_VIEWS))
        for name, kind, engine, options, collation in self.rows(_TABLES):
            self._kinds[name] = kind
            if kind == "SEQUENCE":
                continue
            about = {"type": _TYPES.get(kind, kind.lower())}
            if kind != "VIEW":
                aspects = {"engine": engine, "options": options, "collation": collation}
                about |= {aspect: value or "" for aspect, value in aspects.items()}
            elif queries.get(name):
                about["query"] = self._plain(queries[name])
            else:
                yield Unread(f"the query of the view {name}, which needs the right SHOW VIEW")
            yield relation(name, about)

    def columns(self) -> Iterator[Described]:
        for row in self.rows(_COLUMNS):
            table, name, type_, nullable, default, extra, computed, collation = row
            kind = self._kinds.get(table, "SEQUENCE")  # or a table that was created meanwhile
            if kind == "SEQUENCE":
                continue
            if kind == "VIEW":  # it is the default of the view's source
                default = None
            written = _marked(default) if self._is_mariadb else _quoted(default, extra)
            yield column(
                table,
                name,
                _as_written(type_),
                nullable=nullable == "YES",
                default=self._plain(written),
                computed=self._plain(computed),
                extra=(extra or "").upper().replace("DEFAULT_GENERATED", "").strip(),
                collation=collation,
            )

    def indexes(self) -> Iterator[Described]:
        has_expressions = not self._is_mariadb and self._version >= _EXPRESSIONS_SINCE
        query = _INDEXES.format(expression="expression" if has_expressions else "NULL")
        for (table, name), parts in groupby(self.rows(query), lambda row: (row[0], row[1])):
            yield _index(table, name, [*parts])

    def checks(self) -> Iterator[Described | Unread]:
        try:
            checks = self.rows(_CHECKS[self._is_mariadb])
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            yield Unread("check constraints, which this server does not report")
            return
        for table, name, clause in checks:
            yield constraint(table, name, f"CHECK ({self._plain(clause)})")


def _index(table: str, name: str, parts: Sequence[Any]) -> Described:
    _, _, is_repeating, method, *_ = parts[0]
    columns = [
        f"({expression})"
        if each is None
        else each + (f"({length})" if length else "") + (" DESC" if order == "D" else "")
        for _, _, _, _, each, length, order, expression in parts
    ]
    row = f"({', '.join(columns)})"
    if name == "PRIMARY":
        return constraint(table, "", f"PRIMARY KEY {row}")
    unique = "" if is_repeating else "UNIQUE"
    method = "" if method == "BTREE" else method
    return index(table, name, " ".join(filter(None, (unique, method, row))))


def _foreign_key(table: str, name: str, parts: Sequence[Any], schema: str) -> Described:
    _, _, _, place, referred, _, updated, deleted = parts[0]
    there = referred if place == schema else f"{place}.{referred}"
    ours, theirs = (", ".join(part[number] for part in parts) for number in (2, 5))
    words = [f"FOREIGN KEY ({ours}) REFERENCES {there} ({theirs})"]
    words += [
        f"{event} {rule}"
        for event, rule in (("ON DELETE", deleted), ("ON UPDATE", updated))
        if rule not in _USUAL_RULES
    ]
    return constraint(table, name, " ".join(words))


def _marked(default: str | None) -> str | None:
    """A default from MariaDB, where NULL is also a text."""
    return None if default == "NULL" else default


def _quoted(default: str | None, extra: str) -> str | None:
    """A default in MariaDB's spelling, from MySQL, which omits the quotes."""
    if default is None or "DEFAULT_GENERATED" in extra:
        return default
    escaped = default.replace("'", "''")
    return f"'{escaped}'"


def _as_written(type_: str) -> str:
    """A type as migrations spell it: in capitals, except for text in quotes."""
    words = re.split(r"('(?:[^']|'')*')", type_)
    words[::2] = (_spelled(each.upper()) for each in words[::2])
    return "".join(words)


def _spelled(words: str) -> str:
    return re.sub(r",(?=\d)", ", ", re.sub(r"^INT\b", "INTEGER", words))


def _without(schema: str, words: str) -> str:
    """An expression without the name of its own schema, which the server adds to names."""
    quoted = re.escape("`" + schema.replace("`", "``") + "`.")
    return re.sub(rf"('(?:[^'\\]|\\.|'')*')|{quoted}", lambda found: found[1] or "", words)
