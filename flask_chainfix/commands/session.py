"""What every command works with, and how it begins: read the chain, and judge it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import (
    CannotPlan,
    CannotRead,
    NoMigrations,
    RepairInterrupted,
    RepairRunning,
)
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.common.wording import Progress, count, listing, unseen
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, remarks_on_heads
from flask_chainfix.diagnosis.rules import Family
from flask_chainfix.disk.past_repairs import Journals, journals_of, noticed_ignored
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.surroundings import read_surroundings
from flask_chainfix.model.databases import DatabaseWishes, Move, MoveResult, MoveState
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.findings import Finding
from flask_chainfix.planning.proposal import Proposal
from flask_chainfix.report.results import Planning, Result

if TYPE_CHECKING:
    from flask_chainfix.databases.targets import Target

_R = TypeVar("_R", bound=Result)


@dataclass(frozen=True)
class Session:
    """What every command works with.

    Attributes:
        runtime: the environment.
        tools: how the user would type commands.
        databases: which databases to read; none by default.
        progress: called with the steps done, the steps in all, and what is running.
    """

    runtime: Runtime
    tools: Tools = field(default_factory=Tools)
    databases: DatabaseWishes = field(default_factory=DatabaseWishes)
    progress: Progress = unseen

    @property
    def environment(self) -> Environment:
        """What is known about the environment."""
        return self.runtime.environment

    @property
    def journals(self) -> Journals:
        """The journals of earlier repairs."""
        return journals_of(self.environment)

    def snapshot(self) -> Snapshot:
        """The files as they are now."""
        return disk.read_snapshot(self.environment)[0]

    def targets(self, now: Facts) -> Mapping[str, Target]:
        """The databases by identity; there may be new tenants at each call.

        ``now`` is the chain with their statuses, if they were read.

        Raises:
            BadConfiguration, BadDatabase: it is unclear which databases are meant.
        """
        from flask_chainfix.databases.selection import targets_for

        return targets_for(self.runtime, now, self.databases)

    def survey(
        self, chain: Facts, command: str = "", *, required: bool = False, **how: Any
    ) -> Facts:
        """The chain with the state of its databases.

        Args:
            chain: the chain as the files have it.
            command: the command that cannot do without the stamp of any of them; ``""`` if it can.
            required: whether that command needs at least one database.
            how: as for ``survey.survey``.

        Raises:
            DatabaseUnreachable: the command needs a stamp that cannot be read.
            BadConfiguration, BadDatabase: it is unclear which databases are meant; or there is
                none, and one is required.
        """
        from flask_chainfix.databases.survey import no_database, refuse_unreachable, survey

        now = survey(self.runtime, chain, self.databases, self.progress, **how)
        if command:
            refuse_unreachable(now, command)
        if required and not now.databases.statuses:
            raise no_database(self.databases, command)
        return now

    def begin(self, *, strict: bool = False, may_be_empty: bool = False) -> Diagnosis:
        """Read and judge the chain for a command that changes something.

        Raises:
            NoMigrations: as ``read_and_judge``.
            RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        """
        self._refuse_interrupted()
        return self.read_and_judge(strict=strict, may_be_empty=may_be_empty)

    def read_and_judge(
        self,
        *,
        strict: bool = False,
        may_be_empty: bool = False,
        instead: Snapshot | None = None,
    ) -> Diagnosis:
        """Read the chain, and say what is wrong with it.

        Args:
            strict: whether warnings count like errors.
            may_be_empty: whether the command can work without any migration.
            instead: a chain to judge instead of the one on disk.

        Raises:
            NoMigrations: there is no migration.
        """
        notices: tuple[str, ...] = ()
        environment, read = self.environment, instead
        if read is None:
            read, notices = disk.read_snapshot(environment)
        snapshot = Facts.around(read, surroundings=read_surroundings(self.runtime))
        if not may_be_empty:
            refuse_empty(snapshot)
        notices += _unread_notices(environment) + self._journal_notices()
        diagnosis = Diagnosis(snapshot, strict=strict).judge(Family.CHAIN, Family.ENVIRONMENT)
        unknown = environment.settings.intended_bases.difference(snapshot.graph.bases)
        if unknown:
            names = ", ".join(sorted(unknown))
            notices += (f"intended_bases in the settings names {names}, which is not a base",)
        remarks = remarks_on_heads(snapshot, diagnosis.findings)
        return diagnosis.noticing(*notices, *map(self.tools.spell_out, remarks))

    def planning(self, command: str, proposal: Proposal) -> Planning:
        """The outcome of planning: with an error if that was refused, else what to notice."""
        planning = Planning(command=command, tools=self.tools, proposal=proposal)
        if proposal.obstacle is not None:
            return planning.stopped_by(proposal.obstacle)
        if proposal.planned is None:
            return planning
        from flask_chainfix.databases.survey import noticed_unseen

        notices = noticed_unseen(proposal.snapshot, self.databases)
        return replace(planning, exit_code=1, notices=notices)

    # --- Earlier repairs -------------------------------------------------------------------------
    def _refuse_interrupted(self) -> None:
        journals = self.journals
        for interruption in self._interruption(journals):
            if disk.is_locked(self.environment.directory):
                raise RepairRunning(interruption, "wait until it has ended", unchanged=True)
            undo = f"{self.tools.fixchain} undo{self.tools.databases}"
            remedy = way("put the files back first", undo)
            if journals.unfinished is None and journals.latest is not None:
                record = path_word(os.path.relpath(journals.latest.file))
                text = "keep the files as they are, and delete the record of the old ones"
                remedy |= way(text, f"rm -- {record}")
            raise RepairInterrupted(interruption, remedy)

    def _interruption(self, journals: Journals) -> tuple[str, ...]:
        half = None if journals.unfinished else disk.half_undone(journals)
        if journals.unfinished is None and half is None:
            return ()
        if disk.is_locked(self.environment.directory):
            return ("another repair of this environment is running",)
        undo = f"`{self.tools.fixchain} undo`"
        if journals.unfinished is not None:
            what = journals.unfinished.command
            return (f"an earlier {what} was killed half-way; {undo} puts its files back",)
        return (
            "an undo was killed half-way, or files were put back by hand: some are as they were"
            f" before the last repair, and others are not; {undo} puts back the rest",
        )

    def noticed_interruption(self) -> tuple[str, ...]:
        """Notices about an unfinished repair or undo, for ``check``, which goes on."""
        try:
            return self._interruption(self.journals)
        except CannotRead:
            return ()

    def _journal_notices(self) -> tuple[str, ...]:
        """Notices about journals that are ignored or unreadable."""
        try:
            return noticed_ignored(self.journals)
        except CannotRead as error:
            return (error.message,)


def carried_out(kind: type[_R], plan: Result, **more: Any) -> _R:
    """The result of a plan that was carried out, with what the plan says and what is new."""
    known = {each.name: getattr(plan, each.name) for each in fields(plan)}
    return kind(**{**known, "error": None, "exit_code": 0, **more})


def unchanged_moves(now: Facts) -> tuple[MoveResult, ...]:
    """Moves that leave the rows of each database as they are."""
    return tuple(
        MoveResult(Move(each.name, each.identity, each.rows, each.rows), MoveState.UNCHANGED)
        for each in now.databases.statuses
    )


def split_again(pairs: Mapping[str, str], fits: Callable[[str, str], bool]) -> Mapping[str, str]:
    """Pairs that were typed as ``ONE=OTHER``, split at the last ``=`` with which they fit.

    Ids can contain ``=``. A pair that fits nowhere stays as it is.
    """
    found = {}
    for one, other in pairs.items():
        parts = f"{one}={other}".split("=")
        ways = (("=".join(parts[:at]), "=".join(parts[at:])) for at in range(len(parts) - 1, 0, -1))
        left, right = next((way for way in ways if fits(*way)), (one, other))
        found[left] = right
    return found


def _unread_notices(environment: Environment) -> tuple[str, ...]:
    """Notices about migrations that Alembic's configuration does not include."""
    files = [os.path.relpath(path) for path in disk.unconfigured_migrations(environment)]
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
