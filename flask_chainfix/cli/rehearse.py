"""The command ``rehearse``."""

from __future__ import annotations

import sys

import click

from flask_chainfix.cli.options import format_option, parse_revisions
from flask_chainfix.cli.running import run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import rehearse as command
from flask_chainfix.common.remedies import Tools
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import from_variable
from flask_chainfix.rehearsal.round_trip import OWN_SERVER, RehearsalRequest
from flask_chainfix.report.results import Rehearsed


def _parse_from(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...]:
    return parse_revisions(value or "")


@click.command(cls=Command, example="--database")
@click.option(
    "--database",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN_SERVER,
    help="Make the scratch databases on this PostgreSQL, MariaDB or MySQL server, or as this new"
    " SQLite file; without a URL, on the server of the app's own database.  [default: a temporary"
    " SQLite file]",
)
@click.option(
    "--from",
    "start",
    metavar="REVISION[,REVISION]",
    callback=_parse_from,
    help="Upgrade a database that the chain before the last repair has stamped there.",
)
@click.option("--keep", is_flag=True, help="Do not drop the scratch databases.")
@format_option("text", "json")
@click.pass_context
def rehearse(
    context: click.Context,
    database: str | None,
    start: tuple[str, ...],
    keep: bool,
    output_format: str,
) -> None:
    """Run the chain on a scratch database, never on the app's.

    Upgrades a new database to the head, downgrades it to the base, upgrades it again, and compares
    it with the models. Exits with 1 if they differ.
    """

    def work(runtime: Runtime, tools: Tools) -> Rehearsed:
        url = None if database is None else from_variable(database)
        request = RehearsalRequest(database=url, keep=keep, start=start)
        with progress_bar(sys.stderr) as progress:
            return command.rehearse(runtime, tools, request, progress)

    run(context, output_format, work)
