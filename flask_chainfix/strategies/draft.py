"""A chain while it is being relinked: parents that change, and why."""

from __future__ import annotations

from flask_chainfix.errors import CannotPlan
from flask_chainfix.graph import Graph
from flask_chainfix.model import NewRevision, Plan, Reason, Relink
from flask_chainfix.strategies.registry import Task


class Draft:
    """The parents of every revision, changed step by step."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.parents: dict[str, tuple[str, ...]] = dict(task.snapshot.graph.parents)
        self._reasons: dict[str, list[Reason]] = {
            revision: [Reason("pin", f"--attach {revision}={parent}")]
            for revision, parent in task.ordering.pins.items()
        }

    def relink(self, revision: str, parents: tuple[str, ...], *why: Reason) -> None:
        """Give a revision other parents."""
        self.parents[revision] = parents
        self._reasons.setdefault(revision, []).extend(why)

    def graph(self) -> Graph:
        """The chain as it is now.

        Raises:
            CannotPlan: dependencies run against the new links.
        """
        snapshot = self._task.snapshot
        graph = Graph(
            snapshot.header(revision)._replace(down_revision=parents)
            for revision, parents in self.parents.items()
        )
        if graph.cycles:
            raise CannotPlan(
                f"the order would go round in a circle: {', '.join(graph.cycles[0])}",
                "depends_on runs against it; say with --attach REVISION=PARENT where the pieces"
                " belong",
            )
        return graph

    def plan(self, strategy: str, new_revisions: tuple[NewRevision, ...] = ()) -> Plan:
        """The finished plan."""
        if self._reasons:
            self._drop_redundant_parents()
        original, graph = self._task.original, self.graph()
        relinks = tuple(
            Relink(
                revision,
                original.file(revision).path,
                original.graph.parents[revision],
                self.parents[revision],
                tuple(self._reasons[revision]),
            )
            for revision in graph.order
            if self.parents[revision] != original.graph.parents[revision]
        )
        root = self._task.ordering.root
        family = graph.descendants([root]) if root is not None else set(graph)
        family |= graph.ancestors(family)
        order = [revision for revision in graph.order if revision in family]
        order += [new.revision for new in new_revisions]
        return Plan(strategy, relinks, new_revisions, tuple(order))

    def _drop_redundant_parents(self) -> None:
        """Take out parents that have come to lie below another parent of the same revision."""
        before, graph = self._task.snapshot.graph, self.graph()
        for revision, parents in graph.parents.items():
            dropped = [
                parent
                for parent in (parents if len(parents) > 1 else ())
                if _is_redundant(graph, revision, parent)
                and not _is_redundant(before, revision, parent)
            ]
            if dropped:
                kept = tuple(parent for parent in parents if parent not in dropped)
                why = f"{', '.join(dropped)} is now below another of its parents"
                self.relink(revision, kept, Reason("redundant", why))


def _is_redundant(graph: Graph, revision: str, parent: str) -> bool:
    """Whether a parent is an ancestor of another parent of the revision."""
    return any(
        other != parent and graph.is_ancestor(parent, other) for other in graph.parents[revision]
    )


def reasons_for_base(task: Task) -> tuple[Reason, ...]:
    """Why an extra base is linked to something at all."""
    root = task.ordering.root
    size = len(task.snapshot.graph.descendants([root])) - 1 if root is not None else 0
    return (
        Reason(
            "base",
            f"the base that stays is {root}"
            + (
                ", as --root says" if task.root_is_wish else f", with {size:,} descendants the most"
            ),
        ),
    )


def several_branches(task: Task, bases: list[str]) -> CannotPlan:
    """The refusal to choose between branches that stand apart on purpose."""
    heads = ", ".join(sorted(task.snapshot.graph.heads))
    return CannotPlan(
        f"{', '.join(bases)} could follow any of several branches that are kept apart by branch"
        f" labels; the heads are {heads}",
        f"say which one: --attach {bases[0]}=REVISION",
    )
