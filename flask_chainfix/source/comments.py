"""What comments of a migration say to this tool; strings that look like comments say nothing."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from flask_chainfix.model.files import Ignore

_MARK = b"fixchain:"
_IGNORE = re.compile(r"#\s*fixchain:\s*ignore\b(?:\s*\[([^\]]*)\])?")


def ignores(data: bytes) -> tuple[Ignore, ...]:
    """The comments of a file that hide findings, such as ``# fixchain: ignore[FC204, FC206]``.

    What comes behind the first thing that is no Python is not read.
    """
    return tuple(_ignores(data)) if _MARK in data else ()


def _ignores(data: bytes) -> Iterator[Ignore]:
    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.COMMENT:
                for match in _IGNORE.finditer(token.string):
                    codes = (code.strip().upper() for code in (match[1] or "").split(","))
                    yield Ignore(token.start[0], tuple(code for code in codes if code))
    except (SyntaxError, tokenize.TokenError):
        return
