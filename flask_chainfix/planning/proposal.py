"""What planning comes to: a plan with all that follows from it, or what stands in its way."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, ChainFixError, UnsafeForDatabases
from flask_chainfix.common.remedies import PLAIN_REPAIRS, Remedy
from flask_chainfix.databases.applied.contradictions import leaving_out
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, heads_in_doubt
from flask_chainfix.model.databases import MoveResult, MoveState
from flask_chainfix.model.files import Edit
from flask_chainfix.model.history import Upstream
from flask_chainfix.model.plans import Plan, Wishes
from flask_chainfix.planning.row_plan import places_after, planned_moves, without_missing
from flask_chainfix.planning.strategies import AUTO, ways_to_one_head


@dataclass(frozen=True)
class Planned:
    """A plan that our rules and Alembic's graph accept, and what it makes of the files.

    Attributes:
        plan: what is to change.
        start: the chain that it relinks: as it was found, and with what is brought back.
        after: the chain as it leaves it.
        edits: the same as changes of files.
        upstream: what it puts revisions on top of, where a rebase would do just that.
    """

    plan: Plan
    start: Facts
    after: Facts
    edits: tuple[Edit, ...]
    upstream: Upstream | None = None


@dataclass(frozen=True)
class Proposal:
    """What planning came to: a plan, an obstacle, or neither where nothing needs one.

    Attributes:
        diagnosis: what is wrong with the chain as it is.
        planned: the plan, if there is one.
        obstacle: why there is none although there is something to repair.
        moves: what is to become of the version rows of each database.
    """

    diagnosis: Diagnosis
    planned: Planned | None = None
    obstacle: ChainFixError | None = None
    moves: tuple[MoveResult, ...] = ()

    @property
    def snapshot(self) -> Facts:
        """The chain as it is."""
        return self.diagnosis.snapshot

    def noticing(self, *notices: str) -> Proposal:
        """The same with more notices."""
        return replace(self, diagnosis=self.diagnosis.noticing(*notices))

    def stopped_by(self, obstacle: ChainFixError) -> Proposal:
        """The same without its plan."""
        return replace(self, planned=None, obstacle=obstacle)


def needs_plan(diagnosis: Diagnosis, wishes: Wishes) -> bool:
    """Whether there is anything to mend, to change or to put in order."""
    return bool(diagnosis.to_mend or wishes.asks_for_change or heads_in_doubt(diagnosis.snapshot))


def with_ways_that_work(proposal: Proposal, strategy: str = AUTO) -> Proposal:
    """The proposal whose findings say what a repair does, or what stands in its way.

    Args:
        proposal: with a plan, or with what keeps it from being made.
        strategy: the one that was asked for.
    """
    diagnosis, obstacle = proposal.diagnosis, proposal.obstacle
    if proposal.planned is not None:
        ways = ways_to_one_head(proposal.planned.plan, strategy)
        return _hinting(proposal, ways, {"FC102"})
    if obstacle is None:
        return proposal
    codes = {each.code for each in diagnosis.findings}
    for each in diagnosis.findings:
        is_it = (each.code, each.revisions) == obstacle.about
        # The other ways are listed where it is told.
        if is_it or (each.hint and set(each.hint.ways).issubset(obstacle.remedy.ways)):
            if is_it:
                there = replace(each, hint=obstacle.remedy)
                findings = tuple(there if one is each else one for one in diagnosis.findings)
                proposal = replace(proposal, diagnosis=replace(diagnosis, findings=findings))
            return _hinting(proposal, Remedy.of(f"fix {each.code} first"), codes - {each.code})
    return _hinting(proposal, obstacle.remedy, codes)


def _hinting(proposal: Proposal, ways: Remedy, codes: set[str]) -> Proposal:
    """The proposal in which findings of some kinds name other ways than a plain repair."""
    return replace(proposal, diagnosis=proposal.diagnosis.hinting(ways, codes, PLAIN_REPAIRS))


def with_moves(proposal: Proposal, planner: str) -> Proposal:
    """The proposal with the rows that databases are to have; without its plan if one cannot follow.

    Args:
        proposal: the chain before and after, and where the databases stand.
        planner: the command that makes such a plan, ``repair`` for example.
    """
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
                Remedy.of(refused.remedy) | _without(start, refused, planner),
            )
        )
    if moves:
        try:
            from flask_chainfix.rehearsal.confirm import foresee

            foresee(after, places_after(moves), proposal.snapshot)
        except CannotPlan as error:
            return proposal.stopped_by(error)
    return proposal


def _without(start: Facts, refused: MoveResult, planner: str) -> Remedy:
    """To leave a database out that is in the way, unless that is among the ways out already."""
    told = {command for way in Remedy.of(refused.remedy).ways for command in way.commands}
    return Remedy(
        tuple(
            way
            for standing in start.databases.standings
            if standing.identity == refused.move.identity
            for way in leaving_out(start, standing, planner).ways
            if told.isdisjoint(way.commands)
        )
    )
