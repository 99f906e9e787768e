"""The top level of a YAML document that people have written, read where that is certain.

Lines are to be put into such a document, and every other byte has to stay, comments and quoting
included; a YAML library cannot do that. What is needed for it is little: which keys the document
has at its top, in which lines, and that no quotation, collection or block of text is still open
there. Whatever leaves a doubt is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flask_chainfix.common.errors import CannotMerge

# Characters that are not allowed, or that count as line ends in some versions of YAML.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\r(?!\n)")


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'(?!\')')


_QUOTED_KEY = re.compile(rf"({_QUOTED.pattern}) *:(?= |$)")


_KEY_END = re.compile(r":(?= |$)| #")


_PROPERTIES = re.compile(r"(?:[&!]\S*(?: +|$))*")


_BLOCK = re.compile(r"[|>](?:[+-]?[1-9]?|[1-9][+-])(?: +#.*| *)")


_TOKEN = re.compile(r"""[\[{]|[\]}]|["']| +(?:\#.*)?|,|[^\s,\[\]{}\#"'][^\s,\[\]{}]*""")


_QUOTE_ENDS = {'"': re.compile(r'(?:[^"\\]|\\.)*"'), "'": re.compile(r"(?:[^']|'')*'(?!')")}


_AFTER = re.compile(r" *(?: #.*)?")


_SPECIAL = "\"'[]{}&*!|>?%@`,"


class Key(NamedTuple):
    """A key at the top of the document.

    Attributes:
        name: as it is written, without quotes.
        line: the index of its line.
        value: what stands behind the colon in that line; ``""`` for nothing but a comment.
    """

    name: str
    line: int
    value: str


class Outline(NamedTuple):
    """What is known of a document.

    Attributes:
        lines: all of it, each line with its end.
        keys: those at its top, by name.
        in_block: whether it ends in a block of text.
    """

    lines: list[str]
    keys: dict[str, Key]
    in_block: bool

    def end_of(self, line: int) -> str:
        """The characters that end lines, as a line has them."""
        return "\r\n" if self.lines[line].endswith("\r\n") else "\n"


def read_outline(data: bytes) -> Outline:
    """Read the keys at the top of a document.

    Raises:
        CannotMerge: it is not certain what they are.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise CannotMerge("it is not UTF-8") from None
    if _ODD.search(text):
        raise CannotMerge("it holds characters that YAML does not allow everywhere")
    lines = text.splitlines(keepends=True)
    reader = _Reader()
    for line in lines:
        reader.read(line.rstrip("\r\n"))
    if reader.open:
        raise CannotMerge("a quotation or a bracket is not closed")
    return Outline(lines, reader.keys, reader.block is not None)


def with_lines(outline: Outline, at: int, text: str, *new_keys: str) -> bytes:
    """The document with lines put into it.

    Args:
        outline: the document.
        at: the index of the line before which they belong.
        text: the lines.
        new_keys: the keys that they add at the top.

    Raises:
        CannotMerge: the result does not have the same keys at the top, and these.
    """
    lines = [*outline.lines[:at], text, *outline.lines[at:]]
    data = "".join(lines).encode()
    if list(read_outline(data).keys) != [*outline.keys, *new_keys]:
        raise CannotMerge("other parts of it would come to mean something else")
    return data


class _Reader:
    """Takes a document line by line, and knows what is open behind each.

    Attributes:
        keys: those at the top so far.
        block: the column that the lines of an open block of text stand to the right of.
    """

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.block: int | None = None
        self._number = -1
        self._begun = False
        self._quote = ""
        self._depth = 0

    @property
    def open(self) -> bool:
        """Whether a quotation or a bracket is open."""
        return bool(self._quote or self._depth)

    def read(self, line: str) -> None:
        """Read the next line, given without its end."""
        self._number += 1
        text = line.lstrip(" ")
        column = len(line) - len(text)
        if self.block is not None:
            if not text or column > self.block:
                return
            self.block = None
        if not text or (text.startswith("#") and not self._quote):
            return
        if "\t" in text:
            raise self._doubt("holds a tab")
        if self.open:
            if not column:
                raise self._doubt("stands at the margin inside a quotation or brackets")
            self._go_on(text)
        elif line.rstrip(" ") != "---" or self._begun:
            self._structure(text.rstrip(" "), column)
        self._begun = True

    def _structure(self, text: str, column: int) -> None:
        """Read a line that begins outside of quotations, brackets and blocks of text."""
        at_top, owner = not column, None
        while text == "-" or text.startswith("- "):
            owner, item = column, text[1:].lstrip(" ")
            column += len(text) - len(item)
            text = item
        key, value = _split(text)
        if key is not None:
            owner = column
        if at_top and owner == 0 and key is not None:
            self._add(key, value)
        elif at_top and (owner is None or not self.keys):
            raise self._doubt("is not of the form KEY: VALUE")
        self._value(value, owner)

    def _add(self, name: str, value: str) -> None:
        if name in self.keys:
            raise self._doubt(f"has the key {name} again")
        self.keys[name] = Key(name, self._number, "" if value.startswith("#") else value)

    def _value(self, text: str, owner: int | None) -> None:
        if text == "?" or text.startswith("? "):
            raise self._doubt("has a key of several lines")
        bare = text[_PROPERTIES.match(text).end() :]  # type: ignore[union-attr]  # matches nothing
        first = bare[:1]
        if bare != text and _split(bare)[0] is not None:
            raise self._doubt("has an anchor or a tag before a key")
        if first and first in "|>":
            if owner is None or not _BLOCK.fullmatch(bare):
                raise self._doubt("begins a block of text in an unusual way")
            self.block = owner
        elif first and first in "\"'":
            self._quote = first
            self._go_on(bare[1:])
        elif first and first in "[{":
            self._depth = 1
            self._go_on(bare[1:])
        elif first and first in "]},%@`":
            raise self._doubt("begins with a character that has a meaning of its own")

    def _go_on(self, text: str) -> None:
        """Read on inside a quotation or brackets."""
        at = 0
        while self.open and at < len(text):
            if self._quote:
                end = _QUOTE_ENDS[self._quote].match(text, at)
                if end is None:
                    return
                self._quote, at = "", end.end()
                continue
            token = _TOKEN.match(text, at)
            if token is None:
                raise self._doubt("has a # that may be a comment or not")
            at = token.end()
            if token[0] in "\"'":
                self._quote = token[0]
            else:
                self._depth += (token[0] in "[{") - (token[0] in "]}")
        if not self.open and not _AFTER.fullmatch(text, at):
            raise self._doubt("goes on behind a quotation or brackets")

    def _doubt(self, what: str) -> CannotMerge:
        return CannotMerge(f"its line {self._number + 1} {what}")


def _split(text: str) -> tuple[str | None, str]:
    """A key and what stands behind it; without one ``None`` and the text."""
    found = _QUOTED_KEY.match(text)
    if found is not None:
        return found[1][1:-1], text[found.end() :].lstrip(" ")
    end = _KEY_END.search(text)
    if end is None or end[0] != ":" or text[0] in _SPECIAL:
        return None, text
    return text[: end.start()].rstrip(" "), text[end.end() :].lstrip(" ")
