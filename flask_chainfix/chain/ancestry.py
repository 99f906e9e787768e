"""Which revisions run before which, and which parents say nothing that others do not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from flask_chainfix.chain.revision_graph import Graph


class Ancestry:
    """Which revisions run before which, by any kind of edge; a call answers for two of them.

    Revisions that follow each other without a branch form a run. What is below a run is kept as the
    bits of a number, a bit for each run, so that long chains take little.
    """

    def __init__(self, graph: Graph) -> None:
        self._place: dict[str, tuple[int, int]] = {}
        self._below: list[int] = []
        followers = Counter(
            required for revision in graph for required in graph.requirements(revision)
        )
        for revision in graph.order:
            # In a cycle, nothing is certain.
            required = [name for name in graph.requirements(revision) if name in self._place]
            if len(required) == 1 and followers[required[0]] == 1:
                run, position = self._place[required[0]]
                self._place[revision] = run, position + 1
                continue
            below = 0
            for name in required:
                run = self._place[name][0]
                below |= self._below[run] | 1 << run
            self._place[revision] = len(self._below), 0
            self._below.append(below)

    def __call__(self, first: str, second: str) -> bool:
        """Whether ``first`` runs before ``second`` in every order that the chain allows."""
        run, position = self._place[first]
        above, higher = self._place[second]
        return position < higher if run == above else bool(self._below[above] >> run & 1)


class CommonAncestry:
    """What runs before each revision of a chain in every known chain that has it.

    Args:
        graph: the chain.
        chains: the other ones.

    Attributes:
        below: what runs before each revision, as the bits of a number.
    """

    def __init__(self, graph: Graph, chains: Iterable[Graph]) -> None:
        self._names = graph.order
        self._bit = {name: 1 << number for number, name in enumerate(graph.order)}
        self.below = self._of(graph)
        for chain in chains:
            for name, bits in self._of(chain).items():
                if name in self.below:
                    self.below[name] &= bits

    def _of(self, chain: Graph) -> dict[str, int]:
        found: dict[str, int] = {}
        for name in chain.order:
            bits = 0
            for required in chain.requirements(name):
                bits |= found.get(required, 0) | self._bit.get(required, 0)
            found[name] = bits
        return found

    def bits(self, names: Iterable[str]) -> int:
        """Some revisions as bits."""
        bits = 0
        for name in names:
            bits |= self._bit[name]
        return bits

    def names(self, bits: int) -> Iterator[str]:
        """Bits as revisions, in the order of the chain."""
        while bits:
            lowest = bits & -bits
            yield self._names[lowest.bit_length() - 1]
            bits ^= lowest


def upgrade_order(
    graph: Graph, runs_before: Ancestry, done: Collection[str] = ()
) -> Mapping[str, int] | None:
    """The place of each revision in the order in which Alembic upgrades a database.

    It is that of Alembic's ``RevisionMap``, which a test compares: from the heads down, the first
    branch as far as no other one needs what comes next, and all of that backwards.

    Args:
        graph: the chain.
        runs_before: which of its revisions run before which in any order.
        done: what has run there, with all that it requires; nothing on an empty database.

    Returns:
        ``None`` where Alembic cannot load the chain, and where it has no fixed order: of several
        dependencies of one revision it keeps a set.
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
    """The lowest revision of a branch: put above ``other``, it carries ``revision`` with it.

    It goes by first parents; ``revision`` and ``other`` may run in any order.
    """
    start = revision
    while parents[start] and not runs_before(parents[start][0], other):
        start = parents[start][0]
    return start


# --- Parents and dependencies that another one of the same revision requires anyway --------------
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
