"""What CREATE does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from flask_chainfix.footprint.sql.context import Context
from flask_chainfix.footprint.sql.cursor import (
    TEMPORARY,
    Cursor,
    Deeds,
    Name,
    Unread,
    create,
    doubtful,
    use,
)
from flask_chainfix.footprint.sql.elements import columns_listed, elements, more_columns
from flask_chainfix.footprint.sql.kinds import ON_TABLE, kind_of
from flask_chainfix.footprint.sql.tokens import Token
from flask_chainfix.footprint.sql.user_types import type_used
from flask_chainfix.footprint.sql.writes import begins_query
from flask_chainfix.model.schema import Action, Effect, Kind, SchemaObject

_EVERYWHERE = frozenset({"ALL", "DATABASE", "SCHEMA"})
_BEHIND_QUERY = frozenset({"CASCADED", "CHECK", "DATA", "LOCAL", "NO", "ONLY", "OPTION", "READ"})


def read_create(cursor: Cursor, context: Context) -> Deeds:
    """What a CREATE statement does, from behind its verb."""
    kind, modifiers = kind_of(cursor)
    cursor.takes("CONCURRENTLY")
    anyway = not cursor.takes("IF", "NOT", "EXISTS")
    deeds: Deeds = iter(())
    if kind in ("TABLE", "VIEW"):
        name = cursor.qualified()
        if _is_temporary(modifiers, context):
            name = name._replace(schema=TEMPORARY)
        made = _view if kind == "VIEW" else _virtual if "VIRTUAL" in modifiers else _table
        deeds = _in_order(made(cursor, name, context), name)
    elif kind == "INDEX":
        deeds = _index(cursor, context)
    elif kind in ("TYPE", "DOMAIN"):
        deeds = _type(cursor, context)
    elif kind in ON_TABLE:
        deeds = _on_table(cursor)
    replaces = not modifiers.isdisjoint({"REPLACE", "ALTER"})
    for deed in doubtful(deeds, anyway):
        # What is replaced was there before: whether it was, is not known.
        creates = isinstance(deed, Effect) and deed.action is Action.CREATE
        yield from doubtful(iter((deed,)), not (replaces and creates))


def _table(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What stands behind CREATE TABLE and the name."""
    # A part of another table goes with that, without a word.
    yield from doubtful(iter((create(table.table()),)), not _is_part(cursor.copy().rest()))
    if cursor.takes("PARTITION", "OF") or cursor.takes("LIKE"):
        yield use(cursor.qualified().table())
        yield more_columns(table, "another table")
        return
    typed = cursor.takes("OF")
    if typed:
        yield use(cursor.qualified().type())
        yield more_columns(table, "a type")
    listed = cursor.peek().raw == "(" and not begins_query(cursor)
    if listed:
        yield from elements(cursor.group(), table, context)
    queried = False
    while not cursor.ended:
        if cursor.takes("INHERITS"):
            for part in cursor.group().parts():
                yield use(part.qualified().table())
            yield more_columns(table, "another table")
        elif begins_query(cursor):
            named = listed and context.dialect != "mysql"
            yield from _made_from(cursor.rest(), table, context, named=named)
            queried = True
        elif cursor.peek().raw == "(":
            cursor.group()
        else:
            cursor.needs(not cursor.sees("AS", "EXECUTE"))
            cursor.needs(cursor.next().raw != ")")
    cursor.needs(listed or typed or queried)


def _is_part(tokens: Sequence[Token]) -> bool:
    """Whether a table is a partition of another, or inherits from it."""
    pairs = {(token.word, following.word) for token, following in pairwise(tokens)}
    return ("PARTITION", "OF") in pairs or any(token.word == "INHERITS" for token in tokens)


def _made_from(tokens: Sequence[Token], table: Name, context: Context, *, named: bool) -> Deeds:
    """What CREATE TABLE … AS takes from a query."""
    query = _without_options(tokens)
    columns: tuple[str, ...] | None = None
    try:
        deeds, columns = context.query(query)
        yield from deeds
    except Unread:
        yield context.unread(query, "a query", Action.USE)
    if not named:
        yield from (create(table.column(name)) for name in columns or ())
        if columns is None:
            yield more_columns(table, "a query")


def _virtual(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What stands behind CREATE VIRTUAL TABLE and the name."""
    yield create(table.table())
    cursor.needs(cursor.takes("USING"))
    yield more_columns(table, "a module")


def _view(cursor: Cursor, view: Name, context: Context) -> Deeds:
    """What stands behind CREATE VIEW and the name."""
    yield create(view.table())
    yield more_columns(view, "a query")
    while not cursor.takes("AS"):
        if cursor.peek().raw == "(":
            cursor.group()
        else:
            cursor.next()
    cursor.needs(begins_query(cursor))
    # SQLite does not look for what a view is made of.
    yield from doubtful(context.uses(_without_options(cursor.rest())), context.dialect != "sqlite")


def _index(cursor: Cursor, context: Context) -> Deeds:
    """What stands behind CREATE INDEX."""
    name = None if cursor.sees("ON") else cursor.qualified()
    if cursor.takes("USING"):
        cursor.next()
    cursor.needs(cursor.takes("ON"))
    cursor.takes("ONLY")
    table = cursor.qualified()
    yield use(table.table())
    if cursor.takes("USING"):
        cursor.next()
    yield from columns_listed(cursor.group(), table, context)
    while not cursor.ended:
        if cursor.takes("INCLUDE"):
            yield from columns_listed(cursor.group(), table, context)
        elif cursor.takes("WHERE"):
            yield from context.columns_in(cursor.rest(), table)
        else:
            cursor.next()
    if name is not None:
        schema = table.schema or name.schema
        yield create(SchemaObject(Kind.INDEX, name.name, table.name, schema))


def _type(cursor: Cursor, context: Context) -> Deeds:
    """What stands behind CREATE TYPE or CREATE DOMAIN."""
    if cursor.sees("BODY") and not cursor.sees("BODY", "AS"):
        raise Unread  # Oracle's: what the methods of a type do
    name = cursor.qualified()
    cursor.takes("AS")
    if cursor.peek().raw == "(":
        for part in cursor.group().parts():
            part.next()
            yield from type_used(part, context.dialect)
    elif not any(map(cursor.sees, ("ENUM", "RANGE", "TABLE", "FROM", "OBJECT"))):
        yield from type_used(cursor, context.dialect)
    yield create(name.type())


def _on_table(cursor: Cursor) -> Deeds:
    """What is made for a table, and is none of its columns or indexes."""
    # CREATE RULE name AS ON event TO table; CREATE TRIGGER name … event [OF columns] ON table.
    rule = cursor.peek(1).word == "AS"
    while not cursor.takes("TO" if rule else "ON"):
        cursor.next()
    if cursor.peek().word not in _EVERYWHERE:
        yield use(cursor.qualified().table())


def _is_temporary(modifiers: frozenset[str], context: Context) -> bool:
    """Whether a table is gone with the session; Oracle's global ones stay, without rows."""
    stays = context.dialect == "oracle" and "GLOBAL" in modifiers
    return not modifiers.isdisjoint({"TEMP", "TEMPORARY"}) and not stays


def _in_order(deeds: Deeds, table: Name) -> Deeds:
    """What others must have made comes first; what a table needs of itself is left out."""
    every = list(deeds)
    uses = [deed for deed in every if isinstance(deed, Effect) and deed.action is Action.USE]
    for deed in uses:
        thing = deed.object
        same = (thing.table or thing.name) == table.name and thing.kind is not Kind.TYPE
        if not (same and (thing.schema == table.schema or not (thing.schema and table.schema))):
            yield deed
    rest = [deed for deed in every if not (isinstance(deed, Effect) and deed.action is Action.USE)]
    rank = {Kind.TABLE: 0, Kind.COLUMN: 1}
    yield from sorted(
        rest, key=lambda deed: rank.get(deed.object.kind, 2) if isinstance(deed, Effect) else 3
    )


def _without_options(tokens: Sequence[Token]) -> Sequence[Token]:
    """A query without the WITH DATA or WITH CHECK OPTION behind it."""
    for back in range(2, min(5, len(tokens))):
        behind = {token.word for token in tokens[-back + 1 :]}
        if tokens[-back].word == "WITH" and behind <= _BEHIND_QUERY:
            return tokens[:-back]
    return tokens
