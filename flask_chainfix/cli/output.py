"""Where a result goes: to stdout, or into a file that is written in one step and can be opened."""

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
from flask_chainfix.report import Detail, Style, render
from flask_chainfix.report.database_results import RestampScript
from flask_chainfix.report.results import Result

if TYPE_CHECKING:
    from flask_chainfix.databases.facts import Facts
    from flask_chainfix.diagnosis.diagnosis import Diagnosis

OPENED = ("svg", "html")  # the formats that a browser shows
SUMMARIZED = ("github", "markdown")  # those for people who look at a job on GitHub
_SUMMARY = "GITHUB_STEP_SUMMARY"
_SUMMARY_HOLDS = 1024 * 1024  # bytes; GitHub fails to upload a larger one
_PLACE = "flask_chainfix.place"
_LOOKED_AT = 16_384  # bytes of a file that tell whose it is
# How each format begins, so that what we have written may be written anew, and nothing else.
_OURS = (
    rb"\$ [^\n]*fixchain"
    rb'|\{\s*"schema_version": \d+,\s*"command": '
    rb'|\{\s*"\$schema": (?s:.*)"name": "flask-chainfix"'
    rb'|<\?xml [^\n]*\?>\s*<testsuites>\s*<testsuite name="fixchain"'
    rb"|<!-- fixchain |::(?:error|warning|notice) (?:file=[^\n:]*,)?title=(?:FC\d|fixchain)"
    rb"|The (?:migration chain|databases) [^\n]*\n\Z"
    rb"|-- Where the rows are others, nothing is changed: "
    rb"|flowchart BT\n    subgraph g0\[|digraph migrations \{"
    rb'|<svg [^\n]*aria-labelledby="title description"'
    rb'|<!doctype html>(?s:.*)<meta name="generator" content="flask-chainfix">'
)


class Place:
    """Stdout."""

    def style(self) -> Style:
        """What can be shown there."""
        return style(sys.stdout)

    def prepare(self) -> None:
        """Stop before anything is done whose result could not be written."""

    def show(self, text: str, *, asked: bool) -> None:  # noqa: ARG002  (it decides for files)
        """Write what comes before the result, after which the user may be asked."""
        echo(text)

    def write(self, result: Result, text: str, output_format: str) -> None:  # noqa: ARG002
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

    def __init__(self, path: Path | None, suffix: str = "", *, opened: bool = False) -> None:
        self.path, self._suffix, self._opened = path, suffix, opened
        self._shown = ""

    def style(self) -> Style:
        """What a file can hold: lines of 100 columns without colours."""
        return Style(width=100)

    def prepare(self) -> None:
        """Stop where a file is there that must stay.

        Raises:
            CannotWrite: it would be lost.
        """
        if self.path is not None:
            _refuse(self.path, None)

    def show(self, text: str, *, asked: bool) -> None:
        """Keep it for the file; who is asked has to see it, too."""
        self._shown += text
        if asked:
            echo(text, err=True)

    def write(self, result: Result, text: str, output_format: str) -> None:
        """Write the file in one step, unless there is nothing to say, and open it."""
        if not text:
            return
        from flask_chainfix import disk

        if self.path is None:
            # A folder of its own, which only this user can read.
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
    """Have the result of this command go somewhere."""
    context.meta[_PLACE] = place


def place_of(context: click.Context) -> Place | None:
    """Where the user wants the result of this command to go; ``None`` if that was not said."""
    place: Place | None = context.meta.get(_PLACE)
    return place


def show(result: Result, output_format: str, question: str) -> None:
    """Show what would be done: where the result goes, or on stderr if that is for a program.

    Who wants the verdict alone is shown what is asked about all the same.
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
    """Add a result to the summary of a job on GitHub, if it runs in one and is for people there."""
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


# --- What is not written over --------------------------------------------------------------------
def _refuse(path: Path, chain: Facts | None) -> None:
    """Stop before a file is lost that is not ours, or one comes that Alembic would load.

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
        raise _not_written(path, "it is there, and is not an earlier output of fixchain")


def _chain_of(result: Result) -> Facts | None:
    """The chain that a result is about; ``None`` where it has read none."""
    chain: Facts | None = getattr(result, "snapshot", None)
    diagnosis: Diagnosis | None = getattr(result, "diagnosis", None)
    return chain or (None if diagnosis is None else diagnosis.snapshot)


def _not_written(path: Path, why: str) -> CannotWrite:
    remedy: Remedy = Remedy.of("name another file behind --output, in a directory that is there")
    return CannotWrite(f"{printable(str(path))} cannot be written: {why}", remedy, unchanged=True)
