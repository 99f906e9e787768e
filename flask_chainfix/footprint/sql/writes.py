"""Statements that read and write rows: INSERT is taken apart here, the rest is sqlglot's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.footprint.sql.context import Context, keyword
from flask_chainfix.footprint.sql.cursor import Cursor, Deeds, Name, Unread, use
from flask_chainfix.footprint.sql.elements import columns_listed
from flask_chainfix.footprint.sql.tokens import Token
from flask_chainfix.model.schema import Kind

_VERBS = frozenset({"DELETE", "INSERT", "MERGE", "REPLACE", "SELECT", "UPDATE", "VALUES"})
_QUERIES = frozenset({"SELECT", "TABLE", "WITH"})
_MODIFIERS = ("DELAYED", "HIGH_PRIORITY", "IGNORE", "LOW_PRIORITY", "QUICK")
# What may stand behind the table of an INSERT other than its alias.
_BEHIND_TABLE = _QUERIES | {
    "DEFAULT",
    "EXEC",
    "EXECUTE",
    "OUTPUT",
    "OVERRIDING",
    "PARTITION",
    "SET",
    "VALUE",
    "VALUES",
}
_CLAUSES = (("ON", "CONFLICT"), ("ON", "DUPLICATE"), ("RETURNING",))


def rows(tokens: Sequence[Token], context: Context) -> Deeds:
    """What a statement that reads or writes rows uses."""
    clause, statement = _with_clause(tokens)
    cursor = Cursor(statement)
    if cursor.takes("TABLE"):
        yield use(cursor.qualified().table())
        cursor.needs(cursor.ended)
    elif cursor.takes_any("INSERT", "REPLACE"):
        yield from _insert(cursor, clause, context)
    else:
        verb = cursor.next()
        if verb.word in ("DELETE", "UPDATE"):
            _skip_modifiers(cursor)
        yield from context.query([*clause, verb, *cursor.rest()]).deeds


def begins_query(cursor: Cursor) -> bool:
    """Whether a query stands here, in parentheses or not."""
    at = 0
    while cursor.peek(at).raw == "(":
        at += 1
    options = cursor.peek(at).word == "WITH" and cursor.peek(at + 1).raw == "("
    return cursor.peek(at).word in _QUERIES | {"VALUES"} and not options


def _with_clause(tokens: Sequence[Token]) -> tuple[Sequence[Token], Sequence[Token]]:
    """The WITH that a statement begins with, and the statement behind it."""
    if tokens[0].word != "WITH":
        return (), tokens
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.raw == "(") - (token.raw == ")")
        if depth == 0 and token.word in _VERBS:
            return tokens[:at], tokens[at:]
    raise Unread


def _insert(cursor: Cursor, clause: Sequence[Token], context: Context) -> Deeds:
    """What an INSERT uses, from behind its verb."""
    _skip_modifiers(cursor)
    cursor.takes("INTO")
    if cursor.peek(1).word == "INTO":
        raise Unread  # Oracle's INSERT ALL INTO a … INTO b …
    start = cursor.at
    table = cursor.qualified()
    cursor.takes("AS")
    if cursor.peek().name and cursor.peek().word not in _BEHIND_TABLE:
        cursor.next()
    target = cursor.since(start)
    yield use(table.table())
    if cursor.takes("PARTITION"):
        cursor.group()
    if cursor.peek().raw == "(" and not begins_query(cursor):
        for part in cursor.group().parts():
            yield use(table.column(part.qualified().name))
    if cursor.takes("OVERRIDING"):
        cursor.next()
        cursor.needs(cursor.takes("VALUE"))
    source, *clauses = _clauses(cursor.rest())
    yield from _inserted(Cursor(source), clause, target, context)
    for behind in clauses:
        yield from _behind_insert(Cursor(behind), table, target, context)


def _inserted(
    cursor: Cursor, clause: Sequence[Token], target: Sequence[Token], context: Context
) -> Deeds:
    """What the rows of an INSERT are made from."""
    if cursor.takes("OUTPUT"):
        while (
            not cursor.sees("VALUES") and not cursor.sees("DEFAULT") and not cursor.sees("SELECT")
        ):
            cursor.needs(cursor.next().word not in ("EXEC", "INTO"))
    if cursor.takes("DEFAULT", "VALUES"):
        cursor.needs(cursor.ended)
    elif cursor.sees("VALUES") or cursor.sees("VALUE"):
        values = cursor.rest()
        if any(token.word == "SELECT" for token in values):
            yield from context.uses([*clause, keyword("VALUES"), *values[1:]])
    elif cursor.sees("SET"):
        yield from context.uses([keyword("UPDATE"), *target, *cursor.rest()])
    elif cursor.takes("TABLE"):
        yield use(cursor.qualified().table())
    elif begins_query(cursor):
        yield from context.uses([*clause, *cursor.rest()])
    else:
        raise Unread


def _behind_insert(cursor: Cursor, table: Name, target: Sequence[Token], context: Context) -> Deeds:
    """What is done where a row is there already, and what is returned."""
    if cursor.takes("RETURNING"):
        results = [keyword("SELECT"), *cursor.rest(), keyword("FROM")]
        yield from context.uses([*results, *target])
        return
    if cursor.takes("ON", "CONFLICT", "ON", "CONSTRAINT"):
        yield use(table.part(Kind.CONSTRAINT, cursor.name()))
    elif cursor.takes("ON", "CONFLICT") and cursor.peek().raw == "(":
        yield from columns_listed(cursor.group(), table, context)
    while not cursor.ended and not cursor.takes("UPDATE"):
        cursor.next()
    cursor.takes("SET")
    if not cursor.ended:
        assignments = [keyword("SET"), *cursor.rest()]
        yield from context.uses([keyword("UPDATE"), *target, *assignments])


def _clauses(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The rows of an INSERT, and each of the clauses behind them."""
    start = depth = 0
    for at, token in enumerate(tokens):
        depth += (token.raw == "(") - (token.raw == ")")
        words = (token.word, tokens[at + 1].word if at + 1 < len(tokens) else "")
        if depth == 0 and any(words[: len(begin)] == begin for begin in _CLAUSES):
            yield tokens[start:at]
            start = at
    yield tokens[start:]


def _skip_modifiers(cursor: Cursor) -> None:
    if cursor.takes("OR"):
        cursor.next()
    while cursor.takes_any(*_MODIFIERS):
        pass
