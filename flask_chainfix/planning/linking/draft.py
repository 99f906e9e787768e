"""The task of a strategy, and the chain while it is being relinked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import product
from typing import NamedTuple

from flask_chainfix.chain.ancestry import Ancestry, is_redundant, start_of_branch, upgrade_order
from flask_chainfix.chain.lineages import Lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import option
from flask_chainfix.databases.applied.has_run import Applied
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import NewRevision, Plan, Reason, Relink, Wishes
from flask_chainfix.planning.linking.proof import ProvenOrder, schema_reason
from flask_chainfix.planning.linking.ranking import Rank
from flask_chainfix.planning.linking.safety import refuse_unsafe

_NAMED = 3  # proofs that are spelled out with one link


class DecidedPair(NamedTuple):
    """A pair of revisions whose order in one line is decided by a database.

    Attributes:
        database: the database.
        before: the revision that it has run.
        after: the revision that it has not run.
        alone: whether the database is one of the app's own, and no other requires the same order.
    """

    database: Applied
    before: str
    after: str
    alone: bool = False

    def __str__(self) -> str:
        return f"{self.database.name} {self.database.has} {self.before} and not {self.after}"

    def reason(self) -> Reason:
        """Why the one goes before the other."""
        database = self.database
        kind = "published" if database.published else "database"
        why = f"{database.name} {database.has} {self.before}, and not {self.after}"
        if self.alone:
            why += "; it alone decides this, and --no-database leaves it out"
        return Reason(kind, why)


@dataclass(frozen=True)
class Task:
    """The task of a strategy.

    Attributes:
        original: the chain on disk.
        snapshot: the chain with the parents that the user has attached.
        wishes: the user's options.
        lineages: which bases and heads of ``snapshot`` belong together.
        proof: what the schema proves about the order.
        root: the base to keep; ``None`` for a chain without bases.
        ranks: the rank of each revision, which decides the order where nothing is proven.
        databases: what has run in each database; it must not end up above what has not run.
        decided: the order that the databases require of one line.
        heads_stay: whether to keep several heads, and link only bases.
    """

    original: Facts
    snapshot: Facts
    wishes: Wishes
    lineages: Lineages
    proof: ProvenOrder
    root: str | None
    ranks: Mapping[str, Rank]
    databases: tuple[Applied, ...] = ()
    decided: tuple[DecidedPair, ...] = ()
    heads_stay: bool = False

    @cached_property
    def bases_to_link(self) -> frozenset[str]:
        """The bases that get a parent; those joined by merge points only if that is wished."""
        extra = frozenset(self.lineages.bases) - {self.root}
        if self.wishes.strict or not extra:
            return extra
        home = next(each for each in self.snapshot.graph.components if self.root in each)
        return extra.difference(home)

    @cached_property
    def graph(self) -> Graph:
        """The chain of ``snapshot``, in which a revision also requires what is ``before`` it."""
        return self.snapshot.graph.with_evidence(self.before)

    @property
    def before(self) -> Mapping[str, tuple[str, ...]]:
        """For each revision, the ones that must run before it although no header says so."""
        before = dict(self.proof.before)
        for pair in self.decided:
            before[pair.after] = (*before.get(pair.after, ()), pair.before)
        return before

    def are_apart(self, one: str, other: str) -> bool:
        """Whether a single line would have to put one of two revisions below the other.

        Merged branches stay unchanged, and so may have run in any order.
        """
        lineages = self.lineages.by_revision
        if lineages[one] is not lineages[other]:
            return False
        return self._heads_above[one].isdisjoint(self._heads_above[other])

    @cached_property
    def _heads_above(self) -> Mapping[str, frozenset[str]]:
        graph = self.snapshot.graph
        found: dict[str, frozenset[str]] = {}
        for revision in reversed(graph.order):
            above = [found[child] for child in graph.children.get(revision, ())]
            found[revision] = frozenset().union(*above) if above else frozenset({revision})
        return found

    def decided_pairs(self) -> tuple[DecidedPair, ...]:
        """The order that databases require of a single line."""
        graph = self.snapshot.graph
        pairs: dict[tuple[str, str], DecidedPair] = {}
        for database in self.databases:
            have = database.revisions.intersection(graph.named_parents)
            first = [
                revision
                for revision in graph
                if revision not in have and have.issuperset(graph.requirements(revision))
            ]
            for pair in product(tops(graph, have), first):
                if pair in pairs:
                    pairs[pair] = pairs[pair]._replace(alone=False)
                elif self.are_apart(*pair):
                    pairs[pair] = DecidedPair(database, *pair, alone=database.status.own)
        return tuple(pairs.values())

    def disagreement(self) -> tuple[DecidedPair, ...]:
        """A pair of revisions in the opposite orders that two databases require; else empty."""
        for one in self.decided_pairs():
            for other in self.databases:
                if one.before in other.revisions:
                    continue
                for revision in self.snapshot.graph:
                    if (
                        revision in other.revisions
                        and revision not in one.database.revisions
                        and self.are_apart(one.before, revision)
                    ):
                        return (
                            DecidedPair(one.database, one.before, revision),
                            DecidedPair(other, revision, one.before),
                        )
        return ()

    @property
    def links_something(self) -> bool:
        """Whether there are bases or heads to link; otherwise only the order is wrong."""
        of_heads = [self.lineages.by_revision[head] for head in self.snapshot.graph.heads]
        return bool(self.bases_to_link) or len(set(of_heads)) < len(of_heads)


class Links:
    """The parents of revisions while they are being relinked, and why."""

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        self.parents = dict(parents)
        self.reasons: dict[str, list[Reason]] = {}

    def relink(self, revision: str, parents: tuple[str, ...], *why: Reason) -> None:
        """Give a revision new parents."""
        self.parents[revision] = parents
        self.reasons.setdefault(revision, []).extend(why)

    def drop_redundant_parents(self, before: Graph, now: Graph) -> None:
        """Remove parents that are now ancestors of another parent of the same revision."""
        for revision, parents in dict(self.parents).items():
            dropped = [
                parent
                for parent in (parents if len(parents) > 1 else ())
                if is_redundant(now, revision, parent)
                and not is_redundant(before, revision, parent)
            ]
            if dropped:
                kept = tuple(parent for parent in parents if parent not in dropped)
                why = f"{', '.join(dropped)} is now below another of its parents"
                self.relink(revision, kept, Reason("redundant", why))

    def relinks(self, snapshot: Facts, order: Iterable[str]) -> tuple[Relink, ...]:
        """The links that differ from those of a snapshot, in this order of revisions."""
        before = snapshot.graph.parents
        return tuple(
            Relink(
                revision,
                snapshot.file(revision).path,
                before[revision],
                self.parents[revision],
                tuple(self.reasons[revision]),
            )
            for revision in order
            if self.parents.get(revision, before[revision]) != before[revision]
        )


class Draft(Links):
    """The links of a whole chain, and the plan that they make."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.graph.parents)
        self._task = task
        self._linked: Graph | None = None
        for revision, parent in task.wishes.attach.items():
            self.reasons[revision] = [Reason("pin", f"--attach {revision}={parent}")]

    def relink(self, revision: str, parents: tuple[str, ...], *why: Reason) -> None:
        """Give a revision new parents, which changes the current graph."""
        super().relink(revision, parents, *why)
        self._linked = None

    def _graph(self) -> Graph:
        """The chain with its current links and the proven order."""
        graph = self.linked().with_evidence(self._task.before)
        if graph.cycles:
            raise CannotPlan(
                f"the order would be a cycle: {', '.join(graph.cycles[0])}",
                "depends_on, the schema or a database contradicts it; say where the revisions"
                " belong, with --attach REVISION=PARENT",
            )
        return graph

    def plan(self, strategy: str, new_revisions: tuple[NewRevision, ...] = ()) -> Plan:
        """The finished plan.

        Raises:
            CannotPlan: dependencies contradict the new links.
            UnsafeForDatabases: a known database would skip revisions.
        """
        self.put_branches_in_order()
        graph = self._graph()
        if self.reasons:
            self.drop_redundant_parents(self._task.graph, graph)
            graph = self._graph()
        self._add_proofs(graph)
        relinks = self.relinks(self._task.original, graph.order)
        root = self._task.root
        family = graph.descendants([root]) if root is not None else set(graph)
        family |= graph.ancestors(family)
        order = [revision for revision in graph.order if revision in family]
        order += [new.revision for new in new_revisions]
        refuse_unsafe(self.linked(), self._task.original.graph, self._task.databases)
        return Plan(strategy, relinks, new_revisions, tuple(order))

    def put_branches_in_order(self) -> None:
        """Move separate branches above the revisions that they need on other branches.

        Alembic may run separate branches in any order. Branches that are already merged stay
        unchanged as long as there is something new to link, because they have already run, and
        whenever Alembic's own order is right.
        """
        runs_before = None
        links, proof = self._task.links_something, self._task.proof
        for precedence in (each for each in proof.precedences if each.certain):
            first, second = precedence.before.revision, precedence.after.revision
            if links and not self._task.are_apart(first, second):
                continue
            runs_before = runs_before or Ancestry(self.linked())
            if precedence in proof.ordered_by_alembic and self._suits(runs_before, first, second):
                continue
            if not runs_before(first, second) and not runs_before(second, first):
                start = start_of_branch(runs_before, self.parents, second, first)
                if len(self.parents[start]) <= 1:
                    self.relink(start, (first,))
                    runs_before = None

    def _suits(self, runs_before: Ancestry, first: str, second: str) -> bool:
        order = upgrade_order(self.linked(), runs_before)
        return order is not None and order[first] < order[second]

    def linked(self) -> Graph:
        """The chain with its current links, without the proven order."""
        if self._linked is None:
            self._linked = self._task.snapshot.relinked(self.parents)
        return self._linked

    def _add_proofs(self, graph: Graph) -> None:
        """Add the reasons from the schema and databases to each new link."""
        task, named, pairs = self._task, Counter[str](), set()
        before, after = task.graph.parents, graph.parents
        changed = [name for name in reversed(graph.order) if after[name] != before[name]]
        proofs = [
            (each.before.revision, each.after.revision, schema_reason(task.snapshot, each), _NAMED)
            for each in (task.proof.precedences if changed else ())
        ]
        proofs += [(each.before, each.after, each.reason(), 1) for each in task.decided]
        for first, second, reason, most in proofs:
            carried_by = task.graph.ancestors([second])
            link = next((name for name in changed if name in carried_by), None)
            if link is None or (first, second) in pairs or named[link] >= most:
                continue
            pairs.add((first, second))
            named[link] += 1
            self.reasons[link].insert(named[link] - 1, reason)


def reasons_for_base(task: Task) -> tuple[Reason, ...]:
    """Why an extra base gets a parent at all."""
    root = task.root
    size = len(task.graph.descendants([root])) - 1 if root is not None else 0
    why = "as --root says" if task.wishes.root else f"which has the most descendants ({size:,})"
    return (Reason("base", f"the base that stays is {root}, {why}"),)


def several_branches(task: Task, bases: list[str]) -> CannotPlan:
    """The refusal to choose between intentionally separate branches."""
    heads = ", ".join(sorted(task.graph.heads))
    return CannotPlan(
        f"{', '.join(bases)} could follow any of several branches that are kept apart by branch"
        f" labels; the heads are {heads}",
        f"say which one: {option('--attach', f'{bases[0]}=REVISION')}",
    )
