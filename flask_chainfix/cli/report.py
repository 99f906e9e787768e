"""The command ``report``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import (
    against_option,
    database_options,
    format_option,
    no_git_option,
    require_git,
)
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import report as command
from flask_chainfix.report import report_names


@click.command(cls=Command, example="--format html --output report.html")
@format_option(*report_names())
@against_option
@no_git_option
@database_options(in_passing=True)
def report(call: Call, *, against: str | None) -> None:
    """Write an analysis of the chain for a ticket.

    Describes the findings and what they break, the chain before and after a repair, each change and
    its reason, the databases, a checklist of commands, what the last repair or rebase changed, and
    how to prevent the next fault. The html format adds the text to the page of graph. Changes
    nothing, and imports no migration.
    """
    require_git(call, against=against)
    call.run(lambda session: command.analyse(session, against=against))
