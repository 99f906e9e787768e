"""What the readers of statements share: the dialect, and how much may still be parsed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_chainfix.footprint.sql.cursor import Deeds, Name, Unread, use
from flask_chainfix.footprint.sql.effort import Allowance, effort
from flask_chainfix.footprint.sql.tokens import Form, Token, text_of
from flask_chainfix.model.schema import Action, Kind, Opaque

if TYPE_CHECKING:
    from flask_chainfix.footprint.sql.queries import Query

# What may be parsed of one script, in characters of plain statements; some ten are a millisecond.
MOST_EFFORT = 128 * 1024
_SHOWN = 60


@dataclass
class Context:
    """Where a script is being read.

    Attributes:
        dialect: sqlglot's name of the dialect; ``""`` for its own superset of all.
        allowance: how much may still be read of all the migration's scripts.
        quotes_tell: whether what stands in double quotes is certain to be a name.
        left: how much sqlglot may still parse.
        failures: how often something could not be read.
    """

    dialect: str
    allowance: Allowance
    quotes_tell: bool = True
    left: int = MOST_EFFORT
    failures: int = 0

    def query(self, tokens: Sequence[Token]) -> Query:
        """What a query or a change of data uses.

        Raises:
            Unread: it is too long, or nothing that sqlglot can parse.
        """
        from flask_chainfix.footprint.sql.queries import read_query

        text = text_of(tokens)
        needed = effort(text, tokens)
        if needed > min(self.left, self.allowance.effort):
            raise Unread
        self.left -= needed
        self.allowance.effort -= needed
        return read_query(text, tokens, self.dialect, quotes_tell=self.quotes_tell)

    def uses(self, tokens: Sequence[Token]) -> Deeds:
        """What a query uses that can do nothing else, whether or not it can be read."""
        try:
            yield from self.query(tokens).deeds
        except Unread:
            yield self.unread(tokens, "a query", Action.USE)

    def columns_in(self, tokens: Sequence[Token], table: Name) -> Deeds:
        """The columns of a table that an expression of its own uses."""
        select = [keyword("SELECT"), *tokens, keyword("FROM"), keyword("_")]
        try:
            deeds = self.query(select).deeds
        except Unread:
            yield self.unread(tokens, "an expression", Action.USE, table=table)
            return
        for deed in deeds:
            if isinstance(deed, Opaque) or deed.object.kind is Kind.TYPE:
                yield deed
            elif deed.object.kind is Kind.COLUMN and deed.object.table == "_":
                yield use(table.column(deed.object.name))

    def unread(
        self, tokens: Iterable[Token], what: str, *actions: Action, table: Name | None = None
    ) -> Opaque:
        """What cannot be read, shown by its beginning."""
        self.failures += 1
        text = ""
        for token in tokens:
            text += (" " if token.gap and text else "") + token.raw[: _SHOWN + 1]
            if len(text) > _SHOWN:
                break
        text = "".join(letter if letter.isprintable() else " " for letter in text)
        short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return Opaque(
            f"{what} that cannot be read: {short}",
            0,
            frozenset(actions or Action),
            table.table() if table is not None else None,
        )


def keyword(raw: str) -> Token:
    """A word that does not stand in the script."""
    return Token(Form.WORD, raw, gap=True, fresh=False)
