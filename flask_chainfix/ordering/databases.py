"""What databases that have already moved prove about the order.

A chain is safe for a database if all that has run there stays below all that has not: then no
ancestor of what its rows stand for is ever skipped. In one line that is an order; of branches that
stay beside each other it asks only that nothing is put below what has run and has not run itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flask_chainfix.errors import UnsafeForDatabases
from flask_chainfix.graph import Graph
from flask_chainfix.lineage import Lineage
from flask_chainfix.model import Reason
from flask_chainfix.stamps import Applied, gaps, tops


class Moved(NamedTuple):
    """A pair of revisions whose order in one line a database has decided.

    Attributes:
        database: the database.
        before: what it has run.
        after: what it has not.
    """

    database: Applied
    before: str
    after: str

    def reason(self) -> Reason:
        """Why the one goes before the other."""
        return Reason(
            "database", f"{self.database.name} has run {self.before}, and not {self.after}"
        )


def moved_pairs(
    graph: Graph, lineages: Mapping[str, Lineage], databases: Sequence[Applied]
) -> tuple[Moved, ...]:
    """The order that databases ask of a single line.

    Only between branches that nothing has merged yet: what a merge point has joined stays as it
    is, and so may have run in any order.

    Args:
        graph: the chain.
        lineages: the lineage of each revision.
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
                if (before, after) not in pairs and _in_question(graph, lineages, before, after):
                    pairs[before, after] = Moved(database, before, after)
    return tuple(pairs.values())


def _in_question(graph: Graph, lineages: Mapping[str, Lineage], before: str, after: str) -> bool:
    if lineages[before] is not lineages[after]:
        return False
    heads = graph.descendants([before]).intersection(graph.heads)
    return heads.isdisjoint(graph.descendants([after]))


def disagreement(
    graph: Graph, lineages: Mapping[str, Lineage], databases: Sequence[Applied]
) -> str:
    """Two databases that have gone different ways, and how; ``""`` where there are none."""
    pairs = moved_pairs(graph, lineages, databases)
    for one in pairs:
        for other in databases:
            have = other.revisions
            against = [
                revision
                for revision in _not_in(graph, have, one.database)
                if _in_question(graph, lineages, one.before, revision)
            ]
            if one.before not in have and against:
                return (
                    f"{one.database.name} has run {one.before} and not {against[0]}, and"
                    f" {other.name} has run {against[0]} and not {one.before}"
                )
    return ""


def _not_in(graph: Graph, have: frozenset[str], database: Applied) -> Iterator[str]:
    return (
        revision for revision in graph if revision in have and revision not in database.revisions
    )


def refuse_unsafe(graph: Graph, databases: Sequence[Applied]) -> None:
    """Stop where a chain would make databases skip revisions.

    Args:
        graph: the planned chain.
        databases: what they have run.

    Raises:
        UnsafeForDatabases: what has not run in a database would come to be below what has.
    """
    for database in databases:
        skipped = gaps(graph, database.revisions.intersection(graph.named_parents))
        if skipped:
            above = next(
                revision
                for revision in graph.order
                if revision in database.revisions and skipped[0] in graph.required([revision])
            )
            raise UnsafeForDatabases(
                f"{database.name} has run {above} and not {skipped[0]}, which would come before"
                " it: Alembic would take it for done there and never run it",
                "use --strategy merge, or upgrade that database with the chain as it is, where that"
                " is possible",
            )
