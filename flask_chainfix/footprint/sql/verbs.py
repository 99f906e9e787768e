"""One statement -> what it does, by the word that it begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask_chainfix.footprint.sql.alterations import read_alter, read_rename
from flask_chainfix.footprint.sql.context import Context
from flask_chainfix.footprint.sql.cursor import Cursor, Deeds, Unread, use
from flask_chainfix.footprint.sql.definitions import read_create
from flask_chainfix.footprint.sql.elements import columns_listed
from flask_chainfix.footprint.sql.kinds import TABLES, TYPES, kind_of
from flask_chainfix.footprint.sql.removals import read_drop
from flask_chainfix.footprint.sql.statements import begins_block, runs_into_next
from flask_chainfix.footprint.sql.tokens import Form, Token, words
from flask_chainfix.footprint.sql.writes import begins_query, rows
from flask_chainfix.model.schema import Action, Effect, Kind, Opaque, SchemaObject

_ROWS = frozenset(
    {"(", "DELETE", "INSERT", "MERGE", "REPLACE", "SELECT", "TABLE", "UPDATE", "VALUES", "WITH"}
)
# Without an effect on the schema, whatever follows.
_INERT = words(
    """
    ABORT ANALYZE ATTACH BEGIN CHECKPOINT CLOSE CLUSTER COMMIT DEALLOCATE DESC DESCRIBE DETACH
    DISCARD END EXPLAIN FLUSH GRANT KILL LISTEN LOCK NOTIFY OPTIMIZE PRAGMA PREPARE PRINT REASSIGN
    REINDEX RELEASE REPAIR RESET REVOKE ROLLBACK SAVE SAVEPOINT SECURITY SET SHOW START UNLISTEN
    UNLOCK USE VACUUM
    """
)
_BEHIND_TRUNCATE = frozenset(
    {"CASCADE", "CONTINUE", "DROP", "RESTART", "RESTRICT", "REUSE", "WITH"}
)
_USING = frozenset({"DECLARE", "DELETE", "INSERT", "MERGE", "UPDATE"})
_DEFINING = words("ALTER CALL CREATE DROP EXEC EXECUTE RENAME TRUNCATE")
_ILLEGAL = frozenset({"\\", "`"})


def read_statement(tokens: Sequence[Token], context: Context) -> tuple[Effect | Opaque, ...]:
    """What a statement does, each thing once."""
    first = tokens[0].word or tokens[0].raw
    try:
        if runs_into_next(tokens) or any(_is_illegal(token) for token in tokens):
            raise Unread
        return tuple(dict.fromkeys(_deeds(first, tokens, context)))
    except Unread:
        return (context.unread(tokens, "a statement", *_may_do(first, tokens, context)),)


def _deeds(first: str, tokens: Sequence[Token], context: Context) -> Deeds:
    if first in _ROWS:
        return rows(tokens, context)
    cursor = Cursor(tokens)
    cursor.next()
    if first in _INERT and not begins_block(tokens[0], cursor.peek()):
        return iter(())
    cursor.needs(first in _VERBS)
    return _VERBS[first](cursor, context)


def _may_do(first: str, tokens: Sequence[Token], context: Context) -> tuple[Action, ...]:
    """What an unread statement may do, where it is not anything."""
    block = first == "DECLARE" and context.dialect == "oracle"
    if first not in _USING or block or any(token.word in _DEFINING for token in tokens):
        return ()
    return (Action.USE,)


def _is_illegal(token: Token) -> bool:
    """Whether a token tells that the script was not written for the dialect it is read as."""
    return token.form is Form.BROKEN or (token.form is Form.SIGN and token.raw in _ILLEGAL)


def _truncate(cursor: Cursor, context: Context) -> Deeds:
    cursor.takes("TABLE")
    more = True
    while more:
        cursor.takes("ONLY")
        yield use(cursor.qualified().table())
        cursor.sign("*")
        more = cursor.sign(",")
    cursor.needs(cursor.ended or cursor.peek().word in _BEHIND_TRUNCATE)


def _comment(cursor: Cursor, context: Context) -> Deeds:
    cursor.needs(cursor.takes("ON"))
    kind, _ = kind_of(cursor, "COLUMN", "CONSTRAINT")
    if kind in TABLES:
        yield use(cursor.qualified().table())
    elif kind in TYPES:
        yield use(cursor.qualified().type())
    elif kind == "INDEX":
        name = cursor.qualified()
        yield use(SchemaObject(Kind.INDEX, name.name, schema=name.schema))
    elif kind == "COLUMN":
        table, column = cursor.qualified_column()
        yield use(table.table())
        yield use(table.column(column))
    elif kind == "CONSTRAINT":
        constraint = cursor.name()
        cursor.needs(cursor.takes("ON"))
        if not cursor.takes("DOMAIN"):
            table = cursor.qualified()
            yield use(table.table())
            yield use(table.part(Kind.CONSTRAINT, constraint))


def _copy(cursor: Cursor, context: Context) -> Deeds:
    if begins_query(cursor):
        yield from context.uses(cursor.group().rest())
        return
    table = cursor.qualified()
    yield use(table.table())
    if cursor.peek().raw == "(":
        yield from columns_listed(cursor.group(), table, context)
    cursor.needs(cursor.sees("FROM") or cursor.sees("TO"))


def _refresh(cursor: Cursor, context: Context) -> Deeds:
    cursor.needs(cursor.takes("MATERIALIZED", "VIEW"))
    cursor.takes("CONCURRENTLY")
    yield use(cursor.qualified().table())


_VERBS: dict[str, Callable[[Cursor, Context], Deeds]] = {
    "ALTER": read_alter,
    "COMMENT": _comment,
    "COPY": _copy,
    "CREATE": read_create,
    "DROP": read_drop,
    "REFRESH": _refresh,
    "RENAME": read_rename,
    "TRUNCATE": _truncate,
}
