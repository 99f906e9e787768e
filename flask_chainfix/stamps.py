"""What databases have run, and how their version rows follow a chain that has changed.

A row of Alembic's version table stands for its revision and all that had to run before it: its
ancestors by ``down_revision`` and ``depends_on``, in the chain that was there when the row was
written. What has run stays as it is, however the files are linked afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from flask_chainfix.graph import Graph
from flask_chainfix.model import (
    Action,
    DatabaseState,
    Kind,
    Move,
    MoveResult,
    MoveState,
    Standing,
)
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
    """What a database has run, by each chain that may have written its rows; the old one last."""
    era = era_of(snapshot, standing)
    # Where nobody knows the old chain any more, the one that is there has to do.
    graphs = [snapshot.graph] if era is not Era.OLD or snapshot.old is None else []
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


def move_for(
    now: Snapshot, possible: Sequence[Applied], taken: Mapping[str, str] = MappingProxyType({})
) -> MoveResult:
    """The rows that a database is to have, so that they stand for exactly what has run there.

    Args:
        now: the chain as it is, or is going to be.
        possible: what has run there; more than one where it is not known who wrote its rows.
        taken: lost revisions, and those that the user takes them for.

    Returns:
        A move that is planned, or one that is refused, or for which there is nothing to do.
    """
    results = [_move(now, applied, taken) for applied in possible]
    if all(result.move.after == results[0].move.after for result in results):
        return results[0]
    refused = next((each for each in results if each.state is MoveState.REFUSED), results[0])
    return replace(
        refused,
        state=MoveState.REFUSED,
        detail="its rows may have been written by the chain before the repair or after it, and"
        " would mean different things",
        remedy="if it was stamped before, name the Git revision that holds that chain: --old REF;"
        " if it was built after, leave it as it is",
    )


def _move(now: Snapshot, applied: Applied, taken: Mapping[str, str]) -> MoveResult:
    standing, graph = applied.standing, now.graph
    stay = Move(standing.name, standing.identity, standing.rows, standing.rows)
    unknown = [row for row in applied.unknown if row not in taken]
    if unknown:
        return MoveResult(
            stay,
            MoveState.REFUSED,
            f"no migration file has {', '.join(unknown)}",
            "check --database tells where it went, and what can be done",
        )
    run = applied.revisions | graph.required(taken[row] for row in standing.rows if row in taken)
    gone = sorted(
        name for name in run if name not in graph and name not in taken and not _is_noop(now, name)
    )
    if gone:
        return MoveResult(
            stay,
            MoveState.REFUSED,
            f"{', '.join(gone)} ran there, and no migration file has it any more",
            f"bring it back (repair --bring-back {gone[0]}); or, if what it did is no longer there,"
            f" say what it counts for: --lost {gone[0]}=REVISION",
        )
    kept = run.intersection(graph)
    skipped = gaps(graph, kept)
    if skipped:
        return MoveResult(
            stay,
            MoveState.REFUSED,
            f"{', '.join(skipped)} never ran there, and would be skipped",
            "undo the repair and repair with this database named; or run them there by hand",
        )
    after = tops(graph, kept)
    state = MoveState.UNCHANGED if after == standing.rows else MoveState.PLANNED
    return MoveResult(replace(stay, after=after), state)


def _is_noop(now: Snapshot, revision: str) -> bool:
    """Whether what a lost revision did is proven to be nothing."""
    lost = now.databases.lost.get(revision)
    if lost is None:
        return False
    from flask_chainfix.footprint import read_footprint  # it is seldom needed

    footprint = read_footprint(lost.data, dialect=now.environment.dialect)
    return not footprint.effects and not footprint.opaque


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
