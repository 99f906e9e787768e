"""Building blocks of all formats: rows and sections, paths and places, and diffs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import printable
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Location


class Row(NamedTuple):
    """A line of a section.

    Attributes:
        text: what it says.
        style: its colour; ``""`` for none.
        wrapped: whether it may be wrapped to the width.
        indent: its indentation, in columns.
        hanging: the additional indentation of wrapped lines, in columns.
    """

    text: str
    style: str = ""
    wrapped: bool = True
    indent: int = 0
    hanging: int = 0


class Section(NamedTuple):
    """A section of the output.

    Attributes:
        title: its heading.
        aside: the text beside the heading.
        rows: its lines.
    """

    title: str
    aside: str
    rows: tuple[Row, ...]


# --- What the output can show, and paths for users -----------------------------------------------


class Detail(Enum):
    """How much of a result to show."""

    VERDICT = "the verdict alone"
    SHORT = "what is needed to go on"
    FULL = "all reasons, places and remedies"


@dataclass(frozen=True)
class Style:
    """What the output can show, and how much it should.

    Attributes:
        width: its width, in columns.
        color: whether it supports ANSI colours.
        ascii_only: whether it can only show ASCII.
        links: whether it supports hyperlinks.
        detail: how much to show.
    """

    width: int = 80
    color: bool = False
    ascii_only: bool = False
    links: bool = False
    detail: Detail = Detail.SHORT


def shown_path(path: Path) -> str:
    """A path for users: with ``/``, and relative if it is below the working directory."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        real = Path(os.path.realpath(path.parent), path.name)
        here = Path(os.path.realpath(Path.cwd()))
        return real.relative_to(here).as_posix() if here in real.parents else path.as_posix()


def path_in_repository(path: Path) -> str:
    """A path for CI systems, which read it from the top of the repository, wherever a job runs."""
    here = Path.cwd()
    top = next((each for each in (here, *here.parents) if (each / ".git").exists()), here)
    real = Path(os.path.realpath(path.parent), path.name)
    return real.relative_to(top).as_posix() if top in real.parents else shown_path(path)


def shown_place(place: Location) -> str:
    """A place for users: file and line, after the Git revision if only that has it."""
    line = "" if place.line is None else f":{place.line}"
    ref = f"{place.ref}:" if place.ref else ""
    return f"{ref}{shown_path(place.path)}{line}"


# --- The unified diff of edits -------------------------------------------------------------------


_SIMILAR = 0.7  # share of the lines; a file with a new name and a new id exceeds this


def unified_diff(edits: Iterable[Edit], *, around: bool = True) -> Iterator[str]:
    """The lines of a diff for people, without newlines.

    Args:
        edits: the edits to show.
        around: whether to show context lines and line numbers; without them, a file that keeps its
            name is named once.
    """
    from difflib import unified_diff as compared  # only plans have edits to show

    for old, new in _pairs(list(edits)):
        old_name = "/dev/null" if old.before is None else f"a/{shown_path(old.path)}"
        new_name = "/dev/null" if new.after is None else f"b/{shown_path(new.path)}"
        texts = _lines(old.before), _lines(new.after)
        lines = compared(*texts, old_name, new_name, lineterm="", n=3 if around else 0)
        if not around and old_name[2:] == new_name[2:]:
            yield new_name[2:]
            lines = islice(lines, 2, None)
        yield from (line for line in lines if around or not line.startswith("@@"))


def _pairs(edits: Sequence[Edit]) -> Iterator[tuple[Edit, Edit]]:
    """Each edit with itself; a deletion paired with the addition of the renamed file."""
    coming = {edit.path: edit for edit in edits if edit.before is None}
    for edit in edits:
        if edit.after is None:
            renamed = next((new for new in coming.values() if _is_renamed(edit, new)), edit)
            coming.pop(renamed.path, None)
            yield edit, renamed
        elif edit.before is not None or edit.path in coming:
            yield edit, edit


def _is_renamed(gone: Edit, new: Edit) -> bool:
    from difflib import SequenceMatcher

    lines = _lines(gone.before), _lines(new.after)
    return (
        gone.path.parent == new.path.parent
        and SequenceMatcher(None, *lines, autojunk=False).ratio() >= _SIMILAR
    )


def line_style(line: str) -> str:
    """The colour of a line of a diff."""
    if line.startswith(("+++", "---")) or line[:1] not in "+-@ ":
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _lines(data: bytes | None) -> list[str]:
    """Lines for people: decoded, with control characters escaped."""
    from tokenize import detect_encoding

    if data is None:
        return []
    try:
        encoding, _ = detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8"
    text = data.decode(encoding, errors="replace")
    return [printable(line.rstrip("\r").expandtabs(4)) for line in text.split("\n")]
