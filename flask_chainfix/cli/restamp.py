"""The command ``restamp``, and the offer to move rows at the end of a repair."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from flask_chainfix.cli.options import database_options, format_option, pairs
from flask_chainfix.cli.output import show
from flask_chainfix.cli.running import after_asking, ask, moving, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.restamp import (
    RestampWishes,
    as_sql,
    judged,
    move_rows,
    outstanding,
    plan_restamp,
    restamped,
)
from flask_chainfix.common.errors import ChainFixError, Declined, NeedsConsent
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes, MoveResult
from flask_chainfix.report.database_results import Restamped, RestampPlan
from flask_chainfix.report.results import Repaired, Result


@click.command(cls=Command, example="--dry-run")
@database_options()
@click.option(
    "--old",
    metavar="REF",
    help="The Git revision with the chain that stamped the databases.  [default: the chain before"
    " the last repair]",
)
@click.option(
    "--current",
    is_flag=True,
    help="If it is unclear which chain stamped a database, assume the current one; its rows stay.",
)
@click.option(
    "--lost",
    "taken",
    metavar="REVISION=OTHER",
    multiple=True,
    callback=pairs("REVISION=OTHER"),
    help="Treat a lost revision (one without a file) as this one; may be given several times.",
)
@click.option(
    "--from-schema",
    is_flag=True,
    help="Give each database the rows that its schema proves, as trace shows them.",
)
@click.option("--dry-run", is_flag=True, help="Show the rows; change nothing.")
@click.option("--sql", is_flag=True, help="Print guarded SQL for an operator; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
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

    Gives each database, in one transaction, the version rows that stand for exactly what has run
    there. Refuses a database that would skip a revision. The journal keeps the old rows.
    """
    if wishes["current"] and wishes["old"] is not None:
        raise click.UsageError("--current and --old REF name different chains: give one of them")
    if wishes["from_schema"] and (
        wishes["old"] is not None or wishes["current"] or wishes["taken"]
    ):
        raise click.UsageError("--from-schema decides alone: leave out --old, --current and --lost")
    if databases.stamps and not (sql or wishes["current"]):
        raise click.UsageError("--stamp tells of a database that cannot be reached: add --sql")

    def work(runtime: Runtime, tools: Tools) -> Result:
        asked = RestampWishes(databases, **wishes)
        with progress_bar(sys.stderr) as progress:
            plan = plan_restamp(runtime, tools, asked, progress)
        if sql:
            return as_sql(runtime, plan, databases)
        snapshot = plan.diagnosis.snapshot
        number = outstanding(snapshot, plan.moves)
        if dry_run or not number:
            return plan

        def act(agreed: RestampPlan) -> Restamped:
            follows = asked.old is None and not asked.from_schema
            moves = _moved(runtime, snapshot, agreed.moves, databases, follows=follows)
            return restamped(agreed.tools, agreed.diagnosis, moves)

        question = "" if yes else _question(plan.moves, number)
        return after_asking(plan, output_format, question, act)

    run(context, output_format, work)


def _question(moves: Sequence[MoveResult], number: int) -> str:
    databases = count(number, "database")
    if not all(each.move.stays for each in moves):
        return f"Move the stamps of {databases}?"
    return f"Record that the present chain stamped {databases}?"


def _moved(
    runtime: Runtime,
    now: Facts,
    moves: Sequence[MoveResult],
    databases: DatabaseWishes,
    *,
    follows: bool,
) -> tuple[MoveResult, ...]:
    with moving() as progress:
        return move_rows(runtime, now, moves, databases, progress, follows=follows)


def offer(
    runtime: Runtime,
    databases: DatabaseWishes,
    repaired: Repaired,
    output_format: str,
    *,
    yes: bool,
) -> Result:
    """Offer to move the rows after a repair; the repair stands either way."""
    number = outstanding(repaired.snapshot, repaired.moves)
    if not number:
        return judged(repaired, repaired.moves)
    question = "" if yes else _question(repaired.moves, number)
    show(repaired, output_format, question)
    moves = repaired.moves
    notices: tuple[str, ...] = ()
    error: ChainFixError | None = None
    try:
        if not yes:
            ask(question)
        after = repaired.planned.after
        moves = _moved(runtime, after, repaired.moves, databases, follows=True)
    except (Declined, NeedsConsent):
        later = f"{repaired.tools.fixchain} restamp{repaired.tools.databases}"
        notices = (
            f"the stamps were left as they are: `{later}` moves them, and until then upgrade may"
            " stop there",
        )
    except ChainFixError as stop:
        error = stop
    if output_format != "text":
        result: Result = replace(repaired, moves=moves).noticing(*notices)
    else:  # the repair has already been shown
        diagnosis = replace(repaired.planning.diagnosis, snapshot=repaired.snapshot)
        result = restamped(repaired.tools, diagnosis, moves).noticing(*notices)
    if error is not None:
        return result.stopped_by(error)
    return result if notices else judged(result, moves)
