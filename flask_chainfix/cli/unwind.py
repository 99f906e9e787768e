"""The command ``unwind``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import database_options, detail_options, format_option
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.unwind import UnwindWishes, carry_out_unwind, offered, plan_unwind


@click.command(cls=Command, example="--dry-run")
@click.option(
    "--from",
    "source",
    metavar="REF",
    help="Take the files of lost revisions from this branch, tag or commit, if Git has several"
    " versions of them, or no branch has them any more.",
)
@database_options()
@click.option(
    "--no-backup",
    is_flag=True,
    help="Do not back up each database first.",
)
@click.option(
    "--offer",
    is_flag=True,
    help="Only say in one line that a database is ahead; print nothing if none is. Used by the"
    " hook that hook --post-checkout sets up.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
@detail_options
def unwind(call: Call, *, source: str | None, no_backup: bool, offer: bool) -> None:
    """Downgrade a database that is ahead of this code.

    Finds in Git the files of the revisions that the database has run and this code lacks, shows
    what their downgrade() drops, asks, backs the database up, and runs the downgrades with the
    current env.py. Writes no file into the work tree.
    """
    if call.databases.schemas is not None:
        raise click.UsageError("unwind runs env.py, which chooses the schema: leave --schemas out")
    if offer:
        call.open(offered)
    wishes = UnwindWishes(source, backup=not no_backup)
    call.change(
        lambda session: plan_unwind(session, wishes),
        lambda plan: "Downgrade these revisions?" if plan.databases else "",
        lambda session, plan: carry_out_unwind(session, plan, wishes),
    )
