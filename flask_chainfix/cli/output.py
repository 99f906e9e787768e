"""Where a result goes: to stdout, or to a file that is written atomically and can be opened."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flask_chainfix.cli.streams import detail, echo, for_people, style
from flask_chainfix.common.errors import CannotWrite
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.regular_files import read_beginning
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.facts import Facts
from flask_chainfix.report import Detail, Style, render
from flask_chainfix.report.database_results import RestampScript
from flask_chainfix.report.results import Result

if TYPE_CHECKING:
    from flask_chainfix.diagnosis.diagnosis import Diagnosis

OPENED = ("svg", "html")  # the formats that a browser shows
SUMMARIZED = ("github", "markdown")  # the formats that also go into a job's summary
_SUMMARY = "GITHUB_STEP_SUMMARY"
_SUMMARY_HOLDS = 1024 * 1024  # bytes; GitHub rejects a larger summary
_PLACE = "flask_chainfix.place"
_LOOKED_AT = 16_384  # bytes to read to recognize our own output
# How each of our formats begins: only our own output may be overwritten.
_OURS = (
    rb"\$ [^\n]*fixchain"
    rb'|\{\s*"schema_version": \d+,\s*"command": '
    rb'|\{\s*"\$schema": (?s:.*)"name": "flask-chainfix"'
    rb'|<\?xml [^\n]*\?>\s*<testsuites>\s*<testsuite name="fixchain"'
    rb"|<!-- fixchain |::(?:error|warning|notice) (?:file=[^\n:]*,)?title=(?:FC\d|fixchain)"
    rb"|The (?:migration chain|databases) [^\n]*\n\Z"
    rb"|-- Where the rows differ, nothing is changed: "
    rb"|flowchart BT\n    subgraph g0\[|digraph migrations \{"
    rb'|<svg [^\n]*aria-labelledby="title description"'
    rb'|<!doctype html>(?s:.*)<meta name="generator" content="flask-chainfix">'
)


class Place:
    """Where a result goes: to stdout, unless a subclass says otherwise."""

    def style(self) -> Style:
        """What the place can show."""
        return style(sys.stdout)

    def prepare(self) -> None:
        """Refuse early if the result could not be written."""

    def show(self, text: str, *, asked: bool) -> None:  # noqa: ARG002  (it decides for files)
        """Write what comes before the result; a question may follow."""
        echo(text)

    def write(self, result: Result, text: str, output_format: str) -> None:  # noqa: ARG002
        """Write a result as text.

        Raises:
            BrokenPipeError: the reader has closed the pipe.
            CannotWrite: stdout cannot be written.
        """
        echo(text)


STDOUT = Place()


class OutputFile(Place):
    """A file.

    Args:
        path: the path; ``None`` for a new temporary file.
        suffix: the suffix of a temporary file.
        opened: whether to open the file once it is written.
    """

    def __init__(self, path: Path | None, suffix: str = "", *, opened: bool = False) -> None:
        self.path, self._suffix, self._opened = path, suffix, opened
        self._shown = ""

    def style(self) -> Style:
        """What a file can hold: lines of 100 columns without colours."""
        return Style(width=100)

    def prepare(self) -> None:
        """Refuse to overwrite a file that is not ours.

        Raises:
            CannotWrite: the file would be lost.
        """
        if self.path is not None:
            _refuse(self.path, None)

    def show(self, text: str, *, asked: bool) -> None:
        """Keep the text for the file; also show it if a question follows."""
        self._shown += text
        if asked:
            echo(text, err=True)

    def write(self, result: Result, text: str, output_format: str) -> None:
        """Write the file atomically unless it would be empty, and open it if wanted."""
        if not text:
            return
        from flask_chainfix import disk

        if self.path is None:
            # A directory of its own, which only this user can read.
            import tempfile

            self.path = Path(tempfile.mkdtemp(prefix="fixchain-"), f"graph.{self._suffix}")
        if output_format == "text" and not isinstance(result, RestampScript):
            command = printable(f"{result.tools.fixchain} {result.command}")
            text = f"$ {command}\n{self._shown}{text}"
        path = self.path
        _refuse(path, _chain_of(result))
        try:
            disk.write_at_once(path, text.encode("utf-8", "replace"))
        except OSError as error:
            raise _not_written(path, error.strerror or str(error)) from error
        echo(f"written to {printable(str(path))}\n", err=True)
        if self._opened and click.launch(str(path.absolute())):
            echo("nothing here can open it: open it in a browser by hand\n", err=True)


def send_to(context: click.Context, place: Place) -> None:
    """Send the result of this command to a place."""
    context.meta[_PLACE] = place


def place_of(context: click.Context) -> Place | None:
    """Where the user wants the result of this command; ``None`` if they did not say."""
    place: Place | None = context.meta.get(_PLACE)
    return place


def show(result: Result, output_format: str, question: str) -> None:
    """Show the plan: where the result goes, or on stderr if a program reads the result.

    If a question follows, the plan is shown even with ``--quiet``.
    """
    is_asked = bool(question)
    is_text = output_format == "text"
    is_quiet = detail() is Detail.VERDICT
    if not is_asked and (not is_text or (is_quiet and not result.is_done)):
        return
    chosen = Detail.SHORT if is_quiet and is_asked else detail()
    place = place_of(click.get_current_context()) or STDOUT
    if is_text:
        shown = render("text", result, replace(place.style(), detail=chosen))
        place.show(for_people(shown), asked=is_asked)
    else:
        shown = render("text", result, replace(style(sys.stderr), detail=chosen))
        echo(for_people(shown), err=True)


def summarize(result: Result, output_format: str, output: str) -> None:
    """Add a result to the summary of a GitHub job, if there is one and the format suits it."""
    path = os.environ.get(_SUMMARY)
    if not path or output_format not in SUMMARIZED:
        return
    from flask_chainfix import disk

    text = output if output_format == "markdown" else render("markdown", result, Style())
    data = f"{text}\n".encode("utf-8", "replace")
    if len(data) > _SUMMARY_HOLDS:
        echo(
            f"note: the summary of the job is left out: {len(data):,} bytes are too many\n",
            err=True,
        )
        return
    try:
        disk.append(Path(path), data)
    except OSError as error:
        why = error.strerror or str(error)
        echo(f"note: the summary of the job cannot be written: {printable(why)}\n", err=True)


# --- Files that must not be overwritten ----------------------------------------------------------
def _refuse(path: Path, chain: Facts | None) -> None:
    """Refuse to overwrite a file that is not ours, or to write one that Alembic would load.

    Raises:
        CannotWrite: the file must not be written.
    """
    target = Path(os.path.realpath(path))
    if chain is not None:
        own = {os.path.realpath(file.path) for file in chain.files}
        around = {os.path.realpath(place) for place in chain.environment.version_locations}
        if str(target) in own or around.intersection(map(str, target.parents)):
            raise _not_written(path, "it is, or would be, a migration")
    if target.suffix.lower().startswith(".py"):
        raise _not_written(path, "its name is that of a Python file")
    if target.is_dir():
        raise _not_written(path, "it is a directory")
    try:
        begins = read_beginning(target, _LOOKED_AT)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(path, error.strerror or str(error)) from error
    if begins and not re.match(_OURS, begins):
        raise _not_written(path, "it exists, and is not an earlier output of fixchain")


def _chain_of(result: Result) -> Facts | None:
    """The chain that a result is about; ``None`` if none was read."""
    chain: Facts | None = getattr(result, "snapshot", None)
    diagnosis: Diagnosis | None = getattr(result, "diagnosis", None)
    return chain or (None if diagnosis is None else diagnosis.snapshot)


def _not_written(path: Path, why: str) -> CannotWrite:
    remedy: Remedy = Remedy.of("give --output another file, in an existing directory")
    return CannotWrite(f"{printable(str(path))} cannot be written: {why}", remedy, unchanged=True)
