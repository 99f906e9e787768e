"""A result as the chapters of a document: the verdict, the reasons, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.common.wording import count
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.history import ReferenceChain
from flask_chainfix.model.plans import Plan, Reason
from flask_chainfix.model.rehearsal import RevisionSql
from flask_chainfix.report import next_steps
from flask_chainfix.report.advice import spelled
from flask_chainfix.report.database_results import Traced, Unwound
from flask_chainfix.report.display import Section, Style, shown_path, shown_place, unified_diff
from flask_chainfix.report.documents.document import (
    Block,
    Chapter,
    CodeBlock,
    Document,
    Drawing,
    ItemList,
    ListItem,
    Paragraph,
    Table,
    Typed,
    Words,
)
from flask_chainfix.report.next_steps import NextStep
from flask_chainfix.report.phrases import about_sql, mended, size, verdict
from flask_chainfix.report.pictures.chain_picture import Picture, pictures
from flask_chainfix.report.results import (
    Checked,
    Drawn,
    Failed,
    Judged,
    Planning,
    Proposed,
    Rehearsed,
    Repaired,
    Result,
    notices_of,
)
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.report.text import rehearsal_text as rehearsal
from flask_chainfix.report.text.plan_text import queue_section

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Planned, Proposal

_SHOWN_PLACES = 12
_WIDTH = 100  # columns of text tables


@singledispatch
def document(result: Result) -> Document:
    """The document of a result; for most commands, it is the terminal output."""
    from flask_chainfix.report.text.result_text import to_text

    lines = to_text(result, Style(width=_WIDTH)).splitlines()
    title = lines.pop(0) if lines else ""
    return Document(title, (Chapter("", (CodeBlock(tuple(lines)),)), *_stopped(result)))


@document.register
def _(result: Failed) -> Document:
    error = result.error
    blocks: list[Block] = [CodeBlock(error.lines)] if error.lines else []
    return Document(
        error.message, (Chapter("", (*blocks, *ways_block(error.remedy, result.tools))),)
    )


@document.register
def _(result: Checked) -> Document:
    proposal = result.proposal
    return Document(
        verdict(result.diagnosis),
        (
            _about(result),
            *drawings(result, proposal),
            _findings_chapter(result.diagnosis.findings, result.tools),
            *(sections_of([queue_section(result.queue)]) if result.queue is not None else ()),
            *databases_of(result),
            *_obstacle(proposal, result.error),
            Chapter("What to do", (steps_block(next_steps.steps(result)),)),
            *_sql_chapters(result.sql),
        ),
    )


@document.register
def _(result: Drawn) -> Document:
    checked = result.checked
    return Document(
        verdict(checked.diagnosis),
        (
            _about(checked, result.notices),
            *drawings(result, checked.proposal, result.theirs),
            *databases_of(checked),
            *_obstacle(checked.proposal, None),
        ),
    )


@document.register
def _(result: Planning) -> Document:
    proposal, planned = result.proposal, result.proposal.planned
    plan: tuple[Chapter, ...] = ()
    if planned is not None:
        turns = sections_of(databases.downgrade_sections(planned.downgrades))
        plan = (*turns, plan_chapter(planned, result.tools))
    return Document(
        verdict(result.diagnosis),
        (
            _about(result),
            *drawings(result, proposal),
            _findings_chapter(result.diagnosis.findings, result.tools),
            *plan,
            *databases_of(result),
            *_obstacle(proposal, result.error),
            *_ran(result),
            *_stopped(result),
        ),
    )


@document.register
def _(result: Repaired) -> Document:
    planned, tools = result.planned, result.tools
    undo = f"{tools.fixchain} undo{tools.databases}"
    done = f"Written, and confirmed by {result.confirmation.by}: {size(planned.plan)}."
    return Document(
        done,
        (
            Chapter("", notes(result.notices)),
            *drawings(result, result.planning.proposal),
            *sections_of(databases.downgrade_sections(planned.downgrades, done=True)),
            plan_chapter(planned, tools),
            Chapter("What to do now", (steps_block(next_steps.what_is_left(result)),)),
            Chapter("To undo it", (steps_block([NextStep("Put the old files back:", (undo,))]),)),
            *_stopped(result),
        ),
    )


@document.register
def _(result: Rehearsed) -> Document:
    done = result.rehearsal
    shown = [each for each in result.diagnosis.findings if each.code == "FC206"]
    after = next_steps.steps_after_rehearsal(done, result.tools, of_plan=False)
    return Document(
        rehearsal.verdict(done, of_plan=False),
        (
            _about(result),
            *_chain_that_ran(result),
            *sections_of(rehearsal.sections(done, (), _WIDTH, in_full=False)),
            _findings_chapter(shown, result.tools),
            *_stopped(result),
            Chapter("What to do now", (steps_block(after),)),
        ),
    )


@document.register
def _(result: Traced) -> Document:
    from flask_chainfix.report.text import trace_text as traces

    chapters = [Chapter("", notes(result.notices))]
    for found in result.databases:
        blocks: list[Block] = [Paragraph(traces.summary(found, result.snapshot))]
        if found.unknown:
            blocks.append(Paragraph(traces.decided(found)))
        if found.differs or found.unknown:
            picture = Picture(
                "The chain", found.status.name, traces.picture(found, result.snapshot), {}, {}
            )
            blocks.append(Drawing(picture, _larger(result.tools)))
        for section in traces.sections(found, result, _WIDTH, in_full=False):
            blocks += [Paragraph(f"{section.title}:"), _rows(section)]
        blocks += ways_block(traces.steps(found, result), result.tools)
        chapters.append(Chapter(found.status.name, tuple(blocks)))
    return Document(traces.verdict(result), (*chapters, *_stopped(result)))


@document.register
def _(result: Unwound) -> Document:
    from flask_chainfix.report.text import unwind_text

    ended: Document = document.dispatch(Result)(result)
    return ended._replace(chapters=(*sections_of(unwind_text.sections(result)), *ended.chapters))


# --- The parts -----------------------------------------------------------------------------------
def _about(result: Judged | Proposed, more: Sequence[str] = ()) -> Chapter:
    environment = result.diagnosis.snapshot.environment
    place = Paragraph((Typed(shown_path(environment.directory)),))
    return Chapter("", (place, *notes((*notices_of(result), *more))))


def notes(notices: Iterable[str]) -> tuple[Block, ...]:
    """The notices."""
    items = tuple(ListItem(f"note: {notice}") for notice in notices)
    return (ItemList(items),) if items else ()


def drawings(
    result: Result, proposal: Proposal, theirs: ReferenceChain | None = None
) -> Iterator[Chapter]:
    """The current and the planned chain; revisions that others do not have are marked."""
    for picture in pictures(proposal, theirs or proposal.snapshot.reference):
        yield Chapter(picture.title, (Drawing(picture, _larger(result.tools)),), picture.aside)


def _larger(tools: Tools) -> str:
    return f"{tools.fixchain} graph --format html --output chain.html"


def _chain_that_ran(result: Rehearsed) -> Iterator[Chapter]:
    from flask_chainfix.planning.proposal import Proposal

    failure = result.rehearsal.failure
    for picture in pictures(Proposal(result.diagnosis)):
        nodes = [
            node._replace(tone="broken", marks=(*node.marks, "failed"))
            if failure is not None and node.key == failure.revision
            else node
            for node in picture.nodes
        ]
        drawing = Drawing(picture._replace(nodes=nodes), _larger(result.tools))
        yield Chapter(picture.title, (drawing,), picture.aside)


def _findings_chapter(findings: Iterable[Finding], tools: Tools) -> Chapter:
    """Each finding with what it breaks, where it is, and what to do."""
    items = tuple(_finding(each, tools) for each in findings)
    return Chapter("Findings", (ItemList(items),) if items else ())


def _finding(finding: Finding, tools: Tools) -> ListItem:
    title = (f"{finding.severity.value} ", Typed(f"{finding.code} {finding.name}"))
    places = ListItem(places_of(finding))
    return ListItem(
        (*title, f": {finding.message}"),
        below=(
            ListItem(f"breaks: {tools.spell_out(finding.breaks)}"),
            *([places] if finding.locations else ()),
            *_way_items(finding.hint, tools),
        ),
    )


def places_of(finding: Finding) -> tuple[str, ...]:
    """The places of a finding, as the parts of a sentence."""
    shown = [Typed(shown_place(place)) for place in finding.locations[:_SHOWN_PLACES]]
    parts = [part for place in shown for part in (place, ", ")][:-1]
    left_out = len(finding.locations) - len(shown)
    return (*parts, f" and {count(left_out, 'more place')}") if left_out else tuple(parts)


def _way_items(remedy: str | Remedy, tools: Tools) -> tuple[ListItem, ...]:
    return tuple(
        ListItem(
            f"{'or' if at else 'remedy'}: {way.text}{':' if way.commands else ''}",
            way.commands,
            tuple(ListItem((Typed(line),)) for line in way.lines),
        )
        for at, way in enumerate(spelled(remedy, tools).ways)
    )


def ways_block(remedy: str | Remedy, tools: Tools) -> tuple[Block, ...]:
    """The remedies, the best first; nothing if there are none."""
    items = _way_items(remedy, tools)
    return (ItemList(items),) if items else ()


def _stopped(result: Result) -> Iterator[Chapter]:
    error = result.error
    if error is not None:
        lines = (CodeBlock(error.lines),) if error.lines else ()
        blocks = (Paragraph(error.message), *lines, *ways_block(error.remedy, result.tools))
        yield Chapter("What stopped it", blocks)


def sections_of(sections: Iterable[Section]) -> Iterator[Chapter]:
    """The sections of a text, whose rows are set in columns."""
    for section in sections:
        yield Chapter(section.title, (_rows(section),), section.aside)


def _rows(section: Section) -> CodeBlock:
    return CodeBlock(tuple(f"{' ' * row.indent}{row.text}" for row in section.rows))


def databases_of(result: Proposed) -> Iterator[Chapter]:
    """The table of databases."""
    return sections_of(databases.sections_of(result))


def _obstacle(proposal: Proposal, error: ChainFixError | None) -> Iterator[Chapter]:
    obstacle = proposal.obstacle
    if obstacle is not None and error is None:
        why = Paragraph(f"No repair can be planned yet: {obstacle.message}")
        yield Chapter("Expected state", (why, CodeBlock(obstacle.lines)))


def steps_block(steps: Iterable[NextStep], mark: str = "1.") -> ItemList:
    """Steps with their commands."""
    return ItemList(tuple(ListItem(step.text, step.commands) for step in steps), mark)


def _ran(result: Planning) -> Iterator[Chapter]:
    done = result.rehearsal
    if done is not None:
        yield Chapter("Rehearsal", (Paragraph(rehearsal.verdict(done, of_plan=True)),))
        yield from sections_of(rehearsal.sections(done, result.ways, _WIDTH, in_full=False))


def plan_chapter(planned: Planned, tools: Tools) -> Chapter:
    """The changed files with reasons, the alternatives, and the diff."""
    plan = planned.plan
    return Chapter(
        "Plan",
        (
            *([Paragraph(_reasons(plan.why))] if _reasons(plan.why) else ()),
            Table(("Revision", "Change", "Why"), tuple(_changes(plan))),
            *ways_block(plan.choices, tools),
            changes_block(planned.edits),
        ),
        size(plan),
    )


def changes_block(edits: Iterable[Edit]) -> CodeBlock:
    """The diff of files, collapsed until somebody opens it."""
    return CodeBlock(tuple(unified_diff(edits)), "diff", "Changes of files")


def _changes(plan: Plan) -> Iterator[tuple[Words, ...]]:
    for mend in plan.mends:
        yield (Typed(mend.revision),), mended(mend), _reasons(mend.why)
    for relink in plan.relinks:
        change = (*ids_of(relink.before), " → ", *ids_of(relink.after))
        yield (Typed(relink.revision),), change, _reasons(relink.why)
    for new in plan.new_revisions:
        yield (Typed(new.revision),), ("new, on ", *ids_of(new.down_revision)), _reasons(new.why)


def ids_of(revisions: Sequence[str]) -> tuple[str, ...]:
    """Revisions as the parts of a sentence, each as code; a long list is cut."""
    parts = [part for each in revisions[:_SHOWN_PLACES] for part in (Typed(each), ", ")][:-1]
    left_out = len(revisions) - _SHOWN_PLACES
    return (*parts, f" and {left_out:,} more") if left_out > 0 else tuple(parts) or ("None",)


def _reasons(reasons: Iterable[Reason]) -> str:
    return "; ".join(f"{each.kind}: {each.detail}" for each in reasons if each.kind != "choice")


def _sql_chapters(scripts: Sequence[RevisionSql] | None) -> Iterator[Chapter]:
    """The SQL of new revisions, one chapter each."""
    if scripts is None:
        return
    blocks: list[Block] = [Paragraph(about_sql(scripts))]
    for script in scripts:
        said = script.problem or ("" if script.statements else "sends nothing")
        lines = tuple(line for each in script.statements for line in each.split("\n"))
        blocks += [Paragraph((Typed(script.revision), f": {said}")), CodeBlock(lines, "sql")]
    yield Chapter("SQL", tuple(blocks))
