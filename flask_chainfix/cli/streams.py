"""Output streams: what they can show, and a progress bar for slow work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Timer
from typing import TYPE_CHECKING, Any, TextIO

import click

from flask_chainfix.common.errors import CannotWrite, ChainFixError, Declined
from flask_chainfix.common.quoting import log_text, printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.report import Detail, Style, about_masks
from flask_chainfix.report.advice import remedy_rows
from flask_chainfix.report.display import Row

if TYPE_CHECKING:
    from rich.progress import Progress

DETAIL = "flask_chainfix.detail"  # the key in a context's ``meta``


def detail() -> Detail:
    """How much the user wants to see."""
    context = click.get_current_context(silent=True)
    chosen: Detail = Detail.SHORT if context is None else context.meta.get(DETAIL, Detail.SHORT)
    return chosen


# Seconds before a bar appears; most commands end sooner.
PATIENCE = 0.3


@contextmanager
def progress_bar(
    stream: TextIO | None, *, in_bytes: bool = False
) -> Iterator[Callable[[int, int, str], None]]:
    """Show a progress bar for slow work, and remove it at the end.

    Without a known total, the bar only pulses. It is shown only on a terminal, and not with
    ``--quiet``.

    Args:
        stream: where to show it.
        in_bytes: whether the steps are bytes.

    Yields:
        A function to call with the steps done, the steps in all, and what is running.
    """
    is_shown = stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    if not is_shown or detail() is Detail.VERDICT:
        yield lambda *_: None
        return
    bar = _Bar(stream, in_bytes=in_bytes)
    timer = Timer(PATIENCE, bar.start)
    timer.start()
    try:
        yield bar.advance
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


class _Bar:
    """A progress bar by rich, which is imported once the bar is shown."""

    def __init__(self, stream: TextIO | None, *, in_bytes: bool) -> None:
        self._stream, self._in_bytes = stream, in_bytes
        self._latest: tuple[int, int, str] = (0, 0, "")
        self._bar: Progress | None = None

    def start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            BarColumn(),
            *([DownloadColumn()] if self._in_bytes else []),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(file=self._stream),
            transient=True,
        )
        bar.add_task("", total=None)
        bar.start()
        self._bar = bar
        self.advance(*self._latest)

    def advance(self, done: int, total: int, running: str) -> None:
        self._latest = done, total, running
        if self._bar is not None:
            (task,) = self._bar.task_ids
            count = f"{done:,}/{total:,} " if total and not self._in_bytes else ""
            text = f"{count}{printable(running)}"
            self._bar.update(task, completed=done, total=total or None, description=text)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


# --- Streams, and what they can show -------------------------------------------------------------


def style(stream: Any) -> Style:
    """What a stream can show."""
    # A process that was started without the stream has None instead.
    terminal = stream is not None and stream.isatty()
    width = 80
    if terminal or "COLUMNS" in os.environ:
        from shutil import get_terminal_size  # slow: it imports archive modules

        width = get_terminal_size((width, 24)).columns
    colored = terminal and os.environ.get("TERM") != "dumb"
    return Style(
        width=max(40, width),
        color=colored and not os.environ.get("NO_COLOR"),
        ascii_only=not _can_draw(stream),
        links=colored and _knows_links(),
        detail=detail(),
    )


# Environment variables of terminals that support hyperlinks; others may print the raw sequence.
_LINKING = (
    *("DOMTERM", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "VTE_VERSION", "WEZTERM_PANE", "WT_SESSION"),
    *("ALACRITTY_WINDOW_ID", "GHOSTTY_RESOURCES_DIR"),
)
_LINKING_PROGRAMS = frozenset(("ghostty", "Hyper", "iTerm.app", "vscode", "WezTerm"))


def _knows_links() -> bool:
    """Whether the terminal supports hyperlinks; ``FORCE_HYPERLINK`` overrides."""
    forced = os.environ.get("FORCE_HYPERLINK")
    if forced:
        return forced != "0"
    if os.environ.get("TERM", "").startswith("screen"):  # it may not pass them on
        return False
    known = any(os.environ.get(name) for name in _LINKING)
    return known or os.environ.get("TERM_PROGRAM") in _LINKING_PROGRAMS


def _can_draw(stream: Any) -> bool:
    try:
        "●│╮┆…✗◆○“”→".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def echo(text: str, err: bool = False) -> None:
    """Write text to stdout or stderr; replace characters that its encoding lacks.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        CannotWrite: the stream cannot be written for any other reason.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    encoding = stream.encoding or "ascii"
    encodable = text.encode(encoding, errors="replace").decode(encoding)
    try:
        # Colours are in the text only if they are wanted.
        click.echo(encodable, nl=False, err=err, color=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"the output cannot be written: {error}"
        remedy = "send the output somewhere else"
        raise CannotWrite(message, remedy, unchanged=True) from error


def for_people(text: str) -> str:
    """Text for people, limited to what the stream can show."""
    return log_text(text) if os.environ.get("GITHUB_ACTIONS") == "true" else text


def error_text(error: ChainFixError, tools: Tools, stream: TextIO | None = None) -> str:
    """An error and its remedy; declining a question is no error.

    Args:
        error: the error.
        tools: how to spell out commands.
        stream: where it is shown; on a terminal, sentences are wrapped.
    """
    title = "" if isinstance(error, Declined) else "error: "
    unchanged = ("Nothing was changed.",) if error.unchanged else ()
    rows = [
        Row(f"{title}{error.message}"),
        *(Row(line, wrapped=False) for line in error.lines),
        *map(Row, unchanged),
        *remedy_rows(error.remedy, tools),
    ]
    note = about_masks("\n".join(row.text for row in rows))
    rows += [Row(note)] if note else []
    if stream is not None and stream.isatty():
        from flask_chainfix.report.text.page import Page

        page = Page(replace(style(stream), detail=Detail.SHORT))
        page.rows(rows, 0)
        return page.text()
    return for_people("".join(f"{' ' * row.indent}{printable(row.text)}\n" for row in rows))
