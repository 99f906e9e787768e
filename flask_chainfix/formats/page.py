"""A page of text: lines, paragraphs and pictures as wide and as colourful as its place allows."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.text import Text

from flask_chainfix.formats.picture import PictureNode, draw
from flask_chainfix.formats.style import Style
from flask_chainfix.languages import plain_ascii, printable

INDENT = 2
_MOST_LINES = 2_000  # of a picture


class Page:
    """Collects lines, wrapped and coloured for one place of output."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._console = Console(
            file=StringIO(),
            width=style.width,
            force_terminal=style.color,
            color_system="standard" if style.color else None,
            no_color=not style.color,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """Everything so far."""
        file = self._console.file
        assert isinstance(file, StringIO)
        text = file.getvalue()
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
        for part in body.wrap(self._console, self.style.width - indent - hanging) or [body]:
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
        self._console.print(line, soft_wrap=True)


def _harmless(text: Text) -> Text:
    """A text of several styles, on one line."""
    if text.plain.isprintable():
        return text
    harmless = Text(style=text.style)
    for part in text.divide(range(1, len(text))):
        part.plain = printable(part.plain)
        harmless.append_text(part)
    return harmless
