"""The start of every command: check for an unfinished repair, then read and judge the chain."""

from __future__ import annotations

import os
from collections.abc import Iterable

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import (
    CannotPlan,
    CannotRead,
    NoMigrations,
    RepairInterrupted,
    RepairRunning,
)
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, remarks_on_heads
from flask_chainfix.diagnosis.rules import Family
from flask_chainfix.disk.journals import Journals, journals_of, noticed_strangers
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.surroundings import read_surroundings
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.findings import Finding


def read_and_judge(
    runtime: Runtime,
    tools: Tools,
    *,
    strict: bool = False,
    may_be_empty: bool = False,
    instead: Snapshot | None = None,
) -> Diagnosis:
    """Read the chain, and say what is wrong with it.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        strict: whether warnings count like errors.
        may_be_empty: whether the command can work without any migration.
        instead: a chain to judge instead of the one on disk.

    Raises:
        NoMigrations: there is no migration.
    """
    notices: tuple[str, ...] = ()
    if instead is None:
        read, notices = disk.read_snapshot(runtime.environment)
    else:
        read = instead
    snapshot = Facts.around(read, surroundings=read_surroundings(runtime))
    if not may_be_empty:
        refuse_empty(snapshot)
    notices += _unread_notices(runtime.environment) + _journal_notices(runtime.environment)
    diagnosis = Diagnosis(snapshot, strict=strict).judge(Family.CHAIN, Family.ENVIRONMENT)
    unknown = runtime.environment.settings.intended_bases.difference(snapshot.graph.bases)
    if unknown:
        names = ", ".join(sorted(unknown))
        notices += (f"intended_bases in the settings names {names}, which is not a base",)
    remarks = remarks_on_heads(snapshot, diagnosis.findings)
    return diagnosis.noticing(*notices, *map(tools.spell_out, remarks))


def _unread_notices(environment: Environment) -> tuple[str, ...]:
    """Notices about migrations that Alembic's configuration does not include."""
    files = [os.path.relpath(path) for path in disk.unread(environment)]
    if not files:
        return ()
    return (
        f"{count(len(files), 'migration')} that the configuration does not lead to"
        f" {'was' if len(files) == 1 else 'were'} not read: {listing(files, 3)}",
    )


def refuse_empty(snapshot: Facts) -> None:
    """Refuse an empty project.

    Raises:
        NoMigrations: there is no migration, and no database has run one.
    """
    if snapshot.files or any(each.rows for each in snapshot.databases.statuses):
        return
    places = ", ".join(str(place) for place in snapshot.environment.version_locations)
    elsewhere = _unread_notices(snapshot.environment)
    raise NoMigrations(
        "; ".join((f"there are no migrations in {places}", *elsewhere)),
        Remedy.of(
            "name the right directory as version_locations in the configuration"
            if elsewhere
            else "check that this is the right directory"
        )
        | way("write the first one", "{alembic} revision -m MESSAGE"),
    )


def refuse_broken(faults: Iterable[Finding]) -> None:
    """Refuse a chain whose faults leave its shape in doubt.

    Raises:
        CannotPlan: it has such faults; a repair comes first.
    """
    for fault in faults:
        repair = way("repair it first", "{fixchain} repair{databases}")
        remedy = repair if fault.repairable else fault.hint
        raise CannotPlan(f"the chain is broken: {fault.message}", remedy)


def refuse_interrupted(runtime: Runtime, tools: Tools) -> None:
    """Refuse while an earlier repair or undo is unfinished.

    Raises:
        RepairInterrupted, RepairRunning: it was killed half-way, or is still running.
    """
    journals = journals_of(runtime.environment)
    for interruption in _interruption(runtime, tools, journals):
        if disk.is_locked(runtime.environment.directory):
            raise RepairRunning(interruption, "wait until it has ended", unchanged=True)
        remedy = way("put the files back first", f"{tools.fixchain} undo{tools.databases}")
        if journals.unfinished is None and journals.latest is not None:
            record = path_word(os.path.relpath(journals.latest.file))
            remedy |= way(
                "keep the files as they are, and delete the old ones' record", f"rm -- {record}"
            )
        raise RepairInterrupted(interruption, remedy)


def _interruption(runtime: Runtime, tools: Tools, journals: Journals) -> tuple[str, ...]:
    """Notices about an unfinished repair or undo."""
    half = None if journals.unfinished else disk.half_undone(journals)
    if journals.unfinished is None and half is None:
        return ()
    if disk.is_locked(runtime.environment.directory):
        return ("another repair of this environment is running",)
    undo = f"`{tools.fixchain} undo`"
    if journals.unfinished is not None:
        what = journals.unfinished.command
        return (f"an earlier {what} was killed half-way; {undo} puts its files back",)
    return (
        "an undo was killed half-way, or files were put back by hand: some are as they were before"
        f" the last repair, and others are not; {undo} puts back the rest",
    )


def noticed_interruption(runtime: Runtime, tools: Tools) -> tuple[str, ...]:
    """Notices about an unfinished repair or undo, for ``check``, which goes on."""
    try:
        return _interruption(runtime, tools, journals_of(runtime.environment))
    except CannotRead:
        return ()


def _journal_notices(environment: Environment) -> tuple[str, ...]:
    """Notices about journals that are ignored or unreadable."""
    try:
        return noticed_strangers(journals_of(environment))
    except CannotRead as error:
        return (error.message,)
