"""Text for a person whose deployment is down: the verdict first, then why, then what to do."""

from __future__ import annotations

from importlib import import_module

from flask_chainfix.common.wording import count
from flask_chainfix.diagnosis.diagnosis import DOWNGRADE_INCOMPLETE, Diagnosis
from flask_chainfix.model.databases import MoveState
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report import advice, next_steps, results
from flask_chainfix.report.database_results import RestampPlan, RestampScript
from flask_chainfix.report.display import Style
from flask_chainfix.report.phrases import size, verdict
from flask_chainfix.report.pictures.chain_picture import pictures
from flask_chainfix.report.results import Result, notices_of
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.report.text.page import Page, write
from flask_chainfix.report.text.plan_text import (
    queue_section,
    sql_sections,
    squash_verdict,
    write_confirmation,
    write_plan,
)

# What a command did to the files; all others repaired them.
_DONE = {"catch-up": "Written", "move": "Moved"}

# The modules that write the results of some commands, which are imported on demand.
_MODULES = {"catch-up": "catch_up_text", "trace": "trace_text", "unwind": "unwind_text"}


def to_text(result: Result, style: Style) -> str:
    """A result as text."""
    if isinstance(result, RestampScript):  # meant to be run, so left unchanged
        return "".join(f"{line}\n" for line in databases.script(result))
    if result.command in _MODULES:
        import_module(f"flask_chainfix.report.text.{_MODULES[result.command]}")
    page = Page(style)
    write(result, page)
    note = advice.about_masks(page.text())
    if note:
        page.line(note)
    return page.text()


@write.register
def _(result: results.Checked, page: Page) -> None:
    page.diagnosis(result)
    if result.queue is not None:
        page.sections([queue_section(result.queue)])
    page.outcome(result.proposal, result.error)
    page.steps("What to do", next_steps.steps(result, in_full=page.in_full))
    page.sections(sql_sections(result.sql))


@write.register
def _(result: results.Drawn, page: Page) -> None:
    proposal = result.checked.proposal
    page.verdict(result.checked)
    page.notices(notices_of(result.checked))
    for picture in pictures(proposal, result.theirs):
        page.heading(picture.title, picture.aside)
        page.picture(picture.nodes, whole=True)
    if proposal.planned is None:
        page.outcome(proposal, result.error)
    page.sections(databases.sections_of(result.checked))


@write.register
def _(result: results.Planning, page: Page) -> None:
    proposal, planned = result.proposal, result.proposal.planned
    if planned is None or page.in_full:
        page.diagnosis(result)
    else:
        page.verdict(result)
        left = planned.left_of(proposal.diagnosis)
        if left:
            page.heading("Findings", "not fixed by this repair")
            page.findings(result, left)
        page.surroundings(result, apart=bool(left))
    if planned is not None:
        page.sections(databases.downgrade_sections(planned.downgrades))
        write_plan(page, planned.plan)
        page.rows(advice.choice_rows(planned.plan.choices, result.tools))
        if result.asks or page.in_full:
            page.changes(planned.edits)
    if planned is None or page.in_full:
        page.outcome(proposal, result.error)
    if planned is not None:
        page.line("")
    if result.rehearsal is not None:
        page.rehearsal(result.rehearsal, result.ways, of_plan=True)
        _write_steps_after(page, result, result.rehearsal, of_plan=True)


@write.register
def _(result: results.PlanRehearsed, page: Page) -> None:
    page.rehearsal(result.rehearsal, result.planning.ways, result.notices, of_plan=True)
    _write_steps_after(page, result, result.rehearsal, of_plan=True)


@write.register
def _(result: results.Rehearsed, page: Page) -> None:
    page.rehearsal(result.rehearsal, (), notices_of(result), of_plan=False)
    shown = [each for each in result.diagnosis.findings if each.code == DOWNGRADE_INCOMPLETE]
    if shown:
        page.heading("Findings")
        page.findings(result, shown)
    _write_steps_after(page, result, result.rehearsal, of_plan=False)


def _write_steps_after(page: Page, result: Result, done: Rehearsal, *, of_plan: bool) -> None:
    steps = next_steps.steps_after_rehearsal(done, result.tools, of_plan=of_plan)
    page.steps("What to do now", steps)


@write.register
def _(result: results.Repaired, page: Page) -> None:
    planning, planned = result.planning, result.planned
    done = _DONE.get(result.command, "Repaired")
    done = f"Rebased onto {planned.upstream.short}" if planned.upstream else done
    done = f"{done}: {size(planned.plan)}."
    if isinstance(planning, results.SquashPlan):
        done = squash_verdict(planning, done=True)
    page.line(done, style="bold green")
    page.notices(result.notices)
    page.sections(databases.downgrade_sections(planned.downgrades, done=True))
    if planning.backup is not None:
        page.backups(planning.backup)
    write_confirmation(page, result.confirmation, result.tools)
    page.undo_command(result)
    if page.in_full:
        page.line("The change is recorded in")
        page.path(result.journal)
    page.steps("What to do now", next_steps.what_is_left(result))


@write.register
def _(result: results.UndoPlan, page: Page) -> None:
    changed = tuple(each for each in result.moves if each.move.after != each.move.before)
    for does, paths in (("puts back", result.restored), ("deletes", result.deleted)):
        if paths:
            page.line(f"Undoing the last {result.undoes} {does}:")
        for path in paths:
            page.path(path)
    page.notices(result.notices)
    if any(each.state is MoveState.PLANNED for each in changed):
        remedy = result.error.remedy if result.error else None
        table = databases.DatabaseTable(result.snapshot, changed, result.tools, remedy)
        page.sections(databases.sections(table))


@write.register
def _(result: results.Undone, page: Page) -> None:
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
    page.notices(result.notices)
    page.steps("What to do now", next_steps.steps_after_undo(result))


@write.register
def _(result: RestampPlan, page: Page) -> None:
    error = result.error
    page.line(databases.verdict(result.moves), style="bold green" if error is None else "bold red")
    page.notices(result.notices if result.is_done else notices_of(result))
    page.sections(databases.sections_of(result))
    if result.is_done and any(each.state is MoveState.MOVED for each in result.moves):
        page.line("")
        page.undo_command(result)


@write.register
def _(result: results.LockPlan, page: Page) -> None:
    if result.is_done:
        page.line("Written; commit it together with the migrations:", style="bold green")
        for edit in result.edits:
            page.path(edit.path)
        if isinstance(result, results.Locked):
            page.steps("What to do now", next_steps.steps_after_lock(result))
        return
    unchanged = "chain.lock is up to date."
    page.line(verdict(result.diagnosis) if result.edits else unchanged, style="bold green")
    page.notices(result.diagnosis.notices)
    if result.edits:
        page.changes(result.edits, around=True)
        page.line("")


@write.register
def _(result: results.BackedUp, page: Page) -> None:
    page.line(f"Backed up {count(len(result.backups), 'database')}.", style="bold green")
    page.backups(result)
