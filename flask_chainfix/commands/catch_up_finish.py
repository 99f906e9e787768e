"""catch-up --finish: run the rest of a revision that stopped half-way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix import disk
from flask_chainfix.commands.backup import back_up_before, putting_back
from flask_chainfix.commands.catch_up import looked_at, sound_chain
from flask_chainfix.commands.second_look import refuse_changed, refuse_moved
from flask_chainfix.commands.session import Session, carried_out
from flask_chainfix.common.errors import (
    CannotPlan,
    ChainFixError,
    Interrupted,
    RowsNotMoved,
    StaleSnapshot,
    StatementFailed,
)
from flask_chainfix.common.quoting import operand, option
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contradictions import leaving_out
from flask_chainfix.databases.applied.rows import stood_for, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import DatabaseStatus, Move, MoveResult, MoveState
from flask_chainfix.report.database_results import Finished, FinishPlan

if TYPE_CHECKING:
    from flask_chainfix.rehearsal.schemas.unfinished import Unfinished, Walk


class FinishWishes(NamedTuple):
    """What to finish.

    Attributes:
        revision: the revision that stopped half-way.
        server: the URL of a server for scratch databases, or ``OWN_SERVER``; ``None`` if none is
            named.
        backup: whether to back up each database first.
    """

    revision: str
    server: str | None = None
    backup: bool = True


def plan_finish(session: Session, wishes: FinishWishes) -> FinishPlan:
    """Find out which statements of a revision have not run, without changing anything.

    The revision runs on scratch databases of the same kind: migrations are imported and run in
    separate processes.

    Raises:
        CannotPlan: the chain is broken, there is no such revision, or it is unclear which of its
            statements have run.
        DatabaseUnreachable: a database cannot be read.
        ChainFixError: as ``plan_catch_up``.
    """
    from flask_chainfix.rehearsal.app_databases import ScratchServer
    from flask_chainfix.rehearsal.schemas.unfinished import Finishing

    revision = wishes.revision
    diagnosis = sound_chain(session)
    place = ScratchServer(wishes.server, f"catch-up {option('--finish', revision)}")
    now = looked_at(session, diagnosis.snapshot, place.again)
    if revision not in now.graph:
        raise CannotPlan(
            f"there is no revision {revision!r} in this chain", "give --finish the full id of one"
        )
    targets = session.targets(now)
    finishing = Finishing(session.runtime, now, revision)
    walks: dict[tuple[str, str, str | None], Walk] = {}
    found: list[Unfinished] = []
    notices = list(now.databases.notices)
    for status in now.databases.statuses:
        claimed = stood_for(now.graph, status.rows)
        lacking = now.graph.required([revision]) - claimed - {revision}
        if lacking:
            notices.append(
                f"{status.name} is left alone: by its stamp {listing(sorted(lacking), 3)} has not"
                f" run there, which {revision} requires"
            )
            continue
        target = targets[status.identity]
        kind = target.backend, target.bind, target.schema
        if kind not in walks:
            walks[kind] = finishing.walk(target, place.place_for(target), session.progress)
        each = finishing.place(walks[kind], status, target)
        if not status.versioned and each.done:
            raise CannotPlan(
                f"{status.name} has no version table, so {revision} could not be stamped there",
                _making_version_table(now, status, revision),
            )
        if each.done == 0 and each.statements and revision not in claimed:
            notices.append(
                f"{status.name} is left alone: nothing of {revision} has run there, so"
                f" `{session.tools.alembic} upgrade {operand(revision)}` runs it"
            )
        elif each.left or revision not in claimed:
            found.append(each)
        else:
            notices.append(f"{status.name} is left alone: it has all that {revision} makes")
    plan = FinishPlan(
        tools=session.tools, diagnosis=replace(diagnosis, snapshot=now), databases=tuple(found)
    ).noticing(*notices)
    return replace(plan, exit_code=1) if found else plan


def _making_version_table(now: Facts, status: DatabaseStatus, revision: str) -> Remedy:
    """How to have Alembic make the version table of a database that has none."""
    finish = f"catch-up {option('--finish', revision)} --server"
    if status.own and not any(each.rows for each in now.databases.statuses if each.own):
        return way(
            "have Alembic make it, then run the rest",
            "{alembic} stamp base",
            f"{{fixchain}} {finish}{{databases}}",
        )
    # Alembic would also empty the version tables of the app's other databases.
    text = "create its version table there by hand, as Alembic has it in the other databases"
    return Remedy.of(text) | leaving_out(now, [status.name], finish)


def carry_out_finish(session: Session, plan: FinishPlan, wishes: FinishWishes) -> Finished:
    """Run the remaining statements in each database, and stamp it, one after the other.

    Returns:
        The databases that are finished; with an error if there are others.

    Raises:
        CannotBackUp: nothing was changed.
        RepairRunning, CannotWrite: another repair is running, or the lock cannot be written.
        StaleSnapshot: a database or the chain has changed; nothing was changed.
        StatementFailed, RowsNotMoved: it stopped in the first database; the message says what has
            run there.
    """
    now, environment = plan.diagnosis.snapshot, session.environment
    with disk.locked(environment.directory):
        copies = None
        if wishes.backup:
            finish = option("--finish", wishes.revision)
            copied = [each.target for each in plan.databases]
            without = f"{{fixchain}} catch-up {finish} --no-backup --server{{databases}}"
            copies = back_up_before(session, copied, without)
        refuse_moved(session.targets(now), now, session.progress)
        refuse_changed(environment, now)
        moves: list[MoveResult] = []
        error: ChainFixError | None = None
        with disk.RowLog(environment.directory, None, now.graph) as log:
            for each in plan.databases:
                try:
                    _run_rest(session, now, each, putting_back(copies))
                    moves.append(_stamp(session, plan, each, log))
                except ChainFixError as stopped:
                    error = stopped
                except KeyboardInterrupt:  # what has run stays, and must be reported
                    error = _interrupted(each, putting_back(copies))
                if error is not None:
                    break
    if error is not None:
        error.lines += tuple(_what_was_done(plan, moves))
        if not moves:
            raise error
    finished = plan.databases[: len(moves)]
    done = carried_out(Finished, plan, databases=finished, moves=tuple(moves), backup=copies)
    return done if error is None else done.stopped_by(error)


def _run_rest(session: Session, now: Facts, each: Unfinished, restore: Remedy) -> None:
    """Run the remaining statements in one database.

    Raises:
        StaleSnapshot: the database has changed; nothing has run there.
        StatementFailed: a statement failed, or the schema is not what it should be.
    """
    from flask_chainfix.databases.connecting import run_statements
    from flask_chainfix.rehearsal.schemas.unfinished import read_parts

    name, again = each.status.name, _going_on(each, "fix that error, and go on from there")
    if read_parts(now, each.target, {*each.before}) != each.before:
        raise StaleSnapshot(f"{name} has changed since the plan was made", again)
    try:
        run_statements(each.target, each.left, session.progress)
    except StatementFailed as error:
        raise StatementFailed(error.message, again | restore) from error
    if read_parts(now, each.target, {*each.after}) != each.after:
        raise StatementFailed(
            f"all of {each.revision} has run in {name}, and its schema is not what it should be;"
            " its stamp was left as it is",
            way("see what differs", "{fixchain} trace --exact --server{databases}") | restore,
        )


def _going_on(each: Unfinished, text: str) -> Remedy:
    again = f"{{fixchain}} catch-up {option('--finish', each.revision)} --server{{databases}}"
    return way(text, again)


def _interrupted(each: Unfinished, restore: Remedy) -> Interrupted:
    return Interrupted(
        f"interrupted: some of what was left of {each.revision} may have run in {each.status.name}",
        _going_on(each, "go on from there") | restore,
    )


def _stamp(session: Session, plan: FinishPlan, each: Unfinished, log: disk.RowLog) -> MoveResult:
    """Stamp a database in which everything has run.

    Raises:
        RowsNotMoved: the stamp cannot be moved.
    """
    from flask_chainfix.databases.restamping import move_rows

    graph, rows = plan.diagnosis.snapshot.graph, each.status.rows
    after = tops(graph, {*stood_for(graph, rows), each.revision})
    move = Move(each.status.name, each.status.identity, rows, after)
    if move.stays:
        return MoveResult(move, MoveState.UNCHANGED)
    targets = {move.identity: each.target}
    by_hand = way("stamp it", f"{{alembic}} stamp {operand(each.revision)}")
    try:
        (moved,) = move_rows(targets, [move], log.record, session.progress)
    except ChainFixError as error:
        raise RowsNotMoved(
            f"all has run in {move.name}, and its stamp cannot be moved: {error.message}",
            error.remedy | by_hand,
        ) from error
    if moved.state not in (MoveState.MOVED, MoveState.UNCHANGED):
        raise RowsNotMoved(
            f"all has run in {move.name}, and its stamp cannot be moved: {moved.detail}",
            Remedy.of(moved.remedy) | by_hand,
        )
    return moved


def _what_was_done(plan: FinishPlan, moves: Sequence[MoveResult]) -> Iterator[str]:
    """What was done in the databases besides the one in which it stopped."""
    for move in moves:
        yield f"{move.move.name}: finished, and stamped at {listing(move.move.after)}"
    for each in plan.databases[len(moves) + 1 :]:
        yield f"{each.status.name}: nothing was changed"
