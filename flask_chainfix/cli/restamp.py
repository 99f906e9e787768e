"""The command ``restamp``, and the offer to move rows at the end of a repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from flask_chainfix.cli.options import database_options, format_option, pairs
from flask_chainfix.cli.output import show
from flask_chainfix.cli.running import Call, ask, moving
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.restamp import (
    RestampWishes,
    as_sql,
    carry_out_moves,
    judged,
    outstanding,
    plan_restamp,
    restamped,
)
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import ChainFixError, Declined, NeedsConsent
from flask_chainfix.common.wording import count
from flask_chainfix.model.databases import MoveResult
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
    callback=pairs("REVISION=OTHER", of_rows=True),
    help="Treat REVISION, which no file has any more, as OTHER; may be given several times."
    " If an id contains =, it is split so that OTHER is a revision of the chain.",
)
@click.option(
    "--from-schema",
    is_flag=True,
    help="Give each database the rows that its schema proves, as trace shows them.",
)
@click.option("--dry-run", is_flag=True, help="Show the rows; change nothing.")
@click.option("--sql", is_flag=True, help="Print guarded SQL for a DBA to run; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
def restamp(call: Call, *, sql: bool, **wishes: Any) -> None:
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
    if call.databases.stamps and not (sql or wishes["current"]):
        raise click.UsageError(
            "--stamp names a database that cannot be reached from here: add --sql"
        )

    asked = RestampWishes(**wishes)
    follows = asked.old is None and not asked.from_schema

    def plan(session: Session) -> RestampPlan:
        made = plan_restamp(session, asked)
        return as_sql(session, made) if sql else made

    def question(plan: RestampPlan) -> str:
        number = 0 if sql else outstanding(plan.diagnosis.snapshot, plan.moves)
        return _question(plan.moves, number) if number else ""

    def act(session: Session, plan: RestampPlan) -> Restamped:
        moves = carry_out_moves(session, plan.diagnosis.snapshot, plan.moves, follows=follows)
        return restamped(plan.tools, plan.diagnosis, moves)

    call.change(plan, question, act, moving)


def _question(moves: Sequence[MoveResult], number: int) -> str:
    databases = count(number, "database")
    if not all(each.move.stays for each in moves):
        return f"Move the stamps of {databases}?"
    return f"Record that the current chain stamped {databases}?"


def offer(call: Call, session: Session, repaired: Repaired) -> Result:
    """Offer to move the rows after a repair; the repair stands either way."""
    number = outstanding(repaired.snapshot, repaired.moves)
    if not number:
        return judged(repaired, repaired.moves)
    question = "" if call.yes else _question(repaired.moves, number)
    show(repaired, call.output_format, question)
    moves = repaired.moves
    notices: tuple[str, ...] = ()
    error: ChainFixError | None = None
    try:
        if question:
            ask(question)
        with moving(session) as busy:
            moves = carry_out_moves(busy, repaired.planned.after, repaired.moves, follows=True)
    except (Declined, NeedsConsent):
        later = f"{repaired.tools.fixchain} restamp{repaired.tools.databases}"
        notices = (
            f"the stamps were left as they are: `{later}` moves them, and until then upgrade may"
            " stop there",
        )
    except ChainFixError as stop:
        error = stop
    if call.output_format != "text":
        result: Result = replace(repaired, moves=moves).noticing(*notices)
    else:  # the repair has already been shown
        diagnosis = replace(repaired.planning.diagnosis, snapshot=repaired.snapshot)
        result = restamped(repaired.tools, diagnosis, moves).noticing(*notices)
    if error is not None:
        return result.stopped_by(error)
    return result if notices else judged(result, moves)
