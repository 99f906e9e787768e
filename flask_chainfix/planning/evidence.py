"""Why one revision must run before another.

Where the links of a chain are in doubt, signs tell: what a migration makes and another one needs,
what was there when it was committed, which of them came into Git first, which was created first.
Where the links are known, what the migrations do proves what else must hold in a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.lineages import Lineages
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.plans import Reason, Wishes
from flask_chainfix.planning.mending.case import Case, is_same_file
from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Action, Kind
from flask_chainfix.schema.objects import Touch, key_of
from flask_chainfix.schema.order import Precedence, is_disorder, precedences

_VERBS = {"use": ("uses", "creates"), "drop": ("drops", "uses"), "create": ("creates", "drops")}

_Sign = Callable[[Case, MigrationFile, MigrationFile], str]


def reasons_before(
    case: Case, first: MigrationFile, second: MigrationFile, *kinds: str
) -> Iterator[Reason]:
    """Why one migration must have come before another, the strongest reason first.

    Args:
        case: the chain and what is known of it.
        first: the one that came before, if anything says so.
        second: the other one.
        kinds: the kinds of reasons that count; all of ``SIGNS`` where none is given.
    """
    for kind in kinds or SIGNS:
        why = SIGNS[kind](case, first, second)
        if why:
            yield Reason(kind, why)


def _makes_what_it_needs(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    made = {
        key_of(each.object): each.object
        for each in case.snapshot.footprint(first).effects
        if each.action is Action.CREATE and each.certain
    }
    for each in case.snapshot.footprint(second).effects:
        thing = made.get(key_of(each.object))
        if each.action is Action.CREATE or thing is None or not each.certain:
            continue
        makers = case.snapshot.evidence.creators.get(key_of(thing), ())
        if all(maker.revision == _id(first) for maker in makers):
            what = f"{thing.kind.value} {thing.spelled}"
            return f"{_called(case, second)} uses {what}, which {_called(case, first)} creates"
    return ""


def _was_not_there(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    """The chain of the commit that added the first is without the second."""
    landing, then = case.history.landing(first.path), case.chain_when_added(first)
    if landing is None or then is None:
        return ""
    there = then.files_by_revision.get(_id(second), ())
    if _id(second) in case.snapshot.graph.duplicates:
        there = tuple(each for each in there if is_same_file(each, second))
    if there:
        return ""
    added = f"which added {_called(case, first)}"
    return f"commit {landing.commit}, {added}, has no {_called(case, second)}"


def _landed_first(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    landing, later = (case.history.landing(file.path) for file in (first, second))
    if landing is None or (later is not None and later.position <= landing.position):
        return ""
    names = _called(case, first), _called(case, second)
    return f"{names[0]} landed in commit {landing.commit}, and {names[1]} had not by then"


def _was_created_first(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    rank, later = case.rank(first), case.rank(second)
    if rank.undated or later.undated or rank.date >= later.date:
        return ""
    return f"{_called(case, first)} has an older Create Date than {_called(case, second)}"


SIGNS: Mapping[str, _Sign] = {
    "schema": _makes_what_it_needs,
    "branch": _was_not_there,
    "git": _landed_first,
    "date": _was_created_first,
}


def _id(file: MigrationFile) -> str:
    return str(file.reading.revision) if isinstance(file.reading, Header) else ""


def _called(case: Case, file: MigrationFile) -> str:
    """The id of a migration; where it stands twice, the name of the file."""
    return file.name if _id(file) in case.snapshot.graph.duplicates else _id(file)


# --- What the migrations do proves about their order ---------------------------------------------

_ACCEPT = "if the finding is mistaken, plan anyway; the finding stays"
_NAMED = 3  # contradictory operations that a message spells out


@dataclass(frozen=True)
class Proof:
    """What must run before what, beyond what the headers say.

    Attributes:
        precedences: the proven pairs.
        before: for each revision those that must run before it.
        suited: the pairs of merged branches that run in this order anyway, as Alembic upgrades.
        graph: the chain with what is proven.
    """

    graph: Graph
    precedences: tuple[Precedence, ...] = ()
    before: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suited: frozenset[Precedence] = frozenset()


def prove(original: Facts, snapshot: Facts, lineages: Lineages, wishes: Wishes) -> Proof:
    """Find out what the schema proves about the order of the revisions of each lineage.

    What one upgrade runs already, in whatever order, is no business of a plan: it stops none, and
    is put in order only where Alembic's own order does not do. What is only probable (an operation
    under a condition, say) is taken as proven as long as it contradicts nothing; so is what the
    user ignores or accepts, of branches that have to be put in some order.

    Args:
        original: the chain as it is.
        snapshot: the same, with the parents of ``--attach``.
        lineages: its lineages.
        wishes: what the user asks of the plan.

    Raises:
        CannotPlan: what is proven contradicts the chain, the user's wishes, or itself.
    """
    tolerated = "FC201" in {*snapshot.environment.settings.ignore, *wishes.accept}
    certain, suited, probable = _sorted_out(original, snapshot, lineages, tolerated=tolerated)
    graph = snapshot.graph.with_evidence(_before(certain))
    if graph.cycles:
        raise _contradiction(snapshot, certain, graph, wishes.attach)
    _refuse_root(snapshot, certain, wishes.root)
    accepted = certain
    proven = graph
    for more in (each for each in (suited, probable) if each):
        all_of_it = snapshot.graph.with_evidence(_before([*accepted, *more]))
        if not all_of_it.cycles:
            accepted, proven = [*accepted, *more], all_of_it
            continue
        for precedence in more:
            if not _runs_against(graph, accepted, precedence):
                accepted = [*accepted, precedence]
        proven = snapshot.graph.with_evidence(_before(accepted))
    return Proof(proven, tuple(accepted), _before(accepted), frozenset(suited))


def _sorted_out(
    original: Facts, snapshot: Facts, lineages: Lineages, *, tolerated: bool
) -> tuple[list[Precedence], list[Precedence], list[Precedence]]:
    """What a plan has to see to, what Alembic's own order sees to, and what is only probable."""
    evidence, old = snapshot.evidence, original.evidence
    certain: list[Precedence] = []
    suited: list[Precedence] = []
    probable: list[Precedence] = []
    for item in (*precedences(evidence), *_made_anew(evidence)):
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


def _made_anew(evidence: Evidence) -> Iterator[Precedence]:
    """The drops that must run before something that is there is created again."""
    for key in sorted(evidence.contested, key=str):
        makers = evidence.creators.get(key, ())
        for maker in makers:
            below = [each for each in makers if _runs_before(evidence, each, maker)]
            drops = evidence.droppers.get(key, ())
            beside = [each for each in drops if not _runs_before(evidence, maker, each)]
            if len(beside) != 1 or maker.tolerant or beside[0].revision == maker.revision:
                continue  # of several drops, any may be the one
            there = any(_runs_before(evidence, each, beside[0]) for each in below)
            if there and not _runs_before(evidence, beside[0], maker):
                yield Precedence(beside[0], maker, "create")


def _runs_before(evidence: Evidence, first: Touch, second: Touch) -> bool:
    return evidence.runs_before(first.revision, second.revision)


def _unsure(precedence: Precedence) -> Precedence:
    return precedence._replace(before=precedence.before._replace(certain=False))


def _refuse_root(snapshot: Facts, certain: list[Precedence], root: str | None) -> None:
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
    """Whether the chain and what is accepted already ask for the opposite order."""
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
    """Why one revision goes after another by what they do, with both places."""
    before, after, ending = precedence
    first, second = (_place(snapshot, touch) for touch in (before, after))
    what = f"{before.object.kind.value} {before.object.spelled}"
    deed, other = _VERBS[ending]
    text = f"{after.revision} {deed} {what} ({second}), which {before.revision} {other} ({first})"
    return Reason("schema", text)


def _place(snapshot: Facts, touch: Touch) -> str:
    return f"{snapshot.file(touch.revision).name}:{touch.line}"
