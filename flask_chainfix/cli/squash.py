"""The command ``squash``."""

from __future__ import annotations

import click

from flask_chainfix.cli.changing import plan_and_change
from flask_chainfix.cli.options import (
    database_options,
    detail_options,
    format_option,
    from_variable,
)
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.squash import plan_squash
from flask_chainfix.common.quoting import option, word
from flask_chainfix.environment.messages import as_typed
from flask_chainfix.planning.squashing import SquashWishes
from flask_chainfix.rehearsal.app_databases import OWN_SERVER


@click.command(cls=Command, example="--dry-run")
@click.option(
    "--upto",
    metavar="REVISION",
    help="The highest revision to replace, with everything below it.  [default: the head]",
)
@click.option(
    "--published-by",
    metavar="REF",
    help="Replace only revisions in this Git branch, tag or commit: a release that every database"
    " has.  [default: the main branch and the releases]",
)
@click.option(
    "--server",
    "servers",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN_SERVER,
    multiple=True,
    help="Also prove it in scratch databases on this server; without a URL, on the server of the"
    " app's own database. At least one must be of the same kind as the project's database, unless"
    " that is SQLite. May be given several times.",
)
@database_options()
@click.option(
    "--dry-run", is_flag=True, help="Show the plan, the proof and the new file; change nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
@detail_options
def squash(
    call: Call, *, upto: str | None, published_by: str | None, servers: tuple[str, ...]
) -> None:
    """Replace the chain up to a revision with one proven migration.

    Runs the old chain on a scratch database, writes its schema as one migration with the id of the
    highest revision, runs that on another scratch database, and compares the two: nothing is
    written unless they are equal. Databases at that revision or above need no change. Shows the
    plan, asks, has Alembic confirm the result, and can be undone.
    """
    wishes = SquashWishes(
        upto,
        tuple(each if each == OWN_SERVER else from_variable(each) for each in servers),
        published_by,
        _typed(servers, published_by),
    )
    plan_and_change(call, lambda session: plan_squash(session, wishes), "squash")


def _typed(servers: tuple[str, ...], published_by: str | None) -> str:
    """The options as the user would type them again."""
    options = [
        *(
            "--server" if each == OWN_SERVER else f"--server {word(as_typed(each))}"
            for each in servers
        ),
        *([option("--published-by", published_by)] if published_by is not None else []),
    ]
    return "".join(f" {each}" for each in options)
