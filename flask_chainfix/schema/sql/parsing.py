"""sqlglot, kept within bounds: its tokens and trees of the statements of one script."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask_chainfix.schema.footprint import Effect, Opaque
from flask_chainfix.schema.sql.words import Unread, effort, is_literal, word_of

if TYPE_CHECKING:
    from sqlglot import exp

# What sqlglot may parse of one script, in characters of plain statements; some ten are a
# millisecond.
_MOST_EFFORT = 128 * 1024
_SHOWN = 60


@dataclass
class Allowance:
    """How much of one migration's SQL may still be read, in characters.

    Attributes:
        characters: how much may be read at all.
        effort: how much of that sqlglot may parse.
    """

    characters: int = 256 * 1024
    effort: int = 1024 * 1024


@dataclass
class Script:
    """One script, read as one dialect.

    Attributes:
        text: the script.
        dialect: sqlglot's name of the dialect; ``""`` for its own superset of all.
        allowance: how much may still be read of all the migration's scripts.
        quotes_tell: whether what stands in double quotes is certain to be a name.
        left: how much of this script sqlglot may still parse.
        failures: how many statements could not be read.
    """

    text: str
    dialect: str
    allowance: Allowance
    quotes_tell: bool = True
    left: int = _MOST_EFFORT
    failures: int = 0
    _read: dict[tuple[str, ...], list[Effect | Opaque]] = field(default_factory=dict)

    def tree(self, tokens: Sequence[Any]) -> exp.Expr:
        """What sqlglot makes of a statement.

        Raises:
            Unread: it cannot parse it, or would take too long.
        """
        from sqlglot.dialects.dialect import Dialect
        from sqlglot.errors import ErrorLevel

        needed = effort(tokens)
        if needed > min(self.left, self.allowance.effort):
            raise Unread
        self.left -= needed
        self.allowance.effort -= needed
        parser = Dialect.get_or_raise(self.dialect).parser(error_level=ErrorLevel.RAISE)
        with _quiet():
            trees = parser.parse(list(tokens), self.text)
        if len(trees) != 1 or trees[0] is None:
            raise Unread
        return trees[0]

    def rows(self, tokens: Sequence[Any]) -> Sequence[Effect | Opaque]:
        """What a query or a change of rows uses.

        Raises:
            Unread: it cannot be parsed, or would take too long.
        """
        from flask_chainfix.schema.sql.rows import read_rows

        shorter = _first_row(tokens)
        # Many scripts say the same again and again, of other values.
        shape = tuple("'" if is_literal(token) else token.text for token in shorter)
        if shape not in self._read:
            tree = self.tree(shorter)
            self._read[shape] = [*read_rows(tree, self.dialect, quotes_tell=self.quotes_tell)]
        return self._read[shape]

    def tokens(self) -> list[Any]:
        """The tokens of the whole script."""
        from sqlglot.dialects.dialect import Dialect

        dialect = Dialect.get_or_raise(self.dialect)
        return list(_tokenizer(self.dialect)(dialect=dialect).tokenize(self.text))

    def shown(self, tokens: Sequence[Any]) -> str:
        """The beginning of a statement, for a message."""
        return beginning(self.text[tokens[0].start : tokens[-1].end + 1])


def beginning(text: str) -> str:
    """The first sixty characters of a text, in one line."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * _SHOWN]).split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


@lru_cache
def _tokenizer(dialect: str) -> Any:
    """A tokenizer that takes no statement for one long string, as sqlglot's own do with some."""
    from sqlglot.dialects.dialect import Dialect

    return type("_Plain", (Dialect.get_or_raise(dialect).tokenizer_class,), {"COMMANDS": set()})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep sqlglot from logging what it does not support."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _first_row(tokens: Sequence[Any]) -> Sequence[Any]:
    """An INSERT without the rows behind the first: there may be many, and they are data."""
    words = list(map(word_of, tokens))
    if words[0] != "INSERT" or "VALUES" not in words or "SELECT" in words:
        return tokens
    depth = first = 0
    for at in range(words.index("VALUES") + 1, len(words)):
        depth += (words[at] == "(") - (words[at] == ")")
        if depth == 0 and words[at] == ")":
            first = first or at + 1
            if words[at + 1 : at + 2] != [","]:
                return [*tokens[:first], *tokens[at + 1 :]]
    return tokens
