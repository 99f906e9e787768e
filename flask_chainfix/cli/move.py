"""The command ``move``."""

from __future__ import annotations

import click

from flask_chainfix.cli.changing import plan_and_change
from flask_chainfix.cli.options import (
    accept_option,
    database_options,
    detail_options,
    format_option,
    no_git_option,
    rehearse_option,
)
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.move import plan_move
from flask_chainfix.planning.relocation import MoveWishes


@click.command(cls=Command, example="1a2b3c --after 4d5e6f")
@click.argument("revision")
@click.option("--after", metavar="REVISION", help="Its new parent: an id, or the start of one.")
@click.option("--to-top", is_flag=True, help="Move it on top of the head.")
@click.option("--with-descendants", is_flag=True, help="Also move everything above it.")
@accept_option
@no_git_option
@database_options()
@rehearse_option
@click.option("--backup", is_flag=True, help="First back up the databases, as backup does.")
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, and leave out the diff.")
@format_option()
@detail_options
def move(  # noqa: PLR0913  (an option each)
    call: Call,
    *,
    revision: str,
    after: str | None,
    to_top: bool,
    with_descendants: bool,
    accept: tuple[str, ...],
) -> None:
    """Move a revision after another one.

    Its children are linked to its old parents, unless they move with it, and the children of its
    new parent go on top of it. Refuses an order in which the migrations cannot run, or in which a
    known database would skip a revision. Shows the plan, asks, has Alembic confirm the result, and
    can be undone.
    """
    if to_top == (after is not None):
        raise click.UsageError("say where it goes: give either --after REVISION or --to-top")
    wishes = MoveWishes(revision, after, with_descendants, accept)
    plan_and_change(call, lambda session: plan_move(session, wishes), wishes.typed())
