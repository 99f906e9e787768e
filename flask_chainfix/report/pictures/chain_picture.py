"""The contents of a picture of the chain: its revisions with their badges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.common.wording import count, end_of
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.model.files import Header, MigrationFile, ProblemKind
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.model.history import ReferenceChain
from flask_chainfix.model.plans import Plan
from flask_chainfix.report.phrases import size
from flask_chainfix.report.pictures.layout import PictureNode, Tone

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal


_NAMED = 2  # databases at one revision; more are counted
_LONGEST_NAME = 30  # characters
_COMMON = 50  # a warning on more revisions distinguishes none, and would keep all unfolded
_PLACES = ("base", "head")
_NO_STRING = "is not a string"


class Badge(NamedTuple):
    """A short remark on a revision.

    Attributes:
        kind: ``head``, ``base``, ``fault`` or ``change`` (of its place), ``label``, ``needs`` (a
            dependency), ``error`` or ``warning`` (the code of a finding), ``database``, ``mine`` or
            ``theirs``.
        text: its text.
    """

    kind: str
    text: str


class Picture(NamedTuple):
    """One state of a chain, to be drawn in any format.

    Attributes:
        title: its title.
        aside: a dimmed text beside the title.
        nodes: as ``draw`` takes them; their marks are the texts of the badges.
        badges: for each node, by its key.
        needs: the revisions that a node depends on, by its key; only if there are any.
    """

    title: str
    aside: str
    nodes: list[PictureNode]
    badges: Mapping[str, tuple[Badge, ...]]
    needs: Mapping[str, tuple[str, ...]]


def pictures(proposal: Proposal, theirs: ReferenceChain | None = None) -> Iterator[Picture]:
    """The current chain and, if there is a plan, the planned one.

    Args:
        proposal: the chain, its findings and the plan.
        theirs: the migrations of a Git revision to compare with.
    """
    broken = bool(errors_of(proposal.diagnosis.findings))
    title = "Current state" if broken or proposal.planned is not None else "The chain"
    nodes = [*current_state(proposal), *_only_there(proposal.snapshot, theirs)]
    size_ = f"{count(len(proposal.snapshot.graph), 'revision')}"
    now = _Remarks(proposal.snapshot, theirs, "fault")
    now.add(_findings(proposal.diagnosis.findings))
    now.add(_databases((each.name, each.rows) for each in proposal.snapshot.databases.statuses))
    yield now.picture(title, size_, nodes)
    if proposal.planned is not None:
        after, plan = proposal.planned.after, proposal.planned.plan
        then = _Remarks(after, theirs, "change")
        then.add(_databases((each.move.name, each.move.after) for each in proposal.moves))
        yield then.picture("Expected state", size(plan), expected_state(after, plan))


def _only_there(snapshot: Facts, theirs: ReferenceChain | None) -> Iterator[PictureNode]:
    """The revisions that only the other Git revision has."""
    seen = set(snapshot.graph)
    for file in () if theirs is None else theirs.files:
        header = file.reading
        if isinstance(header, Header) and header.revision is not None:
            if header.revision not in seen:
                parents = header.down_revision or ()
                yield PictureNode(header.revision, parents, header.message, (), "elsewhere")
            seen.add(header.revision)


class _Remarks:
    """Collects badges for one state of a chain.

    Args:
        snapshot: the files of that state.
        theirs: the migrations to compare with.
        kind: the kind of any mark other than ``base`` and ``head``.
    """

    def __init__(self, snapshot: Facts, theirs: ReferenceChain | None, kind: str) -> None:
        self._snapshot, self._kind = snapshot, kind
        self._badges: dict[str, list[Badge]] = {}
        graph = snapshot.graph
        for revision, labels in graph.labels.items():
            self.add((revision, Badge("label", f"@{label}")) for label in dict.fromkeys(labels))
        for revision, targets in graph.dependencies.items():
            self.add((revision, Badge("needs", f"needs {target}")) for target in targets)
        for revision, names in graph.missing_dependencies.items():
            self.add((revision, Badge("needs", f"needs {name}, missing")) for name in names)
        self.add(_compared(snapshot, theirs))

    def add(self, badges: Iterable[tuple[str, Badge]]) -> None:
        """Add badges, each to its revision."""
        for revision, badge in badges:
            self._badges.setdefault(revision, []).append(badge)

    def picture(self, title: str, aside: str, nodes: Iterable[PictureNode]) -> Picture:
        """The nodes with all badges."""
        badges: dict[str, tuple[Badge, ...]] = {}
        marked = []
        for node in nodes:
            own = [Badge(m if m in _PLACES else self._kind, m) for m in node.marks]
            known = self._badges.get(node.key, [])
            if node.tone == "plain":  # an error can also name a healthy one
                known = [each for each in known if each.kind != "error"]
            badges[node.key] = (*own, *known)
            marked.append(node._replace(marks=tuple(each.text for each in badges[node.key])))
        return Picture(title, aside, marked, badges, self._snapshot.graph.dependencies)


def _compared(snapshot: Facts, theirs: ReferenceChain | None) -> Iterator[tuple[str, Badge]]:
    """Whether each revision is mine or theirs, compared with a Git revision."""
    if theirs is None:
        return
    there = {
        file.reading.revision: file for file in theirs.files if isinstance(file.reading, Header)
    }
    for revision in snapshot.graph:
        if revision not in there:
            yield revision, Badge("mine", "mine")
        elif all(
            file.data != there[revision].data for file in snapshot.files_by_revision[revision]
        ):
            yield revision, Badge("theirs", f"differs from {theirs.ref}")
    for name in there:
        if name is not None and name not in snapshot.graph:
            yield name, Badge("theirs", f"only on {theirs.ref}")


def _findings(findings: Iterable[Finding]) -> Iterator[tuple[str, Badge]]:
    """The codes of errors and warnings, each once at each revision."""
    named: dict[Badge, dict[str, None]] = {}
    for finding in findings:
        badge = Badge(finding.severity.value, finding.code)
        named.setdefault(badge, {}).update(dict.fromkeys(finding.revisions))
    for badge, revisions in named.items():
        if badge.kind == "error" or (badge.kind == "warning" and len(revisions) <= _COMMON):
            yield from ((revision, badge) for revision in revisions)


def _databases(places: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, Badge]]:
    """The databases, each at the revisions of its rows."""
    names: dict[str, list[str]] = {}
    for name, rows in places:
        for row in rows:
            names.setdefault(row, []).append(end_of(name, _LONGEST_NAME))
    for row, there in names.items():
        shown = there if len(there) <= _NAMED else [count(len(there), "database")]
        yield from ((row, Badge("database", name)) for name in shown)


# --- The revisions of a picture, and their marks -------------------------------------------------


def current_state(proposal: Proposal) -> list[PictureNode]:
    """The current chain, with bases, heads and faults marked."""
    snapshot = proposal.snapshot
    graph = snapshot.graph
    broken = _broken(proposal)
    in_cycles = {member for members in graph.cycles for member in members}
    nodes = list(_missing(snapshot))
    for revision in graph.order:
        marks = []
        if revision in graph.duplicates:
            marks.append(f"{graph.duplicates[revision]} files")
        if revision in in_cycles:
            marks.append("in a cycle")
        if revision in graph.floating:
            marks.append(f"parent {_unknown(snapshot.file(revision), 'down_revision')}")
        nodes.append(_node(snapshot, revision, marks, "broken" if revision in broken else "plain"))
    unreadable = [
        PictureNode(file.name, (), "", ("unreadable",), "broken") for file, _ in snapshot.unreadable
    ]
    return [*nodes, *unreadable, *map(_anonymous, snapshot.anonymous)]


def _anonymous(file: MigrationFile) -> PictureNode:
    """A migration without a known id, under the name of its file."""
    why = _unknown(file, "revision")
    tone: Tone = "broken" if why == _NO_STRING else "plain"
    message = file.reading.message if isinstance(file.reading, Header) else ""
    return PictureNode(file.name, (), message, (f"id {why}",), tone)


def _unknown(file: MigrationFile, name: str) -> str:
    """Why a part of a header is unknown."""
    if file.is_compiled:
        return "not read"
    problems = file.reading.problems if isinstance(file.reading, Header) else ()
    kinds = {problem.kind for problem in problems if problem.name == name}
    return _NO_STRING if ProblemKind.NOT_A_STRING in kinds else "computed"


def expected_state(after: Facts, plan: Plan) -> list[PictureNode]:
    """The planned chain, with changes marked."""
    graph = after.graph
    before = {relink.revision: relink.before for relink in plan.relinks}
    new = {revision.revision for revision in plan.new_revisions}
    nodes = []
    for revision in graph.order:
        marks = []
        if revision in before:
            marks.append(
                f"was on {', '.join(before[revision])}" if before[revision] else "was a base"
            )
        if revision in new:
            marks.append("new")
        nodes.append(_node(after, revision, marks, "changed" if marks else "plain"))
    return nodes


def _node(snapshot: Facts, revision: str, marks: list[str], tone: Tone) -> PictureNode:
    """A revision with its marks, after those of its place in the chain."""
    graph = snapshot.graph
    parents = graph.parents[revision] + graph.missing_parents.get(revision, ())
    shown = (*_place_marks(snapshot, revision), *marks)
    return PictureNode(revision, parents, snapshot.header(revision).message, shown, tone)


def _place_marks(snapshot: Facts, revision: str) -> Iterator[str]:
    graph = snapshot.graph
    if not graph.named_parents[revision] and revision not in graph.floating:
        yield "base"
    if revision not in graph.children:
        yield "head"


def _missing(snapshot: Facts) -> Iterator[PictureNode]:
    names = (name for names in snapshot.graph.missing_parents.values() for name in names)
    for name in dict.fromkeys(names):
        yield PictureNode(name, (), "", ("missing",), "broken")


def _broken(proposal: Proposal) -> set[str]:
    """The revisions that errors are about, except the base to keep."""
    broken: set[str] = set()
    for finding in proposal.diagnosis.findings:
        if finding.severity is Severity.ERROR:
            broken.update(finding.revisions)
    if proposal.planned is not None and proposal.planned.plan.order:
        broken.discard(proposal.planned.plan.order[0])
    return broken
