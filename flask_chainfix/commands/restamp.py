"""restamp: after the files, the rows. Which rows each database gets, and giving them to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan, RowsNotMoved, StaleSnapshot
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.quoting import Unspeakable
from flask_chainfix.common.remedies import Tools, way
from flask_chainfix.common.wording import count
from flask_chainfix.databases.given import unreached_target
from flask_chainfix.databases.sql_scripts import guarded_sql
from flask_chainfix.databases.survey import survey, targets_for
from flask_chainfix.diagnosis.lost_revisions import notes_on_taken
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.disk.journals import journals_of
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes, MoveResult, MoveState
from flask_chainfix.planning.diagnosed import (
    diagnosed,
    in_doubt,
    knowing_lost,
    refuse_interrupted,
    with_databases,
)
from flask_chainfix.planning.row_moving import move_planned, planned_moves, settled

_NO_OLDER_CHAIN = (
    "no journal of a repair is here, so every row is read by the chain as it is now: where an older"
    " chain wrote the rows, name a commit that has it with --old REF"
)


_WITHOUT_SCRIPT = "move its stamp with restamp itself, which sends ids as parameters"


_REFUSED = (MoveState.REFUSED, MoveState.DOUBTFUL, MoveState.FAILED, MoveState.UNKNOWN)


@dataclass(frozen=True)
class RestampWishes:
    """What the user asks of a restamp.

    Attributes:
        databases: which ones.
        old: the Git revision that holds the chain which has stamped them; ``None`` for the
            journal's.
        current: whether the chain as it is has stamped those of which that is in doubt.
        taken: lost revisions, and those that the user takes them for.
    """

    databases: DatabaseWishes
    old: str | None = None
    current: bool = False
    taken: Mapping[str, str] = field(default_factory=dict)


def plan_restamp(
    runtime: Runtime, tools: Tools, wishes: RestampWishes, progress: Progress
) -> Report:
    """Work out the rows of every database, without changing anything.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        wishes: which databases, and what has stamped them.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        The report with a move for each database.

    Raises:
        CannotPlan: the chain is broken, or what is asked for names unknown revisions.
        RepairInterrupted, RepairRunning: an earlier repair is not at its end.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    refuse_interrupted(runtime, tools)
    report = knowing_lost(runtime, diagnosed(runtime, "restamp", tools, strict=False))
    assert report.before is not None
    broken = in_doubt(report.findings)
    if broken:
        raise CannotPlan(
            f"what has run where cannot be told from a broken chain: {broken[0].message}",
            broken[0].hint | way("see all that is wrong with it", "{fixchain} check{databases}"),
        )
    _require_lost(report.before, wishes.taken)
    now = survey(runtime, report.before, wishes.databases, progress, old=wishes.old)
    moves = planned_moves(now, now, wishes.taken)
    if wishes.current:
        moves = settled(now, moves)
    report = with_databases(report, now)
    notices = report.notices + notes_on_taken(now, wishes.taken)
    if not now.old:
        notices += (_NO_OLDER_CHAIN,)
    return judged(replace(report, moves=moves, notices=notices))


def _require_lost(snapshot: Snapshot, taken: Mapping[str, str]) -> None:
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


def carry_out_restamp(
    runtime: Runtime,
    report: Report,
    databases: DatabaseWishes,
    progress: Progress,
    *,
    follows: bool,
) -> Report:
    """Give every database its rows.

    Args:
        runtime: the environment.
        report: with the moves that are planned.
        databases: which ones.
        progress: called with the databases done, the databases in all, and the last one's name.
        follows: whether the moves follow the last repair, so that ``undo`` takes back both.

    Returns:
        The report with what came of each move, and with an error where one was not made.

    Raises:
        CannotWrite, RepairRunning: the journal cannot be written.
        StaleSnapshot: the chain is another by now than that whose rows they are to have.
    """
    directory = runtime.environment.directory
    with disk.locked(directory):
        now = report.after or report.before
        assert now is not None
        _refuse_changed(runtime, now)
        journals = journals_of(runtime.environment)
        journal = disk.latest_repair(now, journals) if follows else None
        moves = move_planned(runtime, report.moves, databases, journal, progress, graph=now.graph)
    return judged(replace(report, moves=moves, done=True))


def _refuse_changed(runtime: Runtime, planned: Snapshot) -> None:
    now, _ = disk.read_snapshot(runtime.environment)
    if _links(now) != _links(planned):
        raise StaleSnapshot(
            "the migrations have changed since the rows were worked out",
            "no stamp was moved; run the command again",
        )


def _links(snapshot: Snapshot) -> set[tuple[object, ...]]:
    return {(each.revision, each.down_revision, each.depends_on) for each in snapshot.headers}


def outstanding(report: Report) -> int:
    """How many stamps are to be moved of databases that can be reached, or stay and be noted."""
    assert report.before is not None
    told = {each.identity for each in report.before.databases.standings if each.told}
    return sum(
        result.state is MoveState.PLANNED
        and (result.move.identity not in told or result.move.stays)
        for result in report.moves
    )


def as_sql(runtime: Runtime, report: Report, databases: DatabaseWishes) -> Report:
    """The report with the statements that make its moves, for an operator.

    Raises:
        BadDatabase: the kind of database that --stamp tells of is not known.
    """
    targets = targets_for(runtime, databases)
    moves, sql = [], []
    for result in report.moves:
        moves.append(result)
        move = result.move
        if result.state is not MoveState.PLANNED or move.stays:
            continue
        target = targets.get(move.identity) or unreached_target(runtime, move.name)
        try:
            sql.append((move.name, guarded_sql(target, move)))
        except Unspeakable as reason:  # the others get their scripts
            moves[-1] = MoveResult(move, MoveState.REFUSED, f"{reason}", _WITHOUT_SCRIPT)
    report = judged(replace(report, moves=tuple(moves)))
    return replace(report, sql=tuple(sql), exit_code=3 if report.error is not None else 0)


def judged(report: Report) -> Report:
    """The report with an error if a stamp of its databases is not right, and will not be."""
    refused = [result for result in report.moves if result.state in _REFUSED]
    if refused:
        first = refused[0]
        others = f", and {count(len(refused) - 1, 'other')}," if len(refused) > 1 else ""
        what = "is in doubt" if first.state is MoveState.DOUBTFUL else "cannot be moved"
        error = RowsNotMoved(
            f"the stamp of {first.move.name}{others} {what}: {first.detail}", first.remedy
        )
        return replace(report, exit_code=error.exit_code, error=error)
    planned = any(result.state is MoveState.PLANNED for result in report.moves)
    return replace(report, exit_code=1 if planned and not report.done else 0)
