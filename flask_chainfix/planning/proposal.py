"""The outcome of planning: a plan with its consequences, or an obstacle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, ChainFixError, UnsafeForDatabases
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, heads_in_doubt
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseStatus,
    Downgrade,
    Move,
    MoveResult,
    MoveState,
)
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.model.history import Upstream
from flask_chainfix.model.plans import AUTO, Plan, Wishes

if TYPE_CHECKING:
    from flask_chainfix.databases.applied.has_run import Applied


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
    """

    plan: Plan
    start: Facts
    after: Facts
    edits: tuple[Edit, ...]
    upstream: Upstream | None = None
    downgrades: tuple[Downgrade, ...] = ()
    operation: str = ""

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
    moves = without_missing(start, planned_moves(start, after))
    proposal = replace(proposal, moves=moves)
    refused = next((each for each in moves if each.state is MoveState.REFUSED), None)
    if refused is not None:
        return proposal.stopped_by(
            UnsafeForDatabases(
                f"the stamp of {refused.move.name} could not follow the files: {refused.detail}",
                Remedy.of(refused.remedy) | _leaving_out(start, refused, planner),
            )
        )
    if moves:
        try:
            from flask_chainfix.rehearsal.confirm import foresee

            foresee(after, places_after(moves), proposal.snapshot)
        except CannotPlan as error:
            return proposal.stopped_by(error)
    return proposal


def _leaving_out(start: Facts, refused: MoveResult, planner: str) -> Remedy:
    """The remedy of leaving out a database, unless it is among the remedies already."""
    from flask_chainfix.databases.applied.contradictions import leaving_out

    told = {command for way in Remedy.of(refused.remedy).ways for command in way.commands}
    return Remedy(
        tuple(
            way
            for status in start.databases.statuses
            if status.identity == refused.move.identity
            for way in leaving_out(start, status, planner).ways
            if told.isdisjoint(way.commands)
        )
    )


# --- The version rows of each database after the change ------------------------------------------


# Findings that leave in doubt what a database has run.
_NOT_KNOWN = {"FC301", "FC302"}
# These as well, unless objects that exist too early leave no doubt about what has run.
_CONTRADICTED = {"FC305", "FC306"}


def planned_moves(
    before: Facts, after: Facts, taken: Mapping[str, str] = MappingProxyType({})
) -> tuple[MoveResult, ...]:
    """The move of each database to a current or planned chain."""
    if not before.databases.statuses:
        return ()
    from flask_chainfix.databases.applied.has_run import possibilities

    known: dict[object, MoveResult] = {}
    moves = []
    for status in before.databases.statuses:
        possible = possibilities(before, status)
        # Even a thousand tenants mostly share a few stamps.
        ran = tuple((each.revisions, each.unknown) for each in possible)
        alike = (status.state, status.problem, status.rows, ran)
        if alike not in known or taken:
            known[alike] = _planned_move(before, after, status, possible, taken)
        move = replace(known[alike].move, name=status.name, identity=status.identity)
        moves.append(replace(known[alike], move=move))
    return tuple(moves)


def _planned_move(
    before: Facts,
    after: Facts,
    status: DatabaseStatus,
    possible: Sequence[Applied],
    taken: Mapping[str, str],
) -> MoveResult:
    stay = Move(status.name, status.identity, status.rows, status.rows)
    if status.state is DatabaseState.UNREACHABLE:
        return MoveResult(stay, MoveState.FAILED, status.problem, status.remedy)
    if status.state is DatabaseState.MISSING and not status.own:
        remedy = "create the database, or correct its name in the URL"
        return MoveResult(stay, MoveState.FAILED, "it does not exist", remedy)
    if not status.rows:
        return MoveResult(stay, MoveState.UNCHANGED)
    from flask_chainfix.databases.applied.row_moves import move_for

    return move_for(before, after, status, possible, taken)


def settled(now: Facts, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves; databases in doubt are assumed to be stamped by the current chain.

    Rows that are right under this assumption stay, and the journal records that.
    """
    said = replace(now, databases=replace(now.databases, current_is_named=True))
    in_doubt = (MoveState.DOUBTFUL, MoveState.REFUSED)
    return tuple(
        MoveResult(then.move, MoveState.PLANNED, "the present chain stamped it, as you say")
        if first.state in in_doubt and then.state is MoveState.UNCHANGED
        else first
        for first, then in zip(moves, planned_moves(said, said), strict=True)
    )


def refuse_unknown_rows(
    snapshot: Facts, findings: Sequence[Finding], planner: str = "repair"
) -> None:
    """Refuse if it is unknown what a database has run.

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
            raise UnsafeForDatabases(
                f"no plan is safe while it is not known what a database has run: {finding.message}",
                Remedy.of(finding.hint) | _leaving_out_its_databases(snapshot, finding, planner),
            )
    for status in doubtful:
        raise UnsafeForDatabases(
            f"no known chain can have written the rows of {status.name}"
            f" ({', '.join(status.rows)}), so what has run there is not known",
            by_its_origin(snapshot, status) | leaving_out(snapshot, status, planner),
        )


def _leaving_out_its_databases(snapshot: Facts, finding: Finding, planner: str) -> Remedy:
    """The remedy of leaving out a finding's databases; the app's own are all left out together."""
    from flask_chainfix.databases.applied.contradictions import leaving_out

    statuses = snapshot.databases.statuses
    for status in statuses:
        left = tuple(
            each for each in statuses if each is not status and not (each.own and status.own)
        )
        without = replace(snapshot, databases=replace(snapshot.databases, statuses=left))
        if finding not in diagnose(without, Family.DATABASE, ignored=True) + diagnose(
            without, Family.DATABASE
        ):
            return leaving_out(snapshot, status, planner)
    return Remedy()


def without_missing(now: Facts, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves without failures of databases that do not exist, which have no rows."""
    missing = {
        each.identity for each in now.databases.statuses if each.state is DatabaseState.MISSING
    }
    return tuple(
        MoveResult(each.move, MoveState.UNCHANGED) if each.move.identity in missing else each
        for each in moves
    )


def places_after(moves: Sequence[MoveResult]) -> tuple[tuple[str, ...], ...]:
    """The distinct rows from which databases will be upgraded after their moves."""
    stay = (MoveState.PLANNED, MoveState.UNCHANGED)
    return tuple(dict.fromkeys(each.move.after for each in moves if each.state in stay))
