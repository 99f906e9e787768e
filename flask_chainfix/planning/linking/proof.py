"""Proofs from the schema that one revision must run before another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flask_chainfix.chain.lineages import Lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import Reason, Wishes
from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Kind, Touch
from flask_chainfix.schema.order import Precedence, is_disorder, overtaken, precedences

_VERBS = {"use": ("uses", "creates"), "drop": ("drops", "uses"), "create": ("creates", "drops")}

_ACCEPT = "if the finding is mistaken, plan anyway; the finding stays"
_NAMED = 3  # contradictory operations that a message spells out


@dataclass(frozen=True)
class ProvenOrder:
    """The proven order of revisions beyond the headers.

    Attributes:
        precedences: the proven pairs.
        ordered_by_alembic: the pairs of merged branches that Alembic upgrades in this order anyway.
    """

    precedences: tuple[Precedence, ...]
    ordered_by_alembic: frozenset[Precedence]

    @property
    def before(self) -> Mapping[str, tuple[str, ...]]:
        """For each revision, the ones that must run before it."""
        return _before(self.precedences)


def prove(original: Facts, snapshot: Facts, lineages: Lineages, wishes: Wishes) -> ProvenOrder:
    """Find out what the schema proves about the order of the revisions of each lineage.

    Revisions that a single upgrade already runs do not stop a plan; they are reordered only if
    Alembic's own order is wrong. Probable evidence (such as a conditional operation) counts as
    proven as long as it contradicts nothing. So do faults that the user ignores or accepts, if
    their branches have to be put in some order.

    Raises:
        CannotPlan: the proofs contradict the chain, the user's wishes, or each other.
    """
    tolerated = "FC201" in {*snapshot.environment.settings.ignore, *wishes.accept}
    certain, ordered_by_alembic, probable = _classified(
        original, snapshot, lineages, tolerated=tolerated
    )
    graph = snapshot.graph.with_evidence(_before(certain))
    if graph.cycles:
        raise _contradiction(snapshot, certain, graph, wishes.attach)
    root = wishes.root
    before_root = next((each for each in certain if each.after.revision == root), None)
    if before_root is not None:
        reason = schema_reason(snapshot, before_root).detail
        raise CannotPlan(
            f"--root {root} contradicts what the migrations do: {reason}",
            f"choose another base, or leave out --root: {root} must come later",
        )
    accepted = certain
    proven = graph
    for more in (each for each in (ordered_by_alembic, probable) if each):
        all_of_it = snapshot.graph.with_evidence(_before([*accepted, *more]))
        if not all_of_it.cycles:
            accepted, proven = [*accepted, *more], all_of_it
            continue
        for precedence in more:
            if precedence.after.revision not in proven.required([precedence.before.revision]):
                accepted = [*accepted, precedence]
                proven = snapshot.graph.with_evidence(_before(accepted))
    return ProvenOrder(tuple(accepted), frozenset(ordered_by_alembic))


def _classified(
    original: Facts, snapshot: Facts, lineages: Lineages, *, tolerated: bool
) -> tuple[list[Precedence], list[Precedence], list[Precedence]]:
    """The precedences for a plan, those that Alembic's own order satisfies, and probable ones."""
    evidence, old = snapshot.evidence, original.evidence
    certain: list[Precedence] = []
    ordered_by_alembic: list[Precedence] = []
    probable: list[Precedence] = []
    for item in (*precedences(evidence), *_before_recreation(evidence), *overtaken(evidence)):
        one, other = item.before.revision, item.after.revision
        joined = old.joined(one, other)
        apart = lineages.by_revision[one] is not lineages.by_revision[other]
        if apart or (joined and old.runs_before(other, one)):
            continue
        if tolerated or (joined and not is_disorder(evidence, item)):
            probable.append(item._replace(before=item.before._replace(certain=False)))
        elif joined:
            (ordered_by_alembic if old.upgraded_before(one, other) else probable).append(item)
        elif _is_decisive(evidence, item):
            certain.append(item)
        else:
            probable.append(item)
    return certain, ordered_by_alembic, probable


def _before_recreation(evidence: Evidence) -> Iterator[Precedence]:
    """The drops that must run before an existing object is created again."""
    for key in sorted(evidence.contested, key=str):
        makers = evidence.creators.get(key, ())
        for maker in makers:
            below = [each for each in makers if _runs_before(evidence, each, maker)]
            drops = evidence.droppers.get(key, ())
            beside = [each for each in drops if not _runs_before(evidence, maker, each)]
            if len(beside) != 1 or maker.tolerant or beside[0].revision == maker.revision:
                continue  # any of several drops may be the right one
            there = any(_runs_before(evidence, each, beside[0]) for each in below)
            if there and not _runs_before(evidence, beside[0], maker):
                yield Precedence(beside[0], maker, "create")


def _runs_before(evidence: Evidence, first: Touch, second: Touch) -> bool:
    return evidence.runs_before(first.revision, second.revision)


def _is_decisive(evidence: Evidence, precedence: Precedence) -> bool:
    """Whether a chain that violates the precedence is certain to fail."""
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


def _contradiction(
    snapshot: Facts, precedences: list[Precedence], graph: Graph, attached: Mapping[str, str]
) -> CannotPlan:
    """The refusal that names the operations that contradict each other."""
    members = set(graph.cycles[0])
    involved = [
        precedence
        for precedence in precedences
        if {precedence.before.revision, precedence.after.revision} <= members
    ]
    sentences = [schema_reason(snapshot, precedence).detail for precedence in involved[:_NAMED]]
    pinned = [revision for revision in attached if revision in members]
    if pinned:
        attach = f"--attach {pinned[0]}={attached[pinned[0]]}"
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


def schema_reason(snapshot: Facts, precedence: Precedence) -> Reason:
    """The reason from the schema why one revision goes after another, with both places."""
    before, after, ending = precedence
    first, second = (f"{snapshot.file(each.revision).name}:{each.line}" for each in (before, after))
    what = f"{before.object.kind.value} {before.object.spelled}"
    if before.object.kind is not after.object.kind:  # see ``overtaken``
        text = (
            f"{after.revision} drops the table of {what} and creates it again with that"
            f" ({second}), and {before.revision} adds it ({first})"
        )
        return Reason("schema", text)
    verb, other = _VERBS[ending]
    text = f"{after.revision} {verb} {what} ({second}), which {before.revision} {other} ({first})"
    return Reason("schema", text)
