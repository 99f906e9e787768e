"""The command ``unwind``."""

from __future__ import annotations

import sys

import click

from flask_chainfix.cli.options import database_options, detail_options, format_option
from flask_chainfix.cli.running import after_asking, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.unwind import UnwindWishes, carry_out_unwind, offered, plan_unwind
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import unseen
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report.database_results import UnwindPlan, Unwound
from flask_chainfix.report.results import Result


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
    help="Only say in one line that a database is ahead; print nothing if none is. The hook of hook"
    " --post-checkout calls this.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
@detail_options
def unwind(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    databases: DatabaseWishes,
    source: str | None,
    no_backup: bool,
    offer: bool,
    dry_run: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Downgrade a database that is ahead of this code.

    Finds in Git the files of the revisions that the database has run and this code lacks, shows
    what their downgrade() drops, asks, backs the database up, and runs the downgrades with the
    current env.py. Writes no file into the work tree.
    """
    if databases.schemas is not None:
        raise click.UsageError("unwind runs env.py, which chooses the schema: leave --schemas out")
    wishes = UnwindWishes(databases, source, backup=not no_backup)

    def act(runtime: Runtime, agreed: UnwindPlan) -> Unwound:
        with progress_bar(sys.stderr) as progress:
            return carry_out_unwind(runtime, agreed, wishes, progress)

    def work(runtime: Runtime, tools: Tools) -> Result:
        if offer:
            return offered(runtime, tools, databases, unseen)
        with progress_bar(sys.stderr) as progress:
            plan = plan_unwind(runtime, tools, wishes, progress)
        if not plan.databases or dry_run:
            return plan
        question = "" if yes else "Take these revisions back?"
        return after_asking(plan, output_format, question, lambda agreed: act(runtime, agreed))

    run(context, output_format, work)
