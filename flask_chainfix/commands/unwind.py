"""unwind: downgrade databases that are ahead of this code with the lost revisions' own downgrade.

The lost files come from Git and are never written to disk; the current ``env.py`` runs them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix import disk
from flask_chainfix.commands.backup import back_up_before, putting_back
from flask_chainfix.commands.second_look import refuse_changed, refuse_moved
from flask_chainfix.commands.session import Session, carried_out, refuse_broken
from flask_chainfix.common.errors import CannotPlan, StaleSnapshot, StatementFailed
from flask_chainfix.common.quoting import operand, ref_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.lost import distance
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import Target
from flask_chainfix.diagnosis.diagnosis import in_doubt
from flask_chainfix.diagnosis.lost_revisions import choices, taking_down_there
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseStatus,
    Move,
    MoveResult,
    MoveState,
)
from flask_chainfix.model.rehearsal import FailureKind, RehearsalFailure
from flask_chainfix.planning.lost_versions import (
    doubts,
    having_run,
    lost_in,
    on_main,
    refuse_unusable_files,
    with_lost_files,
    with_versions_that_ran,
)
from flask_chainfix.report.database_results import UnwindOffer, UnwindPlan, Unwound
from flask_chainfix.report.text.rehearsal_text import where_and_why
from flask_chainfix.schema.reflected import PropertyDifference, differences

if TYPE_CHECKING:
    from flask_chainfix.databases.reflecting import Reading
    from flask_chainfix.rehearsal.unwinding import EnvPyRun, Unwinding

_NAMED = 3


class UnwindWishes(NamedTuple):
    """What to downgrade, and how.

    Attributes:
        source: the Git revision with the lost files to use; ``None`` to decide by evidence.
        backup: whether to back up each database first.
    """

    source: str | None = None
    backup: bool = True


def plan_unwind(session: Session, wishes: UnwindWishes) -> UnwindPlan:
    """Work out what to downgrade in which database, without changing anything.

    No migration is imported.

    Returns:
        A plan; without databases if none is ahead.

    Raises:
        CannotPlan: the chain is broken, or a lost revision cannot be downgraded with certainty.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        DatabaseUnreachable: a database cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
        CannotReadGit: the Git revision that is named cannot be read.
    """
    diagnosis = session.begin(may_be_empty=True)
    now = session.survey(diagnosis.snapshot, "unwind", required=True)
    above = [each for each in now.databases.statuses if set(each.rows).difference(now.graph)]
    ahead = [each for each in above if not each.by_user]
    diagnosis = diagnosis.noticing(
        *(f"{each.name} is left alone: it is not reached" for each in above if each.by_user)
    )
    if not ahead:
        diagnosis = replace(diagnosis, snapshot=now).noticing(*now.databases.notices)
        return UnwindPlan(tools=session.tools, diagnosis=diagnosis, databases=(), whole=now)
    from flask_chainfix.rehearsal.app_databases import refuse_unknown_binds

    refuse_broken(in_doubt(diagnosis.findings))
    now = with_versions_that_ran(now, ahead, wishes.source)
    revisions = dict.fromkeys(name for each in ahead for name in lost_in(now, each))
    whole = with_lost_files(now, revisions)
    refuse_unusable_files(now, whole, revisions)
    refuse_unknown_binds(session.runtime, ahead, "unwind")
    for status in ahead:
        _refuse_another_chain(now, status)
        diagnosis = diagnosis.noticing(*doubts(now, whole, status))
    targets = session.targets(now)
    databases = tuple(_unwinding(now, whole, status, targets[status.identity]) for status in ahead)
    return UnwindPlan(
        tools=session.tools,
        diagnosis=replace(diagnosis, snapshot=now).noticing(
            *now.databases.notices, *on_main(now, revisions)
        ),
        databases=databases,
        whole=whole,
        moves=tuple(
            MoveResult(
                Move(each.status.name, each.status.identity, each.status.rows, each.after),
                MoveState.PLANNED,
            )
            for each in databases
        ),
        exit_code=1,
    )


def _unwinding(now: Facts, whole: Facts, status: DatabaseStatus, target: Target) -> Unwinding:
    from flask_chainfix.rehearsal.unwinding import Unwinding

    lost = lost_in(now, status)
    order = tuple(each for each in reversed(whole.graph.order) if each in lost)
    return Unwinding(target, status, order, tops(now.graph, having_run(now, status)))


def offered(session: Session) -> UnwindOffer:
    """Find out whether a database is ahead of this code, for a hook that must not be slow.

    Raises:
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    snapshot = Facts.around(session.snapshot())
    briefly = replace(session.databases, own=True, in_passing=True)
    now = replace(session, databases=briefly).survey(snapshot)
    ahead, branches = {}, set[str]()
    for status in now.databases.statuses:
        found = distance(now, status)
        if found is not None and found.ahead:
            ahead[status.name] = found.ahead
            gone = set(status.rows).difference(now.graph)
            branches.update(now.databases.lost[row].main for row in gone)
    main = branches.pop() if len(branches) == 1 else ""
    return UnwindOffer(tools=session.tools, ahead=ahead, main=main)


# --- What cannot be downgraded --------------------------------------------------------------------
def _refuse_another_chain(now: Facts, status: DatabaseStatus) -> None:
    """Refuse a database that would be downgraded to nothing although there are migrations.

    Raises:
        CannotPlan: the database belongs to a different chain.
    """
    if now.graph and not having_run(now, status):
        raise CannotPlan(
            f"{status.name} is not ahead of this code: it has run nothing that this code has, and"
            " would be downgraded to nothing",
            choices(now, status.rows[0]),
        )


# --- Running them --------------------------------------------------------------------------------
def carry_out_unwind(session: Session, plan: UnwindPlan, wishes: UnwindWishes) -> Unwound:
    """Back up the databases, and downgrade each as planned.

    Returns:
        Where each database stands now; with an error if one is not in its planned state.

    Raises:
        CannotBackUp: nothing was changed.
        StaleSnapshot: a database or the chain has changed; nothing was changed.
        CannotPlan, CannotRehearse: ``env.py`` cannot run; nothing was changed.
        RepairRunning, CannotWrite: another repair is running, or the lock cannot be written.
    """
    from flask_chainfix.rehearsal.unwinding import runs_for

    now, environment = plan.diagnosis.snapshot, session.environment
    named = session.targets(now)
    statuses = {each.identity: each for each in now.databases.statuses}
    known = {name: (named[name], each) for name, each in statuses.items() if name in named}
    with (
        disk.locked(environment.directory),
        runs_for(session.runtime, plan.databases, known) as runs,
    ):
        copies = None
        if wishes.backup:
            copied = [each.target for each in plan.databases]
            without = "{fixchain} unwind --no-backup{databases}"
            copies = back_up_before(session, copied, without)
        refuse_moved(named, now, session.progress)
        refuse_changed(environment, now)
        result = carried_out(Unwound, plan, backup=copies)
        for run in runs:
            try:
                result = _after_run(session, result, run)
            except StaleSnapshot as error:
                if run is runs[0]:
                    raise
                error.unchanged = False
                result = result.stopped_by(error)
            if result.error is not None:
                break
    return result


def _after_run(session: Session, before: Unwound, run: EnvPyRun) -> Unwound:
    """The result after one more run of ``env.py``, judged by the state of the databases.

    Raises:
        StaleSnapshot: nothing has run in this run.
    """
    now, failure = before.diagnosis.snapshot, None
    from flask_chainfix.databases.version_tables import read_statuses

    databases = tuple(run.databases.values())
    schemas = {each: _schema(now, each) for each in databases}
    rows = {row for status in run.statuses.values() for row in status.rows}
    graph = before.whole.graph
    files = [before.whole.file(each) for each in graph.order if each in graph.required(rows)]
    try:
        _, failure = run.take_back(files, session.progress)
    except KeyboardInterrupt:  # what has run stays, and must be reported
        failure = RehearsalFailure(FailureKind.DATABASE, "interrupted")
    targets = tuple(each.target for each in databases)
    ended = {
        status.identity: _ended(
            now, each, each.settled(status, now.graph, session.progress), schemas[each], failure
        )
        for each, status in zip(databases, read_statuses(targets, session.progress), strict=True)
    }
    results = {identity: each.result for identity, each in ended.items()}
    moves = tuple(results.get(each.move.identity, each) for each in before.moves)
    result = replace(before, moves=moves)
    wrong = [each for each in results.values() if each.state is not MoveState.MOVED]
    if not wrong:
        return result
    intact = all(each.is_intact for each in ended.values())
    if failure is None:
        message = f"the stamp of {wrong[0].move.name} is not what it should be: {wrong[0].detail}"
    else:
        message = f"unwind has stopped{where_and_why(failure)}"
    details = [f"{each.move.name}: {each.detail}" for each in wrong]
    remedy = _ways_on(result, failure) if intact else _ways_back(result, failure, wrong)
    return result.stopped_by(StatementFailed(message, remedy, details))


class _Ended(NamedTuple):
    """The outcome for one database.

    Attributes:
        result: the move of its stamp.
        is_intact: whether it is certainly in its old or its planned state.
    """

    result: MoveResult
    is_intact: bool = False


def _ended(
    now: Facts,
    database: Unwinding,
    status: DatabaseStatus,
    schema: Reading | None,
    failure: RehearsalFailure | None,
) -> _Ended:
    """The outcome for one database, judged by its stamp and schema."""
    move = Move(status.name, status.identity, database.status.rows, database.after)
    if status.state is DatabaseState.UNREACHABLE:
        detail = f"where it stands is not known: {status.problem}"
        return _Ended(MoveResult(move, MoveState.UNKNOWN, detail))
    rows = listing(status.rows, _NAMED) or "nothing"
    if status.rows == database.after:
        return _Ended(MoveResult(move, MoveState.MOVED), True)
    if failure is None:
        wanted = listing(database.after, _NAMED) or "nothing"
        detail = f"it is stamped at {rows}, and not at {wanted}"
        return _Ended(MoveResult(move, MoveState.FAILED, detail))
    left = _schema(now, database)
    if schema is None or left is None:
        detail = f"it is stamped at {rows}; its schema cannot be read"
        return _Ended(MoveResult(move, MoveState.UNKNOWN, detail))
    changed = differences(
        schema.schema, left.schema, version_tables=(database.target.version_table,)
    )
    if status.rows == database.status.rows and not changed:
        detail = f"nothing was changed: it is stamped at {rows}"
        return _Ended(MoveResult(move, MoveState.FAILED, detail), True)
    still_run = frozenset(lost_in(now, replace(database.status, rows=status.rows)))
    back = [each for each in database.revisions if each not in still_run]
    words = f"it is stamped at {rows}"
    if back:
        words += f", with {listing(back, _NAMED)} downgraded"
    gone = listing([_in_words(each) for each in changed], 2 * _NAMED)
    more = f"; of its schema, {gone} since it began" if gone else ""
    return _Ended(MoveResult(move, MoveState.FAILED, f"{words}{more}"))


def _in_words(change: PropertyDifference) -> str:
    what = f"{change.object.kind.value} {change.object.spelled}"
    if change.is_missing:
        return f"{what} is gone"
    return f"{what} is new" if change.is_extra else f"{what} has changed"


def _schema(now: Facts, database: Unwinding) -> Reading | None:
    from flask_chainfix.databases.connecting import Obstacle
    from flask_chainfix.rehearsal.schemas.drift import read_schema

    try:
        return read_schema(now, database.target)
    except Obstacle:
        return None


def _ways_on(result: Unwound, failure: RehearsalFailure | None) -> Remedy:
    """The remedy if nothing was changed."""
    now, kind = result.diagnosis.snapshot, failure.kind if failure is not None else None
    remedy = Remedy()
    if kind is FailureKind.MODULE:
        remedy |= "install what is missing, if it is a package"
    elif kind is FailureKind.CONNECTION:
        remedy |= 'let env.py take its URL from config.get_main_option("sqlalchemy.url")'
    else:
        what = "correct what stops it in the database, and run it again"
        remedy |= way(what, "{fixchain} unwind{databases}")
    stopped = failure.revision if failure is not None else None
    return remedy | taking_down_there(now, stopped or result.databases[0].revisions[0])


def _ways_back(
    result: Unwound, failure: RehearsalFailure | None, wrong: list[MoveResult]
) -> Remedy:
    """The remedy if a downgrade stopped half-way."""
    names = {each.move.name for each in wrong}
    remedy = putting_back(result.backup, names)
    known = result.diagnosis.snapshot.databases.lost
    lost = known.get(failure.revision or "") if failure is not None else None
    if lost is not None and lost.checkout and len(lost.requirements) == 1:
        remedy |= way(
            f"finish downgrade() of {lost.revision} by hand, stamp below it, and unwind again",
            f"git checkout {ref_word(lost.checkout)}",
            f"{{alembic}} stamp {operand(lost.requirements[0])}",
            "git checkout -",
            "{fixchain} unwind{databases}",
        )
    return remedy or way("see where it stands", "{fixchain} check{databases}")
