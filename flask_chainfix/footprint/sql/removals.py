"""What DROP does."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.footprint.sql.context import Context
from flask_chainfix.footprint.sql.cursor import Cursor, Deeds, Name, drop, use
from flask_chainfix.footprint.sql.kinds import ON_TABLE, TABLES, TYPES, kind_of
from flask_chainfix.model.schema import Action, Kind, Opaque, SchemaObject

_ENDS = ("CASCADE", "CONSTRAINTS", "PURGE", "RESTRICT")


def read_drop(cursor: Cursor, context: Context) -> Deeds:
    """What a DROP statement does, from behind its verb."""
    kind, _ = kind_of(cursor)
    cursor.takes("CONCURRENTLY")
    certain = not cursor.takes("IF", "EXISTS")
    if kind in TABLES:
        for name in _names(cursor):
            yield drop(name.table(), certain=certain)
    elif kind in TYPES:
        for name in _names(cursor):
            yield drop(name.type(), certain=certain)
    elif kind == "INDEX":
        yield from _indexes(cursor, context, certain)
    elif kind in ON_TABLE:
        cursor.name()
        if cursor.takes("ON") and not cursor.sees("DATABASE") and not cursor.sees("ALL"):
            yield use(cursor.qualified().table(), certain=certain)
    elif kind == "OWNED" or _takes_along(cursor, kind, context):
        yield Opaque(f"dropping a whole {kind.lower()}", 0, frozenset({Action.DROP}))


def _takes_along(cursor: Cursor, kind: str, context: Context) -> bool:
    """Whether the tables in something go with it, or what depends on it."""
    if kind not in ("DATABASE", "EXTENSION", "SCHEMA"):
        return False
    cascades = any(token.word == "CASCADE" for token in cursor.rest())
    return cascades or kind == "DATABASE" or (kind == "SCHEMA" and context.dialect == "mysql")


def _names(cursor: Cursor) -> Iterator[Name]:
    yield cursor.qualified()
    while cursor.sign(","):
        yield cursor.qualified()
    while cursor.takes_any(*_ENDS):
        pass
    cursor.needs(cursor.ended)


def _indexes(cursor: Cursor, context: Context, certain: bool) -> Deeds:
    more = True
    while more:
        name = cursor.qualified()
        table = Name("", "")
        if cursor.takes("ON"):
            table = cursor.qualified()
            yield use(table.table(), certain=certain)
        elif context.dialect == "tsql":
            table, name = Name("", name.schema), name._replace(schema="")
        schema = table.schema or name.schema
        yield drop(SchemaObject(Kind.INDEX, name.name, table.name, schema), certain=certain)
        more = cursor.sign(",")
    cursor.needs(cursor.ended or cursor.peek().word in (*_ENDS, "ALGORITHM", "LOCK", "WITH"))
