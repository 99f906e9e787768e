"""The parts of a table's definition: columns, constraints, keys, and what they refer to."""

from __future__ import annotations

from flask_chainfix.footprint.sql.context import Context
from flask_chainfix.footprint.sql.cursor import Cursor, Deeds, Name, Unread, create, doubtful, use
from flask_chainfix.footprint.sql.tokens import Form
from flask_chainfix.footprint.sql.user_types import type_used
from flask_chainfix.model.schema import Action, Effect, Kind, Opaque

_KEYS = frozenset({"FULLTEXT", "INDEX", "KEY", "SPATIAL"})
_KEYED = _KEYS | {"FOREIGN", "PRIMARY", "UNIQUE"}
_BEFORE_NAME = frozenset({"EXISTS", "IF", "INDEX", "KEY", "NOT"})
_CONSTRAINTS = frozenset({"CHECK", "EXCLUDE", "FOREIGN", "PERIOD", "PRIMARY", "UNIQUE"})
# What may stand between the kind of a constraint and its columns.
_BEFORE_COLUMNS = frozenset({"CLUSTERED", "DISTINCT", "NONCLUSTERED", "NOT", "NULLS"})


def elements(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What columns and constraints with commas between them create and use."""
    for part in cursor.parts():
        yield from element(part, table, context)


def element(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What one column or constraint creates and uses."""
    if cursor.takes("LIKE"):
        yield use(cursor.qualified().table())
        yield more_columns(table, "another table")
    elif cursor.sees("CONSTRAINT") or _begins_constraint(cursor) or _begins_key(cursor):
        yield from constraint(cursor, table, context)
    else:
        yield from column(cursor, table, context)


def more_columns(table: Name, source: str) -> Opaque:
    """The columns that a table has from elsewhere."""
    return Opaque(
        f"columns of {table.name} that come from {source}",
        0,
        frozenset({Action.CREATE}),
        table.table(),
    )


def column(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What the definition of a column creates and uses."""
    name = cursor.name()
    if cursor.peek().form is Form.SIGN and not cursor.ended:
        raise Unread
    rest = list(column_rest(cursor, table, context))
    yield from (deed for deed in rest if isinstance(deed, Effect) and deed.action is Action.USE)
    yield create(table.column(name))
    yield from rest


def column_rest(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What stands behind a column's name: its type, constraints, and its place."""
    yield from type_used(cursor, context.dialect)
    while not cursor.ended:
        if cursor.takes("REFERENCES"):
            yield from _reference(cursor, context)
        elif cursor.takes("CONSTRAINT"):
            yield create(table.part(Kind.CONSTRAINT, cursor.name()))
        elif cursor.takes("AFTER"):
            yield use(table.column(cursor.name()))
        elif cursor.peek().raw == "(":
            cursor.group()
        elif cursor.sees("ADD") or cursor.sees("MODIFY") or cursor.sees("DROP"):
            raise Unread  # Oracle goes on like that, without a comma
        elif cursor.next().raw == "::":
            yield from type_used(cursor, context.dialect)


def constraint(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What a constraint or key of a table creates and uses."""
    name, kind = "", Kind.CONSTRAINT
    certain = True
    if cursor.takes("CONSTRAINT"):
        certain = not cursor.takes("IF", "NOT", "EXISTS")
        name = "" if _begins_constraint(cursor) else cursor.name()
    word = cursor.next().word
    if word in ("PRIMARY", "FOREIGN"):
        cursor.needs(cursor.takes("KEY"))
    if word in _KEYS or (word == "UNIQUE" and cursor.peek().word in ("INDEX", "KEY")):
        cursor.takes_any("INDEX", "KEY")
        kind = Kind.INDEX
    certain = not cursor.takes("IF", "NOT", "EXISTS") and certain
    deeds: Deeds = iter(())
    if word in _KEYED:
        own = _own_name(cursor)
        if own and not name and word != "PRIMARY":
            name, kind = own, Kind.INDEX if word == "UNIQUE" else kind
        deeds = _keyed(cursor, table, context)
    else:
        cursor.needs(word in ("CHECK", "DEFAULT", "EXCLUDE", "NOT", "PERIOD"))
    yield from doubtful(deeds, certain)
    if name:
        yield create(table.part(kind, name), certain=certain)


def columns_listed(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """The columns in the parentheses of a key or an index, and in its expressions."""
    for part in cursor.parts():
        following = part.peek(1)
        prefix = following.raw == "(" and part.peek(2).form is Form.NUMBER
        if part.peek().name and (following.raw not in ("(", ".") or prefix):
            yield use(table.column(part.name()))
            continue
        start = part.at
        while part.peek().raw != "(":
            part.next()
        part.group()
        yield from context.columns_in(part.since(start), table)


def _own_name(cursor: Cursor) -> str:
    """The name between a key's kind and its columns."""
    while cursor.takes_any(*_BEFORE_COLUMNS):
        pass
    return "" if cursor.sees("USING") or not cursor.peek().name else cursor.name()


def _keyed(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What stands behind the name of a key: columns, and what they refer to."""
    if cursor.takes("USING", "INDEX"):
        yield use(table.part(Kind.INDEX, cursor.name()))
        return
    if cursor.takes("USING"):
        cursor.next()
    while cursor.takes_any(*_BEFORE_COLUMNS):
        pass
    yield from columns_listed(cursor.group(), table, context)
    while not cursor.ended:
        if cursor.takes("REFERENCES"):
            yield from _reference(cursor, context)
        else:
            cursor.needs(not cursor.sees("ADD"))
            cursor.next()


def _reference(cursor: Cursor, context: Context) -> Deeds:
    """The table and the columns behind REFERENCES, which SQLite does not look for."""
    certain = context.dialect != "sqlite"
    table = cursor.qualified()
    yield use(table.table(), certain=certain)
    if cursor.peek().raw == "(":
        for part in cursor.group().parts():
            yield use(table.column(part.name()), certain=certain)


def _begins_constraint(cursor: Cursor) -> bool:
    """Whether a constraint stands here, and no column that is called like one."""
    word, following = cursor.peek().word, cursor.peek(1)
    if word == "CHECK":
        return following.raw == "("
    if word == "EXCLUDE":
        return following.raw == "(" or following.word == "USING"
    if word in ("PRIMARY", "FOREIGN"):
        return following.word == "KEY"
    return word in _CONSTRAINTS and (word != "PERIOD" or following.word == "FOR")


def _begins_key(cursor: Cursor) -> bool:
    """Whether a key stands here: ``key varchar(10)`` is a column, ``key name (a)`` is none."""
    if cursor.peek().word not in _KEYS:
        return False
    at = 1
    while cursor.peek(at).word in _BEFORE_NAME:
        at += 1
    at += bool(cursor.peek(at).name and cursor.peek(at).word != "USING")
    at += 2 if cursor.peek(at).word == "USING" else 0
    inside = cursor.peek(at + 1)
    sizes = inside.form in (Form.NUMBER, Form.STRING) or inside.word == "MAX"
    return cursor.peek(at).raw == "(" and not sizes
