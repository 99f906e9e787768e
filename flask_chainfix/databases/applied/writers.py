"""What databases have run: by which of the known chains their rows have been written.

A row of Alembic's version table stands for its revision and all that had to run before it, in the
chain that was there when the row was written. What has run stays as it is, however the files are
linked afterwards. So of every known chain it is asked whether it can have written the rows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from flask_chainfix.chain.redundancy import impassable, stuck_at
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.databases.applied.live_evidence import contradicts
from flask_chainfix.databases.applied.rows import can_stand, stood_for
from flask_chainfix.databases.applied.shared_ids import readings
from flask_chainfix.evidence.ancestry import Ancestry, upgrade_order
from flask_chainfix.model.databases import Databases, DatabaseState, Standing
from flask_chainfix.model.history import PublishedChain


@dataclass(frozen=True)
class Applied:
    """What one database has run.

    Attributes:
        standing: where it stands.
        revisions: what has run there, ancestors included, by the ids of now; only what is known.
        unknown: its rows that no chain has.
        published: whether it is no database, but what the main branch or a release has: databases
            stand there that nobody here can ask.
    """

    standing: Standing
    revisions: frozenset[str]
    unknown: tuple[str, ...] = ()
    published: bool = False

    @property
    def name(self) -> str:
        """How users know the database."""
        return self.standing.name

    @property
    def has(self) -> str:
        """What to say between its name and revisions."""
        return "has" if self.published else "has run"


def applied_in(snapshot: Snapshot) -> tuple[Applied, ...]:
    """What each database has run; twice where that depends on who wrote its rows.

    Of one that cannot be reached, or does not exist, nothing is known.
    """
    return tuple(
        possibility
        for standing in snapshot.databases.standings
        if standing.is_known
        for possibility in possibilities(snapshot, standing)
    )


def published_in(snapshot: Snapshot) -> tuple[Applied, ...]:
    """What the main branch and releases have, each as a database that stands at its heads."""
    chains = {
        chain.revisions.intersection(snapshot.graph): chain
        for chain in reversed(snapshot.published_chains)
    }
    return tuple(
        Applied(_standing_at(chain, revisions), revisions, published=True)
        for revisions, chain in reversed(chains.items())
        if revisions
    )


def _standing_at(chain: PublishedChain, revisions: frozenset[str]) -> Standing:
    rows = tuple(sorted(revisions))
    return Standing(chain.name, chain.ref, DatabaseState.STAMPED, rows, told=True)


def unexplained(snapshot: Snapshot) -> tuple[Standing, ...]:
    """The databases whose rows and tables no known chain can have made."""
    return tuple(
        standing
        for standing in snapshot.databases.standings
        if standing.state is not DatabaseState.UNREACHABLE and not possibilities(snapshot, standing)
    )


def possibilities(snapshot: Snapshot, standing: Standing) -> tuple[Applied, ...]:
    """What a database has run, by each chain that its rows and its tables fit.

    The journal tells the chain where a repair has looked at the database, or has moved its rows;
    else it is one that knows all rows, and of which none stands for another, as Alembic does not
    write such. The tables of the database may show that it cannot have been one of them, or that
    the database is not as the journal has left it.

    Returns:
        Each possibility once, that of the chain as it is first, then the latest old chain's; none
        where no known chain can have written these rows, and where the tables speak against each
        that can.
    """
    said = claims(snapshot, standing)
    fitting = _fitting(snapshot, said)
    if fitting or not said:
        return fitting
    return _fitting(snapshot, _written(snapshot, standing))


def can_have_written(snapshot: Snapshot, standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """The databases whose rows and tables the chain of a snapshot alone explains.

    Args:
        snapshot: the chain; what it knows of databases does not count.
        standings: where they stand.
    """
    alone = replace(snapshot, databases=Databases(), old=())
    return tuple(
        standing
        for standing in standings
        if standing.is_known and any(not each.unknown for each in possibilities(alone, standing))
    )


def claims(snapshot: Snapshot, standing: Standing) -> tuple[Applied, ...]:
    """What the rows of a database and the journal say has run there, whatever its tables show."""
    if snapshot.databases.current_is_named and can_stand(snapshot.graph, standing.rows):
        return (Applied(standing, stood_for(snapshot.graph, standing.rows)),)
    known = (snapshot.graph, *snapshot.old)
    if all(any(row in chain for chain in known) for row in standing.rows):
        recorded = _recorded(snapshot, standing)
        if recorded is not None:
            return recorded
    return _written(snapshot, standing)


def _written(snapshot: Snapshot, standing: Standing) -> tuple[Applied, ...]:
    chains = (snapshot.graph, *snapshot.old)
    known_rows: tuple[Container[str], ...] = (*chains, snapshot.databases.anew)
    unknown = [row for row in standing.rows if not any(row in each for each in known_rows)]
    if unknown:
        known = stood_for(snapshot.graph, standing.rows)
        lost = tuple(row for row in standing.rows if row not in snapshot.graph)
        return (Applied(standing, known, lost),)
    written = {
        run: None
        for chain in chains
        if chain is snapshot.graph or can_stand(chain, standing.rows)
        for run in readings(snapshot, chain, standing)
    }
    return tuple(Applied(standing, revisions) for revisions in written)


def _recorded(snapshot: Snapshot, standing: Standing) -> tuple[Applied, ...] | None:
    """What the journal says: none where an unknown chain has written the rows.

    A database that it has left with the right rows is upgraded and downgraded from there by the
    chain as it is.

    Returns:
        ``None`` where it says nothing.
    """
    graph, rows = snapshot.graph, standing.rows
    left = snapshot.databases.moved.get(standing.identity)
    if left is None:
        return None
    if rows == left.before != left.after:
        return tuple(
            Applied(standing, run)
            for chain in snapshot.old[:1]
            if can_stand(chain, rows)
            for run in readings(snapshot, chain, standing)
        )
    was_moved = rows == left.after != left.before
    if snapshot.databases.old_is_named and not was_moved:
        return None  # the user says who has written them
    run, had = stood_for(graph, rows), stood_for(graph, left.after)
    goes_on = can_stand(graph, rows) and (run >= had or run <= had)
    return (Applied(standing, run),) if goes_on or rows == left.after else None


def _fitting(snapshot: Snapshot, possible: tuple[Applied, ...]) -> tuple[Applied, ...]:
    """Those that the tables of the database do not speak against."""
    return tuple(
        each
        for each in possible
        if each.unknown or not contradicts(snapshot, each.standing, each.revisions)
    )


# --- At which revisions Alembic's own upgrade of databases stops ---------------------------------


def stuck_revisions(snapshot: Snapshot) -> frozenset[str]:
    """The revisions at which ``upgrade heads`` stops because of what they name in vain.

    It is looked at from a new database, from one that has run all that such a revision requires,
    and from those that are known. Where Alembic has no fixed order, it can stop at all of them.
    """
    graph = snapshot.graph
    tied = frozenset(impassable(graph))
    if not tied:
        return tied
    runs_before = Ancestry(graph)
    places = {frozenset[str]()}
    places |= {frozenset(graph.required([revision]) - {revision}) for revision in tied}
    for applied in (*applied_in(snapshot), *published_in(snapshot)):
        places.add(frozenset(graph.required(applied.revisions.intersection(graph))))
    stuck: set[str] = set()
    for done in places:
        order = upgrade_order(graph, runs_before, done)
        if order is None:
            return tied
        stuck |= stuck_at(graph, done, sorted(order, key=order.__getitem__))
    return frozenset(stuck)
