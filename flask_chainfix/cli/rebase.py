"""The command ``rebase``."""

from __future__ import annotations

from functools import partial

import click

from flask_chainfix.cli.changing import change_migrations
from flask_chainfix.cli.options import database_options, detail_options, format_option
from flask_chainfix.cli.running import Call, working
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.rebase import plan_rebase
from flask_chainfix.commands.rebase_downgrade import carry_out_downgrading
from flask_chainfix.commands.session import Session
from flask_chainfix.common.wording import count
from flask_chainfix.report.results import Result


@click.command(cls=Command, example="--onto origin/main")
@click.option(
    "--onto",
    metavar="REF",
    help="The Git branch, tag or commit with the chain to build on.  [default: main_branch of the"
    " settings, else the remote's default branch]",
)
@click.option(
    "--downgrade",
    is_flag=True,
    help="If a database has run your revisions but not theirs, downgrade yours there first, and"
    " upgrade it again at the end.",
)
@click.option(
    "--no-backup", is_flag=True, help="With --downgrade: do not back up these databases first."
)
@database_options()
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, and leave out the diff.")
@format_option()
@detail_options
def rebase(call: Call, *, onto: str | None, downgrade: bool, no_backup: bool) -> None:
    """Move your revisions on top of the main branch's.

    Yours are those that the main branch does not have. They keep their order; only the first of
    each branch is rewritten. Works with uncommitted migrations, and in the middle of a conflicted
    merge or rebase. Shows the plan, asks, has Alembic confirm the result, and can be undone.
    """
    if no_backup and not downgrade:
        raise click.UsageError("--no-backup needs --downgrade")

    def work(session: Session) -> Result:
        with working(session) as busy:
            planning = plan_rebase(busy, onto, downgrade=downgrade)
        planned = planning.proposal.planned
        if planned is None or not planned.downgrades:
            return change_migrations(call, session, planning, "rebase")
        act = partial(carry_out_downgrading, backup=not no_backup)
        databases = count(len(planned.downgrades), "database")
        question = f"Downgrade {databases}, make these changes, and upgrade again?"
        return change_migrations(
            call, session, planning, "rebase --downgrade", question=question, act=act
        )

    call.open(work)
