"""Move a revision, alone or with everything above it, after another revision.

Its children are linked to its parents, and the children of its new parent go on top of it. So a
line stays a line, and only the files with these links change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import option, word
from flask_chainfix.common.remedies import Remedy, Way, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.applied.has_run import Applied, applied_anywhere
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import Plan, Reason
from flask_chainfix.planning.linking.draft import Links
from flask_chainfix.planning.linking.safety import refuse_unsafe

_NAMED = 3  # revisions named in one sentence


@dataclass(frozen=True)
class MoveWishes:
    """The user's options for a move.

    Attributes:
        revision: the revision to move; an id, or the start of one.
        after: its new parent, likewise; ``None`` for the head.
        with_descendants: whether everything above it also moves.
        accept: the codes of faults to accept in the planned chain.
    """

    revision: str
    after: str | None = None
    with_descendants: bool = False
    accept: tuple[str, ...] = ()

    def typed(self, after: str | None = None, accept: Collection[str] = ()) -> str:
        """The command's name with its options, or with other ones."""
        place = after or self.after
        return " ".join(
            (
                "move",
                word(self.revision),
                "--to-top" if place is None else option("--after", place),
                *(("--with-descendants",) if self.with_descendants else ()),
                *(f"--accept {code}" for code in sorted({*self.accept, *accept})),
            )
        )

    def command(self, after: str | None = None, accept: Collection[str] = ()) -> str:
        """The whole command."""
        return f"{{fixchain}} {self.typed(after, accept)}{{databases}}"


def relocate(now: Facts, wishes: MoveWishes) -> Plan:
    """Plan a move.

    Args:
        now: a chain without faults that leave its shape in doubt.
        wishes: the user's options.

    Returns:
        A plan; without links if everything is in place already.

    Raises:
        CannotPlan: there is no such place, or the chain would be split.
    """
    move = _Move(now, wishes)
    move.put_in()
    return move.plan()


def refuse_unsafe_move(now: Facts, after: Graph, wishes: MoveWishes) -> None:
    """Refuse if a database, the main branch or a release would skip a revision.

    Raises:
        UnsafeForDatabases: with the remedies.
    """

    def ways(database: Applied) -> Remedy:
        if database.published:
            return Remedy.of("leave the order of what others have as it is")
        return way(
            "upgrade that database with the chain as it is, and move then",
            "{alembic} upgrade heads",
            wishes.command(),
        )

    refuse_unsafe(after, now.graph, applied_anywhere(now), ways)


class _Move:
    """The links during a move."""

    def __init__(self, now: Facts, wishes: MoveWishes) -> None:
        self._now, self._graph, self._wishes = now, now.graph, wishes
        self._revision = _resolved(self._graph, wishes.revision)
        self._moving = {self._revision}
        if wishes.with_descendants:
            self._moving = self._graph.descendants(self._moving)
        self._lineages = find_lineages(now)
        self._links = Links(self._graph.parents)
        if not wishes.with_descendants:
            self._take_out()
        self._target = self._found_target()

    def _found_target(self) -> str:
        """The new parent of the revision."""
        if self._wishes.after is None:
            return self._top()
        target = _resolved(self._graph, self._wishes.after)
        if target == self._revision:
            raise CannotPlan(f"{target} cannot come after itself", "name another revision")
        if target in self._moving:
            alone = replace(self._wishes, with_descendants=False).command()
            raise CannotPlan(
                f"{target} is above {self._revision}, and would move with it",
                way(f"move {self._revision} alone", alone),
            )
        return target

    def _top(self) -> str:
        """The head of the revision's lineage without the moving revisions."""
        home = self._lineages.by_revision[self._revision]
        if home.name == self._revision and home.parent is not None:  # it begins a branch
            home = home.parent
        left = {name: p for name, p in self._links.parents.items() if name not in self._moving}
        tops = self._lineages.heads(left).get(home, [])
        if len(tops) == 1:
            return tops[0]
        if not tops:
            raise CannotPlan(
                f"without {self._revision} and what is above it, no revision is left to put it on",
                "say which revision it comes after, with --after",
            )
        raise CannotPlan(
            f"there are {len(tops)} heads: {listing(tops, _NAMED)}",
            Remedy(
                tuple(
                    Way(f"put it on {top}", (self._wishes.command(top),)) for top in tops[:_NAMED]
                )
            ),
        )

    def _take_out(self) -> None:
        """Link the children of the revision to its parents."""
        graph, revision = self._graph, self._revision
        children, below = graph.children.get(revision, ()), graph.parents[revision]
        labels = graph.labels.get(revision, ())
        if labels and children:
            together = replace(self._wishes, with_descendants=True)
            raise CannotPlan(
                f"{revision} carries the label {listing(labels)} of the branch above it, which"
                " would stay without it",
                way("move the whole branch", together.command())
                | f"write the label into {children[0]} first, by hand",
            )
        for child in children:
            why = Reason("move", f"{revision}, which moves, is on {listing(below) or 'nothing'}")
            self._links.relink(child, self._instead(child, revision, below), why)

    def put_in(self) -> None:
        """Put the revision after its target, and the target's children on top of it.

        Raises:
            CannotPlan: it is unclear on which of several heads these should go.
        """
        links, revision, target = self._links, self._revision, self._target
        links.relink(revision, (target,), Reason("move", f"it goes after {target}, as you say"))
        if self._lineages.by_revision[revision].name == revision:
            return  # it begins a branch, so nothing goes on top of it
        linked = self._now.relinked(self._links.parents)
        tops = linked.heads_among(self._moving)
        below = linked.ancestors(tops)
        pushed = [
            name
            for name, parents in dict(links.parents).items()
            if target in parents and name not in self._moving and name not in below
        ]
        if pushed and len(tops) > 1:
            raise CannotPlan(
                f"{count(len(tops), 'head')} would move ({listing(tops, _NAMED)}), and nothing"
                f" shows on which of them {listing(pushed, _NAMED)} belongs, which is on {target}",
                way(
                    "make one line of them first", "{fixchain} repair --strategy linear{databases}"
                ),
            )
        for name in pushed:
            why = Reason("move", f"it was on {target}, and {revision} goes in between")
            links.relink(name, self._instead(name, target, tuple(tops)), why)

    def _instead(self, name: str, parent: str, others: tuple[str, ...]) -> tuple[str, ...]:
        """The parents of a revision, with one of them replaced by others."""
        parents = self._links.parents[name]
        place = parents.index(parent)
        return tuple(dict.fromkeys((*parents[:place], *others, *parents[place + 1 :])))

    def plan(self) -> Plan:
        """The finished plan.

        Raises:
            CannotPlan: there would be a cycle, or more heads or bases.
        """
        after = self._now.relinked(self._links.parents)
        if after.cycles:
            raise CannotPlan(
                f"{self._revision} cannot run after {self._target}: by depends_on,"
                f" {listing(after.cycles[0])} would each have to run before the other",
                "move what it depends on first, or correct depends_on",
            )
        self._links.drop_redundant_parents(self._graph, after)
        relinks = self._links.relinks(self._now, after.order)
        along = len(self._moving) - 1
        what = f"{self._revision} and {count(along, 'revision')} above it" if along else ""
        why = Reason("move", f"{what or self._revision} after {self._target}")
        plan = Plan("move", relinks, (), (), (why,))
        after = self._now.relinked(plan.parents)
        for ends, before, then in (
            ("heads", self._graph.heads, after.heads),
            ("bases", self._graph.bases, after.bases),
        ):
            if len(then) > len(before):
                self._refuse_apart(ends, [name for name in then if name not in before])
        return plan

    def _refuse_apart(self, ends: str, new: list[str]) -> None:
        joined = self._graph.parents[self._revision]
        held = f"{self._revision} joins {listing(joined)}" if len(joined) > 1 else ""
        remedy = Remedy.of("choose a place that keeps the chain together")
        if not self._wishes.with_descendants and ends == "bases":
            remedy = Remedy.of(f"first move its children, until {self._revision} has only one")
        raise CannotPlan(
            f"the chain would split, with more {ends} than now: {listing(new, _NAMED)}"
            + (f"; {held}" if held else ""),
            remedy,
        )


def _resolved(graph: Graph, name: str) -> str:
    """The revision with an id, or with the only id that starts like it."""
    if name in graph:
        return name
    found = [each for each in graph if name and each.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise CannotPlan(
            f"{count(len(found), 'revision')} begin with {name}: {listing(found, _NAMED)}",
            "give more of its id",
        )
    raise CannotPlan(
        f"there is no revision {name!r} in this chain",
        way("give the id of one, or the beginning of it; to see them", "{alembic} history"),
    )
