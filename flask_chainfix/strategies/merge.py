"""Branches stay beside each other, and one merge revision joins their heads."""

from __future__ import annotations

from hashlib import sha256

from flask_chainfix.graph import Graph
from flask_chainfix.lineage import Lineage
from flask_chainfix.model import NewRevision, Plan, Reason
from flask_chainfix.strategies.draft import Draft, reasons_for_base, several_branches
from flask_chainfix.strategies.registry import Task, strategy

_ID_LENGTH = 12  # like the ids that Alembic makes


@strategy("merge")
def merge(task: Task) -> Plan:
    """Attach each extra base to the chain of the base that stays, then merge the heads."""
    draft = Draft(task)
    _attach_bases(task, draft)
    graph = draft.graph()
    groups: dict[Lineage, list[str]] = {}
    for head in graph.heads:
        groups.setdefault(task.lineages.by_revision[head], []).append(head)
    new_revisions = tuple(
        _merge_revision(task, heads) for heads in groups.values() if len(heads) > 1
    )
    return draft.plan("merge", new_revisions)


def _attach_bases(task: Task, draft: Draft) -> None:
    graph, root = task.graph, task.ordering.root
    if not task.bases_to_link or root is None:
        return
    why_base = reasons_for_base(task)
    family = graph.descendants([root])
    joined = [
        base for base in task.bases_to_link if not family.isdisjoint(graph.descendants([base]))
    ]
    for base in joined:
        draft.relink(base, (root,), *why_base)
    apart = [base for base in graph.bases if base in task.bases_to_link and base not in joined]
    for base in apart:
        tip = _longest_branch(task, family, base)
        why = Reason("branch", f"{tip} is the head of its longest branch")
        draft.relink(base, (tip,), *why_base, why)


def _longest_branch(task: Task, family: set[str], base: str) -> str:
    """The head that is furthest above the base that stays; among equals the latest.

    If there is one below which all stands that the extra base and what is above it need, no other.
    """
    graph = task.graph
    heads = [
        head
        for head in graph.heads
        if head in family and task.lineages.by_revision[head] is task.lineages.main
    ]
    if not heads:
        raise several_branches(task, [base])
    above = graph.descendants([base])
    needed = graph.required(above).intersection(family) - above
    able = [head for head in heads if needed <= graph.ancestors([head])]
    return max(able or heads, key=lambda head: (graph.depth[head], task.ordering.ranks[head]))


def _merge_revision(task: Task, heads: list[str]) -> NewRevision:
    parents = tuple(sorted(heads, key=task.ordering.ranks.__getitem__))
    location = task.snapshot.version_location(task.snapshot.file(parents[0]).path)
    return NewRevision(
        _new_id(task.graph, parents),
        None,
        location,
        f"merge {len(parents)} heads",
        parents,
        (Reason("merge", f"joins the {len(parents)} heads into one"),),
    )


def _new_id(graph: Graph, parents: tuple[str, ...]) -> str:
    """An id that depends on nothing but the parents: a dry run shows the one that will be used."""
    digest = sha256("\n".join(parents).encode("utf-8", "surrogatepass")).hexdigest()
    return next(
        id_
        for start in range(len(digest) - _ID_LENGTH)
        if (id_ := digest[start : start + _ID_LENGTH]) not in graph
    )
