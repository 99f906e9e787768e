"""The command ``undo``."""

from __future__ import annotations

import sys

import click

from flask_chainfix.cli.options import database_options, format_option
from flask_chainfix.cli.running import after_asking, moving, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.common.remedies import Tools
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report.results import Result, Undone, UndoPlan


@click.command(cls=Command)
@database_options(stamps=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
def undo(
    context: click.Context, /, *, databases: DatabaseWishes, yes: bool, output_format: str
) -> None:
    """Undo the last repair: its files and its stamps.

    Restores files byte for byte, even after a repair that was killed halfway. A database that was
    upgraded since gets the stamp of what has run there. Refuses, and changes nothing, if a file was
    changed since, or a database cannot go back to the old files.
    """

    def work(runtime: Runtime, tools: Tools) -> Result:
        with progress_bar(sys.stderr) as progress:
            plan = plan_undo(runtime, tools, databases, progress)

        def act(agreed: UndoPlan) -> Undone:
            with moving() as progress:
                return carry_out_undo(runtime, agreed, databases, progress)

        return after_asking(plan, output_format, "" if yes else _question(plan), act)

    run(context, output_format, work)


def _question(plan: UndoPlan) -> str:
    if not (plan.restored or plan.deleted):
        return "Put these stamps back?"
    if not plan.deleted:
        return "Put these files back?"
    return "Put back and delete these files?" if plan.restored else "Delete these files?"
