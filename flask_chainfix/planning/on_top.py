"""Put my revisions on top of the others' chain; each lineage of mine moves in one piece.

A revision of mine whose parent is one of theirs gets the head above that parent instead. So all of
mine run after all of theirs, and whatever ran before a revision still does. Their chain is then
treated as a single revision, its head, so that only my few revisions take time, even in a chain of
thousands. If several heads of mine remain, the strategy ``linear`` lines them up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from flask_chainfix.chain.lineages import Lineage, find_lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.applied.has_run import applied_anywhere
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import Databases, DatabaseState, DatabaseStatus
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.model.history import PublishedChain
from flask_chainfix.model.plans import Plan, Reason, Wishes
from flask_chainfix.planning.linking.draft import Links
from flask_chainfix.planning.linking.safety import refuse_unsafe
from flask_chainfix.planning.linking.strategies import make_plan, require_known_headers
from flask_chainfix.planning.mending.case import header_of
from flask_chainfix.schema.footprint import Action


def put_on_top(snapshot: Facts, mine: Collection[str], onto: str) -> Plan:
    """Plan to put revisions on top of all others, in their own order.

    Returns:
        A plan; without links if they are on top already.

    Raises:
        CannotPlan: it is unclear where they belong, or no order can run.
        UnsafeForDatabases: in any order, a known database would skip some of them.
    """
    require_known_headers(snapshot)
    moving = _Moving(snapshot, mine, onto)
    moving.turn()
    moving.drop_redundant_parents()
    moving.line_up()
    return moving.plan()


def as_rebase(snapshot: Facts, plan: Plan, wishes: Wishes) -> Plan | None:
    """The plan of a rebase instead of another plan that makes one line.

    Only if one side is on the main branch and the rest is mine, and if it leaves as many heads and
    bases; ``None`` otherwise.
    """
    graph, main = snapshot.graph, snapshot.main_branch
    if main is None or plan.strategy != "linear" or wishes.root or wishes.attach:
        return None
    theirs = main.revisions.intersection(graph)
    mine = frozenset(graph).difference(theirs)
    if not mine:
        return None
    if theirs.isdisjoint(graph.heads) or not graph.required(theirs).isdisjoint(mine):
        return None  # the main branch has no side of its own
    if not mine.issuperset(relink.revision for relink in plan.relinks):
        return None  # the main branch itself is broken
    try:
        moved = put_on_top(snapshot, mine, main.name)
        after = snapshot.relinked(moved.parents)
        refuse_unsafe(after, graph, applied_anywhere(snapshot))
    except CannotPlan:
        return None
    expected = snapshot.relinked(plan.parents)
    if (len(after.heads), len(after.bases)) != (len(expected.heads), len(expected.bases)):
        return None
    family = frozenset(plan.order)
    return replace(
        moved,
        strategy=plan.strategy,
        order=tuple(revision for revision in after.order if revision in family),
        why=(_why_on_top(main, graph, mine), *plan.why),
    )


def _why_on_top(main: PublishedChain, graph: Graph, mine: Collection[str]) -> Reason:
    what = "revision" if len(mine) == 1 else "revisions"
    text = f"{len(mine):,} {what} of yours, on top of what {main.name} has"
    away = len(main.revisions.difference(graph))
    if not away:
        return Reason("onto", f"{text}, as rebase plans it")
    more = "revision that is" if away == 1 else "revisions that are"
    return Reason("behind", f"{text}; it has {away:,} {more} not here yet: merge it first")


def excerpt(snapshot: Facts, revisions: Collection[str]) -> Facts:
    """Some revisions of a chain, with their requirements as bases."""
    graph = snapshot.graph
    required = {name for revision in revisions for name in graph.requirements(revision)}
    files = [snapshot.file(revision) for revision in revisions]
    bases = [_linked(snapshot.file(name), ()) for name in required.difference(revisions)]
    return Facts(snapshot.environment, (*bases, *files))


class _Moving:
    """The parents of the moving revisions, changed step by step."""

    def __init__(self, snapshot: Facts, mine: Collection[str], onto: str) -> None:
        self._snapshot = snapshot
        self._mine = mine
        self._onto = onto
        self._lineages = find_lineages(snapshot).by_revision
        self._heads = self._heads_of_others()
        before = snapshot.graph.parents
        self._links = Links({name: before[name] for name in snapshot.graph.order if name in mine})

    def _heads_of_others(self) -> Mapping[Lineage, tuple[str, ...]]:
        """The heads of the chain without my revisions, by lineage."""
        graph = self._snapshot.graph
        others = {name: each for name, each in graph.parents.items() if name not in self._mine}
        # Labelled branches may split and merge within a lineage.
        return {
            lineage: tuple(
                name for name in names if not any(graph.is_ancestor(name, other) for other in names)
            )
            if len(names) > 1
            else tuple(names)
            for lineage, names in find_lineages(self._snapshot).heads(others).items()
        }

    def turn(self) -> None:
        """Redirect every link to the others to the head above.

        The start of a labelled branch, and an intended base, stay unchanged.
        """
        for name, parents in dict(self._links.parents).items():
            if self._lineages[name].name == name:
                continue
            heads = [
                head
                for parent in parents or ("",)
                for head in ([parent] if parent in self._mine else self._head(name, parent))
            ]
            turned = tuple(dict.fromkeys(heads))
            if turned != parents:
                new = ", ".join(each for each in turned if each not in parents)
                self._relink(name, turned, Reason("onto", f"{new} is the head of {self._onto}"))

    def _head(self, name: str, parent: str) -> tuple[str, ...]:
        """The others' head above a parent; for ``""``, that of the base's lineage."""
        graph = self._snapshot.graph
        heads = self._heads.get(self._lineages[parent or name], ())
        if len(heads) > 1 and parent:
            heads = tuple(h for h in heads if h == parent or graph.is_ancestor(parent, h))
        if len(heads) > 1:
            raise CannotPlan(
                f"{self._onto} itself has several heads on which these could be:"
                f" {', '.join(heads)}",
                Remedy.of("repair the chain on that branch first, and merge it here")
                | "say where yours belong, with the command repair and --attach REVISION=PARENT",
            )
        return heads

    def drop_redundant_parents(self) -> None:
        """Remove parents that are now ancestors of another parent of the same revision."""
        self._links.drop_redundant_parents(self._snapshot.graph, self._graph())

    def line_up(self) -> None:
        """Line up my heads that follow the same head of the others."""
        for heads in self._heads.values():
            for tip in heads:
                group = self._group(tip)
                followed = {parent for name in group for parent in self._links.parents[name]}
                if len(group.difference(followed)) > 1:
                    small = self._small_chain(tip, group)
                    for relink in make_plan(small, Wishes(strategy="linear")).relinks:
                        name = relink.revision
                        outside = [p for p in self._links.parents[name] if p not in small.graph]
                        self._relink(name, (*relink.after, *outside), *relink.why)

    def _group(self, tip: str) -> set[str]:
        """My revisions above one head of the others and no other such head."""
        graph = self._graph()
        others = {head for heads in self._heads.values() for head in heads} - {tip}
        elsewhere = graph.descendants(head for head in others if head in graph)
        above = graph.descendants([tip] if tip in graph else []) - elsewhere - {tip}
        return {name for name in above if self._lineages[name] is self._lineages[tip]}

    def _small_chain(self, tip: str, group: Collection[str]) -> Facts:
        """The others' chain as one base, with a group of mine above it."""
        snapshot = self._snapshot
        naming = [name for name in self._naming_dropped_tables(group) if name != tip]
        files: list[MigrationFile] = []
        below: tuple[str, ...] = ()
        for name in (*naming, tip):
            files.append(_linked(snapshot.file(name), below))
            below = (name,)
        if not naming:  # none of their files need to be read
            files[-1] = files[-1]._replace(data=b"")
        for name in self._links.parents:
            if name in group:
                parents = tuple(p for p in self._links.parents[name] if p in group) or (tip,)
                files.append(_linked(snapshot.file(name), parents, mine=True))
        small = Facts(snapshot.environment, tuple(files))
        statuses = tuple(self._statuses(small.graph, group))
        return replace(small, databases=Databases(statuses))

    def _naming_dropped_tables(self, group: Collection[str]) -> Iterator[str]:
        """The revisions of others that mention a table that mine drop.

        Such a table can exist before, and be recreated later.
        """
        effects = [
            effect
            for name in group
            for effect in self._snapshot.footprint(self._snapshot.file(name)).effects
        ]
        tables = {
            (effect.object.table or effect.object.name).encode()
            for effect in effects
            if effect.action is Action.DROP
        }
        for name in self._snapshot.graph.order if tables else ():
            data = self._snapshot.file(name).data
            if name not in self._mine and any(table in data for table in tables):
                yield name

    def _statuses(self, graph: Graph, group: Collection[str]) -> Iterator[DatabaseStatus]:
        """The status of databases once they have run all of the others."""
        for applied in applied_anywhere(self._snapshot):
            have = set(graph).difference(group) | applied.revisions.intersection(group)
            rows = tops(graph, have)
            yield replace(applied.status, state=DatabaseState.STAMPED, rows=rows, tables=None)

    def _relink(self, name: str, parents: tuple[str, ...], *why: Reason) -> None:
        self._links.reasons.pop(name, None)
        self._links.relink(name, parents, *why)

    def _graph(self) -> Graph:
        """My revisions with their current links, on the heads of the others."""
        mine, parents = self._mine, self._links.parents
        # Sorted, so that the same plan always reads the same.
        heads = dict.fromkeys(name for names in parents.values() for name in names)
        snapshot = self._snapshot
        return Graph(
            (
                *(
                    snapshot.header(name)._replace(down_revision=(), depends_on=())
                    for name in heads
                    if name not in mine
                ),
                *(
                    snapshot.header(name)._replace(down_revision=names)
                    for name, names in parents.items()
                ),
            )
        )

    def plan(self) -> Plan:
        """The finished plan; the caller orders the whole chain."""
        graph = self._graph()
        if graph.cycles:
            raise CannotPlan(
                f"the order would be a cycle: {', '.join(graph.cycles[0])}",
                "depends_on contradicts it; link these revisions with the command repair",
            )
        order = [name for name in graph.order if name in self._mine]
        return Plan("rebase", self._links.relinks(self._snapshot, order), (), ())


def _linked(file: MigrationFile, parents: tuple[str, ...], *, mine: bool = False) -> MigrationFile:
    """A file with new parents; if it is not mine, also without dependencies and date."""
    header = header_of(file)._replace(down_revision=parents)
    if not mine:
        header = header._replace(depends_on=(), create_date=None)
    return file._replace(reading=header)
