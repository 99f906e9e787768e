"""Where output goes, what can be shown there, and a bar for what takes its time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from flask_chainfix.common.errors import CannotWrite, ChainFixError, Declined
from flask_chainfix.common.quoting import log_text, printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.report import Style, about_masks, remedy_lines


@contextmanager
def progress_bar(
    stream: TextIO | None, *, in_bytes: bool = False
) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar, if the stream is a terminal, and take it away at the end.

    Args:
        stream: where to show it.
        in_bytes: whether the steps are bytes.

    Yields:
        What is to be called with the steps done, the steps in all, and what is running.
    """
    if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda *_: None
        return
    from rich.console import Console  # most commands end before there is anything to show
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        BarColumn(),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(file=stream),
        transient=True,
    )
    task = bar.add_task("", total=None)

    def advance(done: int, total: int, running: str) -> None:
        bar.update(task, completed=done, total=total or None, description=printable(running))

    with bar:
        yield advance


# --- Where output goes, and what can be shown there ----------------------------------------------


def style(stream: Any) -> Style:
    """What a stream can show; it may be missing."""
    # A process that was started without a stream has None in its place.
    terminal = stream is not None and stream.isatty()
    width = 80
    if terminal or "COLUMNS" in os.environ:
        from shutil import get_terminal_size  # it loads what packs archives

        width = get_terminal_size((width, 24)).columns
    colored = terminal and os.environ.get("TERM") != "dumb"
    return Style(
        width=max(40, width),
        color=colored and not os.environ.get("NO_COLOR"),
        ascii_only=not _can_encode("●│╮┆…✗◆○“”→", stream),
    )


def _can_encode(text: str, stream: Any) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def echo(text: str, err: bool = False) -> None:
    """Write text to stdout, or to stderr, with what its encoding cannot say replaced.

    Raises:
        BrokenPipeError: nobody reads on.
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
    """Text that is for people, as the place where it goes can take it."""
    return log_text(text) if os.environ.get("GITHUB_ACTIONS") == "true" else text


def error_text(error: ChainFixError, tools: Tools) -> str:
    """An error and its remedy, as stderr has them; what the user has declined is no error."""
    title = "" if isinstance(error, Declined) else "error: "
    told = ("Nothing was changed.",) if error.unchanged else ()
    remedy = remedy_lines(error.remedy, tools)
    lines = (f"{title}{error.message}", *error.lines, *told, *remedy)
    note = about_masks("\n".join(lines))
    lines = (*lines, note) if note else lines
    return for_people("".join(f"{printable(line)}\n" for line in lines))
