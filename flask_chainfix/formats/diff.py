"""The unified diff of edits."""

from __future__ import annotations

import difflib
import io
import tokenize
from collections.abc import Iterable, Iterator

from flask_chainfix.formats.style import printable, shown_path
from flask_chainfix.model import Edit


def unified_diff(edits: Iterable[Edit]) -> Iterator[str]:
    """The lines of a diff for people, without line ends."""
    for edit in edits:
        path = shown_path(edit.path)
        old_name = "/dev/null" if edit.before is None else f"a/{path}"
        new_name = "/dev/null" if edit.after is None else f"b/{path}"
        yield from difflib.unified_diff(
            _lines(edit.before), _lines(edit.after), old_name, new_name, lineterm=""
        )


def _lines(data: bytes | None) -> list[str]:
    """Lines for people: in the file's encoding, and without what a terminal would obey."""
    if data is None:
        return []
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8"
    text = data.decode(encoding, errors="replace")
    return [printable(line.rstrip("\r").expandtabs(4)) for line in text.split("\n")]
