"""The hook for pre-commit, an item of the list ``repos`` in its configuration."""

from __future__ import annotations

import re

from flask_chainfix.common.errors import CannotMerge
from flask_chainfix.common.quoting import yaml_string
from flask_chainfix.model.pieces import Call
from flask_chainfix.pieces.outline import read_outline, with_lines

_ID = re.compile(rb"^[ \-]*\bid: *[\"']?fixchain[\"']? *(?:#|\r?$)", re.MULTILINE)


_FIRST_ITEM = re.compile(rb"^repos:.*\n(?: *(?:#.*)?\r?\n)*( *)-( +)\S", re.MULTILINE)


def text(call: Call, data: bytes) -> str:
    """The item, indented like the first one that is there."""
    first = _FIRST_ITEM.search(data)
    margin, gap = map(bytes.decode, first.groups()) if first else ("  ", " ")
    inner = f"{margin} {gap}"
    hook = f"{inner}{margin} {gap}"
    arguments = ", ".join([*map(_argument, call.options), "check"])
    return (
        f"{margin}-{gap}repo: local\n"
        f"{inner}hooks:\n"
        f"{inner}{margin}-{gap}id: fixchain\n"
        f"{hook}name: migration chain (fixchain not found? activate its environment)\n"
        f"{hook}entry: fixchain\n"
        f"{hook}args: [{arguments}]\n"
        f"{hook}language: system\n"
        # A commit that only deletes a migration passes no file name.
        f"{hook}always_run: true\n"
        f"{hook}pass_filenames: false\n"
    )


def _argument(word: str) -> str:
    return word if word in ("-c", "-d") else yaml_string(word)


def is_there(data: bytes) -> bool:
    """Whether a hook has our id already, be it of a local repository or of another."""
    return _ID.search(data) is not None


def merged(data: bytes, text: str) -> bytes:
    """The configuration with the item as the first of its list.

    Raises:
        CannotMerge: it has no such list, or one in another form than lines with dashes.
    """
    outline = read_outline(data)
    repos = outline.keys.get("repos")
    if repos is None:
        raise CannotMerge("it has no list repos")
    if repos.value or not _FIRST_ITEM.match("".join(outline.lines[repos.line :]).encode()):
        raise CannotMerge("its list repos is not written with an item a line")
    end = outline.end_of(repos.line)
    return with_lines(outline, repos.line + 1, text.replace("\n", end))
