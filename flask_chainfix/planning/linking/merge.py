"""Keep branches parallel, and join their heads with one merge revision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flask_chainfix.chain.ancestry import required_among
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import UnsafeForDatabases
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.model.plans import NewRevision, Plan, Reason
from flask_chainfix.planning.linking.draft import Draft, Task, reasons_for_base, several_branches


def merge(task: Task) -> Plan:
    """Attach each extra base to the chain of the base to keep, then merge the heads."""
    draft = Draft(task)
    _attach_bases(task, draft)
    draft.put_branches_in_order()
    graph = draft.linked()
    new_ids = NewIds(task.original)
    new_revisions = tuple(
        new
        for heads in task.lineages.grouped(graph.heads).values()
        if len(heads) > 1 and not task.heads_stay
        for new in _merge_revisions(task, graph, heads, new_ids)
    )
    return draft.plan("merge", new_revisions)


def _attach_bases(task: Task, draft: Draft) -> None:
    """Put each extra base on a revision that every database with that base has also run.

    A base can be the place for another one, so bases without a place yet wait for others.
    """
    graph, root = task.graph, task.root
    if not task.bases_to_link or root is None:
        return
    why_base = reasons_for_base(task)
    kept = set(task.lineages.bases) - task.bases_to_link
    family = graph.descendants(kept)
    waiting = [base for base in graph.bases if base in task.bases_to_link]
    while waiting:
        places = {base: _place_for(task, root, family, base) for base in waiting}
        found = {base: place for base, place in places.items() if place is not None}
        if not found:
            raise _no_place(task, waiting[0])
        for base, (tip, why) in found.items():
            draft.relink(base, (tip,), *why_base, *why)
            waiting.remove(base)
        family |= graph.descendants(found)


def _place_for(
    task: Task, root: str, family: set[str], base: str
) -> tuple[str, tuple[Reason, ...]] | None:
    """The parent for an extra base, and why; ``None`` if no parent is safe."""
    graph = task.graph
    above = graph.descendants([base])
    if not family.isdisjoint(above):  # a merge point has joined them
        return (root, ()) if _is_safe(task, base, root) else None
    main = task.lineages.main
    own = {revision for revision in family if task.lineages.by_revision[revision] is main}
    heads = [head for head in graph.heads if head in own]
    if not heads:
        raise several_branches(task, [base])
    safe = [head for head in heads if _is_safe(task, base, head)]
    if safe:
        tip = _longest_branch(task, family, base, safe)
        return tip, (Reason("branch", f"{tip} is the head of its longest branch"),)
    lower = [revision for revision in own if _is_safe(task, base, revision)]
    if not lower:
        return None
    tip = _longest_branch(task, family, base, lower)
    database = next(each for each in task.databases if base in each.revisions)
    why = f"{tip} is the last revision that {database.name} has run, as it has run {base}"
    return tip, (Reason("database", why),)


def _is_safe(task: Task, base: str, parent: str) -> bool:
    """Whether every database that has run a base has also run its new parent."""
    return all(
        parent in database.revisions for database in task.databases if base in database.revisions
    )


def _longest_branch(task: Task, family: set[str], base: str, places: list[str]) -> str:
    """The place that is furthest above the base to keep; among equals the latest.

    Places that are above everything that the extra base and its descendants need come first.
    """
    graph = task.graph
    above = graph.descendants([base])
    needed = graph.required(above).intersection(family) - above
    able = [place for place in places if needed <= graph.ancestors([place])]
    return max(able or places, key=lambda place: (graph.depth[place], task.ranks[place]))


def _no_place(task: Task, base: str) -> UnsafeForDatabases:
    """The refusal that names two databases that started at different bases."""
    root = task.root
    having = next(
        each for each in task.databases if base in each.revisions and root not in each.revisions
    )
    other = next((each for each in task.databases if root in each.revisions), None)
    message = f"{having.name} has run the base {base}, and not the base {root}"
    if other is not None:
        message += f"; {other.name} has run {root}"
        if base not in other.revisions:
            message += f", and not {base}"
    return UnsafeForDatabases(
        f"{message}: whichever comes first, a database would skip it",
        Remedy.of("upgrade one of them with the chain as it is, so that it has run both")
        | "leave one of them out"
        | ("leave out --root" if task.wishes.root else ""),
    )


def _merge_revisions(
    task: Task, graph: Graph, heads: list[str], new_ids: NewIds
) -> Iterator[NewRevision]:
    """The revisions that join heads: a single one, if Alembic can upgrade to it.

    Alembic cannot if one of three heads requires another; it always can with two heads.
    """
    parents = tuple(sorted(heads, key=task.ranks.__getitem__))
    location = task.snapshot.version_location(task.snapshot.file(parents[0]).path)
    if not required_among(graph, heads):
        yield _merge_revision(new_ids, parents, location)
        return
    joined, *others = parents
    for head in others:
        new = _merge_revision(new_ids, (joined, head), location)
        joined = new.revision
        yield new


def _merge_revision(new_ids: NewIds, parents: tuple[str, ...], location: Path) -> NewRevision:
    seed = "\n".join(parents).encode("utf-8", "surrogatepass")
    message = f"merge {len(parents)} heads"
    return NewRevision(
        new_ids.next(seed, message),
        None,
        location,
        message,
        parents,
        (Reason("merge", f"joins the {len(parents)} heads into one"),),
    )
