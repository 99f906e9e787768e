"""The command ``repair``."""

from __future__ import annotations

from typing import Any

import click

from flask_chainfix.cli.changing import QUESTION, change_migrations
from flask_chainfix.cli.options import (
    accept_option,
    database_options,
    detail_options,
    format_option,
    no_git_option,
    pairs,
    parse_revisions,
    rehearse_option,
    strict_option,
)
from flask_chainfix.cli.running import Call, working
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.repair import confirmed, noting_unreadable, plan_repair
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import NeedsConsent
from flask_chainfix.common.remedies import repairing, way
from flask_chainfix.common.wording import count
from flask_chainfix.model.plans import AUTO, Plan, Wishes
from flask_chainfix.planning.linking.strategies import strategy_names
from flask_chainfix.report.results import Result


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
    help="linear: one line. merge: parallel branches, joined by a merge revision. auto: linear if"
    " that is safe for every known database, else merge.",
)
@click.option(
    "--root",
    metavar="REVISION",
    help="The base to keep.  [default: the one with the most descendants]",
)
@click.option(
    "--attach",
    metavar="REVISION=PARENT",
    multiple=True,
    callback=pairs("REVISION=PARENT"),
    help="Give a revision this parent; may be given several times. If an id contains =, it is split"
    " so that both parts are revisions of the chain.",
)
@click.option(
    "--bring-back",
    metavar="REVISION",
    multiple=True,
    help="Restore the file of a lost revision from Git; may be given several times.",
)
@click.option(
    "--tombstone",
    "tombstones",
    metavar="REVISION[=PARENT[,PARENT]]",
    multiple=True,
    callback=pairs("REVISION[=PARENT[,PARENT]]", needs_value=False),
    help="Replace a lost revision with one that does nothing; may be given several times.",
)
@click.option(
    "--relabel",
    metavar="REVISION=LABEL[,LABEL]",
    multiple=True,
    callback=_parse_labels,
    help="Change the branch labels of a revision; may be given several times.",
)
@click.option("--docstrings", is_flag=True, help="Make every Revises: line match down_revision.")
@click.option(
    "--shorten-ids",
    is_flag=True,
    help="Shorten ids of more than 32 characters, in all files and databases that use them.",
)
@click.option(
    "--accept-guesses",
    is_flag=True,
    help="With --yes, also make changes that are guesses.",
)
@accept_option
@strict_option
@no_git_option
@database_options()
@rehearse_option
@click.option("--backup", is_flag=True, help="First back up the databases, as backup does.")
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, and leave out the diff.")
@format_option()
@detail_options
def repair(call: Call, *, accept_guesses: bool, **wishes: Any) -> None:
    """Relink the chain to one base and one head.

    First fixes individual migrations: missing parents, duplicate ids, cycles. Reads the databases,
    so that none of them skips a revision. Shows the plan and the diff (with --verbose also the
    chain before and after) and asks. Then rewrites down_revision in the files and has Alembic
    confirm the result; if Alembic does not, restores every file. Finally offers to move the stamps
    of the databases.
    """
    asked = Wishes(**wishes)

    def work(session: Session) -> Result:
        with working(session) as busy:
            planning = plan_repair(busy, asked)
        planned = planning.proposal.planned
        if planned is None:
            needs_nothing = planning.error is None and not call.dry_run
            with working(session) as busy:
                return confirmed(busy, planning) if needs_nothing else planning
        question = _question(planned.plan)
        refusal = None if accept_guesses or not call.yes else _unaccepted(planned.plan, asked)
        final = change_migrations(
            call, session, planning, "repair", question=question, refusal=refusal
        )
        return noting_unreadable(final, planning.diagnosis.findings) if final.is_done else final

    call.open(work)


def _question(plan: Plan) -> str:
    if not plan.guesses:
        return QUESTION
    return f"Make these changes, and accept {count(len(plan.guesses), 'guess')}?"


def _unaccepted(plan: Plan, wishes: Wishes) -> NeedsConsent | None:
    """The error for a plan with guesses that nobody has accepted; ``None`` without such."""
    if not plan.guesses:
        return None
    return NeedsConsent(
        f"not all of the plan is certain: {'; '.join(plan.guesses)}",
        way("accept the plan as it is", repairing((*wishes.typed, "--accept-guesses", "--yes")))
        | plan.choices,
        unchanged=True,
    )
