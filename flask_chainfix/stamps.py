"""What databases have run, and how their version rows follow a chain that has changed.

A row of Alembic's version table stands for its revision and all that had to run before it: its
ancestors by ``down_revision`` and ``depends_on``, in the chain that was there when the row was
written. What has run stays as it is, however the files are linked afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from flask_chainfix.graph import Graph
from flask_chainfix.model import Action, DatabaseState, Kind, Standing
from flask_chainfix.snapshot import Snapshot


@dataclass(frozen=True)
class Applied:
    """What one database has run.

    Attributes:
        standing: where it stands.
        revisions: what has run there, ancestors included; only what is known.
        unknown: its rows that no chain has.
    """

    standing: Standing
    revisions: frozenset[str]
    unknown: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How users know the database."""
        return self.standing.name


class Era(Enum):
    """Which chain has written the rows of a database."""

    NOW = "the chain as it is, or both alike"
    OLD = "the chain before the last repair"
    UNSURE = "either of them"


def applied_in(snapshot: Snapshot) -> tuple[Applied, ...]:
    """What each reachable database has run; twice where that depends on who wrote its rows."""
    return tuple(
        possibility
        for standing in snapshot.databases.standings
        if standing.state is not DatabaseState.UNREACHABLE
        for possibility in possibilities(snapshot, standing)
    )


def possibilities(snapshot: Snapshot, standing: Standing) -> tuple[Applied, ...]:
    """What a database has run, by each chain that may have written its rows."""
    era = era_of(snapshot, standing)
    graphs = [snapshot.graph] if era is not Era.OLD else []
    if snapshot.old is not None and era is not Era.NOW:
        graphs.append(snapshot.old)
    return tuple(_applied(graph, standing) for graph in graphs)


def _applied(graph: Graph, standing: Standing) -> Applied:
    known = [row for row in standing.rows if row in graph]
    unknown = tuple(row for row in standing.rows if row not in graph)
    return Applied(standing, frozenset(graph.required(known)), unknown)


def era_of(snapshot: Snapshot, standing: Standing) -> Era:
    """Find out which chain has written the rows of a database.

    The journal tells it of databases whose rows it has moved; else the rows themselves, where one
    chain only can have written them; else the tables that should be there.
    """
    now, old = snapshot.graph, snapshot.old
    rows = standing.rows
    moved = snapshot.databases.moved.get(standing.identity)
    if moved is not None and rows in (moved.before, moved.after):
        return Era.NOW if rows == moved.after else Era.OLD
    if old is None or not all(row in old for row in rows):
        return Era.NOW
    if not all(row in now for row in rows):
        return Era.OLD
    before, after = old.required(rows), now.required(rows)
    if before == after and not overlaps(now, rows):
        return Era.NOW
    if overlaps(now, rows):
        return Era.OLD
    return _era_by_tables(snapshot, standing, after - before)


def _era_by_tables(snapshot: Snapshot, standing: Standing, doubtful: Collection[str]) -> Era:
    """Whether the revisions that only one chain asks for have made their tables."""
    if standing.tables is None:
        return Era.UNSURE
    there = {table.lower() for table in standing.tables}
    made = {table for revision in doubtful for table in _tables_made(snapshot, revision)}
    if not made:
        return Era.UNSURE
    return Era.NOW if made <= there else Era.OLD


def _tables_made(snapshot: Snapshot, revision: str) -> set[str]:
    """The tables that are there for certain once a revision has run, in lower case."""
    effects = snapshot.footprint(snapshot.file(revision)).effects
    return {
        effect.object.name.lower()
        for effect in effects
        if effect.action is Action.CREATE and effect.object.kind is Kind.TABLE and effect.certain
    }


def survivors(snapshot: Snapshot, revision: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nearest ancestors of a lost revision that files still have.

    Args:
        snapshot: the chain, and what version control knows of lost revisions.
        revision: a revision that no file has.

    Returns:
        These ancestors, as the rows that stand for them, and the lost revisions from the given one
        down to them; no ancestors where version control does not know the way.
    """
    found: dict[str, None] = {}
    between: dict[str, None] = {}
    pending = [revision]
    while pending:
        name = pending.pop()
        if name in snapshot.graph:
            found[name] = None
            continue
        lost = snapshot.databases.lost.get(name)
        if lost is None:
            return (), tuple(between)
        if name not in between:
            between[name] = None
            pending.extend(lost.parents)
    return tops(snapshot.graph, snapshot.graph.required(found)), tuple(between)


def overlaps(graph: Graph, rows: Iterable[str]) -> tuple[str, ...]:
    """The rows that another row already stands for; Alembic refuses to upgrade from such."""
    known = [row for row in rows if row in graph]
    return tuple(
        row
        for row in known
        if any(row != other and row in graph.required([other]) for other in known)
    )


def gaps(graph: Graph, revisions: Iterable[str]) -> tuple[str, ...]:
    """What must run before these revisions and is not among them, in the order of the chain."""
    have = set(revisions)
    missing = graph.required(have) - have
    return tuple(revision for revision in graph.order if revision in missing)


def tops(graph: Graph, revisions: Collection[str]) -> tuple[str, ...]:
    """The rows that stand for a set without gaps: its maximal elements, sorted."""
    below = {required for revision in revisions for required in graph.requirements(revision)}
    return tuple(sorted(revision for revision in revisions if revision not in below))
