"""The graph of a chain of revisions; a broken chain has answers, not errors.

Edges point from a revision to its parents (``down_revision``) and to its dependencies
(``depends_on``). Several files with one id are one node with the parents of all of them, so that a
duplicate does not also look like a second base or head.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from copy import copy
from functools import cached_property

from flask_chainfix.model.files import Header

_NONE: tuple[str, ...] = ()
_TOO_SHORT = 3  # characters: Alembic takes no part for an id of so few

# Attributes that evidence does not change.
_OF_LINKS = {"missing_parents", "parents", "children", "bases", "heads", "labelled"}


class Graph:
    """The graph of a chain.

    Args:
        headers: one for each file, in a stable order; those without a readable id are left out.

    Attributes:
        named_parents: the parents that each revision names, whether they exist or not.
        duplicates: how many files have each duplicate id.
        floating: the revisions with unknown parents: computed, or not strings.
        labels: the branch labels of each revision that declares any.
    """

    def __init__(self, headers: Iterable[Header]) -> None:
        self._evidence: Mapping[str, tuple[str, ...]] = {}
        named: dict[str, tuple[str, ...]] = {}
        self._dependency_names: dict[str, tuple[str, ...]] = {}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.floating: set[str] = set()
        self._based: set[str] = set()
        self.duplicates: dict[str, int] = {}
        for header in headers:
            revision, parents = header.revision, header.down_revision
            if revision is None:
                continue
            if parents is None:
                self.floating.add(revision)
                parents = _NONE
            elif parents:
                self._based.add(revision)
            if revision in named:
                self.duplicates[revision] = self.duplicates.get(revision, 1) + 1
                parents = tuple(dict.fromkeys(named[revision] + parents))
            named[revision] = parents
            if header.depends_on:
                known = self._dependency_names.get(revision, _NONE)
                self._dependency_names[revision] = known + header.depends_on
            if header.branch_labels:
                known = self.labels.get(revision, _NONE)
                self.labels[revision] = known + header.branch_labels
        self.named_parents: Mapping[str, tuple[str, ...]] = named

    def with_evidence(self, evidence: Mapping[str, tuple[str, ...]]) -> Graph:
        """The same chain, with additional required orders that no header names."""
        if not evidence:
            return self
        graph = copy(self)
        graph._evidence = evidence
        for name, value in vars(Graph).items():
            if isinstance(value, cached_property) and name not in _OF_LINKS:
                vars(graph).pop(name, None)
        return graph

    def __contains__(self, revision: object) -> bool:
        return revision in self.named_parents

    def __len__(self) -> int:
        return len(self.named_parents)

    def __iter__(self) -> Iterator[str]:
        return iter(self.named_parents)

    @cached_property
    def missing_parents(self) -> Mapping[str, tuple[str, ...]]:
        """The missing parents of each revision that names any."""
        named = self.named_parents
        return {
            revision: missing
            for revision, parents in named.items()
            if (missing := tuple([parent for parent in parents if parent not in named]))
        }

    @cached_property
    def open_ends(self) -> Set[str]:
        """The revisions below which others may belong: in a cycle, or with a missing parent."""
        return set(self.missing_parents).union(*self.cycles)

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """The existing parents of each revision."""
        named = self.named_parents
        existing = {
            revision: tuple(parent for parent in named[revision] if parent in named)
            for revision in self.missing_parents
        }
        return {**named, **existing} if existing else named

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """The revisions that name each revision as a parent, if any."""
        return _inverted(self.parents)

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Revisions that name no parent at all, in the order of the files."""
        has_parents = self._based | self.floating
        return tuple(revision for revision in self.named_parents if revision not in has_parents)

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """Revisions that no revision names as a parent, in the order of the files."""
        children = self.children
        return tuple(revision for revision in self.named_parents if revision not in children)

    @cached_property
    def labelled(self) -> Mapping[str, tuple[str, ...]]:
        """The revisions that declare each branch label, once for each declaration."""
        return _inverted(self.labels)

    @cached_property
    def dependencies(self) -> Mapping[str, tuple[str, ...]]:
        """The revisions that each revision depends on, with labels resolved, if any."""
        resolved = {
            revision: tuple(target for name in names if (target := self._resolve(name)) is not None)
            for revision, names in self._dependency_names.items()
        }
        for revision, targets in self._evidence.items():
            resolved[revision] = tuple(dict.fromkeys(resolved.get(revision, _NONE) + targets))
        return resolved

    @cached_property
    def dependants(self) -> Mapping[str, tuple[str, ...]]:
        """The revisions that depend on each revision, if any."""
        return _inverted(self.dependencies)

    @cached_property
    def missing_dependencies(self) -> Mapping[str, tuple[str, ...]]:
        """The missing names in ``depends_on`` of each revision that has any."""
        return {
            revision: missing
            for revision, names in self._dependency_names.items()
            if (missing := tuple(name for name in names if self._resolve(name) is None))
        }

    @property
    def missing(self) -> set[str]:
        """The missing parents and dependencies of all revisions."""
        missing = (*self.missing_parents.values(), *self.missing_dependencies.values())
        return set[str]().union(*missing)

    def _resolve(self, name: str) -> str | None:
        if name in self.named_parents:
            return name
        owners = self.labelled.get(name)
        return owners[0] if owners else None

    def requirements(self, revision: str) -> tuple[str, ...]:
        """Parents and dependencies, which run before the revision."""
        dependencies = self.dependencies.get(revision)
        parents = self.parents[revision]
        return parents if not dependencies else tuple(dict.fromkeys(parents + dependencies))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every revision after what it requires; cycles, and what is above them, come last.

        The order of the files decides between independent revisions.
        """
        order = self.free_of_cycles
        if len(order) < len(self.named_parents):
            placed = set(order)
            order += tuple(revision for revision in self.named_parents if revision not in placed)
        return order

    @cached_property
    def position(self) -> Mapping[str, int]:
        """The index of each revision in ``order``."""
        return {revision: index for index, revision in enumerate(self.order)}

    @cached_property
    def free_of_cycles(self) -> tuple[str, ...]:
        """The part of ``order`` without cycles: Kahn's algorithm (1962), first in, first out."""
        dependants, waiting = self._dependants()
        ready: deque[str] = deque()
        for revision, parents in self.parents.items():
            count = len(parents) + waiting.get(revision, 0) if waiting else len(parents)
            if count:
                waiting[revision] = count
            else:
                ready.append(revision)
        order: list[str] = []
        children = self.children
        while ready:
            revision = ready.popleft()
            order.append(revision)
            followers: Iterable[str] = children.get(revision, _NONE)
            if revision in dependants:
                followers = [*followers, *dependants[revision]]
            for follower in followers:
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
        return tuple(order)

    def _dependants(self) -> tuple[dict[str, list[str]], dict[str, int]]:
        """What waits for a revision by ``depends_on`` alone, and each one's number of those."""
        dependants: dict[str, list[str]] = {}
        waiting: dict[str, int] = {}
        for revision, targets in self.dependencies.items():
            for target in targets:
                if target not in self.parents[revision]:
                    dependants.setdefault(target, []).append(revision)
                    waiting[revision] = waiting.get(revision, 0) + 1
        return dependants, waiting

    @cached_property
    def cycles(self) -> tuple[tuple[str, ...], ...]:
        """The members of each cycle, sorted: strongly connected components (Tarjan, 1972)."""
        suspects = self.order[len(self.free_of_cycles) :]
        return _cyclic_components(suspects, self.requirements) if suspects else ()

    def ancestors(self, revisions: Iterable[str], *, outside: Collection[str] = ()) -> set[str]:
        """The revisions and all their ancestors, without those ``outside``.

        The search does not pass through ``outside``, which must contain its own ancestors.
        """
        return _reach(revisions, self.parents.__getitem__, outside)

    def required(self, revisions: Iterable[str]) -> set[str]:
        """The revisions and all that must run before them, by any kind of edge."""
        return _reach(revisions, self.requirements, ())

    def descendants(self, revisions: Iterable[str]) -> set[str]:
        """The revisions and all their descendants."""
        children = self.children
        return _reach(revisions, lambda revision: children.get(revision, _NONE), ())

    def begun_by(self, part: str) -> str | None:
        """The revision that Alembic takes a part of an id for: only its id begins with that."""
        names = [
            name
            for name in {*self.parents, *self.labelled}
            if part and len(name) > _TOO_SHORT and name.startswith(part)
        ]
        return names[0] if len(names) == 1 and names[0] in self else None

    def heads_among(self, revisions: Collection[str]) -> list[str]:
        """Those of some revisions that none of the others follows, in the order of the chain."""
        followed = {parent for revision in revisions for parent in self.parents[revision]}
        return sorted(set(revisions) - followed, key=self.position.__getitem__)

    def is_ancestor(self, below: str, above: str) -> bool:
        """Whether ``below`` is a proper ancestor of ``above``."""
        # A revision before `below` in the order cannot be its descendant; but in
        # cycles, and above them, the order is meaningless.
        position = self.position
        floor = -1 if self.cycles else position[below]
        pending, seen = list(self.parents[above]), {above}
        while pending:
            revision = pending.pop()
            if revision == below:
                return True
            if revision not in seen and position[revision] > floor:
                seen.add(revision)
                pending.extend(self.parents[revision])
        return False

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """The number of revisions on the longest path down from each revision, itself included."""
        depth: dict[str, int] = {}
        for revision in self.order:
            below = [depth.get(parent, 0) for parent in self.parents[revision]]
            depth[revision] = 1 + max(below, default=0)
        return depth

    @cached_property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """The components connected by parents, each in topological order."""
        hanging = self.floating or self.missing_parents or self.cycles
        if len(self.bases) == 1 and not hanging:
            return (self.order,)
        component_of: dict[str, int] = {}
        components: list[list[str]] = []
        parents, children = self.parents, self.children
        for start in self.order:
            if start in component_of:
                continue
            number = len(components)
            component_of[start] = number
            pending = [start]
            while pending:
                revision = pending.pop()
                for neighbour in (*parents[revision], *children.get(revision, _NONE)):
                    if neighbour not in component_of:
                        component_of[neighbour] = number
                        pending.append(neighbour)
            components.append([])
        for revision in self.order:
            components[component_of[revision]].append(revision)
        return tuple(tuple(component) for component in components)


def _cyclic_components(
    starts: Iterable[str], successors: Callable[[str], tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Tarjan's components that are cycles, without recursion, because chains are long."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: dict[str, None] = {}
    cycles: list[tuple[str, ...]] = []
    for start in starts:
        work = [(start, iter(successors(start)))] if start not in index else []
        while work:
            node, following = work[-1]
            if node not in index:
                index[node] = lowest[node] = len(index)
                stack[node] = None
            for successor in following:
                if successor not in index:
                    work.append((successor, iter(successors(successor))))
                    break
                if successor in stack:
                    lowest[node] = min(lowest[node], index[successor])
            else:
                work.pop()
                if work:
                    below = work[-1][0]
                    lowest[below] = min(lowest[below], lowest[node])
                if lowest[node] == index[node]:
                    members = _pop_until(stack, node)
                    if len(members) > 1 or node in successors(node):
                        cycles.append(tuple(sorted(members)))
    return tuple(sorted(cycles))


def _pop_until(stack: dict[str, None], last: str) -> list[str]:
    members = [stack.popitem()[0]]
    while members[-1] != last:
        members.append(stack.popitem()[0])
    return members


def _inverted(named: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """For each name the revisions that name it, once for each time."""
    found: dict[str, list[str]] = {}
    for revision, names in named.items():
        for name in names:
            found.setdefault(name, []).append(revision)
    return {name: tuple(revisions) for name, revisions in found.items()}


def _reach(
    start: Iterable[str], neighbours: Callable[[str], tuple[str, ...]], outside: Collection[str]
) -> set[str]:
    reached = {revision for revision in start if revision not in outside}
    pending = list(reached)
    while pending:
        for neighbour in neighbours(pending.pop()):
            if neighbour not in reached and neighbour not in outside:
                reached.add(neighbour)
                pending.append(neighbour)
    return reached
