"""rebase --downgrade: downgrade databases with the old chain, change the files, upgrade again.

All or nothing: if anything fails, the files are restored first, as in any repair; then each
database is brought back by the reverse steps. Only the backup can restore data that a downgrade
deletes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from flask_chainfix import disk
from flask_chainfix.commands.backup import back_up_before, putting_back
from flask_chainfix.commands.repair import change_files
from flask_chainfix.commands.second_look import refuse_changed, refuse_moved
from flask_chainfix.commands.session import Session
from flask_chainfix.common import signals
from flask_chainfix.common.errors import (
    CannotPlan,
    ChainFixError,
    DowngradeFailed,
    Interrupted,
    StaleSnapshot,
)
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.rows import stood_for, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import DatabaseStatus, Downgrade, Move, MoveResult, MoveState
from flask_chainfix.planning.downgrades import after_downgrades
from flask_chainfix.planning.proposal import Planned, with_moves
from flask_chainfix.report.results import BackedUp, Planning, Repaired
from flask_chainfix.report.text.rehearsal_text import where_and_why
from flask_chainfix.schema.reflected import differences

if TYPE_CHECKING:
    from flask_chainfix.databases.reflecting import Reading

_COMMAND = "rebase --downgrade"
_NAMED = 3


def carry_out_downgrading(
    session: Session, planning: Planning, planned: Planned, *, backup: bool = True
) -> Repaired:
    """Downgrade databases, change the files as planned, and upgrade the databases again.

    Raises:
        CannotBackUp, CannotRehearse, CannotPlan: nothing was changed.
        StaleSnapshot: the chain or a database has changed.
        ChainFixError: it failed; every file is unchanged, and the message gives the state of each
            database.
    """
    from flask_chainfix.databases.connecting import Obstacle

    now, environment = planning.proposal.snapshot, session.environment
    with disk.locked(environment.directory):
        targets = session.targets(now)
        refuse_moved(targets, now, session.progress)
        refuse_changed(environment, now)
        try:
            trip = _Trip(session, planned, targets, now)
        except Obstacle as obstacle:
            raise StaleSnapshot(obstacle.problem, obstacle.remedy, unchanged=True) from obstacle
        if backup:
            trip.back_up()
        low = after_downgrades(now, planned.downgrades)
        proposal = replace(
            planning.proposal, diagnosis=replace(planning.diagnosis, snapshot=low), moves=()
        )
        proposal = with_moves(proposal, _COMMAND)
        if proposal.obstacle is not None:
            raise proposal.obstacle
        try:
            trip.go_down()
            lowered_planning = replace(planning, proposal=proposal)
            repaired = change_files(session, lowered_planning, planned, then=trip.go_up)
        except (ChainFixError, OSError, KeyboardInterrupt) as error:
            failure: ChainFixError | None = None
            with suppress(KeyboardInterrupt), signals.held():  # it would hide the outcome
                failure = trip.put_back(error)
            raise (failure or error) from error
    return trip.ended(repaired, planning)


class _Trip:
    """The databases on their way down and up.

    Args:
        session: what the command works with.
        planned: the plan.
        targets: all databases, by identity.
        now: the current chain, and where the databases stand.

    Raises:
        Obstacle: a database cannot be read.
    """

    def __init__(
        self, session: Session, planned: Planned, targets: Mapping[str, Target], now: Facts
    ) -> None:
        from flask_chainfix.rehearsal.app_databases import inside_app

        self._session = session
        self._old, self._new = now, planned.after
        self._all = targets
        self._downgrades = planned.downgrades
        self._copies: BackedUp | None = None
        self._goes_up = False
        self._emptied: set[Downgrade] = set()
        with inside_app(session.runtime, _COMMAND):
            pass
        self._schemas = {each.identity: self._schema(each) for each in self._downgrades}

    def back_up(self) -> None:
        """Back up the databases that are downgraded.

        Raises:
            CannotBackUp: nothing was changed.
        """
        copied = [self._all[each.identity] for each in self._downgrades]
        without = f"{{fixchain}} {_COMMAND} --no-backup{{databases}}"
        self._copies = back_up_before(self._session, copied, without)

    def go_down(self) -> None:
        """Downgrade the databases with the old chain.

        Raises:
            DowngradeFailed, StaleSnapshot: a database does not have the expected stamp.
        """
        ways = {each: (each.down, each.below) for each in self._downgrades}
        self._walk(self._old, ways, up=False)

    def go_up(self) -> None:
        """Upgrade the databases with the new chain, which is in place.

        Raises:
            DowngradeFailed, StaleSnapshot: a database does not have the expected stamp.
        """
        self._goes_up = True
        ways = {each: (each.up, each.after) for each in self._downgrades}
        self._walk(self._new, ways, up=True)

    def _walk(
        self,
        chain: Facts,
        ways: Mapping[Downgrade, tuple[tuple[str, ...], tuple[str, ...]]],
        *,
        up: bool,
    ) -> None:
        """Run revisions in databases, and check the stamps afterwards."""
        from flask_chainfix.rehearsal.unwinding import Unwinding, runs_for

        statuses = self._statuses()
        known = {name: (self._all[name], statuses[name]) for name in statuses}
        steps = [
            Unwinding(*known[each.identity], revisions, rows)
            for each, (revisions, rows) in ways.items()
            if revisions
        ]
        files = [chain.file(name) for name in chain.graph.order]
        with runs_for(self._session.runtime, steps, known, _COMMAND) as runs:
            for run in runs:
                go = run.bring_up if up else run.take_back
                _, failure = go(files, self._session.progress)
                if failure is not None:
                    doing = "upgrade" if up else "downgrade"
                    raise DowngradeFailed(
                        f"the {doing} stops{where_and_why(failure)}",
                        "correct the migration, then run the command again",
                    )
        found = self._statuses()
        for each, (_, rows) in ways.items():
            if found[each.identity].rows != rows:
                raise DowngradeFailed(
                    f"{each.name} is at {listing(found[each.identity].rows, _NAMED) or 'nothing'},"
                    f" and not at {listing(rows, _NAMED) or 'nothing'}",
                    "see what else changes its stamp, then run the command again",
                )

    def _statuses(self) -> dict[str, DatabaseStatus]:
        from flask_chainfix.databases.version_tables import read_statuses

        found = read_statuses(tuple(self._all.values()), self._session.progress)
        return {each.identity: each for each in found}

    def _schema(self, each: Downgrade) -> Reading:
        from flask_chainfix.rehearsal.schemas.drift import read_schema

        return read_schema(self._old, self._all[each.identity])

    # --- The way back ---
    def put_back(self, error: BaseException) -> ChainFixError:
        """Bring every database back to its old state.

        Args:
            error: what stopped the rebase; the files have been restored.

        Returns:
            The error, with the state of each database.
        """
        wrong = {each: self._put_one_back(each) for each in self._downgrades}
        lines = [f"{each.name}: {wrong[each] or self._state_of(each)}" for each in wrong]
        restored = putting_back(self._copies)
        if isinstance(error, ChainFixError):
            kind = DowngradeFailed if isinstance(error, CannotPlan) else type(error)
            message, remedy = error.message, error.remedy
            lines = [*error.lines, *lines]
        else:
            kind = Interrupted if isinstance(error, KeyboardInterrupt) else DowngradeFailed
            message, remedy = str(error) or "interrupted", Remedy()
        is_back = not any(wrong.values())
        remedy = remedy | restored if is_back else restored | remedy
        return kind(f"{message}; every file is as it was", remedy, lines)

    def _state_of(self, each: Downgrade) -> str:
        lost = f", but for the data in {listing(each.drops, _NAMED)}" if each.drops else ""
        return f"as it was{lost if each in self._emptied else ''}"

    def _put_one_back(self, each: Downgrade) -> str:
        """Bring a database back; return what is wrong with it then, ``""`` if nothing."""
        from flask_chainfix.databases.connecting import Obstacle

        old, meant = self._old.graph, stood_for(self._old.graph, each.before)
        try:
            stays = self._taken_back(each)
            steps = tuple(name for name in old.order if name in meant - stays)
            ends = tops(old, meant | stays)
            self._emptied.update([each] if steps or self._goes_up else ())
            self._walk(self._old, {each: (steps, ends)}, up=True)
            if extra := listing([name for name in old.order if name in stays - meant]):
                return f"as it was, but {extra} has run there since, and could not be downgraded"
            then, target = self._schemas[each.identity].schema, self._all[each.identity]
            found = differences(then, self._schema(each).schema, (), (target.version_table,))
        except (ChainFixError, Obstacle, OSError) as error:
            at = listing(self._statuses()[each.identity].rows, _NAMED) or "nothing"
            said = error.problem if isinstance(error, Obstacle) else error
            return f"not as it was: it is at {at}, and on the way back {said}"
        if found:
            what = listing([f"{d.object.kind.value} {d.object.spelled}" for d in found], _NAMED)
            return f"not as it was: {what} {'differs' if len(found) == 1 else 'differ'}"
        return ""

    def _taken_back(self, each: Downgrade) -> frozenset[str]:
        """Downgrade what the new chain has added; return what is left, by the old chain.

        Raises:
            DowngradeFailed, StaleSnapshot: the rows would mean something else in the old chain.
        """
        old, new = self._old.graph, self._new.graph
        rows = self._statuses()[each.identity].rows
        if not self._goes_up or rows == each.below:
            return stood_for(old, rows)
        extra = stood_for(new, rows) - stood_for(old, each.below)
        steps = tuple(name for name in reversed(new.order) if name in extra)
        try:
            self._walk(self._new, {each: (steps, each.below)}, up=False)
        except ChainFixError:
            rows = self._statuses()[each.identity].rows
            if stood_for(new, rows) != stood_for(old, rows):
                raise
            return stood_for(old, rows)
        return stood_for(old, each.below)

    def ended(self, repaired: Repaired, planning: Planning) -> Repaired:
        """The result, with the final stamps of the databases."""
        ends = {each.identity: each for each in self._downgrades}
        known = repaired.snapshot.databases
        statuses = tuple(
            replace(each, rows=ends[each.identity].after) if each.identity in ends else each
            for each in known.statuses
        )
        moves = tuple(
            MoveResult(Move(end.name, end.identity, end.after, end.after), MoveState.UNCHANGED)
            if (end := ends.get(each.move.identity))
            else each
            for each in repaired.moves
        )
        return replace(
            repaired,
            planning=replace(planning, backup=self._copies),
            snapshot=replace(repaired.snapshot, databases=replace(known, statuses=statuses)),
            moves=moves,
        )
