"""What ALTER and RENAME do."""

from __future__ import annotations

from collections.abc import Callable

from flask_chainfix.footprint.sql.context import Context
from flask_chainfix.footprint.sql.cursor import (
    Cursor,
    Deeds,
    Name,
    Unread,
    doubtful,
    drop,
    rename,
    use,
)
from flask_chainfix.footprint.sql.elements import column, column_rest, element, elements
from flask_chainfix.footprint.sql.kinds import ON_TABLE, TABLES, TYPES, kind_of
from flask_chainfix.footprint.sql.tokens import words
from flask_chainfix.footprint.sql.user_types import type_used, types_in
from flask_chainfix.model.schema import Effect, Kind, SchemaObject

_PARTS = {
    "CHECK": Kind.CONSTRAINT,
    "COLUMN": Kind.COLUMN,
    "CONSTRAINT": Kind.CONSTRAINT,
    "FOREIGN": Kind.CONSTRAINT,
    "INDEX": Kind.INDEX,
    "KEY": Kind.INDEX,
}
# Actions that concern no object but the table itself.
_INERT = words(
    """
    ALGORITHM ANALYZE AUTO_INCREMENT AVG_ROW_LENGTH CHARACTER CHARSET CHECKSUM CLUSTER COALESCE
    COLLATE COMMENT COMPRESSION CONVERT DEFAULT DISABLE DISCARD ENABLE ENCRYPTION ENGINE FORCE
    IMPORT KEY_BLOCK_SIZE LOCK MAX_ROWS MIN_ROWS NOCHECK OPTIMIZE ORDER OWNER PACK_KEYS PARTITION
    REBUILD REMOVE REORGANIZE REPAIR REPLICA RESET ROW_FORMAT STATS_AUTO_RECALC STATS_PERSISTENT
    TABLESPACE TRUNCATE WITHOUT
    """
)
# An action that cannot be read may concern other tables where one of these words stands in it.
_REACHES_OUT = frozenset(
    {"EXCHANGE", "OF", "PARTITION", "REFERENCES", "RENAME", "SCHEMA", "SWITCH"}
)
# What stands behind the name of a column that is called like a kind: ALTER key TYPE integer.
_NO_NAMES = frozenset({"ADD", "CASCADE", "DROP", "RESTRICT", "SET", "TO", "TYPE"})
_DROP_ENDS = ("CASCADE", "CONSTRAINTS", "RESTRICT")


def read_alter(cursor: Cursor, context: Context) -> Deeds:
    """What an ALTER statement does, from behind its verb."""
    kind, _ = kind_of(cursor)
    certain = not cursor.takes("IF", "EXISTS")
    deeds: Deeds = iter(())
    if kind in TABLES:
        cursor.takes("ONLY")
        name = cursor.qualified()
        cursor.sign("*")
        deeds = _table(cursor, name, context)
    elif kind in TYPES:
        deeds = _whole(cursor, cursor.qualified().type())
    elif kind == "INDEX":
        name = cursor.qualified()
        index = SchemaObject(Kind.INDEX, name.name, schema=name.schema)
        if cursor.takes("ON"):
            index = cursor.qualified().part(Kind.INDEX, name.name)
        deeds = _whole(cursor, index)
    elif kind in ON_TABLE:
        cursor.name()
        if cursor.takes("ON"):
            deeds = iter((use(cursor.qualified().table()),))
    elif kind == "SCHEMA":
        # Whatever is in a schema changes its name with it.
        cursor.needs(any(token.word == "OWNER" for token in cursor.rest()))
    yield from doubtful(deeds, certain)


def read_rename(cursor: Cursor, context: Context) -> Deeds:
    """What MySQL's RENAME TABLE does, from behind its verb."""
    cursor.needs(cursor.takes_any("TABLE", "TABLES"))
    for part in cursor.parts():
        old = part.qualified()
        part.needs(part.takes("TO"))
        yield from _renamed(old.table(), part)


def _renamed(old: SchemaObject, cursor: Cursor) -> Deeds:
    """A table, index or type gets the name that stands here; it stays in its schema."""
    new = cursor.qualified()
    cursor.needs(cursor.ended)
    yield from rename(old, old._replace(name=new.name, schema=new.schema or old.schema))


def _whole(cursor: Cursor, thing: SchemaObject) -> Deeds:
    """What happens to an index or type: it is renamed, moved or changed."""
    if cursor.takes("RENAME", "TO"):
        yield from _renamed(thing, cursor)
    elif cursor.takes("SET", "SCHEMA"):
        yield from rename(thing, thing._replace(schema=cursor.name()))
    else:
        yield use(thing)


def _table(cursor: Cursor, table: Name, context: Context) -> Deeds:
    """What the actions behind ALTER TABLE and the name do."""
    start = cursor.at
    try:
        cursor.needs(not cursor.ended)
        deeds = list(_Actions(table, context).read(cursor))
    except Unread:
        cursor.rest()
        reaches_out = any(token.word in _REACHES_OUT for token in cursor.since(start))
        confined = None if reaches_out else table
        deeds = [context.unread(cursor.tokens, "a statement", table=confined)]
    first = deeds[0] if deeds else None
    if not (isinstance(first, Effect) and first.renamed and first.object == table.table()):
        yield use(table.table())
    yield from deeds


class _Actions:
    """The actions of an ALTER TABLE."""

    def __init__(self, table: Name, context: Context) -> None:
        self._table = table
        self._context = context
        # What Transact-SQL drops where it does not say.
        self._dropped = Kind.CONSTRAINT if context.dialect == "tsql" else Kind.COLUMN
        self._verbs: dict[str, Callable[[Cursor], Deeds]] = {
            "ADD": self._add,
            "ALTER": self._alter,
            "ATTACH": self._other_table,
            "CHANGE": self._change,
            "CHECK": self._validate,
            "DETACH": self._other_table,
            "DROP": self._drop,
            "INHERIT": self._other_table,
            "MODIFY": self._modify,
            "NO": self._other_table,
            "RENAME": self._rename,
            "SET": self._set,
            "VALIDATE": self._validate,
            **dict.fromkeys(_INERT, self._nothing),
        }

    def read(self, cursor: Cursor) -> Deeds:
        """What they do, one after the other."""
        if cursor.takes("AS"):
            yield from self._context.uses(cursor.rest())
        elif cursor.takes("WITH"):
            cursor.needs(cursor.takes_any("CHECK", "NOCHECK"))
        verb = ""
        for part in cursor.parts():
            # Transact-SQL does not repeat its verb.
            goes_on = self._context.dialect == "tsql" and verb in ("ADD", "DROP")
            verb = part.takes_any(*self._verbs) or (verb if goes_on else "")
            part.needs(verb)
            yield from self._verbs[verb](part)

    def _add(self, part: Cursor) -> Deeds:
        if part.takes("PARTITION"):
            return
        columns = part.takes("COLUMN")
        certain = not part.takes("IF", "NOT", "EXISTS")
        deeds: Deeds
        if part.peek().raw == "(":
            deeds = elements(part.group(), self._table, self._context)
            part.needs(part.ended)
        elif columns:
            deeds = column(part, self._table, self._context)
        else:
            yield from self._checked(part)
            deeds = element(part, self._table, self._context)
        yield from doubtful(deeds, certain)

    def _checked(self, part: Cursor) -> Deeds:
        """The columns in a CHECK that is added by itself."""
        check = part.copy()
        if check.takes("CONSTRAINT"):
            check.name()
        if check.takes("CHECK") and check.peek().raw == "(":
            yield from self._context.columns_in(check.group().rest(), self._table)

    def _alter(self, part: Cursor) -> Deeds:
        yield use(self._part(part))
        part.takes("SET", "DATA")
        if part.takes("TYPE"):
            yield from type_used(part, self._context.dialect)
        rest = part.rest()
        yield from types_in(rest, self._context.dialect)
        for at, token in enumerate(rest):
            if token.word == "USING":
                yield from self._context.columns_in(rest[at + 1 :], self._table)
                break

    def _change(self, part: Cursor) -> Deeds:
        old = self._part(part)
        new = self._table.column(part.name())
        yield from (rename(old, new) if old != new else (use(old),))
        yield from column_rest(part, self._table, self._context)

    def _drop(self, part: Cursor) -> Deeds:
        if part.takes("PRIMARY", "KEY") or part.takes("PARTITION"):
            return
        if part.peek().raw == "(":
            dropped = [self._table.column(one.name()) for one in part.group().parts()]
            certain = True
        else:
            kind = self._kind(part, self._dropped)
            self._dropped = kind if self._context.dialect == "tsql" else self._dropped
            certain = not part.takes("IF", "EXISTS")
            dropped = [self._table.part(kind, part.name())]
        while part.takes_any(*_DROP_ENDS):
            pass
        part.needs(part.ended)
        for thing in dropped:
            yield drop(thing, certain=certain)

    def _modify(self, part: Cursor) -> Deeds:
        several = part.group().parts() if part.peek().raw == "(" else (part,)
        for one in several:
            yield use(self._part(one))
            yield from column_rest(one, self._table, self._context)

    def _rename(self, part: Cursor) -> Deeds:
        if part.takes_any("TO", "AS") or part.peek(1).raw == "":
            yield from _renamed(self._table.table(), part)
            return
        old = self._part(part)
        part.needs(part.takes("TO"))
        yield from rename(old, old._replace(name=part.name()))
        part.needs(part.ended)

    def _set(self, part: Cursor) -> Deeds:
        if part.takes("SCHEMA"):
            table = self._table.table()
            yield from rename(table, table._replace(schema=part.name()))
        part.needs(not part.sees("UNUSED"))

    def _validate(self, part: Cursor) -> Deeds:
        if part.takes("CONSTRAINT") and not part.sees("ALL"):
            yield use(self._table.part(Kind.CONSTRAINT, part.name()))

    def _other_table(self, part: Cursor) -> Deeds:
        """ATTACH PARTITION, NO INHERIT and the like; NO FORCE is about row level security."""
        part.takes_any("INHERIT", "PARTITION")
        if not part.sees("FORCE"):
            yield use(part.qualified().table())

    def _nothing(self, _: Cursor) -> Deeds:
        yield from ()

    def _part(self, part: Cursor) -> SchemaObject:
        """The column, or the constraint or index, that is named here."""
        kind = self._kind(part, Kind.COLUMN)
        part.takes("IF", "EXISTS")
        return self._table.part(kind, part.name())

    def _kind(self, part: Cursor, default: Kind) -> Kind:
        """What the next name is; a column may be called like a kind."""
        word, following = part.peek().word, part.peek(1)
        if word not in _PARTS or not following.name or following.word in _NO_NAMES:
            return default
        part.next()
        if word == "FOREIGN":
            part.needs(part.takes("KEY"))
        return _PARTS[word]
