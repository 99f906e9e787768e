"""What databases that have already moved prove about the order, and what is published already.

A chain is safe for a database if all that has run there stays below all that has not: then no
ancestor of what its rows stand for is ever skipped. In one line that is an order; of branches that
stay beside each other it asks only that nothing is put below what has run and has not run itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask_chainfix.errors import UnsafeForDatabases
from flask_chainfix.graph import Graph
from flask_chainfix.lineage import Lineage
from flask_chainfix.model import Reason
from flask_chainfix.remedies import Remedy, way
from flask_chainfix.stamps import Applied, gaps, tops


class Moved(NamedTuple):
    """A pair of revisions whose order in one line a database has decided.

    Attributes:
        database: the database.
        before: what it has run.
        after: what it has not.
        alone: whether it is one of the app's own, and nothing else that is known asks the same.
    """

    database: Applied
    before: str
    after: str
    alone: bool = False

    def reason(self) -> Reason:
        """Why the one goes before the other."""
        database = self.database
        kind = "published" if database.published else "database"
        told = f"{database.name} {database.has} {self.before}, and not {self.after}"
        if self.alone:
            told += "; it alone decides this, and --no-database leaves it out"
        return Reason(kind, told)


class Branches:
    """Which revisions stand on branches that nothing has merged yet.

    Args:
        graph: the chain.
        lineages: the lineage of each revision.
    """

    def __init__(self, graph: Graph, lineages: Mapping[str, Lineage]) -> None:
        self._graph = graph
        self._lineages = lineages
        self._heads: dict[str, frozenset[str]] = {}

    def apart(self, one: str, other: str) -> bool:
        """Whether a single line would have to put one of two revisions below the other.

        What a merge point has joined stays as it is, and so may have run in any order.
        """
        if self._lineages[one] is not self._lineages[other]:
            return False
        return self._heads_above(one).isdisjoint(self._heads_above(other))

    def _heads_above(self, revision: str) -> frozenset[str]:
        if revision not in self._heads:
            above = self._graph.descendants([revision])
            self._heads[revision] = frozenset(above.intersection(self._graph.heads))
        return self._heads[revision]


def moved_pairs(
    graph: Graph, branches: Branches, databases: Sequence[Applied]
) -> tuple[Moved, ...]:
    """The order that databases ask of a single line.

    Args:
        graph: the chain.
        branches: its branches.
        databases: what they have run.
    """
    pairs: dict[tuple[str, str], Moved] = {}
    for database in databases:
        have = database.revisions.intersection(graph.named_parents)
        first = [
            revision
            for revision in graph
            if revision not in have and have.issuperset(graph.requirements(revision))
        ]
        for before in tops(graph, have):
            for after in first:
                pair = (before, after)
                if pair in pairs:
                    pairs[pair] = pairs[pair]._replace(alone=False)
                elif branches.apart(before, after):
                    pairs[pair] = Moved(database, before, after, alone=database.standing.own)
    return tuple(pairs.values())


def disagreement(graph: Graph, branches: Branches, databases: Sequence[Applied]) -> str:
    """Two databases that have gone different ways, and how; ``""`` where there are none."""
    for one in moved_pairs(graph, branches, databases):
        for other in databases:
            if one.before in other.revisions:
                continue
            for revision in graph:
                if (
                    revision in other.revisions
                    and revision not in one.database.revisions
                    and branches.apart(one.before, revision)
                ):
                    return (
                        f"{one.database.name} {one.database.has} {one.before} and not {revision},"
                        f" and {other.name} {other.has} {revision} and not {one.before}"
                    )
    return ""


def refuse_unsafe(graph: Graph, now: Graph, databases: Sequence[Applied]) -> None:
    """Stop where a chain would make databases skip revisions that they do not skip yet.

    Args:
        graph: the planned chain.
        now: the chain as it is.
        databases: what they have run.

    Raises:
        UnsafeForDatabases: what has not run in a database would come to be below what has.
    """
    for database in databases:
        have = database.revisions.intersection(graph.named_parents)
        missing = gaps(graph, have)
        already = gaps(now, have) if missing else ()
        skipped = [revision for revision in missing if revision not in already]
        if skipped:
            above = next(
                revision
                for revision in graph.order
                if revision in have and skipped[0] in graph.required([revision])
            )
            raise UnsafeForDatabases(
                f"{database.name} {database.has} {above} and not {skipped[0]}, which would come"
                " before it: Alembic would treat it as done there and never run it",
                _ways_out(database),
            )


def _ways_out(database: Applied) -> Remedy:
    merged = way(
        "join the branches with a merge revision",
        "{fixchain} repair --strategy merge{databases}",
    )
    if database.published:
        return merged
    return merged | "upgrade that database with the chain as it is, where that is possible"
