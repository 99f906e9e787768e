"""Limits: what is too much to be parsed, and more than anybody writes into a migration."""

from __future__ import annotations

import re
from collections import Counter

from flask_chainfix.model.files import Unreadable

MOST_IDS = 10_000
"""Ids that one variable of a header may hold."""

MOST_TOKENS = 200_000
"""Words, signs and lines that are parsed; Python takes up to a kilobyte for each."""

MOST_SCOPES = 4_000
"""Functions and comprehensions that are compiled.

CPython compares each with all others of its name (``merge_consts_recursive`` in ``compile.c``).
"""

MOST_LONG_NUMBERS = 10_000
"""Integers of many digits that are compiled: their hashes may all be one."""

MOST_PARTS = 100
"""Names that one import joins; CPython keeps each beginning of them in memory."""

_FEW_BYTES = 32 * 1024  # so few hold too few of either


_WORDS = (  # patterns of what is rare are compiled when it is there
    rb"(?P<scope>\b(?:class|def|for|lambda|type)\b)|(?P<number>\b\d\w{15,})|\w+|[^\w \t\f]"
)

# Strings and comments are one thing each, whatever is in them.
_TOKENS = (
    rb'(?s)#[^\n]*|(?:"""(?:[^"\\]|\\.|"(?!""))*"""'
    rb"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    rb'|"(?:[^"\\\n]|\\.)*"'
    rb"|'(?:[^'\\\n]|\\.)*')|" + _WORDS
)


_IMPORT = rb"\b(?:import|from)\b(?:[\w. \t\f]|\\\r?\n)*"

# The first are code, too. Under the second, bytes may not be what they look like.
_STRINGS_OF_CODE = rb"(?i)\b[rt]?[ft][rt]?['\"]"


_COOKIE = rb"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*coding[:=][ \t]*(?!utf-8|latin-1|ascii)"


def excess(data: bytes) -> Unreadable | None:
    """What makes a file too much to be parsed; ``None`` for all that people write.

    Every file whose syntax tree would take too much is found. One that holds strings of code
    (``f"…"``) is counted as if all of its strings were.
    """
    if len(data) <= _FEW_BYTES:
        return None
    found: Counter[str | None] = Counter()
    tokens = 0
    if re.match(_COOKIE, data):
        tokens = len(data)
    else:
        pattern = _WORDS if re.search(_STRINGS_OF_CODE, data) else _TOKENS
        for match in re.finditer(pattern, data):
            tokens += 1
            found[match.lastgroup] += 1
            if tokens > MOST_TOKENS:
                break
    if tokens > MOST_TOKENS:
        return _too_much(f"{MOST_TOKENS:,} words and signs")
    if found["scope"] > MOST_SCOPES:
        return _too_much(f"{MOST_SCOPES:,} functions and loops")
    if found["number"] > MOST_LONG_NUMBERS:
        return _too_much(f"{MOST_LONG_NUMBERS:,} numbers of many digits")
    if any(match[0].count(b".") > MOST_PARTS for match in re.finditer(_IMPORT, data)):
        return _too_much(f"{MOST_PARTS} names in one import")
    return None


def too_many_ids(name: str) -> Unreadable:
    """What is said of a header variable with more than ``MOST_IDS``."""
    return _too_much(f"{MOST_IDS:,} ids in {name}")


def _too_much(what: str) -> Unreadable:
    return Unreadable(
        f"has more than {what}, which is more than is read from one migration",
        "move what is not part of the migration, such as data, into a file of its own",
    )
