"""From a plan to changed files: the proof, the question, the backup, and the stamps at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from flask_chainfix.cli.restamp import offer
from flask_chainfix.cli.running import after_asking
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.commands.backup import back_up_first
from flask_chainfix.commands.rehearse import rehearse_plan
from flask_chainfix.commands.repair import carry_out
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.survey import missing_database
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.planning.proposal import Planned
from flask_chainfix.rehearsal.app_databases import OWN_SERVER
from flask_chainfix.rehearsal.round_trip import RehearsalRequest
from flask_chainfix.report.results import Planning, PlanRehearsed, Repaired, Result

QUESTION = "Make these changes?"


class How(NamedTuple):
    """How a plan is to be carried out.

    Attributes:
        command: the command as it would be typed again, without the databases.
        output_format: the format of the result.
        yes: whether to skip the question.
        dry_run: whether to change nothing.
        scratch: where to run the planned chain first; ``None`` for nowhere.
        backup: whether to back up the databases first.
        question: the question for the user.
        refusal: another reason to refuse, except in a dry run.
        act: carries the plan out.
    """

    command: str
    output_format: str
    yes: bool
    dry_run: bool
    scratch: str | None = None
    backup: bool = False
    question: str = QUESTION
    refusal: ChainFixError | None = None
    act: Callable[[Runtime, Planning, Planned, DatabaseWishes, Progress], Repaired] = carry_out


def change(runtime: Runtime, planning: Planning, databases: DatabaseWishes, how: How) -> Result:
    """Carry out a plan after showing it and asking, and offer to move the stamps.

    Args:
        runtime: the environment.
        planning: the outcome of planning; returned unchanged if it has no plan.
        databases: the databases that the plan must be safe for.
        how: how to carry it out.
    """
    planned = planning.proposal.planned
    if planned is None:
        return planning

    def prove(agreed: Planning) -> tuple[Planning, Result]:
        return _proof(runtime, agreed, planned, how.scratch or "", how.command)

    def act(agreed: Planning) -> Repaired:
        if how.backup:
            with progress_bar(sys.stderr, in_bytes=True) as progress:
                copies = back_up_first(runtime, agreed, databases, progress)
            agreed = replace(agreed, backup=copies)
        with progress_bar(sys.stderr) as progress:
            return how.act(runtime, agreed, planned, databases, progress)

    if how.dry_run:
        return prove(planning)[0] if how.scratch else planning
    missing = missing_database(planning.proposal.snapshot, how.command, databases)
    if stop := missing or how.refusal:
        return planning.stopped_by(stop)
    proof = prove if how.scratch else None
    planning = replace(planning, asks=not how.yes)
    done = after_asking(planning, how.output_format, "" if how.yes else how.question, act, proof)
    if not isinstance(done, Repaired):
        return done
    return offer(runtime, databases, done, how.output_format, yes=how.yes)


def _proof(
    runtime: Runtime, planning: Planning, planned: Planned, database: str, command: str
) -> tuple[Planning, Result]:
    """The plan with its rehearsal, and the rehearsal as a result to show."""
    again = f"{{fixchain}} {command} --rehearse {OWN_SERVER}{{databases}}"
    request = RehearsalRequest(database=database, on_server=again)
    with progress_bar(sys.stderr) as progress:
        proved, rehearsal = rehearse_plan(runtime, planning, planned, request, progress)
    new = proved.notices[len(planning.notices) :]
    shown = PlanRehearsed(tools=proved.tools, notices=new, planning=proved, rehearsal=rehearsal)
    return proved, shown
