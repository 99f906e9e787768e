"""The outcome of planning: a plan with its consequences, or an obstacle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, ChainFixError, UnsafeForDatabases
from flask_chainfix.common.remedies import PLAIN_REPAIRS, Remedy
from flask_chainfix.common.wording import in_rows
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, heads_in_doubt
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.databases import Downgrade, MoveResult, MoveState
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.model.history import PublishedChain
from flask_chainfix.model.plans import AUTO, Plan, Wishes


@dataclass(frozen=True)
class Planned:
    """A plan that our rules and Alembic's graph accept, with its edits.

    Attributes:
        plan: the changes.
        start: the chain to relink: the current one, plus restored files.
        after: the resulting chain.
        edits: the changes as file edits.
        upstream: what it puts revisions on top of, if a rebase would make the same plan.
        downgrades: the databases to downgrade before the files change, and to upgrade afterwards.
        operation: Git's current operation, by its name on the command line (``merge``, ``rebase``,
            …); ``""`` for none.
        commit: the commit that is checked out; ``""`` if there is none yet; ``None`` without Git,
            or if the edits leave nothing to commit.
    """

    plan: Plan
    start: Facts
    after: Facts
    edits: tuple[Edit, ...]
    upstream: PublishedChain | None = None
    downgrades: tuple[Downgrade, ...] = ()
    operation: str = ""
    commit: str | None = None

    def in_git(self) -> Planned:
        """The same, knowing what Git is doing and which commit has the current chain."""
        from flask_chainfix.git.in_progress import operation
        from flask_chainfix.git.repositories import checked_out

        commit = checked_out(self.start.environment.directory, self.edits)
        return replace(self, operation=operation(self.start), commit=commit)

    def left_of(self, diagnosis: Diagnosis) -> list[Finding]:
        """The findings that the plan does not fix; restoring the file of a stamp fixes it."""
        return [
            finding
            for finding in diagnosis.counting
            if not (
                finding.repairable
                or (finding.code == "FC301" and set(finding.revisions) <= set(self.after.graph))
            )
        ]


@dataclass(frozen=True)
class Proposal:
    """The outcome of planning: a plan, an obstacle, or neither if no plan is needed.

    Attributes:
        diagnosis: the findings about the current chain.
        planned: the plan, if there is one.
        obstacle: why there is no plan although there is something to repair.
        moves: the planned move of the version rows of each database.
    """

    diagnosis: Diagnosis
    planned: Planned | None = None
    obstacle: ChainFixError | None = None
    moves: tuple[MoveResult, ...] = ()

    @property
    def snapshot(self) -> Facts:
        """The current chain."""
        return self.diagnosis.snapshot

    def noticing(self, *notices: str) -> Proposal:
        """The proposal with more notices."""
        return replace(self, diagnosis=self.diagnosis.noticing(*notices))

    def stopped_by(self, obstacle: ChainFixError) -> Proposal:
        """The proposal with an obstacle instead of a plan."""
        return replace(self, planned=None, obstacle=obstacle)


def needs_plan(diagnosis: Diagnosis, wishes: Wishes) -> bool:
    """Whether there is a fault to fix or a wish to fulfil."""
    return bool(diagnosis.to_mend or wishes.asks_for_change or heads_in_doubt(diagnosis.snapshot))


def with_ways_that_work(proposal: Proposal, strategy: str = AUTO) -> Proposal:
    """The proposal with findings that say what a repair does, or what the obstacle is."""
    diagnosis, obstacle = proposal.diagnosis, proposal.obstacle
    if proposal.planned is not None:
        from flask_chainfix.planning.linking.strategies import ways_to_one_head

        ways = ways_to_one_head(proposal.planned.plan, strategy)
        return replace(proposal, diagnosis=diagnosis.hinting(ways, {"FC102"}))
    if obstacle is None:
        return proposal
    ways, codes = obstacle.remedy, {each.code for each in diagnosis.findings}
    for each in diagnosis.findings:
        is_it = each.about == obstacle.about
        # The obstacle itself lists the other ways.
        if is_it or (each.hint and set(each.hint.ways).issubset(obstacle.remedy.ways)):
            if is_it:
                there = replace(each, hint=obstacle.remedy)
                findings = tuple(there if one is each else one for one in diagnosis.findings)
                diagnosis = replace(diagnosis, findings=findings)
            ways, codes = Remedy.of(f"fix {each.code} first"), codes - {each.code}
            break
    return replace(proposal, diagnosis=diagnosis.hinting(ways, codes))


def with_moves(proposal: Proposal, planner: str) -> Proposal:
    """The proposal with the moves of databases; without its plan if a database cannot follow."""
    planned = proposal.planned
    if planned is None:
        return proposal
    start, after = planned.start, planned.after
    if not start.databases.statuses:
        return proposal
    from flask_chainfix.databases.applied.contradictions import leaving_out, left_out
    from flask_chainfix.databases.applied.row_moves import (
        planned_moves,
        rows_after,
        without_missing,
    )

    moves = without_missing(start, planned_moves(start, after))
    proposal = replace(proposal, moves=moves)
    refused = next((each for each in moves if each.state is MoveState.REFUSED), None)
    if refused is not None:
        remedy, name = Remedy.of(refused.remedy), refused.move.name
        if left_out(start, [name], planner) not in remedy:
            remedy |= leaving_out(start, [name], planner)
        return proposal.stopped_by(
            UnsafeForDatabases(
                f"the stamp of {name} could not follow the files: {refused.detail}", remedy
            )
        )
    from flask_chainfix.rehearsal.confirm import foresee

    try:
        foresee(after, rows_after(moves), proposal.snapshot)
    except CannotPlan as error:
        return proposal.stopped_by(error)
    return proposal


# --- What a database has run must be known --------------------------------------------------------

# Findings that leave in doubt what a database has run.
_NOT_KNOWN = {"FC301", "FC302"}
# These as well, unless objects that exist too early leave no doubt about what has run.
_CONTRADICTED = {"FC305", "FC306"}


def refuse_unknown_rows(
    snapshot: Facts,
    findings: Sequence[Finding],
    planner: str = "repair",
    on_disk: Facts | None = None,
) -> None:
    """Refuse if it is unknown what a database has run.

    Args:
        snapshot: the chain.
        findings: its findings.
        planner: the command that is refused.
        on_disk: the chain for which the remedies are, if it is another one.

    Raises:
        UnsafeForDatabases: it is unknown, so no plan is safe.
    """
    from flask_chainfix.databases.applied.contradictions import by_its_origin, leaving_out
    from flask_chainfix.databases.applied.has_run import unexplained

    # Even if such a finding is ignored, a plan could make a database skip a revision.
    of_databases = (*findings, *diagnose(snapshot, Family.DATABASE, ignored=True))
    doubtful = unexplained(snapshot)
    codes = _NOT_KNOWN | (_CONTRADICTED if doubtful else set())
    for finding in of_databases:
        if finding.code in codes and finding.severity is Severity.ERROR:
            hint = Remedy.of(finding.hint)
            if on_disk is not None and finding.code == "FC301":
                from flask_chainfix.diagnosis.lost_revisions import choices

                hint = choices(on_disk, finding.revisions[0])
            if on_disk is not None and (on_disk.graph.missing or on_disk.graph.cycles):
                hint = hint.without("{alembic}")  # it cannot load the files
            if planner == "repair":  # that is what is refused
                hint = hint.instead_of(PLAIN_REPAIRS, Remedy())
            raise UnsafeForDatabases(
                f"no plan is safe while it is not known what a database has run: {finding.message}",
                hint | leaving_out(snapshot, finding.databases, planner),
            )
    for status in doubtful:
        raise UnsafeForDatabases(
            f"no known chain can have written the rows of {status.name}"
            f" ({in_rows(status.rows)}), so what has run there is not known",
            by_its_origin(snapshot, status) | leaving_out(snapshot, [status.name], planner),
        )
