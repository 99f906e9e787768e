"""How long sqlglot would take for a statement: some are made to take longer than anyone waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_chainfix.footprint.sql.tokens import Form, Token
from flask_chainfix.footprint.sql.user_types import is_builtin

# What is read of the SQL of one migration, in characters; and of that what sqlglot parses, in
# characters of plain statements. Some hundreds are a millisecond, of either.
_MOST_CHARACTERS = 256 * 1024
_MOST_EFFORT = 1024 * 1024
_OPENING = frozenset({"(", "[", "{", "CASE"})
_CLOSING = frozenset({")", "]", "}", "END"})
_PREFIXES = frozenset({"!", "+", "-", "@", "NOT", "~"})
_TYPES = frozenset({"ARRAY", "LIST", "MAP", "NESTED", "NULLABLE", "OBJECT", "STRUCT", "TUPLE"})
# What people nest without a thought; each level below may double the time.
_SHALLOW = 4
_LONG = 4096
_LEAST = 100


@dataclass
class Allowance:
    """How much of a migration's SQL may still be read.

    Attributes:
        characters: how much may be read at all.
        effort: how much of that sqlglot may parse.
    """

    characters: int = _MOST_CHARACTERS
    effort: int = _MOST_EFFORT


def effort(text: str, tokens: Sequence[Token]) -> int:
    """A bound for the time that parsing takes, in characters of a plain statement.

    sqlglot tries out more than one way to read what stands in parentheses, most of all behind the
    name of a type, and what is joined where no ON follows at once; and it looks ahead.
    """
    levels = max(0, _nesting(tokens) - _SHALLOW) + _bare_joins(tokens)
    return _LEAST + (len(text) * (_LONG + len(text)) // _LONG << min(levels, 32))


def _nesting(tokens: Sequence[Token]) -> int:
    """The deepest nesting; what stands in parentheses behind a type counts twice."""
    weights: list[int] = []
    depth = deepest = prefixes = 0
    before = ""
    for token in tokens:
        mark = token.word or token.raw if token.form in (Form.SIGN, Form.WORD) else ""
        prefixes = prefixes + 1 if mark in _PREFIXES else 0
        behind_type = before in _TYPES or is_builtin(before.lower())
        if mark in _OPENING or (mark == "<" and behind_type):
            weights.append(1 + behind_type)
            depth += weights[-1]
        elif mark in _CLOSING and weights:
            depth -= weights.pop()
        elif before == "IF":
            depth += 1  # IF as a statement, which nothing closes
        deepest = max(deepest, depth + prefixes)
        before = mark
    return deepest


def _bare_joins(tokens: Sequence[Token]) -> int:
    """How many joins have no ON or USING before the next."""
    bare = depth = 0
    waiting: dict[int, bool] = {}
    before = ""
    for token in tokens:
        depth += (token.raw == "(") - (token.raw == ")")
        if token.word in ("APPLY", "JOIN", "STRAIGHT_JOIN") and before not in ("CROSS", "NATURAL"):
            bare += waiting.get(depth, False)
            waiting[depth] = True
        elif token.word in ("ON", "USING"):
            waiting[depth] = False
        before = token.word
    return bare + sum(waiting.values())
