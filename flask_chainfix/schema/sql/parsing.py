"""sqlglot with limits: the tokens and trees of a script, and the ends of its statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.effects import named

if TYPE_CHECKING:
    from sqlglot import exp


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_ROUTINES = frozenset({"EVENT", "FUNCTION", "PACKAGE", "PROC", "PROCEDURE", "RULE", "TRIGGER"})
_IN_TRANSACTION = word_set(
    """
    CONCURRENT DEFERRABLE DEFERRED END EXCLUSIVE IMMEDIATE ISOLATION NOT READ TRAN TRANSACTION WORK
    """
) | {"", ";"}
# Dialects in which routines end with the batch, not with END.
_ENDLESS = frozenset({"oracle", "tsql"})
_STARTS_LINE = word_set(
    """
    ALTER CALL CREATE DECLARE DELETE DROP EXEC EXECUTE IF INSERT MERGE PRINT RENAME SELECT TRUNCATE
    UPDATE WHILE
    """
)
_BEFORE_TEMPORARY = frozenset({"CREATE", "DROP", "GLOBAL", "INTO", "LOCAL", "REPLACE"})
_OPENING = frozenset({"(", "[", "{", "CASE", "IF"})
_CLOSING = frozenset({")", "]", "}", "END"})
_JOINS = frozenset({"APPLY", "JOIN", "STRAIGHT_JOIN"})
_TYPES = frozenset({"ARRAY", "LIST", "MAP", "NESTED", "NULLABLE", "OBJECT", "STRUCT", "TUPLE"})
_PREFIXES = frozenset({"!", "+", "-", "@", "NOT", "~"})
# The usual nesting; each deeper level may double the time.
_SHALLOW = 8
_LONG = 4096
_SHORT = 3  # the cost of a string, whatever its length
_LEAST = 100
_SHOWN = 60
# A longer script is data rather than a migration, and reading it would take seconds.
MOST_CHARACTERS = 256 * 1024
# How much of one script sqlglot may parse, in characters of plain statements; about ten take a
# millisecond.
_MOST_EFFORT = 128 * 1024


class UnreadSql(Exception):
    """A statement cannot be read with certainty."""


class Statement:
    """A statement of a script, whose words are read from left to right.

    Args:
        tokens: sqlglot's tokens.

    Attributes:
        tokens: the same.
        words: its words in capitals, and signs; ``""`` for strings and quoted names.
        at: how many have been read.
    """

    def __init__(self, tokens: Sequence[Any]) -> None:
        self.tokens = tokens
        self.words = [_word_of(token) for token in tokens]
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        """A word that comes next; ``""`` at the end, too."""
        at = self.at + ahead
        return self.words[at] if at < len(self.words) else ""

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.words)

    @property
    def rest(self) -> Sequence[str]:
        """The words that are left."""
        return self.words[self.at :]

    def takes(self, *words: str) -> bool:
        """Skip these words if they come next; otherwise stay."""
        if any(self.peek(at) != word for at, word in enumerate(words)):
            return False
        self.at += len(words)
        return True

    def name(self) -> str:
        """Read a name of one part; in lower case if it has no quotes.

        Raises:
            UnreadSql: no name comes next.
        """
        token = self._next()
        if token.token_type.name == "IDENTIFIER":
            return str(token.text)
        if is_text(token) or not (token.text[:1].isalpha() or token.text[:1] == "_"):
            raise UnreadSql
        return str(token.text).lower()

    def text(self) -> str:
        """Read the contents of a string.

        Raises:
            UnreadSql: no string comes next.
        """
        token = self._next()
        if not is_text(token):
            raise UnreadSql
        return str(token.text)

    def _next(self) -> Any:
        if self.ended:
            raise UnreadSql
        self.at += 1
        return self.tokens[self.at - 1]

    def qualified(self, kind: Kind = Kind.TABLE) -> SchemaObject:
        """Read the name of a table, type or index; a catalog is ignored.

        Raises:
            UnreadSql: no name comes next.
        """
        parts = ["", self.name()]
        while self.takes("."):
            parts.append(self.name())
        return named(parts[-1], parts[-2], kind)

    @property
    def is_block(self) -> bool:
        """Whether it is a block BEGIN … END, not the start of a transaction."""
        return self.words[:1] == ["BEGIN"] and (*self.words, "")[1] not in _IN_TRANSACTION

    def holds_statements(self, dialect: str) -> bool:
        """Whether it is a block, or a routine that holds statements."""
        routine = self.words[:1] == ["CREATE"] and not _ROUTINES.isdisjoint(self.words[:12])
        return self.is_block or (routine and ("BEGIN" in self.words or dialect in _ENDLESS))

    @property
    def is_one_routine(self) -> bool:
        """Whether what takes the rest of a script is certainly one routine."""
        text = " ".join(self.words)
        ends = text.count("; END")
        return ";" not in text or (ends == text.count("BEGIN") == 1 and text.endswith("; END"))

    @property
    def is_temporary(self) -> bool:
        """Whether it creates or drops a table that is dropped with the session."""
        return any(
            word == "#"
            or (word in _BEFORE_TEMPORARY and after in ("TEMP", "TEMPORARY"))
            or (word in ("TEMP", "PG_TEMP") and after == ".")
            for word, after in pairwise((*self.words, ""))
        )

    @property
    def runs_on(self) -> bool:
        """Whether a second statement seems to follow: a verb begins a line, or has a table."""
        rights = self.words[0] in ("GRANT", "REVOKE")
        return any(
            word in _STARTS_LINE
            and (
                self.tokens[at].line > self.tokens[at - 1].line
                or (self.words[at + 1 : at + 2] == ["TABLE"] and not rights)
            )
            for at, word in enumerate(self.words)
            if at
        )


@cache
def _quotes(kind: Any) -> tuple[bool, bool]:
    """Whether tokens of a kind are strings, and whether they are strings or quoted names."""
    text = str(kind.name).endswith("STRING")
    return text, text or kind.name == "IDENTIFIER"


def is_text(token: Any) -> bool:
    """Whether a token is a string of some sort."""
    return _quotes(token.token_type)[0]


def _word_of(token: Any) -> str:
    return "" if _quotes(token.token_type)[1] else token.text.upper()


def split(tokens: Iterable[Any], dialect: str) -> Iterator[Statement]:
    """The statements of a script, without the semicolons between them; none is empty.

    A block, or a routine that holds statements, takes the rest of the script: only the database
    knows where it ends.
    """
    statement: list[Any] = []
    brackets = 0
    endless = False
    for token in tokens:
        word = _word_of(token)
        endless = endless or (word == ";" and Statement(statement).holds_statements(dialect))
        if word == ";" and not (brackets or endless):
            if statement:
                yield Statement(statement)
            statement = []
        else:
            brackets = max(0, brackets + (word == "(") - (word == ")"))
            statement.append(token)
    if endless and _word_of(statement[-1]) == ";":
        statement.pop()
    if statement:
        yield Statement(statement)


def _effort(statement: Statement) -> int:
    """A bound for the time that parsing takes, in characters of a plain statement.

    sqlglot tries several ways to read parentheses, and joins without ON; each deeper level may
    double the time, and it looks ahead.
    """
    length = depth = deepest = prefixes = joins = 0
    before = ""
    for token, word in zip(statement.tokens, statement.words, strict=True):
        length += 1 + (_SHORT if is_text(token) else len(token.text))
        prefixes = prefixes + 1 if word in _PREFIXES else 0
        if word in _OPENING or (word == "<" and before in _TYPES):
            depth += 1
        elif word in _CLOSING:
            depth = max(0, depth - 1)
        deepest = max(deepest, 2 * depth + prefixes)
        joins += (word in _JOINS) - (word in ("CROSS", "NATURAL", "ON", "USING"))
        before = word
    levels = max(0, deepest - _SHALLOW) + max(0, joins)
    return _LEAST + (length * (_LONG + length) // _LONG << min(levels, 32))


@dataclass()
class Allowance:
    """How much of one migration's SQL may still be read, in characters.

    Attributes:
        characters: how much may be read in all.
        effort: how much of it sqlglot may parse.
    """

    characters: int = MOST_CHARACTERS
    effort: int = 1024 * 1024


@dataclass()
class Script:
    """One script, read in one dialect.

    Attributes:
        text: the script.
        dialect: sqlglot's name of the dialect; ``""`` for its own superset of all.
        allowance: how much of the migration's scripts may still be read.
        quotes_tell: whether text in double quotes is certainly a name.
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

    def tree(self, statement: Statement) -> exp.Expr:
        """The tree that sqlglot makes of a statement.

        Raises:
            UnreadSql: it cannot parse it, or would take too long.
        """
        from sqlglot.dialects.dialect import Dialect
        from sqlglot.errors import ErrorLevel

        needed = _effort(statement)
        if needed > min(self.left, self.allowance.effort):
            raise UnreadSql
        self.left -= needed
        self.allowance.effort -= needed
        parser = Dialect.get_or_raise(self.dialect).parser(error_level=ErrorLevel.RAISE)
        with _quiet():
            trees = parser.parse(list(statement.tokens), self.text)
        if len(trees) != 1 or trees[0] is None:
            raise UnreadSql
        return trees[0]

    def rows(self, statement: Statement) -> Sequence[Effect | Opaque]:
        """The effects of a query or a change of rows.

        Raises:
            UnreadSql: it cannot be parsed, or would take too long.
        """
        from flask_chainfix.schema.sql.queries import read_rows

        # Many scripts repeat one statement with other values.
        shape = tuple(
            "'" if is_text(token) or token.token_type.name == "NUMBER" else token.text
            for token in statement.tokens
        )
        if shape not in self._read:
            self._read[shape] = [*read_rows(self.tree(statement), self)]
        return self._read[shape]

    def tokens(self) -> list[Any]:
        """The tokens of the whole script."""
        from sqlglot.dialects.dialect import Dialect

        dialect = Dialect.get_or_raise(self.dialect)
        return list(_tokenizer(self.dialect)(dialect=dialect).tokenize(self.text))

    def shown(self, statement: Statement) -> str:
        """The beginning of a statement, for a message."""
        tokens = statement.tokens
        return beginning(self.text[tokens[0].start : tokens[-1].end + 1])


def beginning(text: str) -> str:
    """The first sixty characters of a text, in one line."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * _SHOWN]).split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


@lru_cache
def _tokenizer(dialect: str) -> Any:
    """A tokenizer that does not read a statement as one long string, as some of sqlglot's do."""
    from sqlglot.dialects.dialect import Dialect

    return type("_Plain", (Dialect.get_or_raise(dialect).tokenizer_class,), {"COMMANDS": set()})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep sqlglot from logging what it does not support."""
    import logging

    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
