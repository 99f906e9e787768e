"""Which bases and heads belong together, and which are independent on purpose.

Alembic supports several lineages: bases with a branch label, a base in a version location of its
own, lineages connected by ``depends_on``, branches that each carry a label. (One label says nothing
about the other branch, which may be an accident.) These are left alone. All other bases should be
one, and so should the heads of each lineage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.dataclass import dataclass


@dataclass(frozen=True, eq=False)
class Lineage:
    """A line of descent that ends in one head. Lineages form a tree; compared by identity.

    Attributes:
        parent: the lineage that it branches off; ``None`` for one with a base of its own.
        name: the revision that it starts with, for messages.
        depth: how many lineages are below it.
    """

    parent: Lineage | None
    name: str
    depth: int = 0


class Lineages(NamedTuple):
    """The lineages of a chain.

    Attributes:
        main: the lineage of the base that stays; ``None`` if the chain has no base.
        bases: the bases that should become one, the one with the most descendants first.
        joined: whether merge points already join all of these bases.
        by_revision: the lineage of each revision; heads with the same one should become one.
    """

    main: Lineage | None
    bases: tuple[str, ...]
    joined: bool
    by_revision: Mapping[str, Lineage]

    def grouped(self, revisions: Iterable[str]) -> dict[Lineage, list[str]]:
        """Revisions by their lineage."""
        groups: dict[Lineage, list[str]] = {}
        for revision in revisions:
            groups.setdefault(self.by_revision[revision], []).append(revision)
        return groups

    def heads(self, parents: Mapping[str, tuple[str, ...]]) -> dict[Lineage, list[str]]:
        """The heads of each lineage: the keys of ``parents`` that none of it builds on."""
        lineages = self.by_revision
        followed = {
            parent
            for name, below in parents.items()
            for parent in below
            if lineages[parent] is lineages[name]
        }
        return self.grouped(name for name in parents if name not in followed)


def find_lineages(snapshot: Snapshot) -> Lineages:
    """Tell intended lineages from accidental ones."""
    return snapshot.once(Lineages, lambda: _find_lineages(snapshot))


def _find_lineages(snapshot: Snapshot) -> Lineages:
    graph = snapshot.graph
    bases, heads = graph.bases, graph.heads
    main = Lineage(None, "main")
    if len(bases) <= 1 and len(heads) <= 1:
        return Lineages(main if bases else None, bases, True, dict.fromkeys(graph, main))
    labelled = _labelled_starts(snapshot)
    apart: frozenset[str] = frozenset()
    if len(bases) > 1:
        count = {base: len(graph.descendants([base])) for base in bases}
        bases = tuple(sorted(bases, key=lambda base: -count[base]))
        apart = _intended(snapshot, bases, labelled)
    # If all are independent, the largest is the main one.
    regular = tuple(base for base in bases if base not in apart) or bases[:1]
    apart = apart.difference(regular) | _allowed_gaps(snapshot)
    by_revision: Mapping[str, Lineage] = dict.fromkeys(graph, main)
    if apart or labelled:
        by_revision = _by_revision(graph, main, apart, labelled)
    joined = len(regular) <= 1 or sum(not set(regular).isdisjoint(p) for p in graph.components) <= 1
    return Lineages(main if bases else None, regular, joined, by_revision)


def _allowed_gaps(snapshot: Snapshot) -> frozenset[str]:
    """The revisions whose missing parents the settings allow."""
    if "FC103" not in snapshot.environment.settings.ignore:
        return frozenset()
    graph = snapshot.graph
    return frozenset(name for name in graph.missing_parents if not graph.parents[name])


def _labelled_starts(snapshot: Snapshot) -> frozenset[str]:
    """The revisions at which labelled branches begin.

    As in Alembic, a label belongs to the whole branch: it extends down from the revision that
    declares it to the branch point or base. A computed label is a label, too.
    """
    graph = snapshot.graph
    computed = (header.revision for header in snapshot.headers if header.branch_labels is None)
    starts: set[str] = set()
    seen: set[str] = set()
    for declaring in (*graph.labels, *filter(None, computed)):
        revision = declaring
        while revision not in seen:
            seen.add(revision)
            parents = graph.parents[revision]
            if len(parents) != 1 or len(graph.children[parents[0]]) > 1:
                starts.add(revision)
                break
            revision = parents[0]
    return frozenset(starts)


def _intended(
    snapshot: Snapshot, bases: tuple[str, ...], labelled: frozenset[str]
) -> frozenset[str]:
    """The bases that are independent on purpose."""
    graph, environment = snapshot.graph, snapshot.environment
    if "FC101" in environment.settings.ignore:
        return frozenset(bases)
    apart = set(labelled.intersection(bases))
    apart.update(environment.settings.intended_bases.intersection(bases))
    if len(environment.version_locations) > 1:
        homes = {base: snapshot.version_location(snapshot.file(base).path) for base in bases}
        alone = list(homes.values())
        apart.update(base for base in bases if alone.count(homes[base]) == 1)
    if graph.dependencies:
        components = graph.components
        component_of = {name: index for index, names in enumerate(components) for name in names}
        tied = {
            (component_of[revision], component_of[target])
            for revision, targets in graph.dependencies.items()
            for target in targets
        }
        for one, other in tied:
            if one != other:
                # Of two of one size that depend on each other, only one is apart.
                smaller = min(one, other, key=lambda index: (len(components[index]), index))
                apart.update(set(components[smaller]).intersection(bases))
    return frozenset(apart)


def _by_revision(
    graph: Graph, main: Lineage, apart: frozenset[str], labelled: frozenset[str]
) -> Mapping[str, Lineage]:
    lineages: dict[str, Lineage] = {}
    for revision in graph.order:
        parents = graph.parents[revision]
        known = [lineages[parent] for parent in parents if parent in lineages]
        lineage = known[0] if known else main
        for other in known[1:]:
            lineage = _merged(lineage, other, main)
        if revision in apart:
            lineage = Lineage(None, revision)
        elif revision in labelled and any(
            len(labelled.intersection(graph.children[parent])) > 1 for parent in parents
        ):
            lineage = Lineage(lineage, revision, lineage.depth + 1)
        lineages[revision] = lineage
    return lineages


def _merged(one: Lineage, other: Lineage, main: Lineage) -> Lineage:
    """The lineage that two lineages branch off: after their merge point they are one again.

    Two with bases of their own become the main one if it is among them, otherwise the first.
    """
    first, second = one, other
    while first is not second:
        if first.depth < second.depth:
            first, second = second, first
        if first.parent is None:
            while one.parent is not None:
                one = one.parent
            return main if main in (first, second) else one
        first = first.parent
    return first
