"""The command ``undo``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import database_options, format_option
from flask_chainfix.cli.running import Call, moving
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.report.results import UndoPlan


@click.command(cls=Command)
@database_options(stamps=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
def undo(call: Call) -> None:
    """Undo the last repair: its files and its stamps.

    Restores files byte for byte, even after a repair that was killed half-way. A database that was
    upgraded since gets the stamp of what has run there. Refuses, and changes nothing, if a file was
    changed since, or a database cannot go back to the old files.
    """
    call.change(plan_undo, _question, carry_out_undo, moving)


def _question(plan: UndoPlan) -> str:
    if not (plan.restored or plan.deleted):
        return "Put these stamps back?"
    if not plan.deleted:
        return "Put these files back?"
    return "Put back and delete these files?" if plan.restored else "Delete these files?"
