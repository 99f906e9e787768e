"""Where a result goes: to stdout, or into a file that is written in one step and can be opened."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flask_chainfix.cli.streams import echo, style
from flask_chainfix.common.errors import CannotWrite
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.report import Style
from flask_chainfix.report.results import Drawn, Failed, Result

if TYPE_CHECKING:
    from flask_chainfix.chain.snapshot import Snapshot

OPENED = ("svg", "html")  # the formats that a browser shows
# How the names of files end that may be replaced: one that is something else is not lost.
_REPLACED = (".dot", ".gv", ".htm", ".html", ".mermaid", ".mmd", ".svg")


class Place:
    """Stdout."""

    def style(self) -> Style:
        """What can be shown there."""
        return style(sys.stdout)

    def write(self, result: Result, text: str) -> None:  # noqa: ARG002  (it decides for files)
        """Write a result as text.

        Raises:
            BrokenPipeError: nobody reads on.
            CannotWrite: it cannot be written there.
        """
        echo(text)


STDOUT = Place()


class OutputFile(Place):
    """A file.

    Args:
        path: where it is; ``None`` for a new one among the temporary ones.
        suffix: how the name of a temporary one ends.
        opened: whether it is shown when it is written.
    """

    def __init__(self, path: Path | None, suffix: str, *, opened: bool) -> None:
        self._path, self._suffix, self._opened = path, suffix, opened

    def style(self) -> Style:
        """What a file can hold: lines of 100 columns without colours."""
        return Style(width=100)

    def write(self, result: Result, text: str) -> None:
        """Write the file in one step, unless there is no result, and open it."""
        if isinstance(result, Failed):
            return
        from flask_chainfix import disk

        if self._path is None:
            # A folder of its own, which only this user can read.
            self._path = Path(tempfile.mkdtemp(prefix="fixchain-"), f"graph.{self._suffix}")
        path = self._path
        if isinstance(result, Drawn):
            _refuse_migrations(path, result.snapshot)
        if path.is_file() and path.suffix.lower() not in _REPLACED:
            raise _not_written(path, "it is there, and its name is not that of a picture")
        try:
            if not path.is_file() and path.exists():
                raise _not_written(
                    path, "it is a directory" if path.is_dir() else "it is not a regular file"
                )
            disk.write_at_once(path, text.encode("utf-8", "replace"))
        except OSError as error:
            raise _not_written(path, error.strerror or str(error)) from error
        echo(f"written to {printable(str(path))}\n", err=True)
        if self._opened and click.launch(str(path.absolute())):
            echo("nothing here can open it: open it in a browser by hand\n", err=True)


def _refuse_migrations(path: Path, snapshot: Snapshot) -> None:
    """Stop before a file of the environment is lost, or one comes that Alembic would load.

    Raises:
        CannotWrite: the path is among the migrations.
    """
    target = Path(os.path.realpath(path))
    own = {os.path.realpath(file.path) for file in snapshot.files}
    around = {os.path.realpath(place) for place in snapshot.environment.version_locations}
    home = Path(os.path.realpath(snapshot.environment.directory))
    if str(target) in own or around.intersection(map(str, target.parents)):
        raise _not_written(path, "it is, or would be, a migration")
    if target.exists() and target.is_file() and home in target.parents:
        raise _not_written(path, "it belongs to the migration environment")


def _not_written(path: Path, why: str) -> CannotWrite:
    remedy: Remedy = Remedy.of("name another file behind --output, in a directory that is there")
    return CannotWrite(f"{printable(str(path))} cannot be written: {why}", remedy, unchanged=True)
