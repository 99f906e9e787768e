"""The command ``lock``."""

from __future__ import annotations

import sys
from functools import partial

import click

from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import after_asking, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.lock import carry_out_lock, plan_lock
from flask_chainfix.common.remedies import Tools
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.report.results import Result


@click.command(cls=Command)
@click.argument("written", metavar="[FILE]", required=False)
@click.option(
    "--install", is_flag=True, help="Also have Alembic do this whenever it writes a migration."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
@click.pass_context
def lock(
    context: click.Context, written: str | None, install: bool, yes: bool, output_format: str
) -> None:
    """Write the heads to a file, so that new heads conflict in Git.

    chain.lock, beside env.py, has a line for the head of each lineage. Two branches that both add a
    migration change the same line, so Git reports a conflict. check compares the file with the
    chain. Alembic's hook passes the migration that it has just written as FILE.
    """

    def work(runtime: Runtime, tools: Tools) -> Result:
        with progress_bar(sys.stderr):
            plan = plan_lock(runtime, tools, install=install, written=written)
        if not plan.edits:
            return plan
        if yes and written is not None:  # a diff would clutter Alembic's output
            return carry_out_lock(runtime, plan)
        question = "" if yes else "Make these changes?"
        return after_asking(plan, output_format, question, partial(carry_out_lock, runtime))

    run(context, output_format, work)
