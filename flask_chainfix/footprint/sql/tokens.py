"""SQL text -> tokens, as one dialect writes strings, names and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Form(Enum):
    """What a token is."""

    WORD = "word"
    NAME = "quoted name"
    STRING = "string"
    NUMBER = "number"
    BIND = "bind parameter"
    SIGN = "sign"
    BROKEN = "broken"


class Token(NamedTuple):
    """A token of SQL text.

    Attributes:
        form: what it is.
        raw: as it is written.
        gap: whether space or a comment stands before it.
        fresh: whether it begins a line.
    """

    form: Form
    raw: str
    gap: bool
    fresh: bool

    @property
    def word(self) -> str:
        """The word in upper case; ``""`` for what is not a plain word."""
        return self.raw.upper() if self.form is Form.WORD else ""

    @property
    def name(self) -> str:
        """The name that it spells; ``""`` for what cannot be a name."""
        if self.form is Form.WORD:
            return self.raw.lower()
        if self.form is not Form.NAME:
            return ""
        closing = self.raw[-1]
        start = self.raw.index("[" if closing == "]" else closing)
        return self.raw[start + 1 : -1].replace(closing * 2, closing)


_BLANK = r"(?P<blank>\s+)"
_NUMBER = r"(?P<number>\d[\w.]*)"
_WORD = r"(?P<word>[^\W\d][\w$#]*)"
# What SQLAlchemy's text() and the database drivers take for a parameter; `\:` is text()'s escape.
_BIND = r"(?P<bind>(?<![:\w]):[^\W\d]\w*|%\(\w+\)s|%s\b|\$\d+)"
_SIGN = r"(?P<sign>::|\\:|%%|.)"
_SINGLE = r"'[^']*(?:''[^']*)*'"
_DOUBLE = r'"[^"]*(?:""[^"]*)*"'
_ESCAPING_SINGLE = r"'[^'\\]*(?:(?:''|\\.)[^'\\]*)*'"
_ESCAPING_DOUBLE = r'"[^"\\]*(?:(?:""|\\.)[^"\\]*)*"'
_BACKTICKS = r"`[^`]*(?:``[^`]*)*`"
_BRACKETS = r"\[[^\]]*(?:\]\][^\]]*)*\]"
# What is left of these is not closed.
_OPEN = r"(?P<open>['\"])"
_LINE_COMMENT = r"(?P<line>--[^\n]*)"

_ELSEWHERE = (
    _LINE_COMMENT,
    r"(?P<block>/\*)",
    rf"(?P<string>[eE]{_ESCAPING_SINGLE}|(?:[bBnNxX]|[uU]&)?{_SINGLE})",
)
_PATTERNS = {
    "mysql": (
        r"(?P<line>--(?=\s|\Z)[^\n]*|#[^\n]*)",
        # What stands in such a comment is run, by every server of the given version or later.
        r"(?P<hidden>/\*M?!\d*|\*/)",
        r"(?P<block>/\*)",
        rf"(?P<string>(?:[bBnNxX]|_\w+\s*)?{_ESCAPING_SINGLE}|{_ESCAPING_DOUBLE})",
        rf"(?P<name>{_BACKTICKS})",
        r"(?P<open>['\"`])",
        r"(?P<variable>@@?[\w.$]+)",
    ),
    "sqlite": (
        *_ELSEWHERE,
        rf"(?P<name>{_DOUBLE}|{_BACKTICKS}|{_BRACKETS})",
        r"(?P<open>['\"`\[])",
    ),
    "tsql": (
        *_ELSEWHERE,
        rf"(?P<name>{_DOUBLE}|{_BRACKETS})",
        r"(?P<open>['\"\[])",
        r"(?P<variable>@@?[\w$#]+)",
        r"(?P<temporary>##?[\w$#]+)",
    ),
    "oracle": (
        *_ELSEWHERE[:2],
        r"(?P<quoted>[qQ]'(?P<mark>[^\s']))",
        _ELSEWHERE[2],
        rf"(?P<name>{_DOUBLE})",
        _OPEN,
    ),
    "": (
        *_ELSEWHERE,
        r"(?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)",
        rf"(?P<name>(?:[uU]&)?{_DOUBLE})",
        _OPEN,
    ),
}
_LITERALS = frozenset({Form.BIND, Form.NUMBER, Form.STRING})
_MANY = 20
_NESTING_COMMENTS = frozenset({"", "postgres", "tsql"})
_CLOSING_MARKS = {"[": "]", "(": ")", "{": "}", "<": ">"}
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_FORMS = {
    "number": Form.NUMBER,
    "word": Form.WORD,
    "temporary": Form.WORD,
    "variable": Form.SIGN,
    "bind": Form.BIND,
    "string": Form.STRING,
    "name": Form.NAME,
    "sign": Form.SIGN,
}


def lex(script: str, dialect: str) -> Iterator[Token]:
    """The tokens of a script, without its comments.

    The last one is broken where a string, a name or a comment is not closed.
    """
    at, gap, fresh = 0, True, True
    find = _pattern(dialect).match
    while (match := find(script, at)) is not None:
        form, end = match.lastgroup or "", match.end()
        if form in _FORMS:
            yield Token(_FORMS[form], match[0], gap, fresh)
            gap = fresh = False
        elif form in ("blank", "line", "hidden"):
            gap, fresh = True, fresh or "\n" in match[0]
        else:
            end = -1 if form == "open" else _end_of_long(script, match, dialect)
            if end < 0:
                break
            if form == "block":
                gap = True
            else:
                yield Token(Form.STRING, script[at:end], gap, fresh)
                gap = fresh = False
        at = end
    if at < len(script):
        yield Token(Form.BROKEN, script[at:], gap, fresh)


def text_of(tokens: Sequence[Token]) -> str:
    """SQL text that any parser of the dialect can take.

    Parameters become NULL, and strings one short string; of a long list of literals the beginning
    is enough: what they are makes no difference.
    """
    pieces: list[str] = []
    literals = 0
    skip = behind_word = False
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else token
        literals = literals + 1 if token.raw == "," or token.form in _LITERALS else 0
        skip = literals > _MANY and (skip or (token.raw == "," and following.form in _LITERALS))
        if skip:
            skip = token.raw == ","
        elif token.form in (Form.BIND, Form.STRING):
            pieces.append(" NULL " if token.form is Form.BIND else " 'x' ")
        else:
            raw = _plain(token)
            # Tokens that come together from different places may have no space between them.
            apart = token.gap or (behind_word and token.form is Form.WORD)
            pieces.append(f" {raw}" if apart else raw)
        behind_word = token.form is Form.WORD
    return "".join(pieces).strip()


def _plain(token: Token) -> str:
    """A token as every version of sqlglot can take it."""
    if token.form is Form.NAME and token.raw[0] == "[":
        name = token.name.replace('"', '""')
        return f'"{name}"'
    return token.raw[1:] if token.raw in ("\\:", "%%") else token.raw


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def _end_of_long(script: str, match: re.Match[str], dialect: str) -> int:
    """Where a block comment or a long string ends; -1 where it does not."""
    if match.lastgroup == "dollar":
        end = script.find(match[0], match.end())
        return end + len(match[0]) if end >= 0 else -1
    if match.lastgroup != "block":
        mark = match["mark"]
        end = script.find(_CLOSING_MARKS.get(mark, mark) + "'", match.end())
        return end + 2 if end >= 0 else -1
    depth = 1
    for edge in _COMMENT_EDGE.finditer(script, match.end()):
        if edge[0] == "*/":
            depth -= 1
        elif dialect in _NESTING_COMMENTS:
            depth += 1
        if depth == 0:
            return edge.end()
    return -1


@lru_cache
def _pattern(dialect: str) -> re.Pattern[str]:
    own = _PATTERNS.get(dialect, _PATTERNS[""])
    return re.compile("|".join((_BLANK, *own, _NUMBER, _BIND, _WORD, _SIGN)), re.DOTALL)
