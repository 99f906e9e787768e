"""The command ``lock``."""

from __future__ import annotations

from functools import partial

import click

from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.lock import carry_out_lock, plan_lock
from flask_chainfix.commands.session import Session
from flask_chainfix.report.results import LockPlan


@click.command(cls=Command)
@click.argument("written", metavar="[FILE]", required=False)
@click.option(
    "--install", is_flag=True, help="Also have Alembic update the file with each new migration."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
def lock(call: Call, *, written: str | None, install: bool) -> None:
    """Write the heads to a file, so that new heads conflict in Git.

    chain.lock, beside env.py, has a line for the head of each lineage. Two branches that both add a
    migration change the same line, so Git reports a conflict. check compares the file with the
    chain. Alembic's hook passes the migration that it has just written as FILE.
    """
    if call.yes and written is not None:  # a diff would clutter Alembic's output
        call.run(partial(_written, install=install, written=written))
    call.change(
        partial(plan_lock, install=install, written=written),
        lambda plan: "Make these changes?" if plan.edits else "",
        carry_out_lock,
    )


def _written(session: Session, *, install: bool, written: str) -> LockPlan:
    plan = plan_lock(session, install=install, written=written)
    return carry_out_lock(session, plan) if plan.edits else plan
