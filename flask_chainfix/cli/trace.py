"""The command ``trace``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import (
    database_options,
    detail_options,
    format_option,
    from_variable,
)
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import trace as command
from flask_chainfix.rehearsal.app_databases import OWN_SERVER


@click.command(cls=Command, example="--database")
@database_options(stamps=False)
@click.option(
    "--exact",
    is_flag=True,
    help="Also run the chain up to the stamp on a scratch database of the same kind, and compare"
    " types, defaults, keys, constraints and everything else in the database's catalog.",
)
@click.option(
    "--server",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN_SERVER,
    help="With --exact: make the scratch database on this server; without a URL, on the server of"
    " the database itself. SQLite needs none.",
)
@format_option()
@detail_options
def trace(call: Call, *, exact: bool, server: str | None) -> None:
    """Say what each database has really run, judged by its schema.

    Compares the tables, columns, indexes and constraints of each database with what the migrations
    make, rename and drop; the stamp does not count as evidence. Changes nothing, and imports no
    migration; with --exact, migrations run on a scratch database. Exits with 1 if a database does
    not match its stamp.
    """
    if server is not None and not exact:
        raise click.UsageError("--server needs --exact", call.context)
    server = server and from_variable(server)
    call.run(lambda session: command.trace(session, exact=exact, server=server))
