"""Tokens -> statements: where one ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from flask_chainfix.footprint.sql.tokens import Form, Token

_ROUTINES = frozenset({"TRIGGER", "PROCEDURE", "PROC", "FUNCTION", "EVENT", "PACKAGE"})
_OTHER_KINDS = frozenset({"TABLE", "INDEX", "VIEW", "TYPE", "SEQUENCE", "SCHEMA", "DATABASE"})
_BEGINS_TRANSACTION = frozenset(
    {
        "",
        "CONCURRENT",
        "DEFERRABLE",
        "DEFERRED",
        "END",
        "EXCLUSIVE",
        "IMMEDIATE",
        "ISOLATION",
        "NOT",
        "READ",
        "TRAN",
        "TRANSACTION",
        "WORK",
    }
)
# What an END closes that no BEGIN or CASE has opened.
_OPENED_OTHERWISE = frozenset({"IF", "LOOP", "REPEAT", "WHILE"})
# Dialects in which a routine or a block goes on to the end of the batch.
_BATCH_ENDS = {"tsql": "GO", "oracle": "/"}
_GOES_ON = frozenset({"DECLARE", "FOR", "IF", "WHILE"})
# Statements that the next one may follow without a semicolon, and what then begins that.
_ENDS_BY_ITSELF = frozenset({"ALTER", "CREATE", "DELETE", "DROP", "INSERT", "TRUNCATE", "UPDATE"})
_STARTS = frozenset(
    {
        *((verb, kind) for verb in ("ALTER", "CREATE", "DROP") for kind in ("TABLE", "VIEW")),
        ("CREATE", "INDEX"),
        ("CREATE", "UNIQUE"),
        ("DELETE", "FROM"),
        ("INSERT", "INTO"),
        ("TRUNCATE", "TABLE"),
    }
)


def split(tokens: Iterable[Token], dialect: str) -> Iterator[list[Token]]:
    """The statements of a script, without the semicolons between them; none is empty."""
    every = list(tokens)
    batch_end = _BATCH_ENDS.get(dialect, "")
    statement: list[Token] = []
    depth = 0
    for at, token in enumerate(every):
        following = every[at + 1] if at + 1 < len(every) else None
        alone = token.fresh and (following is None or following.fresh)
        ends = token.raw == ";" and depth == 0 and not (batch_end and _goes_on(statement))
        if ends or (batch_end and alone and token.raw.upper() == batch_end):
            if statement:
                yield statement
            statement, depth = [], 0
            continue
        if dialect == "tsql" and _begins_next(statement, token, following):
            yield statement
            statement, depth = [], 0
        depth = max(0, depth + _opens(statement, token, following, depth))
        statement.append(token)
    if statement:
        yield statement


def runs_into_next(tokens: Sequence[Token]) -> bool:
    """Whether a second statement follows in what should be one."""
    return any((token.word, following.word) in _STARTS for token, following in pairwise(tokens[1:]))


def begins_block(first: Token, following: Token | None) -> bool:
    """Whether a statement is a block BEGIN … END, and not the beginning of a transaction."""
    after = following.word if following is not None else ""
    return first.word == "BEGIN" and after not in _BEGINS_TRANSACTION


def _opens(statement: list[Token], token: Token, following: Token | None, depth: int) -> int:
    """How much deeper in the blocks of a statement one is behind a token."""
    if token.form is not Form.WORD:
        return 0
    after = following.word if following is not None else ""
    if token.word == "BEGIN":
        block = _is_routine(statement) if statement else begins_block(token, following)
        return 1 if block or depth else 0
    if depth and token.word == "CASE":
        return 0 if statement[-1].word == "END" else 1
    if depth and token.word == "END":
        return 0 if after in _OPENED_OTHERWISE else -1
    return 0


def _begins_next(statement: list[Token], token: Token, following: Token | None) -> bool:
    """Whether Transact-SQL begins a new statement there, without a semicolon."""
    if not statement or not token.fresh or following is None:
        return False
    plain = statement[0].word in _ENDS_BY_ITSELF and not _is_routine(statement)
    return plain and (token.word, following.word) in _STARTS


def _goes_on(statement: list[Token]) -> bool:
    """Whether a statement goes on behind its semicolons."""
    if not statement:
        return False
    if statement[0].word == "BEGIN":
        return begins_block(statement[0], statement[1] if len(statement) > 1 else None)
    return statement[0].word in _GOES_ON or _is_routine(statement)


def _is_routine(statement: list[Token]) -> bool:
    """Whether a statement defines something whose body is made of statements."""
    if not statement or statement[0].word not in ("ALTER", "CREATE"):
        return False
    words = (token.word for token in statement[1:12])
    kind = next((word for word in words if word in _ROUTINES or word in _OTHER_KINDS), "")
    return kind in _ROUTINES
