"""Databases that have run my revisions before a rebase: refuse them, or downgrade and upgrade."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import UnsafeForDatabases
from flask_chainfix.common.remedies import MERGE, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.has_run import Applied, applied_anywhere
from flask_chainfix.databases.applied.rows import are_tied, newly_skipped, taking_down, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import losses, losses_in_words
from flask_chainfix.model.databases import Downgrade, Move, MoveResult, MoveState
from flask_chainfix.planning.proposal import Proposal
from flask_chainfix.schema.footprint import Footprint

_NAMED = 3  # revisions named in one sentence


@dataclass(frozen=True)
class RebaseEffect:
    """The effect of a rebase on databases.

    Attributes:
        now: the current chain, and where databases stand.
        after: the planned chain.
        mine: the revisions that move.
        command: the command of the rebase.
    """

    now: Facts
    after: Graph
    mine: Collection[str]
    command: str

    def refuse_skipping(self) -> None:
        """Refuse if a database has run my revisions without all of their new ancestors.

        Raises:
            UnsafeForDatabases: with the remedies.
        """
        for database in applied_anywhere(self.now):
            if self._skipped(database):
                raise self._skipping(database, self._ways_out(database))

    def downgrades(self) -> tuple[Downgrade, ...]:
        """How to downgrade the databases that would skip a revision, and upgrade them again.

        Raises:
            UnsafeForDatabases: a database cannot be downgraded.
        """
        found: dict[str, Downgrade] = {}
        for database in applied_anywhere(self.now):
            if not self._skipped(database):
                continue
            why = self._no_downgrade(database)
            if not why and database.status.by_user:
                why = "it cannot be reached from here"
            elif database.status.identity in found:
                why = "it is not known which chain wrote its rows"
            if why:
                cannot = f"{database.name} cannot be downgraded here: {why}"
                raise self._skipping(database, cannot | self._ways_out(database))
            found[database.status.identity] = self._downgrade(database)
        return tuple(found.values())

    def _skipped(self, database: Applied) -> tuple[str, ...]:
        return newly_skipped(self.now.graph, self.after, database.revisions)

    def _skipping(self, database: Applied, remedy: Remedy) -> UnsafeForDatabases:
        mine = sorted(database.revisions.intersection(self.mine))
        run = listing([self.now.databases.with_present_id(each) for each in mine], _NAMED)
        skipped = self._skipped(database)
        return UnsafeForDatabases(
            f"{database.name} {database.has} {run} of yours, and not"
            f" {listing(skipped, _NAMED)}, which would come below: Alembic would treat"
            " that as done there and never run it",
            remedy,
        )

    def _no_downgrade(self, database: Applied) -> str:
        """Why Alembic must not downgrade my revisions in a database; ``""`` if it may."""
        if database.published:
            return "others have it as well"
        if self.now.databases.planned_ids:
            return "two migrations have one id, and Alembic cannot load such a chain"
        run = [name for name in self.now.graph if name in self.mine and name in database.revisions]
        if are_tied(self.now.graph, run):
            # With dependencies, Alembic downgrades more, or leaves wrong rows.
            return "depends_on ties them to others"
        return ""

    def _downgrade(self, database: Applied) -> Downgrade:
        now, after, have = self.now.graph, self.after, database.revisions.intersection(self.after)
        unfit = {each for each in have if not have.issuperset(after.required([each]))}
        down = [each for each in now.order if each in have and unfit & now.required([each])]
        left = have.difference(down)
        whole = after.required(have)
        return Downgrade(
            name=database.name,
            identity=database.status.identity,
            before=database.status.rows,
            below=tops(now, left),
            after=tops(after, whole),
            down=tuple(reversed(down)),
            up=tuple(each for each in after.order if each in whole and each not in left),
            drops=losses(self._downgrades_of(database, down)),
        )

    def _downgrades_of(self, database: Applied, down: Iterable[str]) -> list[Footprint]:
        now, bind = self.now, database.status.bind
        return [now.footprint_down(now.file(each), bind) for each in down]

    def _ways_out(self, database: Applied) -> Remedy:
        merged = way("keep the order, and join both with a merge revision", MERGE)
        if self._no_downgrade(database):
            return merged
        graph = self.now.graph
        run = [name for name in graph.order if name in self.mine and name in database.revisions]
        losses = losses_in_words(self._downgrades_of(database, run))
        hands = taking_down(graph, database.revisions, self.mine)
        by_hand = (*hands, self.command, "{alembic} upgrade head")
        if database.status.by_user:
            return way(f"downgrade yours there before you rebase; {losses}", *by_hand) | merged
        itself = self.command.replace(" rebase ", " rebase --downgrade ", 1)
        return (
            way(f"have yours downgraded there, and upgraded again; {losses}", itself)
            | way("do the same by hand", *by_hand)
            | merged
        )


def after_downgrades(now: Facts, downgrades: Sequence[Downgrade]) -> Facts:
    """The facts after the downgrades; the resulting schemas are not known yet."""
    below = {each.identity: each.below for each in downgrades}
    statuses = tuple(
        replace(each, rows=below[each.identity], tables=None) if each.identity in below else each
        for each in now.databases.statuses
    )
    return replace(now, databases=replace(now.databases, statuses=statuses))


def from_current_rows(proposal: Proposal) -> Proposal:
    """The proposal with moves from the current stamps, even for databases to downgrade first."""
    ways = {each.identity: each for each in proposal.planned.downgrades} if proposal.planned else {}
    moves = tuple(
        MoveResult(
            Move(goes.name, goes.identity, goes.before, goes.after),
            MoveState.PLANNED,
            f"by way of {listing(goes.below) or 'nothing'}",
        )
        if (goes := ways.get(each.move.identity))
        else each
        for each in proposal.moves
    )
    return replace(proposal, moves=moves)
