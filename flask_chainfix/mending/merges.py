"""FC112: revisions lose the parents and dependencies that say nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from flask_chainfix.graph import Graph, impassable, redundant_parents
from flask_chainfix.mending.case import Case
from flask_chainfix.model import Mend, Part, Reason
from flask_chainfix.rules.wording import listing
from flask_chainfix.stamps import stuck_revisions


def parents_that_say_nothing(case: Case) -> Iterator[Mend]:
    """Only with ``--strict``: Alembic can use such a chain."""
    if not case.wishes.strict:
        return
    snapshot = case.snapshot
    for revision, redundant in redundant_parents(snapshot.graph).items():
        # One that is named twice is redundant once.
        parents = dict.fromkeys(snapshot.graph.parents[revision])
        lower = [name for name in redundant if _is_below(snapshot.graph, name, parents)]
        kept = tuple(name for name in parents if name not in lower)
        yield _with_parents(case, revision, kept, _builds_on(redundant))


def ties_that_stop_alembic(case: Case) -> Iterator[Mend]:
    """What one parent or dependency requires anyway is named no more beside it."""
    graph, stuck = case.snapshot.graph, stuck_revisions(case.snapshot)
    for revision, lower in impassable(graph).items():
        if revision not in stuck and not case.wishes.strict:
            continue
        parents = graph.parents[revision]
        needless = [name for name in lower if name not in parents]
        dropped = [name for name in lower if _is_below(graph, name, parents)]
        if needless:
            yield _without_dependencies(case, revision, needless)
        elif dropped:
            kept = tuple(dict.fromkeys(name for name in parents if name not in dropped))
            yield _with_parents(case, revision, kept, _builds_on(dropped))
        else:
            yield _tied_by_parents(case, revision, lower[0])


def _without_dependencies(case: Case, revision: str, needless: Collection[str]) -> Mend:
    snapshot = case.snapshot
    graph, named = snapshot.graph, snapshot.header(revision).depends_on or ()
    labels = {label for name in needless for label in graph.labels.get(name, ())}
    kept = tuple(name for name in named if name not in needless and name not in labels)
    why = Reason("redundant", f"another revision that it names requires {listing(needless)}")
    return case.rewritten("FC112", Part.DEPENDENCIES, snapshot.file(revision), kept, why)


def _tied_by_parents(case: Case, revision: str, lower: str) -> Mend:
    """Make a parent of the dependency that leads from a merge point to one of its parents.

    For Alembic the two are the same, but that nothing else has it as a parent: left out of the
    merge point alone, it would be a head, or come apart from the rest.
    """
    graph = case.snapshot.graph
    dependent, needed = _dependency_on_the_way(graph, revision, lower)
    why = Reason("tie", f"it depends on {needed}, and {revision} could not name {lower} beside it")
    return _with_parents(case, dependent, (*graph.parents[dependent], needed), why)


def _dependency_on_the_way(graph: Graph, revision: str, lower: str) -> tuple[str, str]:
    """The topmost dependency between a revision and a parent that another of its names requires."""
    came: dict[str, str] = {}
    pending = [revision]
    while lower not in came:
        at = pending.pop(0)
        for name in graph.requirements(at):
            if name not in came and (at, name) != (revision, lower):
                came[name] = at
                pending.append(name)
    way = [lower]
    while way[-1] != revision:
        way.append(came[way[-1]])
    links = zip(way[:0:-1], way[-2::-1], strict=True)
    return next((at, name) for at, name in links if name not in graph.parents[at])


def _with_parents(case: Case, revision: str, parents: tuple[str, ...], why: Reason) -> Mend:
    return case.rewritten("FC112", Part.PARENTS, case.snapshot.file(revision), parents, why)


def _builds_on(lower: Collection[str]) -> Reason:
    return Reason("redundant", f"another of its parents builds on {', '.join(lower)}")


def _is_below(graph: Graph, parent: str, others: Collection[str]) -> bool:
    return any(other != parent and graph.is_ancestor(parent, other) for other in others)
