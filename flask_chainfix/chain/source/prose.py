"""The docstring and the comments of a migration."""

from __future__ import annotations

import io
import re
import tokenize
from contextlib import suppress
from token import COMMENT
from typing import NamedTuple

from flask_chainfix.model.files import Ignore, Span


class Docstring(NamedTuple):
    """The parts of a docstring from Alembic's templates; the attributes are those of ``Header``."""

    message: str = ""
    revises: str | None = None
    revision_id: str | None = None
    create_date: str | None = None


_BASE_WORDS = frozenset({"", "none", "<base>", "base"})
_FIELD = r"(?:^|(?<=\r))[ \t]*%s[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=[\r\n]|\Z)"
_REVISION_ID = re.compile(_FIELD % "Revision ID", re.MULTILINE)
_REVISES = re.compile(_FIELD % "Revises", re.MULTILINE)
_CREATE_DATE = re.compile(_FIELD % "Create Date", re.MULTILINE)


def parse_docstring(text: str) -> tuple[Docstring, dict[str, Span]]:
    """Find the parts of a docstring, with their spans in characters of ``text``.

    ``text`` may have LF, CR LF or CR line ends.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    found: dict[str, str] = {}
    spans: dict[str, Span] = {}
    start = 0
    for name, pattern in (
        ("revision_id", _REVISION_ID),
        ("revises", _REVISES),
        ("create_date", _CREATE_DATE),
    ):
        # Prose above Alembic's block may contain similar lines, so once the id is
        # found, the rest is searched after it.
        match = pattern.search(text, start)
        if match is not None:
            found[name] = match[1]
            spans[name] = Span(*match.span(1))
            if name == "revision_id":
                start = match.end()
    message = lines.strip().split("\n\n")[0].rstrip()  # as Alembic shows it
    at = text.find(message)
    if message and at >= 0:
        spans["message"] = Span(at, at + len(message))
    return Docstring(message, **found), spans


def stated_parents(text: str) -> tuple[str, ...]:
    """The ids that the text after ``Revises:`` names; none for a base."""
    if text.strip().lower() in _BASE_WORDS:
        return ()
    names = (name.strip(" \t'\"()") for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def states(text: str, parents: tuple[str, ...]) -> bool:
    """Whether the text after ``Revises:`` names these parents and no others."""
    if not parents:
        return text.strip().lower() in _BASE_WORDS
    return parents == (text,) or set(stated_parents(text)) == set(parents)


# --- Comments -------------------------------------------------------------------------------------
_MARK = b"fixchain:"
_IGNORE = re.compile(r"#\s*fixchain:\s*ignore\b(?:\s*\[([^\]]*)\])?")


def ignores(data: bytes) -> tuple[Ignore, ...]:
    """The comments of a file that hide findings, such as ``# fixchain: ignore[FC204, FC206]``.

    Strings that look like such comments are ignored. Nothing is read after a part that is not
    Python.
    """
    found: list[Ignore] = []
    if _MARK in data:
        with suppress(SyntaxError, tokenize.TokenError):
            for token in tokenize.tokenize(io.BytesIO(data).readline):
                for match in _IGNORE.finditer(token.string) if token.type == COMMENT else ():
                    codes = (code.strip().upper() for code in (match[1] or "").split(","))
                    found.append(Ignore(token.start[0], tuple(code for code in codes if code)))
    return tuple(found)
