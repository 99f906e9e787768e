"""Which revisions run before which: asked often, so answered from sets made once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from flask_chainfix.chain.redundancy import followed
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
