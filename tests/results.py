"""Results as tests want them: a plan that must be there, carried out, and checks made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from flask_chainfix.commands.repair import carry_out
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes, MoveResult
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Plan
from flask_chainfix.planning.proposal import Planned, Proposal
from flask_chainfix.report.results import Checked, Planning, Proposed, Repaired


def plan_of(result: Proposed) -> Planned:
    """The plan of a result, which must have one."""
    planned = result.proposal.planned
    assert planned is not None, result.error
    return planned


def carried_out(
    runtime: Runtime, planning: Planning, databases: DatabaseWishes | None = None
) -> Repaired:
    """Do what was planned."""
    session = Session(runtime, databases=databases or DatabaseWishes())
    return carry_out(session, planning, plan_of(planning))


def checked(snapshot: Facts, findings: Iterable[Finding] = (), **more: Any) -> Checked:
    """A check that has found this."""
    judged = frozenset(more.pop("judged", ()))
    diagnosis = Diagnosis(snapshot, tuple(findings), judged)
    return Checked(proposal=Proposal(diagnosis, obstacle=more.pop("obstacle", None)), **more)


@dataclass(frozen=True)
class Outcome:
    """What commands of all kinds have in common.

    Attributes:
        error: what stopped the command.
        plan: what it does to the chain.
        edits: what it does to files.
        moves: what it does to the rows of databases.
        before: the chain as it was found.
        after: the chain as it leaves it.
        findings: what was wrong with it.
    """

    error: ChainFixError | None = None
    plan: Plan | None = None
    edits: tuple[Edit, ...] = ()
    moves: tuple[MoveResult, ...] = ()
    before: Facts | None = None
    after: Facts | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, result: Planning, **changes: Any) -> Outcome:
        """What a repair or a rebase plans."""
        proposal, planned = result.proposal, result.proposal.planned
        outcome = cls(
            error=result.error,
            moves=proposal.moves,
            before=proposal.snapshot,
            findings=proposal.diagnosis.findings,
        )
        if planned is not None:
            outcome = replace(outcome, plan=planned.plan, edits=planned.edits, after=planned.after)
        return replace(outcome, **changes)
