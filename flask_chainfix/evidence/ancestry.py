"""Which revisions run before which: asked often, so answered from sets made once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from flask_chainfix.graph import Graph


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
