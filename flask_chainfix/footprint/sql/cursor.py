"""Reading the tokens of a statement one after the other, and the objects that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flask_chainfix.footprint.sql.tokens import Form, Token
from flask_chainfix.model.schema import Action, Effect, Kind, Opaque, SchemaObject

# What a statement does; line and database are filled in where it is recorded.
Deeds = Iterator[Effect | Opaque]

# The schema of tables that are gone with the session; PostgreSQL's own name for it.
TEMPORARY = "pg_temp"
_NOTHING = Token(Form.SIGN, "", gap=False, fresh=False)
_OPENING = ("(", "[")
_CLOSING = (")", "]")


class Unread(Exception):
    """A statement is not one of those that can be read with certainty."""


class Name(NamedTuple):
    """The name of a table, an index or a type, with its schema."""

    schema: str
    name: str

    def table(self) -> SchemaObject:
        """The table, or the view."""
        return SchemaObject(Kind.TABLE, self.name, schema=self.schema)

    def type(self) -> SchemaObject:
        """The type."""
        return SchemaObject(Kind.TYPE, self.name, schema=self.schema)

    def part(self, kind: Kind, name: str) -> SchemaObject:
        """A column, index or constraint of the table."""
        return SchemaObject(kind, name, self.name, self.schema)

    def column(self, name: str) -> SchemaObject:
        """A column of the table."""
        return self.part(Kind.COLUMN, name)


class Cursor:
    """A place in the tokens of a statement.

    Attributes:
        at: how many tokens lie behind.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        """A token that comes, without going on to it."""
        at = self.at + ahead
        return self._tokens[at] if at < len(self._tokens) else _NOTHING

    def next(self) -> Token:
        """The token that stands here; then go on.

        Raises:
            Unread: there is none.
        """
        if self.ended:
            raise Unread
        self.at += 1
        return self._tokens[self.at - 1]

    @property
    def tokens(self) -> Sequence[Token]:
        """All there are, those behind included."""
        return self._tokens

    @property
    def ended(self) -> bool:
        """Whether no token is left."""
        return self.at >= len(self._tokens)

    def sees(self, *words: str) -> bool:
        """Whether these words stand here."""
        return all(self.peek(at).word == word for at, word in enumerate(words))

    def takes(self, *words: str) -> bool:
        """Go on behind these words where they stand here; else stay."""
        if not self.sees(*words):
            return False
        self.at += len(words)
        return True

    def takes_any(self, *words: str) -> str:
        """Go on behind any of these words, and say which it was."""
        word = self.peek().word
        return self.next().word if word and word in words else ""

    def sign(self, raw: str) -> bool:
        """Go on behind a sign where it stands here; else stay."""
        found = self.peek().form is Form.SIGN and self.peek().raw == raw
        self.at += found
        return found

    def needs(self, found: object) -> None:
        """Insist on what was looked for.

        Raises:
            Unread: it is not there.
        """
        if not found:
            raise Unread

    def name(self) -> str:
        """A name of one part."""
        name = self.next().name
        self.needs(name)
        return name

    def qualified(self) -> Name:
        """A name with what it is qualified with; of a catalog there is no record."""
        schema, name = "", self.name()
        while self.sign("."):
            schema, name = name, "" if self.peek().raw == "." else self.name()
        return Name(schema, name)

    def qualified_column(self) -> tuple[Name, str]:
        """The name of a column behind that of its table."""
        schema, table, name = "", "", self.name()
        while self.sign("."):
            schema, table, name = table, name, self.name()
        self.needs(table)
        return Name(schema, table), name

    def group(self) -> Cursor:
        """What stands in the parentheses that open here; then go on behind them."""
        self.needs(self.sign("("))
        start, depth = self.at, 1
        while depth:
            token = self.next()
            if token.form is Form.SIGN:
                depth += (token.raw == "(") - (token.raw == ")")
        return Cursor(self._tokens[start : self.at - 1])

    def rest(self) -> Sequence[Token]:
        """What is left; then there is nothing left."""
        tokens = self._tokens[self.at :]
        self.at = len(self._tokens)
        return tokens

    def copy(self) -> Cursor:
        """Another cursor, at the same place."""
        return Cursor(self._tokens[self.at :])

    def since(self, start: int) -> Sequence[Token]:
        """What lies between an earlier place and this one."""
        return self._tokens[start : self.at]

    def part(self) -> Cursor:
        """What is left up to the next comma; then go on behind that."""
        start, depth = self.at, 0
        while not self.ended:
            token = self.next()
            if token.form is not Form.SIGN:
                continue
            if token.raw == "," and depth == 0:
                return Cursor(self._tokens[start : self.at - 1])
            depth += (token.raw in _OPENING) - (token.raw in _CLOSING)
        return Cursor(self._tokens[start:])

    def parts(self) -> Iterator[Cursor]:
        """What is left, from comma to comma."""
        while not self.ended:
            yield self.part()


def use(thing: SchemaObject, *, certain: bool = True) -> Effect:
    """It is needed."""
    return Effect(Action.USE, thing, 0, certain)


def create(thing: SchemaObject, *, certain: bool = True) -> Effect:
    """It is there from then on."""
    return Effect(Action.CREATE, thing, 0, certain)


def drop(thing: SchemaObject, *, certain: bool = True) -> Effect:
    """It is gone from then on."""
    return Effect(Action.DROP, thing, 0, certain)


def rename(old: SchemaObject, new: SchemaObject, *, certain: bool = True) -> Deeds:
    """The old name is gone, and the new one is there."""
    yield Effect(Action.DROP, old, 0, certain, new)
    yield Effect(Action.CREATE, new, 0, certain, old)


def doubtful(deeds: Deeds, certain: bool) -> Deeds:
    """The same deeds, none of them certain unless ``certain`` says so."""
    for deed in deeds:
        if isinstance(deed, Effect) and not certain:
            yield deed._replace(certain=False)
        else:
            yield deed
