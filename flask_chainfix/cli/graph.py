"""The command ``graph``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import (
    against_option,
    database_options,
    format_option,
    no_git_option,
    require_git,
)
from flask_chainfix.cli.output import OPENED, STDOUT, OutputFile, place_of, send_to
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import graph as command
from flask_chainfix.report import picture_names


@click.command(cls=Command, example="--format html --open")
@format_option(*picture_names(), "markdown")
@click.option(
    "--open",
    "opened",
    is_flag=True,
    help="Show an svg or html in the browser; without --output, as a temporary file.",
)
@against_option
@no_git_option
@database_options(in_passing=True)
def graph(call: Call, *, opened: bool, against: str | None) -> None:
    """Draw the chain, as it is and as a repair would leave it.

    Shows bases, heads, branches, labels, dependencies, findings, and where databases stand. The
    html format is one page that works offline: search it, and click a revision to see why it moves.
    Changes nothing, and imports no migration.
    """
    if opened and call.output_format not in OPENED:
        raise click.UsageError(f"--open shows {' or '.join(OPENED)}: add --format")
    place = place_of(call.context)
    if opened and place is STDOUT:
        raise click.UsageError("--open shows a file, and --output - writes none")
    require_git(call, against=against)

    if opened:
        path = place.path if isinstance(place, OutputFile) else None
        send_to(call.context, OutputFile(path, call.output_format, opened=True))
    in_detail = call.output_format == "html"
    call.run(lambda session: command.graph(session, against=against, in_detail=in_detail))
