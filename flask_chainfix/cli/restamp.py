"""The command ``restamp``, and the offer to move rows at the end of a repair."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import click

from flask_chainfix.cli.options import database_options, format_option, pairs
from flask_chainfix.cli.running import after_asking, ask, moving, run
from flask_chainfix.cli.streams import progress_bar, show
from flask_chainfix.commands import restamp as restamps
from flask_chainfix.common.errors import ChainFixError, Declined, NeedsConsent
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes


@click.command()
@database_options()
@click.option(
    "--old",
    metavar="REF",
    help="The Git revision with the chain that stamped them.  [default: before the last repair]",
)
@click.option(
    "--current",
    is_flag=True,
    help="The chain as it is has stamped those of which that is in doubt; their rows stay.",
)
@click.option(
    "--lost",
    "taken",
    metavar="REVISION=OTHER",
    multiple=True,
    callback=pairs("REVISION=OTHER"),
    help="Count a stamp that no file has for this revision; may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Show the rows; change nothing.")
@click.option("--sql", is_flag=True, help="Print guarded SQL for an operator; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option("text", "json")
def restamp(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    databases: DatabaseWishes,
    dry_run: bool,
    sql: bool,
    yes: bool,
    output_format: str,
    **wishes: Any,
) -> None:
    """Move the stamps of databases to the repaired chain.

    Each database gets the rows that stand for exactly what has run there, in a transaction of its
    own; one where revisions would be skipped is refused. The old rows go into the journal.
    """
    if wishes["current"] and wishes["old"] is not None:
        raise click.UsageError("--current and --old REF name different chains: give one of them")
    if databases.stamps and not (sql or wishes["current"]):
        raise click.UsageError("--stamp tells of a database that cannot be reached: add --sql")

    def work(runtime: Runtime, tools: Tools) -> Report:
        asked = restamps.RestampWishes(databases, **wishes)
        with progress_bar(sys.stderr) as progress:
            report = restamps.plan_restamp(runtime, tools, asked, progress)
        if sql:
            return restamps.as_sql(runtime, report, databases)
        number = restamps.outstanding(report)
        if dry_run or not number:
            return report
        return after_asking(
            report,
            output_format,
            "" if yes else _question(report, number),
            partial(_move, runtime, databases, follows=asked.old is None),
        )

    run(context, output_format, work)


def _question(report: Report, number: int) -> str:
    databases = count(number, "database")
    if not all(each.move.stays for each in report.moves):
        return f"Move the stamps of {databases}?"
    return f"Note that the chain as it is has stamped {databases}?"


def _move(runtime: Runtime, databases: DatabaseWishes, report: Report, *, follows: bool) -> Report:
    with moving() as progress:
        return restamps.carry_out_restamp(runtime, report, databases, progress, follows=follows)


def offer(
    runtime: Runtime, databases: DatabaseWishes, repaired: Report, output_format: str, *, yes: bool
) -> Report:
    """Move the rows after the files, if the user agrees; the repair stands in any case."""
    number = restamps.outstanding(repaired)
    if not number:
        return restamps.judged(repaired)
    question = "" if yes else _question(repaired, number)
    show(repaired, output_format, question)
    notices: tuple[str, ...] = ()
    try:
        if not yes:
            ask(question)
        moved = _move(runtime, databases, repaired, follows=True)
    except (Declined, NeedsConsent):
        later = f"{repaired.tools.fixchain} restamp{repaired.tools.databases}"
        note = (
            f"the stamps were left as they are: `{later}` moves them, and until then upgrade may"
            " stop there"
        )
        moved, notices = replace(repaired, notices=(*repaired.notices, note)), (note,)
    except ChainFixError as error:
        moved = replace(repaired, exit_code=error.exit_code, error=error)
    if output_format != "text":
        return moved
    # What the repair did has been shown.
    return replace(moved, command="restamp", notices=notices)
