"""The chapters of the command ``report``: the analysis of a chain."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.common.quoting import ref_word
from flask_chainfix.common.wording import count, in_rows
from flask_chainfix.model.files import HookState
from flask_chainfix.report import next_steps
from flask_chainfix.report.display import shown_path
from flask_chainfix.report.documents.chapters import (
    changes_block,
    databases_of,
    drawings,
    ids_of,
    notes,
    places_of,
    plan_chapter,
    steps_block,
    ways_block,
)
from flask_chainfix.report.documents.document import (
    Block,
    Chapter,
    CodeBlock,
    Document,
    ItemList,
    ListItem,
    Paragraph,
    Table,
    Typed,
    Words,
)
from flask_chainfix.report.phrases import verdict
from flask_chainfix.report.results import Analysed, LastChange, notices_of

_SHOWN_ORDER = 200
_HERE = {HookState.THERE: "in place", HookState.REFUSED: "missing; add it by hand"}


def analysis(result: Analysed) -> Document:
    """The whole analysis, from the findings to the prevention of the next fault."""
    checked = result.drawn.checked
    proposal = checked.proposal
    now, *then = drawings(result, proposal, result.drawn.theirs)
    return Document(
        verdict(proposal.diagnosis),
        (
            Chapter("Summary", (_summary(result), *notes(notices_of(checked)))),
            Chapter("What was found", now.blocks, now.aside),
            Chapter("What it breaks", tuple(_impact(result))),
            Chapter("Files", (_files(result),)),
            *_repair(result, then),
            *databases_of(checked),
            Chapter("Workflow", (steps_block(next_steps.steps(checked), "- [ ]"),)),
            *_done(result, result.change),
            Chapter("Prevention", (_prevention(result), *_to_prevent(result))),
            Chapter("Environment", (Table(("What", "Version"), result.versions),)),
        ),
    )


def _summary(result: Analysed) -> Table:
    snapshot, diagnosis = result.drawn.snapshot, result.drawn.checked.diagnosis
    graph = snapshot.graph
    severities = [each.severity.value for each in diagnosis.findings]
    found = ", ".join(
        count(severities.count(name), name)
        for name in ("error", "warning", "info")
        if name in severities
    )
    rows: list[tuple[Words, ...]] = [
        ("Migrations", (Typed(shown_path(snapshot.environment.directory)),)),
        ("Revisions", f"{len(graph):,}"),
        ("Bases", ids_of(graph.bases)),
        ("Heads", ids_of(graph.heads)),
        ("Findings", found or "none"),
    ]
    if result.drawn.theirs is not None:
        rows.append(("Compared with", (Typed(result.drawn.theirs.ref),)))
    return Table(("What", "Now"), tuple(rows))


def _impact(result: Analysed) -> Iterator[Block]:
    """The findings with what each breaks, followed by their remedies."""
    findings = result.drawn.checked.diagnosis.findings
    if not findings:
        yield Paragraph("Nothing was found.")
        return
    spell_out = result.tools.spell_out
    yield Table(
        ("Severity", "Code", "What was found", "What it breaks"),
        tuple(
            (
                each.severity.value,
                (Typed(each.code), f" {each.name}"),
                each.message,
                spell_out(each.breaks),
            )
            for each in findings
        ),
    )
    for each in findings:
        ways = ways_block(each.hint, result.tools)
        if ways:
            which = result.snapshot.databases.some_of(each.databases)
            where = f", for {which}:" if which else ":"
            yield Paragraph(("What to do about ", Typed(each.code), f", {each.name}{where}"))
            yield from ways


def _files(result: Analysed) -> Table:
    """The files that findings are about."""
    rows = tuple(
        ((Typed(each.code),), places_of(each))
        for each in result.drawn.checked.diagnosis.findings
        if each.locations
    )
    return Table(("Finding", "Where"), rows)


def _repair(result: Analysed, then: list[Chapter]) -> Iterator[Chapter]:
    """What the repair does and the reasons for the order, or why there is no repair."""
    proposal = result.drawn.checked.proposal
    planned, obstacle = proposal.planned, proposal.obstacle
    if planned is None:
        why = f"No repair can be planned yet: {obstacle.message}" if obstacle else "None is needed."
        lines = obstacle.lines if obstacle else ()
        ways = ways_block(obstacle.remedy, result.tools) if obstacle else ()
        yield Chapter("The repair", (Paragraph(why), CodeBlock(lines), *ways))
        return
    for chapter in then:
        yield chapter._replace(title="The chain after the repair")
    yield plan_chapter(planned, result.tools)._replace(title="What the repair does, and why")
    order = planned.plan.order
    changed = {relink.revision for relink in planned.plan.relinks}
    items = tuple(
        ListItem((Typed(each), " moved here" if each in changed else ""))
        for each in order[:_SHOWN_ORDER]
    )
    more = len(order) - _SHOWN_ORDER
    rest = (Paragraph(f"and {more:,} more"),) if more > 0 else ()
    yield Chapter("The order of the repaired chain", (ItemList(items, "1."), *rest))


def _done(result: Analysed, change: LastChange | None) -> Iterator[Chapter]:
    """The last change of the chain, from its journal."""
    if change is None:
        return
    rows = tuple(
        ((Typed(shown_path(each.path)),), _became(each.before, each.after)) for each in change.edits
    )
    moved = tuple(
        (move.name, in_rows(move.before) or "not stamped", in_rows(move.after) or "none")
        for move in change.moves
    )
    undo = f"{result.tools.fixchain} undo{result.tools.databases}"
    record = ("It is recorded in ", Typed(shown_path(change.journal)), ", and undone with:")
    yield Chapter(
        f"What the last {change.command} changed",
        (
            Table(("File", "Change"), rows),
            Table(("Database", "Rows before", "Rows after"), moved),
            changes_block(change.edits),
            ItemList((ListItem(record, (undo,)),)),
        ),
    )


def _became(before: bytes | None, after: bytes | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "deleted"
    return "rewritten"


def _prevention(result: Analysed) -> Table:
    """The checks that protect the chain, and whether they are in place here."""
    rows: list[tuple[Words, ...]] = [
        (
            file.name,
            (Typed(shown_path(file.path)),),
            _HERE.get(file.state, "missing"),
        )
        for file in result.hooks
    ]
    snapshot = result.drawn.snapshot
    lock = "in place" if snapshot.lock is not None else "missing"
    path = Typed(shown_path(snapshot.environment.lock_path))
    rows.append(("chain lock, on which two branches conflict in Git", (path,), lock))
    return Table(("What", "File", "Here"), tuple(rows))


def _to_prevent(result: Analysed) -> Iterator[Block]:
    """The commands that set up the missing checks."""
    fixchain, items = result.tools.fixchain, []
    if any(file.state is not HookState.THERE for file in result.hooks):
        command = f"{fixchain} hook --install"
        items.append(ListItem("Check every commit and every pull request:", (command,)))
    if result.drawn.snapshot.lock is None:
        command = f"{fixchain} lock"
        items.append(ListItem("Make two branches conflict in Git, not in a database:", (command,)))
    main = _main_branch(result)
    if main is not None:
        command = f"{fixchain} check --against {ref_word(main)}"
        items.append(ListItem("Before a merge, check the chain that it would make:", (command,)))
    if items:
        yield ItemList(tuple(items), "- [ ]")


def _main_branch(result: Analysed) -> str | None:
    """The main branch, if it is known without asking Git again."""
    if result.drawn.theirs is not None:
        return result.drawn.theirs.ref
    planned = result.drawn.checked.proposal.planned
    chains = () if planned is None else planned.start.published_chains
    named = result.snapshot.environment.settings.main_branch
    return next((each.short for each in chains if each.is_main), named)
