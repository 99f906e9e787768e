"""catch-up --finish: run the rest of a revision that stopped half-way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.commands.backup import back_up_before, putting_back
from flask_chainfix.commands.catch_up import looked_at, sound_chain
from flask_chainfix.commands.restamp import move_rows
from flask_chainfix.commands.session import Session, carried_out
from flask_chainfix.common.errors import CannotPlan, RowsNotMoved, StaleSnapshot, StatementFailed
from flask_chainfix.common.quoting import operand, option
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.rows import stood_for, tops
from flask_chainfix.databases.connecting import run_statements
from flask_chainfix.model.databases import Move, MoveResult, MoveState
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
    targets = session.targets()
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
                way(
                    "have Alembic make it, then run the rest",
                    "{alembic} stamp base",
                    f"{{fixchain}} catch-up {option('--finish', revision)} --server{{databases}}",
                ),
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


def carry_out_finish(session: Session, plan: FinishPlan, wishes: FinishWishes) -> Finished:
    """Run the remaining statements in each database, and stamp it.

    Raises:
        CannotBackUp: nothing was changed.
        StaleSnapshot: a database has changed.
        StatementFailed: a statement failed; the message says what has run.
        RowsNotMoved: everything has run, but a stamp could not be moved.
    """
    from flask_chainfix.rehearsal.schemas.unfinished import read_parts

    now = plan.diagnosis.snapshot
    copies = None
    if wishes.backup:
        finish = option("--finish", wishes.revision)
        copied = [each.target for each in plan.databases]
        without = f"{{fixchain}} catch-up {finish} --no-backup --server{{databases}}"
        copies = back_up_before(session, copied, without)
    restore = putting_back(copies)
    for each in plan.databases:
        again = way(
            "fix that error, and go on from there",
            f"{{fixchain}} catch-up {option('--finish', each.revision)} --server{{databases}}",
        )
        if read_parts(now, each.target, {*each.before}) != each.before:
            raise StaleSnapshot(f"{each.status.name} has changed since the plan was made", again)
        try:
            run_statements(each.target, each.left, session.progress)
        except StatementFailed as error:
            raise StatementFailed(error.message, again | restore) from error
        if read_parts(now, each.target, {*each.after}) != each.after:
            raise StatementFailed(
                f"all of {each.revision} has run in {each.status.name}, and its schema is not"
                " what it should be; its stamp was left as it is",
                way("see what differs", "{fixchain} trace --exact --server{databases}") | restore,
            )
    moves = tuple(_move(plan, each) for each in plan.databases)
    moved = move_rows(session, now, moves, follows=False)
    done = carried_out(Finished, plan, moves=moved, backup=copies)
    wrong = [each for each in moved if each.state not in (MoveState.MOVED, MoveState.UNCHANGED)]
    if wrong:
        return done.stopped_by(
            RowsNotMoved(
                f"all has run in {wrong[0].move.name}, and its stamp cannot be moved:"
                f" {wrong[0].detail}",
                Remedy.of(wrong[0].remedy)
                | way("stamp it", f"{{alembic}} stamp {operand(plan.databases[0].revision)}"),
            )
        )
    return done


def _move(plan: FinishPlan, each: Unfinished) -> MoveResult:
    graph, rows = plan.diagnosis.snapshot.graph, each.status.rows
    after = tops(graph, {*stood_for(graph, rows), each.revision})
    state = MoveState.UNCHANGED if after == rows else MoveState.PLANNED
    return MoveResult(Move(each.status.name, each.status.identity, rows, after), state)
