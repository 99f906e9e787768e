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
    """Let what depends on a parent of a merge point name that as a parent, so the merge need not.

    For Alembic the two are the same, but that nothing else has it as a parent: left out of the
    merge alone, it would be a head.
    """
    graph = case.snapshot.graph
    required = graph.required([revision])
    dependent = next(
        name
        for name in graph.order
        if name in required and lower in graph.dependencies.get(name, ())
    )
    why = Reason("tie", f"it depends on {lower}, which {revision} could not name beside it")
    return _with_parents(case, dependent, (*graph.parents[dependent], lower), why)


def _with_parents(case: Case, revision: str, parents: tuple[str, ...], why: Reason) -> Mend:
    return case.rewritten("FC112", Part.PARENTS, case.snapshot.file(revision), parents, why)


def _builds_on(lower: Collection[str]) -> Reason:
    return Reason("redundant", f"another of its parents builds on {', '.join(lower)}")


def _is_below(graph: Graph, parent: str, others: Collection[str]) -> bool:
    return any(other != parent and graph.is_ancestor(parent, other) for other in others)
