"""The command ``catch-up``."""

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
from flask_chainfix.commands.catch_up import plan_catch_up
from flask_chainfix.commands.catch_up_finish import FinishWishes, carry_out_finish, plan_finish
from flask_chainfix.commands.repair import carry_out
from flask_chainfix.commands.session import Session
from flask_chainfix.rehearsal.app_databases import OWN_SERVER
from flask_chainfix.report.results import CatchUpPlan, Result


@click.command("catch-up", cls=Command, example="--database")
@database_options(stamps=False)
@click.option(
    "--server",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN_SERVER,
    help="Make the scratch databases on this server; without a URL, on the server of the database"
    " itself. SQLite needs none.",
)
@click.option(
    "--finish",
    metavar="REVISION",
    help="Instead of writing a migration, run the rest of a revision that stopped half-way, and"
    " stamp it.",
)
@click.option(
    "--no-backup",
    is_flag=True,
    help="With --finish: do not back up each database first.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
@detail_options
def catch_up(call: Call, *, server: str | None, finish: str | None, no_backup: bool) -> None:
    """Write a migration that adds what some databases lack.

    Compares each database with what the chain makes on a scratch database of the same kind, and
    writes one new migration at the head that adds what is missing. Each of its operations first
    checks whether it is needed. The migration is first run on scratch databases in the state of
    each database. Shows the plan, asks, has Alembic confirm the result, and can be undone.
    """
    server = server and from_variable(server)
    if no_backup and finish is None:
        raise click.UsageError("--no-backup needs --finish", call.context)

    if finish is not None:
        wishes = FinishWishes(finish, server, backup=not no_backup)
        call.change(
            lambda session: plan_finish(session, wishes),
            lambda plan: "Run these statements?" if plan.databases else "",
            lambda session, plan: carry_out_finish(session, plan, wishes),
        )

    def write(session: Session, plan: CatchUpPlan) -> Result:
        planned = plan.proposal.planned
        return plan if planned is None else carry_out(session, plan, planned)

    call.change(
        lambda session: plan_catch_up(session, server),
        lambda plan: "Write this migration?" if plan.proposal.planned else "",
        write,
    )
