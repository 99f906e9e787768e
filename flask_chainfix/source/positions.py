"""Places in a file: byte offsets, lines as Python counts them, columns as ``ast`` counts them."""

from __future__ import annotations

import ast
import codecs
import re
import tokenize

from flask_chainfix.model import Span

_LINE_END = re.compile(rb"\r\n|\r|\n")
_COOKIE_REACH = 4096  # bytes; a cookie stands on one of the first two lines
_UTF8_NAMES = frozenset({"utf-8", "utf-8-sig"})


def line_of(data: bytes, offset: int) -> int:
    """The 1-based line of a byte offset. Lines end at LF, CR LF or CR, and nowhere else."""
    if data[offset - 1 : offset + 1] == b"\r\n":
        offset -= 1
    before = data[:offset]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")


def encoding_of(data: bytes) -> str:
    """The encoding that Python reads the file with (PEP 263).

    Raises:
        SyntaxError: the cookie names an unknown encoding, or contradicts the byte order mark.
    """
    lines = iter(_LINE_END.sub(b"\n", data[:_COOKIE_REACH]).splitlines(keepends=True))
    encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    return encoding


class Positions:
    """Turns positions of syntax tree nodes into byte spans of one file.

    ``ast`` counts columns in bytes of the line *as UTF-8*, whatever the file's encoding, and
    not counting a byte order mark.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._encoding = encoding_of(data)
        mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        self._line_starts = [mark, *(match.end() for match in _LINE_END.finditer(data))]

    def span(self, node: ast.expr) -> Span:
        """The bytes of an expression, brackets of a tuple included."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return Span(
            self._offset(node.lineno, node.col_offset),
            self._offset(node.end_lineno, node.end_col_offset),
        )

    def offset(self, node: ast.expr | ast.stmt) -> int:
        """The first byte of a node."""
        return self._offset(node.lineno, node.col_offset)

    def decode(self, span: Span) -> str:
        """The text of a span."""
        return self._data[span.start : span.end].decode(self._encoding, errors="replace")

    def encode(self, text: str) -> bytes:
        """Text in the file's encoding.

        Raises:
            UnicodeEncodeError: the encoding has no such character.
        """
        return text.encode("utf-8" if self._encoding in _UTF8_NAMES else self._encoding)

    def _offset(self, line: int, column: int) -> int:
        start = self._line_starts[line - 1]
        if self._encoding in _UTF8_NAMES:
            return start + column
        ends = self._line_starts[line] if line < len(self._line_starts) else len(self._data)
        text = self._data[start:ends].decode(self._encoding)
        before = text.encode("utf-8")[:column].decode("utf-8")
        return start + len(before.encode(self._encoding))
