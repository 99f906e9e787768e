"""The rules by which Alembic chooses the files of a version location."""

from __future__ import annotations

import re
from collections.abc import Callable

_SOURCE = re.compile(r"(?!\.\#|__init__)(.*\.py)$")
_SOURCE_OR_COMPILED = re.compile(r"(?!\.\#|__init__)(.*\.py)(c|o)?$")


def is_loaded(name: str, exists: Callable[[str], bool], *, sourceless: bool = False) -> bool:
    """Whether Alembic loads a file.

    Args:
        name: its name without directories.
        exists: tells whether a file of another name lies beside it.
        sourceless: whether compiled files count where there is nothing better to load.
    """
    match = (_SOURCE_OR_COMPILED if sourceless else _SOURCE).match(name)
    if match is None:
        return False
    if match.lastindex != 2:
        return True
    return not (exists(match[1]) or (match[2] == "o" and exists(f"{match[1]}c")))
