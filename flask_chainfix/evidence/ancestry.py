"""Which revisions run before which: asked often, so answered from sets made once."""

from __future__ import annotations

from collections.abc import Mapping

from flask_chainfix.graph import Graph


class Ancestry:
    """Which revisions run before which, by any kind of edge; a call answers for two of them."""

    def __init__(self, graph: Graph) -> None:
        self._position = {revision: index for index, revision in enumerate(graph.order)}
        self._below: list[int] | None = None
        chain = len(graph.bases) == 1 and all(
            len(children) == 1 for children in graph.children.values()
        )
        if not chain or graph.cycles:
            self._below = self._sets_below(graph)

    def _sets_below(self, graph: Graph) -> list[int]:
        """For each revision the set of those below it, as the bits of a number."""
        below: list[int] = []
        for position, revision in enumerate(graph.order):
            bits = 1 << position
            for required in graph.requirements(revision):
                at = self._position[required]
                if at < position:  # in a cycle nothing is certain
                    bits |= below[at]
            below.append(bits)
        return below

    def __call__(self, first: str, second: str) -> bool:
        """Whether ``first`` runs before ``second`` in every order that the chain allows."""
        at, above = self._position[first], self._position[second]
        if self._below is None:
            return at < above
        return at != above and bool(self._below[above] >> at & 1)


def start_of_branch(
    runs_before: Ancestry, parents: Mapping[str, tuple[str, ...]], revision: str, other: str
) -> str:
    """Where the branch of a revision leaves what runs before another one, going by first parents.

    Args:
        runs_before: which revisions run before which.
        parents: of each revision.
        revision: it and ``other`` may run in any order.
        other: the other one.

    Returns:
        The lowest revision of the branch: put above ``other``, it carries ``revision`` with it.
    """
    start = revision
    while parents[start] and not runs_before(parents[start][0], other):
        start = parents[start][0]
    return start
