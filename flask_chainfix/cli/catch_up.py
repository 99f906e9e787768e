"""The command ``catch-up``."""

from __future__ import annotations

import sys

import click

from flask_chainfix.cli.options import database_options, detail_options, format_option
from flask_chainfix.cli.running import after_asking, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.catch_up import plan_catch_up
from flask_chainfix.commands.catch_up_finish import FinishWishes, carry_out_finish, plan_finish
from flask_chainfix.commands.repair import carry_out
from flask_chainfix.common.remedies import Tools
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import from_variable
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.rehearsal.app_databases import OWN_SERVER
from flask_chainfix.report.database_results import Finished, FinishPlan
from flask_chainfix.report.results import CatchUpPlan, Repaired, Result


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
def catch_up(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    databases: DatabaseWishes,
    server: str | None,
    finish: str | None,
    no_backup: bool,
    dry_run: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Write a migration that adds what some databases lack.

    Compares each database with what the chain makes on a scratch database of the same kind, and
    writes one new migration at the head that adds what is missing. Each of its operations first
    checks whether it is needed. The migration is first run on scratch databases in the state of
    each database. Shows the plan, asks, has Alembic confirm the result, and can be undone.
    """
    server = server and from_variable(server)
    if no_backup and finish is None:
        raise click.UsageError("--no-backup needs --finish.", context)

    def finish_it(runtime: Runtime, tools: Tools) -> Result:
        wishes = FinishWishes(finish or "", databases, server, backup=not no_backup)
        with progress_bar(sys.stderr) as progress:
            plan = plan_finish(runtime, tools, wishes, progress)
        if not plan.databases or dry_run:
            return plan

        def act(agreed: FinishPlan) -> Finished:
            with progress_bar(sys.stderr) as progress:
                return carry_out_finish(runtime, agreed, wishes, progress)

        return after_asking(plan, output_format, "" if yes else "Run these statements?", act)

    def work(runtime: Runtime, tools: Tools) -> Result:
        with progress_bar(sys.stderr) as progress:
            planning = plan_catch_up(runtime, tools, databases, server, progress)
        planned = planning.proposal.planned
        if planned is None or dry_run:
            return planning

        def act(agreed: CatchUpPlan) -> Repaired:
            with progress_bar(sys.stderr) as progress:
                return carry_out(runtime, agreed, planned, databases, progress)

        return after_asking(planning, output_format, "" if yes else "Write this migration?", act)

    run(context, output_format, work if finish is None else finish_it)
