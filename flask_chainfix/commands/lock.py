"""lock: write the heads to a file, so that new heads conflict in Git."""

from __future__ import annotations

import os
from pathlib import Path

from flask_chainfix import disk
from flask_chainfix.chain import heads_file
from flask_chainfix.commands.session import Session, carried_out
from flask_chainfix.common.errors import CannotPlan, CannotWrite
from flask_chainfix.common.remedies import way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of, in_doubt
from flask_chainfix.environment.new_revisions import hook_edit
from flask_chainfix.report.results import Locked, LockPlan


def plan_lock(session: Session, *, install: bool = False, written: str | None = None) -> LockPlan:
    """Work out the contents of the lock, without writing it.

    Args:
        session: what the command works with.
        install: whether Alembic should also keep it up to date.
        written: the migration that Alembic's hook has just written, which must be in the chain.

    Returns:
        The edits; none if everything is up to date.

    Raises:
        NoMigrations: there is no migration.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        CannotPlan: the heads of the chain are in doubt, or ``written`` is none of its files.
        CannotWrite: the lock's path is not a replaceable file.
        CannotRewrite: Alembic's configuration cannot be changed with certainty.
    """
    diagnosis = session.begin()
    now = diagnosis.snapshot
    _refuse_stranger(now, written)
    if in_doubt(diagnosis.findings) or heads_file.expected_lines(now) is None:
        faults = errors_of(diagnosis.findings)
        fault = faults[0].message if faults else "a lineage has several heads"
        raise CannotPlan(
            f"a broken chain has no head to write down: {fault}",
            way("see what is wrong; a repair writes the lock as well", "{fixchain} check"),
            unchanged=True,
        )
    lock = now.lock
    if lock is not None and lock.data is None:
        raise CannotWrite(
            f"{lock.path} {lock.problem}",
            way("remove it, and write the lock again", "{fixchain} lock"),
            unchanged=True,
        )
    edits = [heads_file.edit_for(now, create=True)]
    if install:
        edits.append(hook_edit(session.runtime))
    written_anew = tuple(edit for edit in edits if edit is not None)
    return LockPlan(tools=session.tools, diagnosis=diagnosis, edits=written_anew)


def _refuse_stranger(snapshot: Facts, written: str | None) -> None:
    files = {os.path.realpath(file.path) for file in snapshot.files}
    if written is not None and os.path.realpath(written) not in files:
        raise CannotPlan(
            f"{Path(written).name} is no migration of {snapshot.environment.directory}",
            "leave the file name out, it is for Alembic's hook",
            unchanged=True,
        )


def carry_out_lock(session: Session, plan: LockPlan) -> Locked:
    """Write the files as planned.

    Raises:
        RepairRunning: a repair is running.
        StaleSnapshot, CannotWrite: a file has changed since, or cannot be written.
    """
    with disk.locked(session.environment.directory):
        disk.add_together(plan.edits)
    return carried_out(Locked, plan)
