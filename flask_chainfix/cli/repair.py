"""The command ``repair``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from flask_chainfix.cli.options import (
    database_options,
    format_option,
    no_git_option,
    pairs,
    parse_revisions,
    strict_option,
    without_git,
)
from flask_chainfix.cli.restamp import offer
from flask_chainfix.cli.running import after_asking, refuse_guesses, run
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.backup import back_up_first
from flask_chainfix.commands.rehearse import rehearse_plan
from flask_chainfix.commands.repair import carry_out, confirmed, plan_repair, what_is_left
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count
from flask_chainfix.databases.survey import missing_database
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.plans import Plan, Wishes
from flask_chainfix.planning.proposal import Planned
from flask_chainfix.planning.strategies import AUTO, strategy_names
from flask_chainfix.rehearsal.app_databases import OWN_SERVER
from flask_chainfix.rehearsal.round_trip import RehearsalRequest
from flask_chainfix.report.results import Planning, PlanRehearsed, Repaired, Result


def _parse_labels(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    parsed = pairs("REVISION=LABEL[,LABEL]")(context, parameter, values)
    labels = {revision: parse_revisions(text) for revision, text in parsed.items()}
    if not all(labels.values()):
        raise click.BadParameter("a label is missing")
    return labels


@click.command(cls=Command, example="--dry-run")
@click.option(
    "--strategy",
    type=click.Choice((AUTO, *strategy_names())),
    default=AUTO,
    show_default=True,
    help="One chain; or branches beside each other, joined by a merge revision; or whichever of"
    " them is safe for every known database, one chain first.",
)
@click.option("--root", metavar="REVISION", help="The base that stays.")
@click.option(
    "--attach",
    metavar="REVISION=PARENT",
    multiple=True,
    callback=pairs("REVISION=PARENT"),
    help="Put a revision on this parent; may be given several times.",
)
@click.option(
    "--bring-back",
    metavar="REVISION",
    multiple=True,
    help="Bring the file of a lost revision back from Git; may be given several times.",
)
@click.option(
    "--tombstone",
    "tombstones",
    metavar="REVISION[=PARENT[,PARENT]]",
    multiple=True,
    callback=pairs("REVISION[=PARENT[,PARENT]]", needs_value=False),
    help="Put a revision that does nothing in the place of a lost one; may be given several times.",
)
@click.option(
    "--relabel",
    metavar="REVISION=LABEL[,LABEL]",
    multiple=True,
    callback=_parse_labels,
    help="Give a revision other branch labels; may be given several times.",
)
@click.option("--docstrings", is_flag=True, help="Bring every Revises: line into step.")
@click.option(
    "--shorten-ids",
    is_flag=True,
    help="Shorten ids of more than 32 characters, also where they are named and in databases.",
)
@click.option(
    "--accept-guesses",
    is_flag=True,
    help="With --yes, also make changes that are not certain to be what was meant.",
)
@click.option(
    "--accept",
    metavar="CODE",
    type=click.Choice(("FC201", "FC203", "FC205"), case_sensitive=False),
    multiple=True,
    help="Plan although the planned chain has such a schema fault, which stays a finding; may be"
    " given several times.",
)
@strict_option
@no_git_option
@database_options()
@click.option(
    "--rehearse",
    "scratch",
    metavar="[URL]",
    is_flag=False,
    flag_value="sqlite://",
    help="First run the planned chain on a scratch database, as the command rehearse does, and"
    " the way of each known database; instead of a URL, own is the server of the app's own.",
)
@click.option("--backup", is_flag=True, help="First back up the databases, as backup does.")
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
def repair(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    databases: DatabaseWishes,
    dry_run: bool,
    yes: bool,
    accept_guesses: bool,
    no_git: bool,
    output_format: str,
    scratch: str | None,
    backup: bool,
    **wishes: Any,
) -> None:
    """Relink the chain to one base and one head.

    First mends single migrations: missing parents, duplicate ids, cycles. Looks at the databases,
    so that none of them skips a revision. Shows the plan, the diff, and the chain before and after,
    and asks. Then rewrites down_revision in the files and has Alembic confirm the result; if
    Alembic does not, every file is put back. At the end it offers to move the stamps of the
    databases.
    """
    asked = Wishes(**wishes)

    def work(runtime: Runtime, tools: Tools) -> Result:
        runtime = without_git(runtime, no_git)
        with progress_bar(sys.stderr) as progress:
            planning = plan_repair(runtime, tools, asked, databases, progress)
        planned = planning.proposal.planned
        if planned is None:
            needs_nothing = planning.error is None and not dry_run
            return confirmed(runtime, planning) if needs_nothing else planning

        def prove(agreed: Planning) -> tuple[Planning, Result]:
            return _proof(runtime, agreed, planned, scratch or "")

        def act(agreed: Planning) -> Repaired:
            if backup:
                with progress_bar(sys.stderr, in_bytes=True) as progress:
                    copies = back_up_first(runtime, agreed, databases, progress)
                agreed = replace(agreed, backup=copies)
            with progress_bar(sys.stderr) as progress:
                return carry_out(runtime, agreed, planned, databases, progress)

        if dry_run:
            return prove(planning)[0] if scratch else planning
        refusal: ChainFixError | None = missing_database(
            planning.proposal.snapshot, "repair", databases
        )
        if refusal is None and yes and not accept_guesses:
            refusal = refuse_guesses(planned.plan, asked)
        if refusal is not None:
            return planning.stopped_by(refusal)
        question = "" if yes else _question(planned.plan)
        done = after_asking(planning, output_format, question, act, prove if scratch else None)
        if not isinstance(done, Repaired):
            return done
        final = offer(runtime, databases, done, output_format, yes=yes)
        return what_is_left(final, planning.diagnosis.findings)

    run(context, output_format, work)


def _question(plan: Plan) -> str:
    if not plan.guesses:
        return "Make these changes?"
    return f"Make these changes, and accept {count(len(plan.guesses), 'guess')}?"


def _proof(
    runtime: Runtime, planning: Planning, planned: Planned, database: str
) -> tuple[Planning, Result]:
    """The plan with a rehearsal of it, and what is to be shown of that."""
    again = f"{{fixchain}} repair --rehearse {OWN_SERVER}{{databases}}"
    request = RehearsalRequest(database=database, on_server=again)
    with progress_bar(sys.stderr) as progress:
        proved, rehearsal = rehearse_plan(runtime, planning, planned, request, progress)
    new = proved.notices[len(planning.notices) :]
    shown = PlanRehearsed(tools=proved.tools, notices=new, planning=proved, rehearsal=rehearsal)
    return proved, shown
