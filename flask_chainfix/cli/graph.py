"""The command ``graph``."""

from __future__ import annotations

import sys

import click

from flask_chainfix.cli.options import (
    against_option,
    database_options,
    format_option,
    no_git_option,
    without_git,
)
from flask_chainfix.cli.output import OPENED, STDOUT, OutputFile, place_of, send_to
from flask_chainfix.cli.running import run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import graph as command
from flask_chainfix.common.remedies import Tools
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report import picture_names
from flask_chainfix.report.results import Drawn


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
def graph(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    output_format: str,
    opened: bool,
    against: str | None,
    no_git: bool,
    databases: DatabaseWishes,
) -> None:
    """Draw the chain, as it is and as a repair would leave it.

    Shows bases, heads, branches, labels, dependencies, findings, and where databases stand. The
    html format is one page that works offline: search it, and click a revision to see why it moves.
    Changes nothing, and imports no migration.
    """
    if opened and output_format not in OPENED:
        raise click.UsageError(f"--open shows {' or '.join(OPENED)}: add --format")
    place = place_of(context)
    if opened and place is STDOUT:
        raise click.UsageError("--open shows a file, and --output - writes none")
    if no_git and against is not None:
        raise click.UsageError("--no-git and --against contradict each other")

    def work(runtime: Runtime, tools: Tools) -> Drawn:
        with progress_bar(sys.stderr) as progress:
            return command.graph(
                without_git(runtime, no_git),
                tools,
                databases=databases,
                against=against,
                in_detail=output_format == "html",
                progress=progress,
            )

    if opened:
        path = place.path if isinstance(place, OutputFile) else None
        send_to(context, OutputFile(path, output_format, opened=True))
    run(context, output_format, work)
