"""One line: branch after branch is moved on top of the one that landed before it.

The chain is taken head by head. The first head stays as it is, with everything below it. Each
further head adds a *block*: its ancestors that are not yet below the tip. The topmost link that
leads out of the block is redirected to the tip. Everything above that link then runs after
everything placed before, and whatever ran before a revision still does. On a forest with h heads
this rewrites h - 1 files, which is the minimum: in a line, every revision but the last has exactly
one child, so for each head but one, a file must change to name it.

If branches need each other, no branch can go on top as a whole. Then each branch is placed as far
as possible, and the rest of it waits for what it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from flask_chainfix.chain.lineages import Lineage
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import MERGE, way
from flask_chainfix.model.plans import Plan, Reason
from flask_chainfix.planning.linking.draft import Draft, Task, reasons_for_base, several_branches


def linear(task: Task) -> Plan:
    """Link every lineage into one line; healthy merge points stay as they are."""
    return _Linear(task).plan()


class _Block(NamedTuple):
    """What one step places: a revision with its ancestors that its lineage does not have yet.

    Attributes:
        tip: the revision, the tip of its lineage from now on.
        lineage: its lineage.
        revisions: all of them, parents first.
        exits: those with a parent outside that can be redirected, parents first.
        bases: the bases to link; joined ones only if nothing else can be redirected.
    """

    tip: str
    lineage: Lineage
    revisions: list[str]
    exits: list[str]
    bases: list[str]


class _Linear:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._root, self._ranks, self._attached = task.root, task.ranks, task.wishes.attach
        self._graph = task.graph
        self._draft = Draft(task)
        self._placed: set[str] = set()
        self._tips: dict[Lineage, str] = {}
        self._under: dict[Lineage, set[str]] = {}
        self._last_base = task.root
        self._why_base = reasons_for_base(task)
        lineages = _lineages_to_link(task)
        self._heads = {
            head for head in self._graph.heads if task.lineages.by_revision[head] in lineages
        }
        self._movable = self._graph.ancestors(self._heads)
        self._needed: dict[str, set[str]] = {}

    def plan(self) -> Plan:
        waiting = [head for head in self._heads_in_order() if head in self._heads]
        while waiting:
            block = self._next_block(waiting)
            self._place(block)
            if block.tip in waiting:
                waiting.remove(block.tip)
        self._link_bases_below_labelled_branches()
        return self._draft.plan("linear")

    def _link_bases_below_labelled_branches(self) -> None:
        """Link the bases below labelled branches only, which no head has reached."""
        bases = [base for base in self._graph.bases if base in self._task.bases_to_link]
        left = [base for base in bases if base not in self._placed]
        if left and self._task.lineages.main in self._tips:
            self._link_bases(left, self._tips[self._task.lineages.main])
        elif left:
            raise several_branches(self._task, left)

    def _heads_in_order(self) -> Iterator[str]:
        """The heads in the order of a walk from the bases, so that branches stay contiguous."""
        bases = sorted(
            self._graph.bases,
            key=lambda base: (base != self._root, self._ranks[base]),
        )
        pending, seen = bases[::-1], set()
        # Revisions attached by the user follow their parent directly; the others go on top.
        attached, ranks = self._attached, self._ranks
        while pending:
            revision = pending.pop()
            if revision in seen:
                continue
            seen.add(revision)
            children = self._graph.children.get(revision, ())
            if not children:
                yield revision
            pending.extend(
                sorted(children, key=lambda each: (each not in attached, ranks[each]), reverse=True)
            )

    def _next_block(self, waiting: list[str]) -> _Block:
        """The first whole branch that can go on top; otherwise the first such part of one."""
        whole = [head for head in waiting if self._needs(head) <= self._placed]
        for block in map(self._block, whole):
            if self._fits(block) or (block.lineage not in self._tips and not block.bases):
                return block
        tips = [top for head in waiting for top in self._tops(head)]
        fitting = (block for block in map(self._block, tips) if self._fits(block))
        # If nothing fits, linking the first raises the error.
        return next(fitting, None) or self._block((whole or tips)[0])

    def _tops(self, head: str) -> list[str]:
        """The tops of the parts of a head's branch that can go on top."""
        left = self._graph.ancestors([head], outside=self._placed)
        return self._graph.heads_among([name for name in left if self._needs(name) <= self._placed])

    def _needs(self, revision: str) -> set[str]:
        """The movable revisions that must run before a revision and are not below it."""
        if not self._graph.dependencies:  # nor any evidence: only ancestors are required
            return set()
        if revision not in self._needed:
            required = self._graph.required([revision]) & self._movable
            self._needed[revision] = required - self._graph.ancestors([revision])
        return self._needed[revision]

    def _block(self, tip: str) -> _Block:
        lineages, task = self._task.lineages, self._task
        lineage = lineages.by_revision[tip]
        under = self._under.get(lineage, set())
        revisions = sorted(
            self._graph.ancestors([tip], outside=under), key=self._graph.position.__getitem__
        )
        # What the user attached stays, and so does the start of a labelled branch, whose place
        # gives the label its meaning.
        exits = [
            revision
            for revision in revisions
            if not under.isdisjoint(self._draft.parents[revision])
            and revision not in self._attached
            and lineages.by_revision[revision].name != revision
        ]
        bases = [revision for revision in revisions if revision in task.bases_to_link]
        if lineage in self._tips and not (bases or exits):
            joined = set(lineages.bases) - {self._root}
            bases = [revision for revision in revisions if revision in joined]
        return _Block(tip, lineage, revisions, exits, bases)

    def _fits(self, block: _Block) -> bool:
        """Whether a revision of the block can be linked to the placed ones."""
        if block.lineage in self._tips:
            return bool(block.bases or block.exits)
        return block.lineage is not self._task.lineages.main or self._root in block.revisions

    def _place(self, block: _Block) -> None:
        if block.lineage in self._tips:
            if block.bases:
                self._link_bases(block.bases, self._tips[block.lineage])
            else:
                self._link(block)
        elif block.bases:
            root = self._root
            if root not in block.revisions:
                raise several_branches(self._task, block.bases)
            self._link_bases(block.bases, root)
        self._under.setdefault(block.lineage, set()).update(block.revisions)
        self._placed.update(block.revisions)
        self._tips[block.lineage] = block.tip

    def _link(self, block: _Block) -> None:
        parents, tip = self._draft.parents, self._tips[block.lineage]
        under = self._under[block.lineage]
        if not block.exits:
            pinned = next((name for name in block.revisions if name in self._attached), None)
            if pinned is None:
                raise CannotPlan(
                    f"nothing links {block.tip} to {tip}, the head that it should follow",
                    way("link joined bases as well", "{fixchain} repair --strict{databases}")
                    | way(
                        "say where the revisions belong; the help lists the options",
                        "{fixchain} repair --help",
                    ),
                )
            raise CannotPlan(
                f"--attach {pinned}={self._attached[pinned]} leaves two heads: another"
                f" revision already follows {self._attached[pinned]}",
                "attach it to a head" | way("join the heads with a merge revision", MERGE),
            )
        # Nothing above the last exit leads out of the block, so no merge point above it comes
        # to have a parent below another of its parents.
        link = block.exits[-1]
        branch_point = next(parent for parent in parents[link] if parent in under)
        kept = tuple(parent for parent in parents[link] if parent not in under)
        self._draft.relink(link, (tip, *kept), *self._why_after(link, branch_point))

    def _link_bases(self, bases: list[str], parent: str) -> None:
        previous = self._last_base
        for base in bases:
            why = (*self._why_base, Reason("branch", f"{parent} is the last revision before it"))
            if previous not in (None, self._root):
                why += (*self._why_above(base, str(previous)),)
            self._draft.relink(base, (parent,), *why)
        self._last_base = min(bases, key=self._ranks.__getitem__)

    def _why_after(self, revision: str, branch_point: str) -> Iterator[Reason]:
        yield Reason("branch", f"{branch_point} branches here, and a linear chain does not")
        siblings = [
            sibling for sibling in self._graph.children[branch_point] if sibling in self._placed
        ]
        if siblings:
            first = min(siblings, key=self._ranks.__getitem__)
            yield from self._why_above(revision, first)

    def _why_above(self, revision: str, other: str) -> Iterator[Reason]:
        rank, lower = self._ranks[revision], self._ranks[other]
        if lower < rank:
            yield rank.why_later(lower, other)
        elif self._attached or self._graph.dependencies:
            what = "what has run, the schema, depends_on or --attach"
            yield Reason("constraint", f"{what} decides this, before dates and names")


def _lineages_to_link(task: Task) -> set[Lineage | None]:
    """The lineages that are not linear yet: with several heads, or bases to link."""
    heads = Counter(task.lineages.by_revision[head] for head in task.graph.heads)
    several: set[Lineage | None] = {lineage for lineage, number in heads.items() if number > 1}
    return several | ({task.lineages.main} if task.bases_to_link else set())
