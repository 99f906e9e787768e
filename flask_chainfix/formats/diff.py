"""The unified diff of edits."""

from __future__ import annotations

import difflib
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence

from flask_chainfix.formats.style import shown_path
from flask_chainfix.languages import printable
from flask_chainfix.model import Edit

_SIMILAR = 0.7  # of the lines; a file that has a new name and a new id is


def unified_diff(edits: Iterable[Edit]) -> Iterator[str]:
    """The lines of a diff for people, without line ends."""
    for old, new in _pairs(list(edits)):
        old_name = "/dev/null" if old.before is None else f"a/{shown_path(old.path)}"
        new_name = "/dev/null" if new.after is None else f"b/{shown_path(new.path)}"
        yield from difflib.unified_diff(
            _lines(old.before), _lines(new.after), old_name, new_name, lineterm=""
        )


def _pairs(edits: Sequence[Edit]) -> Iterator[tuple[Edit, Edit]]:
    """Each edit with itself; one that takes a file away with one that brings it back renamed."""
    coming = {edit.path: edit for edit in edits if edit.before is None}
    for edit in edits:
        if edit.after is None:
            renamed = next((new for new in coming.values() if _is_renamed(edit, new)), edit)
            coming.pop(renamed.path, None)
            yield edit, renamed
        elif edit.before is not None or edit.path in coming:
            yield edit, edit


def _is_renamed(gone: Edit, new: Edit) -> bool:
    lines = _lines(gone.before), _lines(new.after)
    return (
        gone.path.parent == new.path.parent
        and difflib.SequenceMatcher(None, *lines, autojunk=False).ratio() >= _SIMILAR
    )


def line_style(line: str) -> str:
    """The colour of a line of a diff."""
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


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
