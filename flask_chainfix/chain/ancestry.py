"""Which revisions run before which, and which parents are redundant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from flask_chainfix.chain.revision_graph import Graph


class Ancestry:
    """Which revisions run before which, by any kind of edge; called with two revisions.

    Args:
        graph: the chain.
        chains: other chains that must agree, as far as they have a revision.

    Attributes:
        below: what runs before each revision in every order that the chains allow, as a bit mask.
    """

    def __init__(self, graph: Graph, chains: Iterable[Graph] = ()) -> None:
        self._names = graph.order
        self._bit = {name: 1 << number for number, name in enumerate(graph.order)}
        self.below = self._of(graph)
        for chain in chains:
            for name, bits in self._of(chain).items():
                if name in self.below:
                    self.below[name] &= bits

    def __call__(self, first: str, second: str) -> bool:
        """Whether ``first`` runs before ``second`` in every order that the chains allow."""
        return bool(self.below[second] & self._bit[first])

    def _of(self, chain: Graph) -> dict[str, int]:
        found: dict[str, int] = {}
        for name in chain.order:
            bits = 0
            for required in chain.requirements(name):
                if required in found:  # in a cycle, nothing is certain
                    bits |= found[required] | self._bit.get(required, 0)
            found[name] = bits
        return found

    def bits(self, names: Iterable[str]) -> int:
        """Revisions as a bit mask."""
        bits = 0
        for name in names:
            bits |= self._bit[name]
        return bits

    def names(self, bits: int) -> Iterator[str]:
        """A bit mask as revisions, in the order of the chain."""
        while bits:
            lowest = bits & -bits
            yield self._names[lowest.bit_length() - 1]
            bits ^= lowest


def upgrade_order(
    graph: Graph, runs_before: Ancestry, done: Collection[str] = ()
) -> Mapping[str, int] | None:
    """The position of each revision in the order in which Alembic upgrades a database.

    It is the order of Alembic's ``RevisionMap``, which a test compares: down from the heads, along
    the first branch until another one needs the next revision, all of that reversed.

    Args:
        graph: the chain.
        runs_before: which of its revisions run before which in any order.
        done: the revisions that have run, with all that they require; empty for an empty database.

    Returns:
        ``None`` if Alembic cannot load the chain, or has no fixed order, because it keeps the
        dependencies of a revision as a set.
    """
    if graph.missing or graph.cycles or graph.duplicates or graph.floating:
        return None
    todo = set(graph).difference(done)
    heads = [head for head in graph.heads if head in todo and head not in graph.dependants]
    downwards: list[str] = []
    at = 0
    while heads:
        candidate = heads[at]
        for index, head in enumerate(heads):
            if index != at and runs_before(candidate, head):
                at = index
                break
        else:
            downwards.append(candidate)
            todo.discard(candidate)
            names = followed(graph, candidate)
            if len(names) > len(set(graph.parents[candidate])) + 1:
                return None
            following = [name for name in names if name in todo and name not in heads]
            heads[at : at + 1] = following[:1]
            heads += following[1:]
            if not following:
                at = max(at - 1, 0)
    return {revision: place for place, revision in enumerate(reversed(downwards))}


def start_of_branch(
    runs_before: Ancestry, parents: Mapping[str, tuple[str, ...]], revision: str, other: str
) -> str:
    """The lowest revision of the branch to move above ``other`` together with ``revision``.

    The branch follows first parents; ``revision`` and ``other`` may run in any order.
    """
    start = revision
    while parents[start] and not runs_before(parents[start][0], other):
        start = parents[start][0]
    return start


# --- Redundant parents and dependencies ----------------------------------------------------------
_PASSABLE = 2  # with at most this many names, Alembic can always run the revision


def is_redundant(graph: Graph, revision: str, parent: str) -> bool:
    """Whether a parent is an ancestor of another parent of the revision."""
    return any(
        other != parent and graph.is_ancestor(parent, other) for other in graph.parents[revision]
    )


def redundant_parents(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """The parents that are an ancestor of another parent, or named twice, by revision.

    Revisions with a duplicate id or in a cycle are left out, because it is unknown for them.
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


@lru_cache(maxsize=8)  # several rules and mends need these for the same chain
def impassable(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """The revisions that Alembic cannot upgrade to, and the redundant names in each of them.

    If a revision follows three or more others, Alembic removes all their rows from the version
    table. A parent that another one requires has no row then, and that is a KeyError, in 1.10 as in
    1.20. With two, Alembic replaces the only existing row. If the upgrade includes more than the
    revision requires, it may still work, see ``stuck_at``.

    Args:
        graph: a chain as in its files, without evidence.

    Returns:
        For each such revision the parents and dependencies that another one of them requires.
        Revisions with a duplicate id or in a cycle are left out, because it is unknown for them.
    """
    unsure = _unsure(graph)
    found: dict[str, tuple[str, ...]] = {}
    for revision in graph:
        if len(graph.requirements(revision)) <= _PASSABLE or revision in unsure:
            continue
        named = followed(graph, revision)
        if not unsure.isdisjoint(named):
            continue
        lower = required_among(graph, named)
        if lower and len(named) - len(lower) > 1:
            found[revision] = tuple(name for name in named if name in lower)
    return found


def required_among(graph: Graph, names: Iterable[str]) -> set[str]:
    """Those of some revisions that another one of them requires."""
    return _lower(graph, names, graph.requirements)


def followed(graph: Graph, revision: str) -> tuple[str, ...]:
    """Parents and dependencies as Alembic has them: without those that an ancestor has."""
    own = (
        target
        for target in graph.dependencies.get(revision, ())
        if not any(graph.is_ancestor(other, revision) for other in graph.dependants[target])
    )
    return tuple(dict.fromkeys((*graph.parents[revision], *own)))


def _lower(graph: Graph, names: Iterable[str], below: Callable[[str], tuple[str, ...]]) -> set[str]:
    """Those of some revisions that another one of them leads to."""
    wanted = set(names)
    # Nothing leads to a later revision in the order; but the order is meaningless in cycles.
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
            # A row of a descendant stands for it, too.
            own = named - graph.required(rows - named)
            if not own <= rows:
                stuck.add(revision)
        rows -= replaced
        rows.add(revision)
    return frozenset(stuck)
