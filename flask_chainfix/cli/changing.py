"""From a plan to changed files: the proof, the question, the backup, and the stamps at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from flask_chainfix.cli.restamp import offer
from flask_chainfix.cli.running import Call, working
from flask_chainfix.commands.backup import back_up_first
from flask_chainfix.commands.rehearse import rehearse_plan
from flask_chainfix.commands.repair import carry_out
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.databases.survey import missing_database
from flask_chainfix.model.rehearsal import RehearsalRequest
from flask_chainfix.planning.proposal import Planned
from flask_chainfix.rehearsal.app_databases import OWN_SERVER
from flask_chainfix.report.results import Planning, PlanRehearsed, Repaired, Result

QUESTION = "Make these changes?"


def plan_and_change(call: Call, plan: Callable[[Session], Planning], command: str) -> NoReturn:
    """Open the environment, plan, and go on as ``change_migrations``."""

    def work(session: Session) -> Result:
        with working(session) as busy:
            planning = plan(busy)
        return change_migrations(call, session, planning, command)

    call.open(work)


def change_migrations(  # noqa: PLR0913  (how a plan is carried out)
    call: Call,
    session: Session,
    planning: Planning,
    command: str,
    *,
    question: str = QUESTION,
    refusal: ChainFixError | None = None,
    act: Callable[[Session, Planning, Planned], Repaired] = carry_out,
) -> Result:
    """Carry out a plan after showing it and asking, and offer to move the stamps.

    Args:
        call: the command as it was called.
        session: what it works with.
        planning: the outcome of planning; returned unchanged if it has no plan.
        command: the command as it would be typed again, without the databases.
        question: the question for the user.
        refusal: another reason to refuse, except in a dry run.
        act: carries the plan out.
    """
    planned = planning.proposal.planned
    if planned is None:
        return planning

    def prove(agreed: Planning) -> tuple[Planning, Result]:
        with working(session) as busy:
            return _proof(busy, agreed, planned, call.scratch or "", command)

    def act_with_backup(agreed: Planning) -> Repaired:
        if call.backup:
            with working(session, in_bytes=True) as busy:
                agreed = replace(agreed, backup=back_up_first(busy, agreed))
        with working(session) as busy:
            return act(busy, agreed, planned)

    if call.dry_run:
        return prove(planning)[0] if call.scratch else planning
    missing = missing_database(planning.proposal.snapshot, command, session.databases)
    if stop := missing or refusal:
        return planning.stopped_by(stop)
    planning = replace(planning, asks=not call.yes)
    proof = prove if call.scratch else None
    done = call.after_asking(planning, question, act_with_backup, proof)
    return offer(call, session, done) if isinstance(done, Repaired) and done.moves else done


def _proof(
    session: Session, planning: Planning, planned: Planned, database: str, command: str
) -> tuple[Planning, Result]:
    """The plan with its rehearsal, and the rehearsal as a result to show."""
    again = f"{{fixchain}} {command} --rehearse {OWN_SERVER}{{databases}}"
    request = RehearsalRequest(database=database, on_server=again)
    proved, rehearsal = rehearse_plan(session, planning, planned, request)
    new = proved.notices[len(planning.notices) :]
    shown = PlanRehearsed(tools=proved.tools, notices=new, planning=proved, rehearsal=rehearsal)
    return proved, shown
