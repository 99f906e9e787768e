"""Parents and dependencies that another one of the same revision requires anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

from flask_chainfix.chain.revision_graph import Graph

_PASSABLE = 2  # so many names, and Alembic runs the revision however they are tied


def is_redundant(graph: Graph, revision: str, parent: str) -> bool:
    """Whether a parent is an ancestor of another parent of the revision."""
    return any(
        other != parent and graph.is_ancestor(parent, other) for other in graph.parents[revision]
    )


def redundant_parents(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """The parents that are an ancestor of another parent, or named twice; only where there are.

    Revisions that stand twice or in a cycle are left out: of them it is not known.
    """
    unsure = _unsure(graph)
    found: dict[str, tuple[str, ...]] = {}
    for revision, parents in graph.parents.items():
        if len(parents) < 2 or revision in unsure:
            continue
        known = [parent for parent in parents if parent not in unsure]
        lower = _lower(graph, known, graph.parents.__getitem__)
        twice = {parent for parent, number in Counter(known).items() if number > 1}
        redundant = tuple(name for name in dict.fromkeys(known) if name in lower or name in twice)
        if redundant:
            found[revision] = redundant
    return found


@lru_cache(maxsize=8)  # several rules and mends ask for those of the same chain
def impassable(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """The revisions that Alembic cannot upgrade to, and what each of them names in vain.

    Where a revision follows several others, Alembic takes the rows of all of them out of the
    version table. One that another of them requires has no row by then, and that is a KeyError,
    in 1.10 as in 1.20. Beside a single other one Alembic replaces the one row that is there. Where
    more is upgraded than the revision requires, it can have luck: ``stuck_at`` tells.

    Args:
        graph: a chain as its files say it, without evidence.

    Returns:
        For each such revision the parents and dependencies that another one of them requires.
        Revisions that stand twice or in a cycle are left out: of them it is not known.
    """
    unsure: set[str] | None = None
    found: dict[str, tuple[str, ...]] = {}
    for revision in graph:
        if len(graph.requirements(revision)) <= _PASSABLE:
            continue
        unsure = _unsure(graph) if unsure is None else unsure
        named = followed(graph, revision)
        if revision in unsure or not unsure.isdisjoint(named):
            continue
        lower = required_among(graph, named)
        if lower and len(named) - len(lower) > 1:
            found[revision] = tuple(name for name in named if name in lower)
    return found


def required_among(graph: Graph, names: Iterable[str]) -> set[str]:
    """Those of some revisions that another one of them requires."""
    return _lower(graph, names, graph.requirements)


def followed(graph: Graph, revision: str) -> tuple[str, ...]:
    """Parents and dependencies as Alembic has them: without what an ancestor depends on as well."""
    own = (
        target
        for target in graph.dependencies.get(revision, ())
        if not any(graph.is_ancestor(other, revision) for other in graph.dependants[target])
    )
    return tuple(dict.fromkeys((*graph.parents[revision], *own)))


def _lower(graph: Graph, names: Iterable[str], below: Callable[[str], tuple[str, ...]]) -> set[str]:
    """Those of some revisions that another one of them leads to."""
    wanted = set(names)
    # Nothing leads to what comes later in the order; but in cycles the order says nothing.
    floor = -1 if graph.cycles else min(map(graph.position.__getitem__, wanted), default=0)
    pending = [name for start in wanted for name in below(start)]
    reached: set[str] = set()
    while pending:
        revision = pending.pop()
        if revision not in reached and graph.position[revision] >= floor:
            reached.add(revision)
            pending.extend(below(revision))
    return wanted & reached


def _unsure(graph: Graph) -> set[str]:
    return set(graph.duplicates).union(*graph.cycles)


def stuck_at(graph: Graph, done: Collection[str], order: Iterable[str]) -> frozenset[str]:
    """The revisions at which Alembic stops with that KeyError if it runs them in this order.

    ``done`` is what a database has run, with all that it requires.
    """
    below = {name for revision in done for name in followed(graph, revision)}
    rows, stuck = set(done) - below, set()
    for revision in order:
        named = set(followed(graph, revision))
        replaced = rows & named
        if len(replaced) > 1:
            # A row that stands above one of them stands for it, too.
            own = named - graph.required(rows - named)
            if not own <= rows:
                stuck.add(revision)
        rows -= replaced
        rows.add(revision)
    return frozenset(stuck)
