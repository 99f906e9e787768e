"""Calls of ``check`` in existing files, and which environments they mean, as far as text can tell.

These files are shell scripts, or YAML with lines of shell in it. They are searched, not run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from itertools import product
from typing import NamedTuple

_CALLS_CHECK = re.compile(
    rb"^(?:# fixchain: begin"
    rb"|[ \-]*\bid: *[\"']?fixchain[\"']? *(?:#|\r?$)"  # a hook of pre-commit
    rb"|(?![ \t]*#).*\bfixchain\b.*\bcheck\b)",
    re.MULTILINE,
)
_CALL = re.compile(
    rb"(?P<app>\bflask[ \t].*)?(?:\bfixchain\w*[\"']?[ \t]+|\bargs: *\[ *)"
    rb"(?:-[cd][ ,]+(?:'(?P<a>[^'\n]+)'|\"(?P<b>[^\"\n]+)\"|(?P<c>[^\s,\]]+))[ ,]+)?check\b"
)
_CHANGES_DIRECTORY = re.compile(
    rb"\b(?:cd[ \t]+(?:--[ \t]+)?|working-directory[\"']?:[ \t]*)"
    rb"(?:'(?P<a>[^'\n]+)'|\"(?P<b>[^\"\n]+)\"|(?P<c>[^\s;&|,})]+))"
)


def calls_check(data: bytes) -> bool:
    """Whether a file already calls ``check``, by our lines or by others."""
    return _CALLS_CHECK.search(data) is not None


def checks_only_others(data: bytes, ours: Collection[str], default: str) -> bool:
    """Whether a file calls ``check``, and no call can mean our environment.

    Args:
        data: the file.
        ours: the names of our environment: its directory, and the configuration that leads there,
            relative to the top of the work tree.
        default: what a call without options means at the top of the work tree; ``""`` if that is
            unknown.
    """
    ours = {os.path.normpath(each) for each in ours}
    directories = _Directories.of(data)
    calls = list(_CALL.finditer(data))
    return bool(calls) and not any(_may_mean(each, ours, default, directories) for each in calls)


class _Directories(NamedTuple):
    """The directories in which the commands of a file may run.

    Which command runs in which of them is not looked into: any may run in any.

    Attributes:
        known: their paths relative to the top of the work tree, that of the top among them.
        has_others: whether the file also changes to directories that its text does not tell.
    """

    known: frozenset[str]
    has_others: bool

    @classmethod
    def of(cls, data: bytes) -> _Directories:
        """The top of the work tree, and those that a file changes to, also one after another."""
        named = [_named(each) for each in _CHANGES_DIRECTORY.finditer(data)]
        literal = [
            each for each in named if not each.startswith(("/", "~", "-")) and "$" not in each
        ]
        paths = (os.path.join(*each) for each in product(("", *literal), repeat=2))
        return cls(frozenset(map(os.path.normpath, paths)), len(literal) < len(named))


def _may_mean(
    call: re.Match[bytes], ours: Collection[str], default: str, directories: _Directories
) -> bool:
    """Whether a call of ``check`` can mean our environment."""
    named = os.path.normpath(_named(call) or default)
    if any(os.path.normpath(os.path.join(each, named)) in ours for each in directories.known):
        return True
    if _named(call):
        is_below_unknown = any(each.endswith(f"/{named}") for each in ours)
        return "$" in named or (directories.has_others and is_below_unknown)
    # The app decides, or a configuration file, which may lead to any directory below its own.
    if call["app"] or not default or directories.has_others:
        return True
    below = tuple(f"{each}/" for each in directories.known if each != os.curdir)
    return any(each.startswith(below) for each in ours)


def _named(found: re.Match[bytes]) -> str:
    """The path that a call or a change of directory names; ``""`` if it names none."""
    return os.fsdecode(found["a"] or found["b"] or found["c"] or b"")
