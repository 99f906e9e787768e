"""Rows and the sets of revisions that they stand for, in one chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache

from flask_chainfix.graph import Graph


@lru_cache(maxsize=256)  # most databases of a project stand at the same few places
def stood_for(graph: Graph, rows: tuple[str, ...]) -> frozenset[str]:
    """What has run where these rows are: they themselves and all that had to run before."""
    return frozenset(graph.required(row for row in rows if row in graph))


def overlaps(graph: Graph, rows: Iterable[str]) -> tuple[str, ...]:
    """The rows that another row already stands for; Alembic refuses to upgrade from such."""
    numbers = Counter(row for row in rows if row in graph)
    return tuple(
        row
        for row, number in numbers.items()
        if number > 1
        or any(row != other and row in stood_for(graph, (other,)) for other in numbers)
    )


def gaps(graph: Graph, revisions: Iterable[str]) -> tuple[str, ...]:
    """What must run before these revisions and is not among them, in the order of the chain."""
    have = set(revisions)
    missing = graph.required(have) - have
    return tuple(revision for revision in graph.order if revision in missing) if missing else ()


def tops(graph: Graph, revisions: Collection[str]) -> tuple[str, ...]:
    """The rows that stand for a set without gaps: its maximal elements, sorted."""
    below = {required for revision in revisions for required in graph.requirements(revision)}
    return tuple(sorted(revision for revision in revisions if revision not in below))
