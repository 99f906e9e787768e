"""The fast way to read a header: one regular expression for the layout that Alembic writes.

It answers only if it is certain to be right. From the first byte to the end of the header it knows
every character (a plain docstring, comments, plain imports, the four assignments), so the values
are at module level and outside strings. Nothing after the header can change the four names, because
neither they nor an indirect way to them occurs there. In every other case it returns ``None`` and
the syntax tree is used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from flask_chainfix.chain.source.bindings import BACK_DOORS
from flask_chainfix.chain.source.prose import Docstring, parse_docstring
from flask_chainfix.model.files import Header, Span

_EOL = r"[ \t]*(?:\#[^\r\n]*)?\r?\n"
_STRING = r"""(?:'[^'"\\\r\n\x00]*'|"[^'"\\\r\n\x00]*")"""
_IDS = rf"(?:None|{_STRING}|\(\)|\([ \t]*(?:{_STRING}[ \t]*,[ \t]*)+(?:{_STRING}[ \t]*)?\))"
_EQUALS = r"(?:[ \t]*:[ \t]*[A-Za-z_][\w\[\], .|]*)?[ \t]*=[ \t]*"
_IMPORT = r"(?:from|import)[ ][\w., ]*(?:\#[^\r\n]*)?\r?\n"
_PRELUDE = rf"(?:{_IMPORT}|{_EOL})*"
_TEXT = r"[^\s\"\\\x00](?:[^\r\n\"\\\x00]*[^\s\"\\\x00])?"
_FIELD = rf"[ \t]*:[ \t]*(?P<{{}}>(?:{_TEXT})?)[ \t]*\r?\n"
_BLOCK = (
    rf"\s*(?P<message>{_TEXT})\r?\n\r?\n\s*"
    + "Revision ID"
    + _FIELD.format("revision_id")
    + "Revises"
    + _FIELD.format("revises")
    + "Create Date"
    + _FIELD.format("create_date")
    + r"\s*"
)
_HEADER = re.compile(
    (
        r"(?:\xef\xbb\xbf)?"
        rf"(?:{_EOL})*"
        rf'(?:"""(?P<doc>{_BLOCK}(?=""")|[^"\\\x00]*(?:"(?!"")[^"\\\x00]*)*)"""{_EOL}{_PRELUDE}'
        rf"|{_IMPORT}{_PRELUDE})?"
        rf"revision{_EQUALS}(?P<revision>{_STRING}){_EOL}(?:{_EOL})*"
        rf"down_revision{_EQUALS}(?P<down_revision>{_IDS}){_EOL}(?:{_EOL})*"
        rf"branch_labels{_EQUALS}(?P<branch_labels>{_IDS}){_EOL}(?:{_EOL})*"
        rf"depends_on{_EQUALS}(?P<depends_on>{_IDS})[ \t]*(?:\#[^\r\n]*)?\r?\n"
    ).encode("latin-1")
)
_REACH = 16_384  # bytes; a header further down is left to the syntax tree

# Alembic takes an empty string as "none" only in depends_on.
_EMPTY = ("",)
_STRINGS = re.compile(rb"""['"]([^'"]*)['"]""")
_VARIABLES = ("revision", "down_revision", "branch_labels", "depends_on")

# What could change a header variable outside the header: the names
# themselves after it, and anywhere in the file the ways to write to a module's namespace.
_NAMES = (b"revision", b"branch_labels", b"depends_on")

# `exec` is a part of `execute`, so it is searched as a word.
_BACK_DOORS = tuple(
    sorted(
        word.encode()
        for word in BACK_DOORS - {"exec"}
        if not any(other in word for other in BACK_DOORS - {word})
    )
)
_EXEC = re.compile(rb"\bexec\b")
_STAR_IMPORT = re.compile(rb"import[\s\\(]*\*")

# A line at module level other than a comment or the start of Alembic's two functions.
_STATEMENT = re.compile(
    rb"\n(?=[^ \t\n#])(?!def (?:up|down)grade\w*\([\w, ]*\)(?: -> None)?:[ \t]*\n)"
)


def scan(data: bytes) -> Header | None:
    """Read the header of a file that has the layout of Alembic's templates.

    Args:
        data: the file, which must compile.

    Returns:
        The header, or ``None`` if the syntax tree is needed.
    """
    match = _HEADER.match(data, 0, _REACH)
    if match is None:
        return None
    if not _only_defines(data, match.end()) and _may_change_later(data, match.end()):
        return None
    doc, message, revision_id, revises, create_date, *variables = match.groups()
    # Perhaps a PEP 263 cookie, which only comments and blank lines may precede.
    if data[:1] != b'"' and data.find(b"coding", 0, match.end()) >= 0:
        return None
    revision, down_revision, branch_labels, depends_on = variables
    try:
        if message is not None:
            parts = (message, revises, revision_id, create_date)
            document = Docstring(*[part.decode() for part in parts])
        else:
            document = parse_docstring(doc.decode() if doc else "")[0]
        return Header(
            revision[1:-1].decode(),
            _ids(down_revision),
            _ids(branch_labels),
            ids if (ids := _ids(depends_on)) != _EMPTY else (),
            *document,
            _Spans(match),
        )
    except UnicodeDecodeError:
        return None


class _Spans(Mapping[str, Span]):
    """The spans of a header that ``scan`` has read, found on demand.

    Few headers need them: finding all spans of all files would double the time of reading.
    """

    __slots__ = ("_match",)

    def __init__(self, match: re.Match[bytes]) -> None:
        self._match = match

    def __getitem__(self, name: str) -> Span:
        return self._find()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._find())

    def __len__(self) -> int:
        return len(self._find())

    def _find(self) -> dict[str, Span]:
        match = self._match
        spans = {name: Span(*match.span(name)) for name in _VARIABLES}
        if match["doc"]:
            text = match["doc"].decode()
            start = match.start("doc")
            for name, (begin, end) in parse_docstring(text)[1].items():
                at = start + len(text[:begin].encode())
                spans[name] = Span(at, at + len(text[begin:end].encode()))
        return spans


def _ids(value: bytes) -> tuple[str, ...]:
    if value == b"None":
        return ()
    return tuple([item.decode() for item in _STRINGS.findall(value)])


def _only_defines(data: bytes, end: int) -> bool:
    """Whether only functions follow the header, none of which runs at import.

    Every statement of a module begins in the first column of a line (or after another one that
    does); a similar line inside a string only costs time. This is much faster than searching for
    every dangerous word. CR and form feed also begin lines.
    """
    ordinary = b"\r" not in data and b"\f" not in data
    return ordinary and _STATEMENT.search(data, end - 1) is None


def _may_change_later(data: bytes, end: int) -> bool:
    if any(data.find(word, end) >= 0 for word in _NAMES):
        return True
    if any(word in data for word in _BACK_DOORS):
        return True
    if b"exec" in data and _EXEC.search(data) is not None:
        return True
    if data.find(b"import", end) >= 0 and _STAR_IMPORT.search(data, end) is not None:
        return True
    return not data.isascii() and _hides_a_name(data[end:])


def _hides_a_name(rest: bytes) -> bool:
    """Whether a name is written in letters that Python folds to ASCII (PEP 3131)."""
    text = unicodedata.normalize("NFKC", rest.decode("utf-8", errors="replace"))
    return any(word.decode() in text for word in (*_NAMES, *_BACK_DOORS, b"exec"))
