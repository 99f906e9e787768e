"""Rows and the sets of revisions that they stand for, in one chain; Alembic's commands for them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from flask_chainfix.graph import Graph
from flask_chainfix.remedies import Remedy, way


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


def stamp_commands(rows: Iterable[str]) -> tuple[str, ...]:
    """Alembic's commands that stamp these rows, each replacing the rows above and below it."""
    return tuple(f"{{alembic}} stamp {shlex.quote(row)}" for row in rows)


def restamping(graph: Graph, before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Alembic's commands that turn rows into others.

    Where the two are beside each other, the way goes over what they have in common.
    """
    common = stood_for(graph, tuple(before)) & stood_for(graph, tuple(after))
    over = tops(graph, common) or ("base",)
    return stamp_commands(over) + stamp_commands(row for row in after if row not in over)


def catching_up(graph: Graph, run: Collection[str]) -> Remedy:
    """How Alembic is made to run what never ran below what has, command by command."""
    skipped = gaps(graph, run)
    below = graph.required(skipped).difference(skipped)
    return way(
        f"have Alembic run {', '.join(skipped)} there, and put the stamp back",
        *stamp_commands(tops(graph, below) or ("base",)),
        *(f"{{alembic}} upgrade {shlex.quote(top)}" for top in tops(graph, skipped)),
        *stamp_commands(tops(graph, {*run, *skipped})),
    )


def since(graph: Graph, revision: str) -> str:
    """What Alembic's offline mode takes for one revision alone; for a base, or a merge, all."""
    parents = graph.parents[revision]
    start = f"{parents[0]}:" if len(parents) == 1 else ""
    return shlex.quote(f"{start}{revision}")
