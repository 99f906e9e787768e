"""A page of text: lines, paragraphs and pictures as wide and as colourful as its place allows."""

from __future__ import annotations

import difflib
import io
import os
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import plain_ascii, printable
from flask_chainfix.model.files import Edit
from flask_chainfix.report.picture import PictureNode, draw

if TYPE_CHECKING:
    from rich.console import Console


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


@dataclass(frozen=True)
class Style:
    """What the place that the output goes to can show.

    Attributes:
        width: columns.
        color: whether it understands ANSI colours.
        ascii_only: whether it can only show ASCII.
    """

    width: int = 80
    color: bool = False
    ascii_only: bool = False


def shown_path(path: Path) -> str:
    """A path as users are to see it: relative to where they are, if it lies there; with ``/``."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        real = Path(os.path.realpath(path.parent), path.name)
        here = Path(os.path.realpath(Path.cwd()))
        return real.relative_to(here).as_posix() if here in real.parents else path.as_posix()


# --- The unified diff of edits -------------------------------------------------------------------


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


# --- A page of text: lines, paragraphs and pictures as wide and as colourful as its place allows -


INDENT = 2


_MOST_LINES = 2_000  # of a picture


class Page:
    """Collects lines, wrapped and coloured for one place of output."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._lines = StringIO()
        self._colored = _console(self._lines, style.width) if style.color else None

    def text(self) -> str:
        """Everything so far."""
        text = self._lines.getvalue()
        return plain_ascii(text) if self.style.ascii_only else text

    def heading(self, title: str, aside: str = "") -> None:
        """A title behind an empty line, with what is said less loudly beside it."""
        line = Text(printable(title), "bold underline" if self.style.color else "bold")
        self._print(Text())
        self._print(
            Text().append_text(line).append(f"  {printable(aside)}" if aside else "", "dim")
        )

    def line(self, text: str | Text, indent: int = 0, style: str = "", *, hanging: int = 0) -> None:
        """A paragraph, wrapped to the width; all lines but the first are ``hanging`` further in."""
        body = Text(printable(text), style) if isinstance(text, str) else _harmless(text)
        console: Any = self._colored  # which is asked only where text is justified
        for part in body.wrap(console, self.style.width - indent - hanging) or [body]:
            indented = Text(" " * indent).append_text(part)
            indented.rstrip()
            self._print(indented)
            indent, hanging = indent + hanging, 0

    def verbatim(self, text: str, style: str = "") -> None:
        """A line that must not be wrapped, such as a command or a part of a diff."""
        self._print(Text(printable(text), style))

    def picture(self, nodes: list[PictureNode]) -> None:
        """A drawing of a chain."""
        width = self.style.width - INDENT
        lines = draw(nodes, width=width, ascii_only=self.style.ascii_only)
        if len(lines) > _MOST_LINES:
            more = f"… and {len(lines) - _MOST_LINES:,} more lines"
            lines = [*lines[:_MOST_LINES], Text(more, "dim")]
        for line in lines:
            indented = Text(" " * INDENT).append_text(line)
            indented.rstrip()
            self._print(indented)

    def _print(self, line: Text) -> None:
        if self._colored is not None:
            self._colored.print(line, soft_wrap=True)
        else:
            self._lines.write(f"{line.plain}\n")


def _console(file: StringIO, width: int) -> Console:
    from rich.console import Console  # colours need it; what a pipe gets goes without

    return Console(
        file=file,
        width=width,
        force_terminal=True,
        color_system="standard",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _harmless(text: Text) -> Text:
    """A text of several styles, on one line."""
    if text.plain.isprintable():
        return text
    harmless = Text(style=text.style)
    for part in text.divide(range(1, len(text))):
        part.plain = printable(part.plain)
        harmless.append_text(part)
    return harmless
