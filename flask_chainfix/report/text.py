"""Text for a person whose deployment is down: the verdict first, then why, then what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import DOWNGRADE_INCOMPLETE, Diagnosis, errors_of
from flask_chainfix.model.databases import Backup, MoveState
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Explanation, Finding, Severity
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report import advice
from flask_chainfix.report import database_text as databases
from flask_chainfix.report import rehearsal_text as rehearsal
from flask_chainfix.report import squash_text as squash
from flask_chainfix.report.advice import Step, about_masks, choice_rows, remedy_rows
from flask_chainfix.report.chain_picture import current_state, expected_state
from flask_chainfix.report.command_text import (
    backup_facts,
    explanation_sections,
    hook_sections,
    hook_steps,
    hook_verdict,
    queue_section,
    size,
    verdict,
    write_confirmation,
    write_plan,
)
from flask_chainfix.report.lines import Line
from flask_chainfix.report.page import (
    INDENT,
    Page,
    Row,
    Section,
    Style,
    line_style,
    shown_path,
    shown_place,
    unified_diff,
)
from flask_chainfix.report.results import (
    BackedUp,
    CatchUpPlan,
    Checked,
    Drawn,
    Explained,
    Finished,
    FinishPlan,
    HookPlan,
    LockPlan,
    Planning,
    PlanRehearsed,
    Rehearsed,
    Repaired,
    RestampPlan,
    RestampScript,
    Result,
    SquashPlan,
    Traced,
    Undone,
    UndoPlan,
)

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal

_COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN_FINDINGS = 1_000  # of one code; nobody reads more, and wrapping them takes minutes
_SHOWN_PLACES = 12


def to_text(result: Result, style: Style) -> str:
    """The parts of a result that have something to say."""
    if isinstance(result, RestampScript):  # to be run, and so as it is
        table = _table(result, result.diagnosis.snapshot)
        notices = (*result.diagnosis.notices, *result.notices)
        lines = databases.script(table, notices, result.scripts)
        return "".join(f"{line}\n" for line in lines)
    page = Page(style)
    _write(result, page)
    note = about_masks(page.text())
    if note:
        page.line(note)
    return page.text()


@singledispatch
def _write(result: Result, page: Page) -> None:
    """Write what a result has to say onto a page."""


@_write.register
def _(result: Checked, page: Page) -> None:
    _verdict_and_findings(page, result, result.proposal)
    if result.queue is not None:
        _sections(page, [queue_section(result.queue)])
    _outcome(page, result.proposal, result.error)
    _steps(page, "What to do", advice.steps(result))


@_write.register
def _(result: Drawn, page: Page) -> None:
    from flask_chainfix.report.annotations import pictures  # other commands go without

    proposal = result.checked.proposal
    _verdict(page, result.checked)
    for picture in pictures(result):
        page.heading(picture.title, picture.aside)
        page.picture(picture.nodes)
    if proposal.planned is None:
        _outcome(page, proposal, result.error)
    _sections(page, databases.sections(_table(result.checked, proposal.snapshot)))


@_write.register
def _(result: Planning, page: Page) -> None:
    proposal, planned = result.proposal, result.proposal.planned
    _verdict_and_findings(page, result, proposal)
    if planned is not None:
        write_plan(page, planned.plan)
        _rows(page, choice_rows(planned.plan.choices, result.tools), INDENT)
        _changes(page, planned.edits)
    _outcome(page, proposal, result.error)
    if result.rehearsal is not None:
        page.line("")
        _rehearsal(page, result.rehearsal, result.ways, of_plan=True)
        _steps_after_rehearsal(page, result.rehearsal, result.tools, of_plan=True)


@_write.register
def _(result: SquashPlan, page: Page) -> None:
    proposal, planned = result.proposal, result.proposal.planned
    page.line(squash.verdict(result), style="bold green" if result.error is None else "bold red")
    _notices(page, (*result.diagnosis.notices, *result.notices))
    _sections(page, squash.sections(result))
    _sections(page, databases.sections(_table(result, proposal.snapshot)))
    if planned is not None:
        _changes(page, squash.shown(planned.edits))


@_write.register
def _(result: CatchUpPlan, page: Page) -> None:
    from flask_chainfix.report import catch_up_text as catching_up

    planned = result.proposal.planned
    page.line(catching_up.verdict(result), style="bold green")
    _notices(page, (*result.diagnosis.notices, *result.notices))
    _sections(page, catching_up.sections(result))
    if planned is not None:
        write_plan(page, planned.plan)
        _changes(page, planned.edits)
        page.line("")
        page.line(catching_up.proof(result), style="green")


@_write.register
def _(result: FinishPlan, page: Page) -> None:
    from flask_chainfix.report import catch_up_text as catching_up

    page.line(catching_up.verdict_on_finish(result), style="bold green")
    _notices(page, (*result.diagnosis.notices, *result.notices))
    _sections(page, catching_up.finish_sections(result))
    if result.databases:
        page.line("")


@_write.register
def _(result: Finished, page: Page) -> None:
    from flask_chainfix.report import catch_up_text as catching_up

    page.line(catching_up.verdict_on_finish(result), style="bold green")
    if result.backup is not None:
        _notices(page, result.backup.notices)
        _copies(page, result.backup.backups)
    table = databases.Table(result.diagnosis.snapshot, result.moves, result.tools)
    _sections(page, databases.sections(table))


@_write.register
def _(result: PlanRehearsed, page: Page) -> None:
    page.line("")
    ways = result.planning.ways
    _rehearsal(page, result.rehearsal, ways, of_plan=True, notices=result.notices)
    _steps_after_rehearsal(page, result.rehearsal, result.tools, of_plan=True)


@_write.register
def _(result: Rehearsed, page: Page) -> None:
    notices = (*result.diagnosis.notices, *result.notices)
    _rehearsal(page, result.rehearsal, (), of_plan=False, notices=notices)
    shown = [each for each in result.diagnosis.findings if each.code == DOWNGRADE_INCOMPLETE]
    if shown:
        page.heading("Findings")
        _findings(page, result, shown)
    _steps_after_rehearsal(page, result.rehearsal, result.tools, of_plan=False)


@_write.register
def _(result: Traced, page: Page) -> None:
    from flask_chainfix.report import trace_text as traces

    differs = any(each.differs for each in result.databases) or traces.drifted(result)
    page.line(traces.verdict(result), style="bold red" if differs else "bold green")
    _notices(page, result.notices)
    for found in result.databases:
        page.heading(found.standing.name)
        page.line(traces.summary(found), INDENT)
        if found.differs or found.unknown:
            page.picture(traces.picture(found, result.snapshot))
        _sections(page, traces.sections(found, result, page.style.width - INDENT))
        _rows(page, remedy_rows(traces.steps(found, result), result.tools), INDENT)


@_write.register
def _(result: RestampPlan, page: Page) -> None:
    error = result.error
    page.line(databases.verdict(result.moves), style="bold green" if error is None else "bold red")
    known = () if result.is_done else result.diagnosis.notices
    _notices(page, (*known, *result.notices))
    _sections(page, databases.sections(_table(result, result.diagnosis.snapshot)))
    if result.is_done and any(each.state is MoveState.MOVED for each in result.moves):
        page.line("")
        page.line("The old rows are in the journal, and are put back with")
        _undo_command(page, result.tools)


@_write.register
def _(result: LockPlan, page: Page) -> None:
    if result.is_done:
        page.line("Written; commit it together with the migrations:", style="bold green")
        for edit in result.edits:
            page.verbatim(f"{' ' * INDENT}{shown_path(edit.path)}", "cyan")
        return
    in_step = "The chain lock is in step with the chain."
    page.line(verdict(result.diagnosis) if result.edits else in_step, style="bold green")
    _notices(page, result.diagnosis.notices)
    if result.edits:
        _changes(page, result.edits)
        page.line("")


@_write.register
def _(result: BackedUp, page: Page) -> None:
    page.line(f"Backed up {count(len(result.backups), 'database')}.", style="bold green")
    _notices(page, result.notices)
    _copies(page, result.backups)


@_write.register
def _(result: Explained, page: Page) -> None:
    several = len(result.explanations) > 1
    for each in result.explanations:
        page.line(_title(each, each.summary), hanging=INDENT if several else 0)
    if several:
        page.line("")
        page.line("To read what breaks, how it comes about and how it is repaired, type")
        page.verbatim(f"{' ' * INDENT}{result.tools.fixchain} explain CODE", "bold")
    elif result.explanations:
        _sections(page, explanation_sections(result.explanations[0], result.tools))


@_write.register
def _(result: HookPlan, page: Page) -> None:
    page.line(hook_verdict(result), style="bold")
    _notices(page, result.notices)
    _sections(page, hook_sections(result), 0)  # what is to be copied is not indented
    _steps(page, "What to do now", hook_steps(result))


@_write.register
def _(result: Repaired, page: Page) -> None:
    planning, planned = result.planning, result.planned
    done = f"Rebased onto {planned.upstream.ref}" if planned.upstream else "Repaired"
    done = "Written" if result.command == "catch-up" else done
    done = f"{done}: {size(planned.plan)}."
    if isinstance(planning, SquashPlan):
        done = squash.verdict(planning, done=True)
    page.line(done, style="bold green")
    _notices(page, result.notices)
    if planning.backup is not None:
        _notices(page, planning.backup.notices)
        _copies(page, planning.backup.backups)
    write_confirmation(page, result.confirmation, result.tools)
    page.line("")
    plan = planned.plan
    only_added = not (plan.relinks or plan.mends or isinstance(planning, SquashPlan))
    page.line("The change is recorded in" if only_added else "The old files are kept in")
    page.verbatim(f"{' ' * INDENT}{shown_path(result.journal)}", "cyan")
    page.line("and undone with" if only_added else "and put back with")
    _undo_command(page, result.tools)
    repair = advice.Repair(result.snapshot, planned, result.tools, planning.commit)
    _steps(page, "What to do now", advice.steps_after_repair(repair))


@_write.register
def _(result: UndoPlan, page: Page) -> None:
    changed = tuple(each for each in result.moves if each.move.after != each.move.before)
    for does, paths in (("puts back", result.restored), ("deletes", result.deleted)):
        if paths:
            page.line(f"Undoing the last change {does}:")
        for path in paths:
            page.verbatim(f"{' ' * INDENT}{shown_path(path)}", "cyan")
    _notices(page, result.notices)
    if any(each.state is MoveState.PLANNED for each in changed):
        told = result.error.remedy if result.error else None
        table = databases.Table(result.snapshot, changed, result.tools, told)
        _sections(page, databases.sections(table))


@_write.register
def _(result: Undone, page: Page) -> None:
    files = result.restored or result.deleted
    if files:
        page.line("The files are as they were before the repair.", style="bold green")
    if any(
        each.state is MoveState.MOVED and each.move.after != each.move.before
        for each in result.moves
    ):
        fit = "fit these files again" if files else "are as they were before"
        page.line(f"The stamps {fit}.", style="bold green")
    if files:
        page.line(verdict(Diagnosis(result.snapshot, result.findings)))
    _notices(page, result.notices)


# --- Parts of several commands -------------------------------------------------------------------


def _verdict(page: Page, result: Checked | Planning) -> None:
    diagnosis = result.diagnosis
    broken = bool(errors_of(diagnosis.findings))
    page.line(verdict(diagnosis), style="bold red" if broken else "bold green")
    _notices(page, (*diagnosis.notices, *result.notices))


def _verdict_and_findings(page: Page, result: Checked | Planning, proposal: Proposal) -> None:
    diagnosis = proposal.diagnosis
    _verdict(page, result)
    page.heading("Current state")
    page.picture(current_state(proposal))
    if diagnosis.findings:
        page.heading("Findings")
        _findings(page, result, diagnosis.findings)
    table = _table(result, proposal.snapshot)
    _sections(page, databases.sections(table))


def _outcome(page: Page, proposal: Proposal, error: ChainFixError | None) -> None:
    """The chain as it will be, or what keeps a repair from being planned."""
    planned, obstacle = proposal.planned, proposal.obstacle
    if planned is not None:
        page.heading("Expected state", size(planned.plan))
        page.picture(expected_state(planned.after, planned.plan))
    elif obstacle is not None and error is None:
        page.heading("Expected state")
        page.line(f"No repair can be planned yet: {obstacle.message}", INDENT)
        for row in obstacle.lines:
            page.verbatim(f"{' ' * INDENT}{row}")


def _table(result: Checked | Planning | RestampPlan, snapshot: Facts) -> databases.Table:
    moves = result.moves if isinstance(result, RestampPlan) else result.proposal.moves
    told = result.error.remedy if result.error else None
    distances = isinstance(result, Checked)
    return databases.Table(snapshot, moves, result.tools, told, distances)


def _findings(page: Page, result: Result, findings: Sequence[Finding]) -> None:
    shown: Counter[str] = Counter()
    for finding in findings:
        shown[finding.code] += 1
        if shown[finding.code] <= _SHOWN_FINDINGS:
            _finding(page, result, finding)
    for code, number in shown.items():
        if number > _SHOWN_FINDINGS:
            more = f"and {number - _SHOWN_FINDINGS:,} more of {code}"
            page.line(f"{more}; --format json lists all", INDENT)


def _changes(page: Page, edits: Sequence[Edit]) -> None:
    page.heading("Changes")
    for line in unified_diff(edits):
        page.verbatim(line, line_style(line))


def _notices(page: Page, notices: Iterable[str]) -> None:
    for notice in notices:
        page.line(f"note: {notice}", style="yellow")


def _finding(page: Page, result: Result, finding: Finding) -> None:
    page.line(_title(finding, finding.message), INDENT)
    page.line(f"breaks: {result.tools.spell_out(finding.breaks)}", 2 * INDENT)
    for place in finding.locations[:_SHOWN_PLACES]:
        page.verbatim(f"{' ' * 2 * INDENT}{shown_place(place)}", "cyan")
    left_out = len(finding.locations) - _SHOWN_PLACES
    if left_out > 0:
        page.line(f"and {count(left_out, 'more place')}", 2 * INDENT)
    if result.error is None:  # which says what to do otherwise
        _rows(page, remedy_rows(finding.hint, result.tools), 2 * INDENT)


def _title(kind: Finding | Explanation, text: str) -> Line:
    title = Line(kind.severity.value, _COLORS[kind.severity])
    return title.append(f"  {kind.code} {kind.name}  ", "bold").append(printable(text))


def _steps(page: Page, title: str, steps: list[Step]) -> None:
    if steps:
        page.heading(title)
    for number, step in enumerate(steps, 1):
        page.line(f"{number}. {step.text}", INDENT, hanging=3)
        for command in step.commands:
            page.verbatim(f"{' ' * (INDENT + 5)}{command}", "bold")


def _undo_command(page: Page, tools: Tools) -> None:
    page.verbatim(f"{' ' * INDENT}{tools.fixchain} undo{tools.databases}", "bold")


def _sections(page: Page, sections: Iterable[Section], indent: int = INDENT) -> None:
    for section in sections:
        page.heading(section.title, section.aside)
        _rows(page, section.rows, indent)


def _rows(page: Page, rows: Iterable[Row], indent: int) -> None:
    for row in rows:
        if row.wrapped:
            page.line(row.text, indent + row.indent, row.style, hanging=row.hanging)
        else:
            page.verbatim(f"{' ' * (indent + row.indent)}{row.text}".rstrip(), row.style)


def _rehearsal(
    page: Page,
    done: Rehearsal,
    ways: Sequence[Rehearsal],
    *,
    of_plan: bool,
    notices: Sequence[str] = (),
) -> None:
    page.line(rehearsal.verdict(done, of_plan=of_plan), style=rehearsal.color(done))
    _notices(page, notices)
    _sections(page, rehearsal.sections(done, ways, page.style.width - INDENT))


def _steps_after_rehearsal(page: Page, done: Rehearsal, tools: Tools, *, of_plan: bool) -> None:
    steps = advice.steps_after_rehearsal(done, tools, of_plan=of_plan)
    _steps(page, "What to do now", steps)


def _copies(page: Page, backups: Iterable[Backup]) -> None:
    for each in backups:
        page.heading("Backup", printable(each.name))
        page.verbatim(f"{' ' * INDENT}{shown_path(each.path)}", "cyan")
        for fact in backup_facts(each):
            page.line(fact, INDENT)
        page.line("to restore it, stop the app and type:", INDENT)
        page.verbatim(f"{' ' * 2 * INDENT}{each.restore}", "bold")
