"""One chain: branch after branch is moved on top of the one that landed before it.

The chain is taken head by head. The first head with everything below it stays as it is. Each
further head brings a *block*: what is below it and not yet below the tip. One link of the block,
the topmost that leads out of it, is turned to the tip; then all that is above that link runs
after everything placed before, and whatever ran before a revision still does. On a forest with h
heads that rewrites h - 1 files, and less is impossible: in a chain every revision but the last is
followed by exactly one other, so each head but one needs a file that now names it.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.errors import CannotPlan
from flask_chainfix.lineage import Lineage
from flask_chainfix.model import Plan, Reason
from flask_chainfix.strategies.draft import Draft, reasons_for_base
from flask_chainfix.strategies.registry import Task, strategy


@strategy("linear")
def linear(task: Task) -> Plan:
    """Link every lineage into one chain; healthy merge points stay as they are."""
    return _Linear(task).plan()


class _Linear:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._ordering = task.ordering
        self._graph = task.snapshot.graph
        self._draft = Draft(task)
        self._position = {name: index for index, name in enumerate(self._graph.order)}
        self._placed: set[str] = set()
        self._tips: dict[Lineage, str] = {}
        self._under: dict[Lineage, set[str]] = {}
        self._last_base = task.ordering.root

    def plan(self) -> Plan:
        waiting = list(self._heads_in_order())
        while waiting:
            tip = self._next_tip(waiting)
            self._place(tip)
            if tip in waiting:
                waiting.remove(tip)
        return self._draft.plan("linear")

    def _heads_in_order(self) -> Iterator[str]:
        """The heads as a walk from the bases meets them, so that branches stay whole."""
        bases = sorted(
            self._graph.bases,
            key=lambda base: (base != self._ordering.root, self._ordering.ranks[base]),
        )
        pending, seen = bases[::-1], set()
        while pending:
            revision = pending.pop()
            if revision in seen:
                continue
            seen.add(revision)
            children = self._graph.children.get(revision, ())
            if not children:
                yield revision
            pending.extend(sorted(children, key=self._child_order, reverse=True))

    def _child_order(self, child: str) -> tuple[object, ...]:
        # What the user has pinned to a parent follows it directly; the others go on top.
        return child not in self._ordering.pins, self._ordering.ranks[child]

    def _next_tip(self, waiting: list[str]) -> str:
        """The first head whose block needs nothing that is not placed yet.

        Where dependencies run both ways between blocks, no head qualifies; then a part of a block
        is placed, as far as its dependencies allow.
        """
        dependencies = self._graph.dependencies
        if not dependencies:
            return waiting[0]
        for head in waiting:
            block = self._block(head, self._placed)
            ready = self._placed.union(block)
            if all(ready.issuperset(dependencies.get(revision, ())) for revision in block):
                return head
        for head in waiting:
            ready = set(self._placed)
            reached = None
            for revision in self._block(head, self._placed):
                if ready.issuperset(self._graph.requirements(revision)):
                    ready.add(revision)
                    reached = revision
            if reached is not None:
                return reached
        raise AssertionError("an acyclic graph always has a revision that needs nothing")

    def _block(self, tip: str, outside: set[str]) -> list[str]:
        """What is at or below the tip and not outside, each behind its parents."""
        block = self._graph.ancestors([tip], outside=outside)
        return sorted(block, key=self._position.__getitem__)

    def _place(self, tip: str) -> None:
        lineage = self._task.lineages.by_revision[tip]
        under = self._under.setdefault(lineage, set())
        block = self._block(tip, under)
        bases = [revision for revision in block if revision in self._task.bases_to_link]
        if lineage in self._tips:
            self._link(block, bases, self._tips[lineage], under)
        elif bases and self._ordering.root in block:
            root = self._ordering.root
            assert root is not None
            self._link_bases(block, bases, root, {root})
        elif bases:
            raise CannotPlan(
                f"there are several branches that {', '.join(bases)} could follow",
                f"say which: --attach {bases[0]}=REVISION",
            )
        under.update(block)
        self._placed.update(block)
        self._tips[lineage] = tip

    def _link(self, block: list[str], bases: list[str], tip: str, under: set[str]) -> None:
        if bases:
            self._link_bases(block, bases, tip, under)
            return
        parents = self._draft.parents
        exits = [
            revision
            for revision in block
            if revision not in self._ordering.pins and not under.isdisjoint(parents[revision])
        ]
        if not exits:
            pinned = next(revision for revision in block if revision in self._ordering.pins)
            raise CannotPlan(
                f"--attach {pinned}={self._ordering.pins[pinned]} leaves two heads: another"
                f" revision already follows {self._ordering.pins[pinned]}",
                "attach it to a head, or use --strategy merge",
            )
        # Nothing above the last exit leads out of the block, so no merge point above it comes
        # to have a parent below another of its parents.
        link = exits[-1]
        branch_point = next(parent for parent in parents[link] if parent in under)
        kept = tuple(parent for parent in parents[link] if parent not in under)
        self._draft.relink(link, (tip, *kept), *self._why_after(link, branch_point))

    def _link_bases(self, block: list[str], bases: list[str], parent: str, under: set[str]) -> None:
        for base in bases:
            why = reasons_for_base(self._task)
            if self._last_base not in (None, self._ordering.root):
                why += (self._ordering.explain(base, str(self._last_base)),)
            self._draft.relink(base, (parent,), *why)
        self._last_base = bases[-1]
        self._draft.drop_redundant_parents(block, bases, under)

    def _why_after(self, revision: str, branch_point: str) -> Iterator[Reason]:
        yield Reason("branch", f"{branch_point} branches here, and a chain has no branches")
        siblings = [
            sibling for sibling in self._graph.children[branch_point] if sibling in self._placed
        ]
        if siblings:
            yield self._ordering.explain(revision, siblings[0])
