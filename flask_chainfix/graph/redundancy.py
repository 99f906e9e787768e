"""Parents that say nothing, because another parent of the same revision builds on them."""

from __future__ import annotations

from collections.abc import Mapping

from flask_chainfix.graph.chain import Graph


def redundant_parents(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """The parents that merge points could do without; only of those that have any.

    Revisions that stand twice or in a cycle are left out: of them it is not known.
    """
    unsure = {*graph.duplicates, *(member for members in graph.cycles for member in members)}
    found: dict[str, tuple[str, ...]] = {}
    for revision, parents in graph.parents.items():
        if len(parents) < 2 or revision in unsure:
            continue
        known = [parent for parent in parents if parent not in unsure]
        redundant = tuple(
            parent
            for index, parent in enumerate(known)
            if parent in known[:index]
            or any(other != parent and graph.is_ancestor(parent, other) for other in known)
        )
        if redundant:
            found[revision] = redundant
    return found
