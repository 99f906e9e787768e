"""The command ``report``."""

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
from flask_chainfix.cli.running import run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import report as command
from flask_chainfix.common.remedies import Tools
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report import report_names
from flask_chainfix.report.results import Analysed


@click.command(cls=Command, example="--format html --output report.html")
@format_option(*report_names())
@against_option
@no_git_option
@database_options(in_passing=True)
def report(
    context: click.Context,
    /,
    *,
    output_format: str,
    against: str | None,
    no_git: bool,
    databases: DatabaseWishes,
) -> None:
    """Write an analysis of the chain for a ticket.

    Describes the findings and what they break, the chain before and after a repair, each change and
    its reason, the databases, a checklist of commands, what the last repair or rebase changed, and
    how to prevent the next fault. The html format adds the text to the page of graph. Changes
    nothing, and imports no migration.
    """
    if no_git and against is not None:
        raise click.UsageError("--no-git and --against contradict each other")

    def work(runtime: Runtime, tools: Tools) -> Analysed:
        with progress_bar(sys.stderr) as progress:
            return command.analyse(
                without_git(runtime, no_git),
                tools,
                databases=databases,
                against=against,
                progress=progress,
            )

    run(context, output_format, work)
