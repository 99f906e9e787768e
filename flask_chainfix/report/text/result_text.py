"""Text for a person whose deployment is down: the verdict first, then why, then what to do."""

from __future__ import annotations

from functools import singledispatch

from flask_chainfix.common.wording import count
from flask_chainfix.diagnosis.diagnosis import DOWNGRADE_INCOMPLETE, Diagnosis
from flask_chainfix.model.databases import MoveState
from flask_chainfix.report import advice
from flask_chainfix.report.advice import about_masks, choice_rows, remedy_rows
from flask_chainfix.report.database_results import (
    Finished,
    FinishPlan,
    RestampPlan,
    RestampScript,
    Traced,
    UnwindOffer,
    UnwindPlan,
    Unwound,
)
from flask_chainfix.report.display import Style
from flask_chainfix.report.phrases import size, verdict
from flask_chainfix.report.results import (
    BackedUp,
    CatchUpPlan,
    Checked,
    Drawn,
    Explained,
    HookPlan,
    LockPlan,
    Planning,
    PlanRehearsed,
    Rehearsed,
    Repaired,
    Result,
    SquashPlan,
    Undone,
    UndoPlan,
)
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.report.text.page import (
    INDENT,
    Page,
    table_of,
    title_of,
    write_changes,
    write_copies,
    write_diagnosis,
    write_findings,
    write_next_steps,
    write_notices,
    write_outcome,
    write_rehearsal,
    write_rows,
    write_sections,
    write_steps,
    write_surroundings,
    write_undo_command,
    write_verdict,
)
from flask_chainfix.report.text.plan_text import (
    explanation_sections,
    hook_sections,
    hook_steps,
    hook_verdict,
    queue_section,
    sql_sections,
    squash_sections,
    squash_verdict,
    write_confirmation,
    write_plan,
)

# What a command did to the files; all others repaired them.
_DONE = {"catch-up": "Written", "move": "Moved"}


def to_text(result: Result, style: Style) -> str:
    """A result as text."""
    if isinstance(result, RestampScript):  # meant to be run, so left unchanged
        table = table_of(result, result.diagnosis.snapshot)
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
    """Write a result onto a page."""


@_write.register
def _(result: Checked, page: Page) -> None:
    write_diagnosis(page, result)
    if result.queue is not None:
        write_sections(page, [queue_section(result.queue)])
    write_outcome(page, result.proposal, result.error)
    write_steps(page, "What to do", advice.steps(result, in_full=page.in_full))
    write_sections(page, sql_sections(result.sql))


@_write.register
def _(result: Drawn, page: Page) -> None:
    from flask_chainfix.report.pictures.chain_picture import pictures  # only for graph

    proposal = result.checked.proposal
    write_verdict(page, result.checked)
    write_notices(page, (*result.checked.diagnosis.notices, *result.checked.notices))
    for picture in pictures(result):
        page.heading(picture.title, picture.aside)
        page.picture(picture.nodes, whole=True)
    if proposal.planned is None:
        write_outcome(page, proposal, result.error)
    write_sections(page, databases.sections(table_of(result.checked, proposal.snapshot)))


@_write.register
def _(result: Planning, page: Page) -> None:
    proposal, planned = result.proposal, result.proposal.planned
    if planned is None or page.in_full:
        write_diagnosis(page, result)
    else:
        write_verdict(page, result)
        left = planned.left_of(proposal.diagnosis)
        if left:
            page.heading("Findings", "not fixed by this")
            write_findings(page, result, left)
        write_surroundings(page, result, apart=bool(left))
    if planned is not None:
        write_sections(page, databases.downgrade_sections(planned.downgrades))
        write_plan(page, planned.plan)
        write_rows(page, choice_rows(planned.plan.choices, result.tools), INDENT)
        if result.asks or page.in_full:
            write_changes(page, planned.edits)
    if planned is None or page.in_full:
        write_outcome(page, proposal, result.error)
    if planned is not None:
        page.line("")
    if result.rehearsal is not None:
        write_rehearsal(page, result.rehearsal, result.ways, of_plan=True)
        write_next_steps(page, result.rehearsal, result.tools, of_plan=True)


@_write.register
def _(result: SquashPlan, page: Page) -> None:
    proposal, planned = result.proposal, result.proposal.planned
    page.line(squash_verdict(result), style="bold green" if result.error is None else "bold red")
    write_notices(page, (*result.diagnosis.notices, *result.notices))
    write_sections(page, squash_sections(result))
    write_sections(page, databases.sections(table_of(result, proposal.snapshot)))
    if planned is not None:
        write_changes(page, [edit for edit in planned.edits if edit.after is not None])


@_write.register
def _(result: CatchUpPlan, page: Page) -> None:
    from flask_chainfix.report.text import catch_up_text as catching_up

    planned = result.proposal.planned
    page.line(catching_up.verdict(result), style="bold green")
    write_notices(page, (*result.diagnosis.notices, *result.notices))
    write_sections(page, catching_up.sections(result))
    if planned is not None:
        write_plan(page, planned.plan)
        write_changes(page, planned.edits)
        page.line("")
        page.line(catching_up.proof(result), style="green")


@_write.register
def _(result: FinishPlan, page: Page) -> None:
    from flask_chainfix.report.text import catch_up_text as catching_up

    page.line(catching_up.verdict_on_finish(result), style="bold green")
    write_notices(page, (*result.diagnosis.notices, *result.notices))
    write_sections(page, catching_up.finish_sections(result))
    if result.databases:
        page.line("")


@_write.register
def _(result: Finished, page: Page) -> None:
    from flask_chainfix.report.text import catch_up_text as catching_up

    page.line(catching_up.verdict_on_finish(result), style="bold green")
    _write_databases(page, result)


@_write.register
def _(result: UnwindPlan, page: Page) -> None:
    from flask_chainfix.report.text import unwind_text as unwinding

    page.line(unwinding.verdict(result), style="bold green" if result.error is None else "bold red")
    write_notices(page, (*result.diagnosis.notices, *result.notices))
    write_sections(page, unwinding.sections(result))
    if result.databases:
        page.line("")


@_write.register
def _(result: UnwindOffer, page: Page) -> None:
    from flask_chainfix.report.text import unwind_text as unwinding

    for line in unwinding.offer(result):
        page.verbatim(line)


@_write.register
def _(result: Unwound, page: Page) -> None:
    from flask_chainfix.report.text import unwind_text as unwinding

    page.line(unwinding.verdict(result), style="bold green" if result.error is None else "bold red")
    _write_databases(page, result)


def _write_databases(page: Page, result: Finished | Unwound) -> None:
    """The copies that were made, and where databases stand now."""
    if result.backup is not None:
        write_notices(page, result.backup.notices)
        write_copies(page, result.backup.backups)
    table = databases.Table(result.diagnosis.snapshot, result.moves, result.tools)
    write_sections(page, databases.sections(table))


@_write.register
def _(result: PlanRehearsed, page: Page) -> None:
    ways = result.planning.ways
    write_rehearsal(page, result.rehearsal, ways, of_plan=True, notices=result.notices)
    write_next_steps(page, result.rehearsal, result.tools, of_plan=True)


@_write.register
def _(result: Rehearsed, page: Page) -> None:
    notices = (*result.diagnosis.notices, *result.notices)
    write_rehearsal(page, result.rehearsal, (), of_plan=False, notices=notices)
    shown = [each for each in result.diagnosis.findings if each.code == DOWNGRADE_INCOMPLETE]
    if shown:
        page.heading("Findings")
        write_findings(page, result, shown)
    write_next_steps(page, result.rehearsal, result.tools, of_plan=False)


@_write.register
def _(result: Traced, page: Page) -> None:
    from flask_chainfix.report.text import trace_text as traces

    differs = any(each.differs for each in result.databases) or traces.drifted(result)
    page.line(traces.verdict(result), style="bold red" if differs else "bold green")
    write_notices(page, result.notices)
    for found in result.databases:
        page.heading(found.status.name)
        page.line(traces.summary(found), INDENT)
        if found.differs or found.unknown:
            page.picture(traces.picture(found, result.snapshot))
        width = page.style.width - INDENT
        write_sections(page, traces.sections(found, result, width, in_full=page.in_full))
        write_rows(page, remedy_rows(traces.steps(found, result), result.tools), INDENT)


@_write.register
def _(result: RestampPlan, page: Page) -> None:
    error = result.error
    page.line(databases.verdict(result.moves), style="bold green" if error is None else "bold red")
    known = () if result.is_done else result.diagnosis.notices
    write_notices(page, (*known, *result.notices))
    write_sections(page, databases.sections(table_of(result, result.diagnosis.snapshot)))
    if result.is_done and any(each.state is MoveState.MOVED for each in result.moves):
        page.line("")
        write_undo_command(page, result.tools)


@_write.register
def _(result: LockPlan, page: Page) -> None:
    if result.is_done:
        page.line("Written; commit it together with the migrations:", style="bold green")
        for edit in result.edits:
            page.path(edit.path)
        return
    in_step = "The chain lock is in step with the chain."
    page.line(verdict(result.diagnosis) if result.edits else in_step, style="bold green")
    write_notices(page, result.diagnosis.notices)
    if result.edits:
        write_changes(page, result.edits, around=True)
        page.line("")


@_write.register
def _(result: BackedUp, page: Page) -> None:
    page.line(f"Backed up {count(len(result.backups), 'database')}.", style="bold green")
    write_notices(page, result.notices)
    write_copies(page, result.backups)


@_write.register
def _(result: Explained, page: Page) -> None:
    several = len(result.explanations) > 1
    for each in result.explanations:
        page.line(title_of(each, each.summary), hanging=INDENT if several else 0)
    if several:
        page.line("")
        page.line("To read what breaks, how it happens and how to repair it, type")
        page.verbatim(f"{' ' * INDENT}{result.tools.fixchain} explain CODE", "bold")
    elif result.explanations:
        write_sections(page, explanation_sections(result.explanations[0], result.tools))


@_write.register
def _(result: HookPlan, page: Page) -> None:
    page.line(hook_verdict(result), style="bold")
    write_notices(page, () if result.is_done else result.notices)  # then the plan told them
    write_sections(page, hook_sections(result), 0)  # lines to copy are not indented
    write_steps(page, "What to do now", hook_steps(result))


@_write.register
def _(result: Repaired, page: Page) -> None:
    planning, planned = result.planning, result.planned
    done = _DONE.get(result.command, "Repaired")
    done = f"Rebased onto {planned.upstream.ref}" if planned.upstream else done
    done = f"{done}: {size(planned.plan)}."
    if isinstance(planning, SquashPlan):
        done = squash_verdict(planning, done=True)
    page.line(done, style="bold green")
    write_notices(page, result.notices)
    write_sections(page, databases.downgrade_sections(planned.downgrades, done=True))
    if planning.backup is not None:
        write_notices(page, planning.backup.notices)
        write_copies(page, planning.backup.backups)
    write_confirmation(page, result.confirmation, result.tools)
    write_undo_command(page, result.tools)
    if page.in_full:
        page.line("The change is recorded in")
        page.path(result.journal)
    write_steps(page, "What to do now", advice.what_is_left(result))


@_write.register
def _(result: UndoPlan, page: Page) -> None:
    changed = tuple(each for each in result.moves if each.move.after != each.move.before)
    for does, paths in (("puts back", result.restored), ("deletes", result.deleted)):
        if paths:
            page.line(f"Undoing the last {result.undoes} {does}:")
        for path in paths:
            page.path(path)
    write_notices(page, result.notices)
    if any(each.state is MoveState.PLANNED for each in changed):
        told = result.error.remedy if result.error else None
        table = databases.Table(result.snapshot, changed, result.tools, told)
        write_sections(page, databases.sections(table))


@_write.register
def _(result: Undone, page: Page) -> None:
    files = result.restored or result.deleted
    if files:
        page.line(f"The files are as they were before the {result.undoes}.", style="bold green")
    if any(
        each.state is MoveState.MOVED and each.move.after != each.move.before
        for each in result.moves
    ):
        fit = "fit these files again" if files else "are as they were before"
        page.line(f"The stamps {fit}.", style="bold green")
    if files:
        page.line(verdict(Diagnosis(result.snapshot, result.findings)))
    write_notices(page, result.notices)
