"""The command ``rehearse``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import (
    EMPTY_URL,
    detail_options,
    format_option,
    from_variable,
    parse_revisions,
)
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import rehearse as command
from flask_chainfix.commands.session import Session
from flask_chainfix.common.quoting import word
from flask_chainfix.model.rehearsal import RehearsalRequest
from flask_chainfix.rehearsal.app_databases import OWN_SERVER
from flask_chainfix.report.results import Rehearsed

_BESIDE_COPY = {
    "--from": "the copy is stamped already",
    "--rows": "the copy has rows of its own",
    "--keep": "the copy holds what the app's database holds, and is always dropped",
}


def _refuse_beside_copy(**given: object) -> None:
    for option in (name for name, value in given.items() if value):
        raise click.UsageError(f"--copy and {option} exclude each other: {_BESIDE_COPY[option]}")


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
    callback=lambda _context, _option, value: parse_revisions(value or ""),
    help="Start from a database that the old chain, before the last repair, had upgraded to these"
    " revisions.",
)
@click.option(
    "--stairway",
    is_flag=True,
    help="Run each revision up, down and up again before the next one, and find incomplete"
    " downgrades. Exits with 1 if there are any.",
)
@click.option(
    "--rows",
    is_flag=True,
    help="Insert a few rows into every table before each step, to find what fails on real rows.",
)
@click.option(
    "--copy",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN_SERVER,
    help="Copy this database (without a URL, the app's own), and upgrade the copy from its stamp."
    " The copy is made on the same server unless --database names another.",
)
@click.option("--keep", is_flag=True, help="Do not drop the scratch databases.")
@format_option()
@detail_options
def rehearse(  # noqa: PLR0913  (an option each)
    call: Call,
    *,
    database: str | None,
    start: tuple[str, ...],
    stairway: bool,
    rows: bool,
    copy: str | None,
    keep: bool,
) -> None:
    """Run the chain on a scratch database, never on the app's.

    Upgrades a new database to the head, downgrades it to the base, upgrades it again, and compares
    it with the models. Exits with 1 if they differ.
    """
    if copy is not None:
        _refuse_beside_copy(**{"--from": start, "--rows": rows, "--keep": keep})

    url, source = (each and from_variable(each) for each in (database, copy))
    if url == "":
        raise click.UsageError(EMPTY_URL)
    if source not in (None, OWN_SERVER):
        from flask_chainfix.environment.messages import as_typed

        named = f" --database {word(as_typed(source))}"
        call = call._replace(typed={"databases": named, "named": named})

    def work(session: Session) -> Rehearsed:
        request = RehearsalRequest(
            database=url, keep=keep, start=start, stairway=stairway, rows=rows, copy=source
        )
        return command.rehearse(session, request)

    call.run(work)
