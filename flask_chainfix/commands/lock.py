"""lock: write down the heads in a file on which two branches collide in Git."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from flask_chainfix import disk
from flask_chainfix.chain import heads_file
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan, CannotWrite
from flask_chainfix.common.remedies import Tools, way
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.new_revisions import hook_edit
from flask_chainfix.planning.diagnosed import diagnosed, errors_of, in_doubt, refuse_interrupted


def plan_lock(
    runtime: Runtime, tools: Tools, *, install: bool = False, written: str | None = None
) -> Report:
    """Work out what the lock has to say, without writing it.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        install: whether Alembic is to keep it up to date as well.
        written: a migration that must be one of these, as Alembic's hook has just written it.

    Returns:
        A report with the edits; without any where all is as it should be.

    Raises:
        NoMigrations: there is nothing to write down.
        RepairInterrupted, RepairRunning: an earlier repair is not at its end.
        CannotPlan: nobody can tell the heads of the chain, or ``written`` is none of its files.
        CannotWrite: what has the lock's name is no file that could be replaced.
        CannotRewrite: Alembic's configuration cannot be changed with certainty.
    """
    refuse_interrupted(runtime, tools)
    report = diagnosed(runtime, "lock", tools, strict=False)
    assert report.before is not None
    _refuse_stranger(report.before, written)
    if in_doubt(report.findings) or heads_file.expected_lines(report.before) is None:
        faults = errors_of(report.findings)
        fault = faults[0].message if faults else "a lineage has several heads"
        raise CannotPlan(
            f"the head of a broken chain says nothing: {fault}",
            way("see what is wrong; a repair writes the lock as well", "{fixchain} check"),
            unchanged=True,
        )
    lock = report.before.lock
    if lock is not None and lock.data is None:
        raise CannotWrite(
            f"{lock.path} {lock.problem}",
            way("remove it, and lock the chain anew", "{fixchain} lock"),
            unchanged=True,
        )
    edits = [heads_file.edit_for(report.before, create=True)]
    if install:
        edits.append(hook_edit(runtime))
    return replace(report, edits=tuple(edit for edit in edits if edit is not None))


def _refuse_stranger(snapshot: Snapshot, written: str | None) -> None:
    files = {os.path.realpath(file.path) for file in snapshot.files}
    if written is not None and os.path.realpath(written) not in files:
        raise CannotPlan(
            f"{Path(written).name} is no migration of {snapshot.environment.directory}",
            "leave the file name out, it is for Alembic's hook",
            unchanged=True,
        )


def carry_out_lock(runtime: Runtime, report: Report) -> Report:
    """Write the files of a planned report.

    Raises:
        RepairRunning: a repair is at work.
        StaleSnapshot, CannotWrite: a file has been changed since, or cannot be written.
    """
    with disk.locked(runtime.environment.directory):
        disk.add_together(report.edits)
    return replace(report, done=True)
