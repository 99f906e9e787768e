"""The command ``rebase``."""

from __future__ import annotations

import sys

import click

from flask_chainfix.cli.options import database_options, format_option
from flask_chainfix.cli.restamp import offer
from flask_chainfix.cli.running import after_asking, refuse_missing, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.commands import rebase as rebases
from flask_chainfix.commands.repair import carry_out
from flask_chainfix.common.remedies import Tools
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes


@click.command()
@click.option(
    "--onto",
    metavar="REF",
    help="The Git branch, tag or commit with the chain to build on.  [default: main_branch of the"
    " settings, else the remote's default branch]",
)
@database_options()
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option("text", "json")
def rebase(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    onto: str | None,
    databases: DatabaseWishes,
    dry_run: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Move your revisions on top of those of the main branch.

    Yours are those that are here and not there; they keep their own order, and one file is
    rewritten for each line of them. Works with uncommitted migrations, and in the middle of a
    conflicted merge or rebase. Shows, asks, confirms and can be undone as a repair.
    """

    def work(runtime: Runtime, tools: Tools) -> Report:
        with progress_bar(sys.stderr) as progress:
            report = rebases.plan_rebase(runtime, tools, onto, databases, progress)
        if report.plan is None or dry_run:
            return report
        if refused := refuse_missing(report, databases):
            return refused

        def act(agreed: Report) -> Report:
            with progress_bar(sys.stderr) as progress:
                return carry_out(runtime, agreed, databases, progress)

        done = after_asking(report, output_format, "" if yes else "Make these changes?", act)
        if done.error is not None:
            return done
        return offer(runtime, databases, done, output_format, yes=yes)

    run(context, output_format, work)
