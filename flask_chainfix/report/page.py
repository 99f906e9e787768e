"""A page of text: lines, paragraphs and pictures as wide and as colourful as its place allows."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import plain_ascii, printable
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Location
from flask_chainfix.report.layout import PictureNode
from flask_chainfix.report.lines import Line, link_to
from flask_chainfix.report.picture import draw


class Row(NamedTuple):
    """A line of a section.

    Attributes:
        text: what it says.
        style: its colour; ``""`` for none.
        wrapped: whether it may be wrapped to the width.
        indent: how far in it begins, in columns.
        hanging: how much further in its other lines are where it is wrapped.
    """

    text: str
    style: str = ""
    wrapped: bool = True
    indent: int = 0
    hanging: int = 0


class Section(NamedTuple):
    """A part of what is shown.

    Attributes:
        title: its heading.
        aside: what stands beside that.
        rows: its lines.
    """

    title: str
    aside: str
    rows: tuple[Row, ...]


# --- What the place that output goes to can show, and paths as users are to see them -------------


class Detail(Enum):
    """How much of a result is told."""

    VERDICT = "the verdict alone"
    SHORT = "what is needed to go on"
    FULL = "all reasons, places and ways out"


@dataclass(frozen=True)
class Style:
    """What the place that the output goes to can show, and how much it is to.

    Attributes:
        width: columns.
        color: whether it understands ANSI colours.
        ascii_only: whether it can only show ASCII.
        links: whether it understands hyperlinks.
        detail: how much is told.
    """

    width: int = 80
    color: bool = False
    ascii_only: bool = False
    links: bool = False
    detail: Detail = Detail.SHORT


def shown_path(path: Path) -> str:
    """A path as users are to see it: relative to where they are, if it lies there; with ``/``."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        real = Path(os.path.realpath(path.parent), path.name)
        here = Path(os.path.realpath(Path.cwd()))
        return real.relative_to(here).as_posix() if here in real.parents else path.as_posix()


def shown_place(place: Location) -> str:
    """A place as a person finds it: file and line, behind the Git revision where that has it."""
    line = "" if place.line is None else f":{place.line}"
    ref = f"{place.ref}:" if place.ref else ""
    return f"{ref}{shown_path(place.path)}{line}"


def said(part: Any, *names: str) -> dict[str, Any]:
    """Attributes as JSON has them: paths as they are shown, words for enums, reasons as objects."""
    return {name: _in_json(getattr(part, name)) for name in names}


def _in_json(value: Any) -> Any:
    if isinstance(value, Path):
        return shown_path(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        fields: tuple[str, ...] | None = getattr(value, "_fields", None)
        return said(value, *fields) if fields else [_in_json(each) for each in value]
    return value


# --- The unified diff of edits -------------------------------------------------------------------


_SIMILAR = 0.7  # of the lines; a file that has a new name and a new id is


def unified_diff(edits: Iterable[Edit], *, around: bool = True) -> Iterator[str]:
    """The lines of a diff for people, without line ends.

    Args:
        edits: what is compared.
        around: whether to show the lines around those that change, and their numbers; without
            them, a file that keeps its name is named once.
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
    """Lines for people: in the file's encoding, and without what a terminal would obey."""
    from tokenize import detect_encoding

    if data is None:
        return []
    try:
        encoding, _ = detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8"
    text = data.decode(encoding, errors="replace")
    return [printable(line.rstrip("\r").expandtabs(4)) for line in text.split("\n")]


# --- A page of text: lines, paragraphs and pictures as wide and as colourful as its place allows -


INDENT = 2
_MOST_LINES, _SHORT_LINES = 2_000, 100  # of a picture, where all is told and where not


class Page:
    """Collects lines, wrapped and coloured for one place of output."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._lines = StringIO()
        self._verdict = ""  # the first paragraph

    @property
    def in_full(self) -> bool:
        """Whether all is told."""
        return self.style.detail is Detail.FULL

    def text(self) -> str:
        """Everything so far, or the verdict where that is all that is wanted."""
        only = self.style.detail is Detail.VERDICT
        text = self._verdict if only else self._lines.getvalue()
        return plain_ascii(text) if self.style.ascii_only else text

    def heading(self, title: str, aside: str = "") -> None:
        """A title behind an empty line, with what is said less loudly beside it."""
        line = Line().append(printable(title), "bold underline")
        self._print(Line())
        self._print(line.append(f"  {printable(aside)}" if aside else "", "dim"))

    def line(self, text: str | Line, indent: int = 0, style: str = "", *, hanging: int = 0) -> None:
        """A paragraph, wrapped to the width; all lines but the first are ``hanging`` further in."""
        body = Line(text, style) if isinstance(text, str) else text
        body.parts = [(printable(part), styles) for part, styles in body.parts]
        for part in body.wrapped(self.style.width - indent - hanging):
            self._print(part, indent)
            indent, hanging = indent + hanging, 0
        self._verdict = self._verdict or self._lines.getvalue().lstrip("\n")

    def verbatim(self, text: str, style: str = "") -> None:
        """A line that must not be wrapped, such as a command or a part of a diff."""
        self._print(Line(printable(text), style))

    def path(
        self, path: Path | None, shown: str = "", more: str = "", *, indent: int = INDENT
    ) -> None:
        """A link to a file, where links can be shown.

        Args:
            path: the file; ``None`` for one that is not on the disk.
            shown: what stands for its path.
            more: what follows.
            indent: how far in it begins.
        """
        text = shown or (shown_path(path) if path else "")
        line = Line().append(printable(text), f"cyan {link_to(path) if path else ''}")
        self._print(line.append(printable(more)), indent)

    def picture(self, nodes: list[PictureNode], *, whole: bool = False) -> None:
        """A drawing of a chain; ``whole`` where that is what was asked for."""
        width = self.style.width - INDENT
        lines = draw(nodes, width=width, ascii_only=self.style.ascii_only)
        most = _MOST_LINES if whole or self.in_full else _SHORT_LINES
        if len(lines) > most:
            lines = [*lines[:most], Line(f"… and {len(lines) - most:,} more lines", "dim")]
        for line in lines:
            self._print(line.cut(0, len(line.plain.rstrip())), INDENT)

    def _print(self, line: Line, indent: int = 0) -> None:
        text = line.ansi(color=self.style.color, links=self.style.links)
        self._lines.write(f"{' ' * indent if text else ''}{text}\n")
