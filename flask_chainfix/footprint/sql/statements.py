"""Tokens -> statements: where one ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flask_chainfix.footprint.sql.tokens import Form, Token, words

_ROUTINES = words("EVENT FUNCTION PACKAGE PROC PROCEDURE RULE TRIGGER")
_KINDS = _ROUTINES | words("DATABASE INDEX SCHEMA SEQUENCE TABLE TYPE VIEW")
_BEGINS_TRANSACTION = words(
    """
    CONCURRENT DEFERRABLE DEFERRED END EXCLUSIVE IMMEDIATE ISOLATION NOT READ TRAN TRANSACTION WORK
    """
) | {""}
# What an END closes that no BEGIN or CASE has opened.
_OPENED_OTHERWISE = frozenset({"IF", "LOOP", "REPEAT", "WHILE"})
# Dialects in which a routine or a block goes on to the end of the batch.
_BATCH_ENDS = {"tsql": "GO", "oracle": "/"}
_GOES_ON = {"tsql": ("IF", "WHILE"), "oracle": ("DECLARE",)}
_HOLDS_OTHERS = frozenset({"EXPLAIN", "IF", "MERGE", "PREPARE", "WHILE", "WITH"})
# What begins a statement wherever it stands, and what does at the beginning of a line.
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
_BEHIND_ON_UPDATE = words("CASCADE CURRENT_TIMESTAMP NO NOW RESTRICT SET")
_STARTS_LINE = words("CALL DECLARE EXEC EXECUTE IF MERGE PRINT UPDATE WHILE")
# Behind these, it is part of a clause: ON UPDATE, DO UPDATE, EXECUTE FUNCTION, TABLE IF EXISTS.
_CLAUSES = words(
    """
    ADD AFTER AS BEFORE COLUMN CONCURRENTLY CONSTRAINT DO DOMAIN DROP EXTENSION FOR INDEX KEY OF
    ONLY OR ROW SCHEMA SEQUENCE STATEMENT TABLE THEN TRIGGER TYPE VALUE VIEW
    """
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
        ends = token.raw == ";" and depth == 0 and not _goes_on(statement, dialect)
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
    if tokens[0].word in _HOLDS_OTHERS or _is_routine(tokens):
        return False
    depth = 0
    following = [*tokens[2:], tokens[-1]]
    for before, token, after in zip(tokens, tokens[1:], following, strict=False):
        depth += (token.raw == "(") - (token.raw == ")")
        # CREATE TABLE may also be the name of a right.
        right = tokens[0].word in ("GRANT", "REVOKE") and not token.fresh
        if depth == 0 and not right and _starts(before, token, after):
            return True
    return False


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


def _starts(before: Token, token: Token, following: Token) -> bool:
    """Whether a statement begins with a token, with no semicolon before it."""
    if (token.word, following.word) in _STARTS:
        return True
    alone = token.word in _STARTS_LINE and following.word not in _BEHIND_ON_UPDATE
    return alone and token.fresh and before.word not in _CLAUSES and before.raw not in (",", "(")


def _begins_next(statement: list[Token], token: Token, following: Token | None) -> bool:
    """Whether Transact-SQL begins a new statement there, without a semicolon."""
    if not statement or not token.fresh or following is None:
        return False
    holds_others = statement[0].word in _HOLDS_OTHERS or _is_routine(statement)
    return not holds_others and _starts(statement[-1], token, following)


def _goes_on(statement: list[Token], dialect: str) -> bool:
    """Whether a statement goes on behind its semicolons."""
    if not statement or dialect not in _BATCH_ENDS:
        return False
    if statement[0].word == "BEGIN":
        return begins_block(statement[0], statement[1] if len(statement) > 1 else None)
    return statement[0].word in _GOES_ON[dialect] or _is_routine(statement)


def _is_routine(statement: Sequence[Token]) -> bool:
    """Whether a statement defines something whose body is made of statements."""
    if not statement or statement[0].word not in ("ALTER", "CREATE"):
        return False
    kinds = (token.word for token in statement[1:12] if token.word in _KINDS)
    kind = next(kinds, "")
    return kind in _ROUTINES
