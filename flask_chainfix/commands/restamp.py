"""restamp: work out which version rows each database gets, and write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import TypeVar

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.session import Session, carried_out, split_again
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, RowsNotMoved, StaleSnapshot
from flask_chainfix.common.quoting import Unspeakable
from flask_chainfix.common.remedies import Tools, way
from flask_chainfix.common.wording import count
from flask_chainfix.databases.applied.by_schema import move_by_schema, trace_databases
from flask_chainfix.databases.applied.row_moves import assuming_current_chain, planned_moves
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.selection import given_by_user
from flask_chainfix.databases.targets import unreached_target
from flask_chainfix.diagnosis.diagnosis import Diagnosis, in_doubt
from flask_chainfix.diagnosis.lost_revisions import notes_on_taken
from flask_chainfix.model.databases import MoveResult, MoveState
from flask_chainfix.planning.plan import knowing_lost
from flask_chainfix.report.database_results import Restamped, RestampPlan, RestampScript
from flask_chainfix.report.results import Result

_NO_OLDER_CHAIN = (
    "there is no journal of a repair, so the rows are taken for ids of the current chain; if an"
    " older chain wrote them, name a commit that has it with --old REF"
)

_R = TypeVar("_R", bound=Result)
_WITHOUT_SCRIPT = "move its stamp with restamp itself, which sends ids as parameters"

_REFUSED = (MoveState.REFUSED, MoveState.DOUBTFUL, MoveState.FAILED, MoveState.UNKNOWN)


@dataclass(frozen=True)
class RestampWishes:
    """What the user asks of a restamp.

    Attributes:
        old: the Git revision with the chain that stamped them; ``None`` for the journal's chain.
        current: whether to assume that the current chain stamped databases in doubt.
        taken: lost revisions, and the revisions to treat them as.
        from_schema: whether the schema of each database decides.
    """

    old: str | None = None
    current: bool = False
    taken: Mapping[str, str] = field(default_factory=dict)
    from_schema: bool = False


def plan_restamp(session: Session, wishes: RestampWishes) -> RestampPlan:
    """Plan a move for each database, without changing anything.

    The result has an error if a stamp is wrong and will stay wrong.

    Raises:
        CannotPlan: the chain is broken, or an option names an unknown revision.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    diagnosis = knowing_lost(session.begin())
    broken = in_doubt(diagnosis.findings)
    if broken:
        raise CannotPlan(
            f"a broken chain does not show what has run where: {broken[0].message}",
            broken[0].hint | way("see all that is wrong with it", "{fixchain} check{databases}"),
        )
    now = session.survey(diagnosis.snapshot, old=wishes.old)
    taken = _as_meant(now, wishes.taken)
    _require_lost(now, taken)
    if wishes.from_schema:
        traced, notices = trace_databases(now)
        diagnosis = diagnosis.noticing(*notices)
        moves = tuple(move_by_schema(now, each) for each in traced)
    else:
        moves = planned_moves(now, now, taken)
    if wishes.current:
        moves = assuming_current_chain(now, moves)
    diagnosis = diagnosis.with_databases(now).noticing(*notes_on_taken(now, taken))
    if not (now.old or wishes.from_schema):
        diagnosis = diagnosis.noticing(_NO_OLDER_CHAIN)
    plan = judged(RestampPlan(tools=session.tools, diagnosis=diagnosis, moves=moves), moves)
    planned = any(each.state is MoveState.PLANNED for each in moves)
    return replace(plan, exit_code=1) if planned and plan.error is None else plan


def _as_meant(now: Facts, taken: Mapping[str, str]) -> Mapping[str, str]:
    """The pairs of ``--lost``: rather a row of a database that no file has, and a revision."""
    lost = {row for each in now.databases.statuses for row in each.rows}.difference(now.graph)
    known = split_again(taken, lambda row, other: other in now.graph and row not in now.graph)
    return split_again(known, lambda row, other: other in now.graph and row in lost)


def _require_lost(snapshot: Facts, taken: Mapping[str, str]) -> None:
    for revision, other in taken.items():
        if revision in snapshot.graph:
            raise CannotPlan(
                f"{revision} is not lost: {snapshot.file(revision).name} has it",
                f"leave out --lost {revision}={other}",
            )
        if other not in snapshot.graph:
            raise CannotPlan(
                f"there is no revision {other!r} in this chain",
                "give --lost REVISION=OTHER the full id of an existing revision as OTHER",
            )


def carry_out_moves(
    session: Session, now: Facts, planned: Sequence[MoveResult], *, follows: bool
) -> tuple[MoveResult, ...]:
    """Make the planned moves; return the result of each.

    If the moves follow the last repair, ``undo`` reverses both. For databases known only by
    ``--stamp``, the journal can only record that rows stay.

    Raises:
        CannotWrite, RepairRunning: the journal cannot be written; earlier moves are in it.
        StaleSnapshot: the chain has changed.
    """
    from flask_chainfix.databases.restamping import move_rows

    directory = session.environment.directory
    with disk.locked(directory):
        found = session.snapshot()
        computed = {each.revision for each in found.headers if each.down_revision is None}
        if _links(found, computed) != _links(now, computed):
            raise StaleSnapshot(
                "the migrations have changed since the rows were worked out",
                "no stamp was moved; run the command again",
            )
        journals = session.journals
        journal = disk.latest_repair(now, journals) if follows else None
        targets = session.targets(now)
        out_of_reach = {each.identity for each in given_by_user(session.databases.stamps)}
        moves = [each.move for each in planned if each.state is MoveState.PLANNED]
        there = [move for move in moves if move.identity not in out_of_reach]
        with disk.RowLog(directory, journal, now.graph) as log:
            results = move_rows(targets, there, log.record, session.progress)
            done = {each.move: each for each in results}
            for move in moves:
                if move.stays and move.identity in out_of_reach:
                    log.record(move)
                    done[move] = MoveResult(move, MoveState.UNCHANGED)
    return tuple(done.get(each.move, each) for each in planned)


def _links(snapshot: Snapshot, computed: Collection[str | None]) -> set[tuple[object, ...]]:
    """The links of a chain, without those of headers that are computed, which a plan assumes."""
    return {
        (each.revision, each.down_revision, each.depends_on)
        for each in snapshot.headers
        if each.revision not in computed
    }


def outstanding(snapshot: Facts, moves: Sequence[MoveResult]) -> int:
    """How many stamps of reachable databases have to be moved, or have to be recorded."""
    by_user = {each.identity for each in snapshot.databases.statuses if each.by_user}
    return sum(
        result.state is MoveState.PLANNED
        and (result.move.identity not in by_user or result.move.stays)
        for result in moves
    )


def as_sql(session: Session, plan: RestampPlan) -> RestampScript:
    """The statements that make the moves, for an operator.

    Raises:
        BadDatabase: the kind of a database named by ``--stamp`` is unknown.
    """
    from flask_chainfix.databases.restamp_script import guarded_sql

    targets = session.targets(plan.diagnosis.snapshot)
    moves, scripts = [], []
    for result in plan.moves:
        moves.append(result)
        move = result.move
        if result.state is not MoveState.PLANNED or move.stays:
            continue
        target = targets.get(move.identity) or unreached_target(session.runtime, move.name)
        try:
            scripts.append((move.name, guarded_sql(target, move)))
        except Unspeakable as reason:  # the other databases get their scripts
            moves[-1] = MoveResult(move, MoveState.REFUSED, f"{reason}", _WITHOUT_SCRIPT)
    script = carried_out(RestampScript, plan, moves=tuple(moves), scripts=tuple(scripts))
    return judged(script, moves)


def restamped(tools: Tools, diagnosis: Diagnosis, moves: tuple[MoveResult, ...]) -> Restamped:
    """The result of the moves; with an error if one was not made."""
    return judged(Restamped(tools=tools, diagnosis=diagnosis, moves=moves), moves)


def judged(result: _R, moves: Sequence[MoveResult]) -> _R:
    """The result, with an error if a stamp is wrong and will stay wrong."""
    refused = [each for each in moves if each.state in _REFUSED]
    if not refused:
        return result
    first = refused[0]
    more = len(refused) - 1
    others = (
        f"; {count(more, 'other')} {'is' if more == 1 else 'are'} not moved either" if more else ""
    )
    what = "is in doubt" if first.state is MoveState.DOUBTFUL else "cannot be moved"
    return result.stopped_by(
        RowsNotMoved(f"the stamp of {first.move.name} {what}: {first.detail}{others}", first.remedy)
    )
