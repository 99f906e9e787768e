"""Styled lines: their width, wrapping, and terminal sequences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_CODES = {"bold": 1, "dim": 2, "underline": 4, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_LINK = "link="
_NARROW = frozenset("●✗◆○┆│»─├┤╯╮┬…→“”’")
_COMMAND = "`[^`]*`"  # stays on one line, to be copied
_WORD = rf"(?:\A\s*)?(?:{_COMMAND}|\S)+\s*"


def cells(text: str) -> int:
    """How many columns a text takes in a terminal."""
    if text.isascii() or all(char < "\u0300" or char in _NARROW for char in text):
        return len(text)
    from rich.cells import cell_len  # its character table is slow to import

    return cell_len(text)


class Line:
    """A line of styled text to which more can be appended.

    Args:
        text: its beginning.
        style: words such as ``bold`` and ``red`` for the whole line, or from ``link_to``.
    """

    def __init__(self, text: str = "", style: str = "") -> None:
        self.style = style
        self.parts = [(text, style)] if text else []

    @property
    def plain(self) -> str:
        """The text without its styles."""
        return "".join(text for text, _ in self.parts)

    @property
    def cells(self) -> int:
        """Its width in columns."""
        return cells(self.plain)

    def append(self, text: str, style: str = "") -> Line:
        """Append a text with its own style."""
        self.parts.append((text, f"{self.style} {style}".strip()))
        return self

    def extend(self, other: Line) -> Line:
        """Append another line with its styles."""
        self.parts += other.parts
        return self

    def cut(self, start: int, stop: int) -> Line:
        """The part between two characters."""
        part, at = Line(style=self.style), 0
        for text, style in self.parts:
            part.parts.append((text[max(start - at, 0) : max(stop - at, 0)], style))
            at += len(text)
        return part

    def fit(self, width: int, ellipsis: str) -> Line:
        """The line, cut to a width in columns, with an ellipsis for the rest."""
        if self.cells <= width:
            return self
        kept = next(_chopped(self.plain, width - cells(ellipsis)))
        return self.cut(0, len(kept)).append(ellipsis)

    def wrapped(self, width: int) -> Iterator[Line]:
        """Lines of at most so many columns; longer words are split, and commands are not."""
        start = 0
        for stop in (*_breaks(self.plain, width), len(self.plain)):
            text = self.plain[start:stop]
            yield self.cut(start, start + len(text.rstrip()))
            start = stop

    def ansi(self, *, color: bool = True, links: bool = False) -> str:
        """The text with terminal sequences."""
        return "".join(_sequences(*part, color, links) for part in self.parts)


def link_to(path: Path) -> str:
    """The style word that makes a text a link to a file."""
    return f"{_LINK}{path.absolute().as_uri()}"


def _sequences(text: str, style: str, color: bool, links: bool) -> str:
    words = set(style.split()) if text else set()
    link = next((word for word in words if word.startswith(_LINK)), "")
    codes = ";".join(str(code) for code in sorted(_CODES[word] for word in words - {link}))
    if codes and color:
        text = f"\x1b[{codes}m{text}\x1b[0m"
    if link and links:
        text = f"\x1b]8;;{link.removeprefix(_LINK)}\x1b\\{text}\x1b]8;;\x1b\\"
    return text


def _breaks(text: str, width: int) -> Iterator[int]:
    """The indexes at which new lines begin."""
    column = 0
    for match in re.finditer(_WORD, text):
        start, word = match.start(), match[0]
        size = cells(word.rstrip())
        if size > width - column and (column or size > width):
            if start:
                yield start
            column = 0
        if size > width and not re.search(_COMMAND, word):
            *pieces, word = _chopped(word, width)
            for piece in pieces:
                start += len(piece)
                yield start
        column += cells(word)


def _chopped(text: str, width: int) -> Iterator[str]:
    """Pieces of at most so many columns."""
    start = column = 0
    for index, char in enumerate(text):
        size = cells(char)
        if column + size > width and index > start:
            yield text[start:index]
            start, column = index, 0
        column += size
    yield text[start:]
