"""What must come before what: the schema's proof, and what databases have run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.lineages import Lineage, Lineages
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.databases.applied.rows import gaps, tops
from flask_chainfix.databases.applied.writers import Applied
from flask_chainfix.evidence.order import Precedence, is_disorder, precedences
from flask_chainfix.evidence.record import Evidence
from flask_chainfix.model.plans import Reason, Wishes
from flask_chainfix.model.schema import Kind
from flask_chainfix.planning.evidence import schema_reason

_ACCEPT = "if the finding is mistaken, plan anyway; the finding stays"


_NAMED = 3  # contradictory operations that a message spells out


@dataclass(frozen=True)
class Proof:
    """What must run before what, beyond what the headers say.

    Attributes:
        precedences: the proven pairs.
        before: for each revision those that must run before it.
        suited: the pairs of merged branches that run in this order anyway, as Alembic upgrades.
    """

    precedences: tuple[Precedence, ...] = ()
    before: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suited: frozenset[Precedence] = frozenset()


def prove(original: Snapshot, snapshot: Snapshot, lineages: Lineages, wishes: Wishes) -> Proof:
    """Find out what the schema proves about the order of the revisions of each lineage.

    What one upgrade runs already, in whatever order, is no business of a plan: it stops none, and
    is put in order only where Alembic's own order does not do. What is only probable (an operation
    under a condition, say) is taken as proven as long as it contradicts nothing; so is what the
    user ignores or accepts, of branches that have to be put in some order.

    Args:
        original: the chain as it is.
        snapshot: the same, pins applied.
        lineages: its lineages.
        wishes: what the user asks of the plan.

    Raises:
        CannotPlan: what is proven contradicts the chain, the user's wishes, or itself.
    """
    tolerated = "FC201" in {*snapshot.environment.settings.ignore, *wishes.accept}
    certain, suited, probable = _sorted_out(original, snapshot, lineages, tolerated=tolerated)
    graph = Graph(snapshot.headers, _before(certain))
    if graph.cycles:
        raise _contradiction(snapshot, certain, graph, wishes.attach)
    _refuse_root(snapshot, certain, wishes.root)
    accepted = certain
    for more in (suited, probable):
        if not Graph(snapshot.headers, _before([*accepted, *more])).cycles:
            accepted = [*accepted, *more]
            continue
        for precedence in more:
            if not _runs_against(graph, accepted, precedence):
                accepted.append(precedence)
    return Proof(tuple(accepted), _before(accepted), frozenset(suited))


def _sorted_out(
    original: Snapshot, snapshot: Snapshot, lineages: Lineages, *, tolerated: bool
) -> tuple[list[Precedence], list[Precedence], list[Precedence]]:
    """What a plan has to see to, what Alembic's own order sees to, and what is only probable."""
    evidence, old = snapshot.evidence, original.evidence
    certain: list[Precedence] = []
    suited: list[Precedence] = []
    probable: list[Precedence] = []
    for item in precedences(evidence):
        one, other = item.before.revision, item.after.revision
        joined = old.joined(one, other)
        apart = lineages.by_revision[one] is not lineages.by_revision[other]
        if apart or (joined and old.runs_before(other, one)):
            continue
        if tolerated or (joined and not is_disorder(evidence, item)):
            probable.append(_unsure(item))
        elif joined:
            (suited if old.upgraded_before(one, other) else probable).append(item)
        elif _is_decisive(evidence, item):
            certain.append(item)
        else:
            probable.append(item)
    return certain, suited, probable


def _unsure(precedence: Precedence) -> Precedence:
    return precedence._replace(before=precedence.before._replace(certain=False))


def _refuse_root(snapshot: Snapshot, certain: list[Precedence], root: str | None) -> None:
    for precedence in certain:
        if precedence.after.revision == root:
            reason = schema_reason(snapshot, precedence).detail
            raise CannotPlan(
                f"--root {root} contradicts what the migrations do: {reason}",
                f"choose another base, or leave out --root: {root} must come later",
            )


def _is_decisive(evidence: Evidence, precedence: Precedence) -> bool:
    """Whether a chain against it is certain to fail."""
    before, after = precedence.before, precedence.after
    if not precedence.certain:
        return False
    if before.object.kind not in (Kind.TABLE, Kind.COLUMN):
        return not evidence.runs_before(after.revision, before.revision)
    return not evidence.runs_before(after.revision, before.revision) or (
        is_disorder(evidence, precedence)
    )


def _before(precedences: Iterable[Precedence]) -> Mapping[str, tuple[str, ...]]:
    before: dict[str, dict[str, None]] = {}
    for precedence in precedences:
        earlier = before.setdefault(precedence.after.revision, {})
        earlier[precedence.before.revision] = None
    return {revision: tuple(earlier) for revision, earlier in before.items()}


def _runs_against(graph: Graph, accepted: list[Precedence], precedence: Precedence) -> bool:
    """Whether what should run later must run earlier, by the chain and what is accepted."""
    extra = _before(accepted)
    target = precedence.after.revision
    pending, seen = [precedence.before.revision], set()
    while pending:
        revision = pending.pop()
        if revision == target:
            return True
        if revision not in seen:
            seen.add(revision)
            pending.extend(graph.requirements(revision))
            pending.extend(extra.get(revision, ()))
    return False


def _contradiction(
    snapshot: Snapshot, precedences: list[Precedence], graph: Graph, pins: Mapping[str, str]
) -> CannotPlan:
    """The refusal that names what cannot be true together."""
    members = set(graph.cycles[0])
    involved = [
        precedence
        for precedence in precedences
        if {precedence.before.revision, precedence.after.revision} <= members
    ]
    sentences = [schema_reason(snapshot, precedence).detail for precedence in involved[:_NAMED]]
    pinned = [revision for revision in pins if revision in members]
    if pinned:
        attach = f"--attach {pinned[0]}={pins[pinned[0]]}"
        return CannotPlan(
            f"{attach} contradicts what the migrations do: {'; '.join(sentences)}",
            "attach it to a revision above those that it needs",
        )
    return CannotPlan(
        f"no order of these revisions can run: {'; '.join(sentences)}; but the chain links them"
        " the other way round",
        way("move the operation into the revision where it can run")
        | way(_ACCEPT, "{fixchain} repair --accept FC201{databases}"),
    )


# --- What databases that have already moved prove about the order, and what is published already -


class Moved(NamedTuple):
    """A pair of revisions whose order in one line a database has decided.

    Attributes:
        database: the database.
        before: what it has run.
        after: what it has not.
        alone: whether it is one of the app's own, and nothing else that is known asks the same.
    """

    database: Applied
    before: str
    after: str
    alone: bool = False

    def reason(self) -> Reason:
        """Why the one goes before the other."""
        database = self.database
        kind = "published" if database.published else "database"
        told = f"{database.name} {database.has} {self.before}, and not {self.after}"
        if self.alone:
            told += "; it alone decides this, and --no-database leaves it out"
        return Reason(kind, told)


class Branches:
    """Which revisions stand on branches that nothing has merged yet.

    Args:
        graph: the chain.
        lineages: the lineage of each revision.
    """

    def __init__(self, graph: Graph, lineages: Mapping[str, Lineage]) -> None:
        self._graph = graph
        self._lineages = lineages
        self._heads: dict[str, frozenset[str]] = {}

    def apart(self, one: str, other: str) -> bool:
        """Whether a single line would have to put one of two revisions below the other.

        What a merge point has joined stays as it is, and so may have run in any order.
        """
        if self._lineages[one] is not self._lineages[other]:
            return False
        return self._heads_above(one).isdisjoint(self._heads_above(other))

    def _heads_above(self, revision: str) -> frozenset[str]:
        if revision not in self._heads:
            above = self._graph.descendants([revision])
            self._heads[revision] = frozenset(above.intersection(self._graph.heads))
        return self._heads[revision]


def moved_pairs(
    graph: Graph, branches: Branches, databases: Sequence[Applied]
) -> tuple[Moved, ...]:
    """The order that databases ask of a single line.

    Args:
        graph: the chain.
        branches: its branches.
        databases: what they have run.
    """
    pairs: dict[tuple[str, str], Moved] = {}
    for database in databases:
        have = database.revisions.intersection(graph.named_parents)
        first = [
            revision
            for revision in graph
            if revision not in have and have.issuperset(graph.requirements(revision))
        ]
        for before in tops(graph, have):
            for after in first:
                pair = (before, after)
                if pair in pairs:
                    pairs[pair] = pairs[pair]._replace(alone=False)
                elif branches.apart(before, after):
                    pairs[pair] = Moved(database, before, after, alone=database.standing.own)
    return tuple(pairs.values())


def disagreement(graph: Graph, branches: Branches, databases: Sequence[Applied]) -> str:
    """Two databases that have gone different ways, and how; ``""`` where there are none."""
    for one in moved_pairs(graph, branches, databases):
        for other in databases:
            if one.before in other.revisions:
                continue
            for revision in graph:
                if (
                    revision in other.revisions
                    and revision not in one.database.revisions
                    and branches.apart(one.before, revision)
                ):
                    return (
                        f"{one.database.name} {one.database.has} {one.before} and not {revision},"
                        f" and {other.name} {other.has} {revision} and not {one.before}"
                    )
    return ""


def refuse_unsafe(graph: Graph, now: Graph, databases: Sequence[Applied]) -> None:
    """Stop where a chain would make databases skip revisions that they do not skip yet.

    Args:
        graph: the planned chain.
        now: the chain as it is.
        databases: what they have run.

    Raises:
        UnsafeForDatabases: what has not run in a database would come to be below what has.
    """
    for database in databases:
        have = database.revisions.intersection(graph.named_parents)
        missing = gaps(graph, have)
        already = gaps(now, have) if missing else ()
        skipped = [revision for revision in missing if revision not in already]
        if skipped:
            above = next(
                revision
                for revision in graph.order
                if revision in have and skipped[0] in graph.required([revision])
            )
            raise UnsafeForDatabases(
                f"{database.name} {database.has} {above} and not {skipped[0]}, which would come"
                " before it: Alembic would treat it as done there and never run it",
                _ways_out(database),
            )


def _ways_out(database: Applied) -> Remedy:
    merged = way(
        "join the branches with a merge revision",
        "{fixchain} repair --strategy merge{databases}",
    )
    if database.published:
        return merged
    return merged | "upgrade that database with the chain as it is, where that is possible"
