"""The value of an expression, if it is certain without running anything."""

from __future__ import annotations

import ast
import codecs
import re
import tokenize
import warnings
from collections.abc import Callable
from typing import NamedTuple

from flask_chainfix.model.files import Span

_LINE_END = re.compile(rb"\r\n|\r|\n")
_COOKIE_REACH = 4096  # bytes; a cookie is on one of the first two lines
_UTF8_NAMES = frozenset({"utf-8", "utf-8-sig"})


# Errors of parsing and compiling; ValueError is for NUL bytes, the last three for source that
# is nested or sized beyond what the interpreter can take.
CANNOT_COMPILE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def parse(data: bytes) -> ast.Module:
    """The syntax tree of a file; raises one of ``CANNOT_COMPILE``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file's own SyntaxWarnings are not ours
        return ast.parse(data)


def line_of(data: bytes, offset: int) -> int:
    """The 1-based line of a byte offset. Lines end at LF, CR LF or CR, and nowhere else."""
    if data[offset - 1 : offset + 1] == b"\r\n":
        offset -= 1
    before = data[:offset]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")


def _encoding_of(data: bytes) -> str:
    """The encoding that Python reads the file with (PEP 263).

    Raises:
        SyntaxError: the cookie names an unknown encoding, or contradicts the byte order mark.
    """
    lines = iter(_LINE_END.sub(b"\n", data[:_COOKIE_REACH]).splitlines(keepends=True))
    encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    return encoding


class Positions:
    """Converts positions of syntax tree nodes to byte spans of one file.

    ``ast`` counts columns in bytes of the line *as UTF-8*, whatever the file's encoding, and
    without a byte order mark.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._encoding = _encoding_of(data)
        mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        self._line_starts = [mark, *(match.end() for match in _LINE_END.finditer(data))]

    def span(self, node: ast.expr) -> Span:
        """The bytes of an expression, including the brackets of a tuple."""
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


# --- The value of an expression ------------------------------------------------------------------

# The most characters and elements of a name's value in other values: each may contain the
# one before twice, and so double its size.
_LONGEST = 500


class Computed(NamedTuple):
    """A value that is known only at runtime.

    Attributes:
        reason: why, in words that complete "``down_revision`` …".
    """

    reason: str


def evaluate(node: ast.expr, lookup: Callable[[str], object]) -> object:
    """The value of an expression of literals and of names with literal values.

    Args:
        node: the expression.
        lookup: returns the value of a module-level name, or ``Computed``.

    Returns:
        A constant; a tuple for a tuple, list or set; or ``Computed``.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return lookup(node.id)
    if isinstance(node, (ast.Tuple, ast.List)):
        return _elements(node.elts, lookup)
    if isinstance(node, ast.Set):
        members = _elements(node.elts, lookup)
        return tuple(dict.fromkeys(members)) if type(members) is tuple else members
    if isinstance(node, ast.JoinedStr):
        return _joined(node, lookup)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _part(node.left, lookup), _part(node.right, lookup)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if type(left) is tuple and type(right) is tuple:
            return left + right
    return _computed(node)


def _computed(node: ast.expr) -> Computed:
    return Computed(f"is computed ({ast.unparse(node)[:60]})")


def _part(node: ast.expr, lookup: Callable[[str], object]) -> object:
    """The value of an expression inside another one."""
    value = evaluate(node, lookup)
    if isinstance(node, ast.Name) and not _is_short(value):
        return Computed(f"is computed (with all of {node.id})")
    return value


def _is_short(value: object) -> bool:
    left, pending = _LONGEST, [value]
    while pending and left >= 0:
        part = pending.pop()
        left -= len(part) if isinstance(part, (bytes, str)) else 1
        if type(part) is tuple:
            pending += part
    return left >= 0


def _elements(nodes: list[ast.expr], lookup: Callable[[str], object]) -> object:
    values: list[object] = []
    for node in nodes:
        value = _part(node.value if isinstance(node, ast.Starred) else node, lookup)
        if isinstance(value, Computed):
            return value
        if not isinstance(node, ast.Starred):
            values.append(value)
        elif type(value) is tuple:
            values.extend(value)
        else:
            return _computed(node)
    return tuple(values)


def _joined(node: ast.JoinedStr, lookup: Callable[[str], object]) -> object:
    text: list[str] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.conversion == -1 and part.format_spec is None
            value = _part(part.value, lookup) if plain else None
        else:
            value = evaluate(part, lookup)
        if not isinstance(value, str):
            return _computed(node)
        text.append(value)
    return "".join(text)
