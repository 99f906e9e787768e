"""Which revisions a picture shows, and what is marked in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header, MigrationFile, ProblemKind
from flask_chainfix.model.findings import Severity
from flask_chainfix.model.plans import Plan
from flask_chainfix.report.layout import PictureNode

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal


def current_state(proposal: Proposal) -> list[PictureNode]:
    """The chain as it is: bases, heads and what is broken marked."""
    snapshot = proposal.snapshot
    graph = snapshot.graph
    broken = _broken(proposal)
    in_cycles = {member for members in graph.cycles for member in members}
    nodes = list(_missing(snapshot))
    for revision in graph.order:
        marks = list(_place_marks(snapshot, revision))
        if revision in graph.duplicates:
            marks.append(f"{graph.duplicates[revision]} files")
        if revision in in_cycles:
            marks.append("in a cycle")
        if revision in graph.floating:
            marks.append(f"parent {_unknown(snapshot.file(revision), 'down_revision')}")
        nodes.append(
            PictureNode(
                revision,
                graph.parents[revision] + graph.missing_parents.get(revision, ()),
                snapshot.header(revision).message,
                tuple(marks),
                "broken" if revision in broken else "plain",
            )
        )
    unreadable = [
        PictureNode(file.name, (), "", ("unreadable",), "broken") for file, _ in snapshot.unreadable
    ]
    anonymous = [
        PictureNode(file.name, (), "", (f"id {_unknown(file, 'revision')}",))
        for file in snapshot.anonymous
    ]
    return [*nodes, *unreadable, *anonymous]


def _unknown(file: MigrationFile, name: str) -> str:
    """Why a part of a header is not known."""
    if file.is_compiled:
        return "not read"
    problems = file.reading.problems if isinstance(file.reading, Header) else ()
    kinds = {problem.kind for problem in problems if problem.name == name}
    return "no string" if ProblemKind.NOT_A_STRING in kinds else "computed"


def expected_state(after: Facts, plan: Plan) -> list[PictureNode]:
    """The chain as the plan leaves it: what changes marked."""
    graph = after.graph
    before = {relink.revision: relink.before for relink in plan.relinks}
    new = {revision.revision for revision in plan.new_revisions}
    nodes = []
    for revision in graph.order:
        marks = list(_place_marks(after, revision))
        if revision in before:
            marks.append(
                f"was on {', '.join(before[revision])}" if before[revision] else "was a base"
            )
        if revision in new:
            marks.append("new")
        changed = revision in before or revision in new
        nodes.append(
            PictureNode(
                revision,
                graph.parents[revision],
                after.header(revision).message,
                tuple(marks),
                "changed" if changed else "plain",
            )
        )
    return nodes


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
    """The revisions that errors are about; of several bases not the one that stays."""
    broken: set[str] = set()
    for finding in proposal.diagnosis.findings:
        if finding.severity is Severity.ERROR:
            broken.update(finding.revisions)
    if proposal.planned is not None and proposal.planned.plan.order:
        broken.discard(proposal.planned.plan.order[0])
    return broken
