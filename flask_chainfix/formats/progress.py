"""A bar on a terminal while something takes its time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from flask_chainfix.languages import printable


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
        bar.update(task, completed=done, total=total, description=printable(running))

    with bar:
        yield advance
