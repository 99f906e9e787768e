"""Text for a person whose deployment is down: the verdict first, then why, then what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from rich.text import Text

from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import count
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.rules import Family, codes_of
from flask_chainfix.model.databases import MoveState
from flask_chainfix.model.findings import Explanation, Finding, Severity
from flask_chainfix.model.plans import GUESS, Confirmation, Part, Plan, Reason
from flask_chainfix.report import advice
from flask_chainfix.report import backup_text as backup
from flask_chainfix.report import database_text as databases
from flask_chainfix.report import explanation_text as explanation
from flask_chainfix.report import hook_text as hooks
from flask_chainfix.report import rehearsal_text as rehearsal
from flask_chainfix.report.advice import Step, about_masks, choice_rows, remedy_rows
from flask_chainfix.report.chain_picture import current_state, expected_state
from flask_chainfix.report.json import mended
from flask_chainfix.report.page import (
    INDENT,
    Page,
    Row,
    Section,
    Style,
    line_style,
    shown_path,
    unified_diff,
)
from flask_chainfix.report.registry import format_


def only(report: Report, *families: Family) -> bool:
    """Whether all that is wrong was found by the rules of these families."""
    codes = codes_of(*families)
    return all(finding.code in codes for finding in report.counting)


def verdict(report: Report) -> str:
    """Whether the chain is healthy, and if not, what is wrong with it."""
    assert report.before is not None
    graph, unplaced = report.before.graph, report.before.unplaced
    numbers: Counter[str] = Counter()
    for finding in report.findings:
        if finding.severity is Severity.ERROR:
            numbers[finding.noun] += finding.number
    if numbers:
        faults = ", ".join(count(number, noun) for noun, number in numbers.items())
        if only(report, Family.DATABASE):
            return f"The databases do not fit the migration chain: {faults}."
        if only(report, Family.LOCK, Family.PUBLISHED):
            return f"The migration chain works, but does not pass the gate: {faults}."
        return f"The migration chain is broken: {faults}."
    size = (
        f"{count(len(graph), 'revision')}, {count(len(graph.bases), 'base')},"
        f" {count(len(graph.heads), 'head')}"
    )
    if unplaced:
        unknown = f"the place of {count(len(unplaced), 'migration')} is not known"
        return f"The migration chain could be judged in part only, as {unknown}: {size}."
    warnings = sum(finding.severity is Severity.WARNING for finding in report.findings)
    if warnings:
        return f"The migration chain works, with {count(warnings, 'warning')}: {size}."
    return f"The migration chain is healthy: {size}."


# --- Text for a person whose deployment is down: the verdict first, then why, then what to do ----


_COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


_SHOWN_FINDINGS = 1_000  # of one code; nobody reads more, and wrapping them takes minutes


_SHOWN_PLACES = 12


_SHOWN_LINES = 20


@format_("text")
def to_text(report: Report, style: Style) -> str:
    """The sections of a report that have something to say."""
    if report.sql is not None:  # to be run, and so as it is
        return "".join(f"{line}\n" for line in databases.script(report))
    without_chain = {"backup": _backups, "explain": _explanations, "hook": _hooks}
    of_chain = {"lock": _lock, "rehearse": _rehearsal, "restamp": _restamp}
    page = Page(style)
    if report.command == "undo" and report.journal is not None:
        _undo(page, report)
    elif report.command in without_chain:
        without_chain[report.command](page, report)
    elif report.before is None:
        return ""
    elif report.command in of_chain:
        of_chain[report.command](page, report)
    elif report.done:
        _repaired(page, report)
    else:
        _diagnosis(page, report)
    note = about_masks(page.text())
    if note:
        page.line(note)
    return page.text()


def _diagnosis(page: Page, report: Report) -> None:
    broken = any(finding.severity is Severity.ERROR for finding in report.findings)
    page.line(verdict(report), style="bold red" if broken else "bold green")
    _notices(page, report)
    page.heading("Current state")
    page.picture(current_state(report))
    if report.findings:
        page.heading("Findings")
        _findings(page, report)
    _sections(page, databases.sections(report))
    if report.plan is not None and report.after is not None:
        if report.command != "check":
            _plan(page, report.plan)
            _rows(page, choice_rows(report.plan.choices, report.tools), INDENT)
            _changes(page, report)
        page.heading("Expected state", _size(report.plan))
        page.picture(expected_state(report.after, report.plan))
    elif report.obstacle is not None and report.error is None:
        page.heading("Expected state")
        page.line(f"No repair can be planned yet: {report.obstacle.message}", INDENT)
        for row in report.obstacle.lines:
            page.verbatim(f"{' ' * INDENT}{row}")
    if report.rehearsal is not None:
        _rehearsal(page, report)
    if report.command == "check":
        _steps(page, "What to do", advice.steps(report))


def _findings(page: Page, report: Report) -> None:
    shown: Counter[str] = Counter()
    for finding in report.findings:
        shown[finding.code] += 1
        if shown[finding.code] <= _SHOWN_FINDINGS:
            _finding(page, report, finding)
    for code, number in shown.items():
        if number > _SHOWN_FINDINGS:
            more = f"and {number - _SHOWN_FINDINGS:,} more of {code}"
            page.line(f"{more}; --format json lists all", INDENT)


def _changes(page: Page, report: Report) -> None:
    page.heading("Changes")
    for line in unified_diff(report.edits):
        page.verbatim(line, line_style(line))


def _notices(page: Page, report: Report) -> None:
    for notice in report.notices:
        page.line(f"note: {notice}", style="yellow")


def _finding(page: Page, report: Report, finding: Finding) -> None:
    page.line(_title(finding, finding.message), INDENT)
    page.line(f"breaks: {report.tools.spell_out(finding.breaks)}", 2 * INDENT)
    for place in finding.locations[:_SHOWN_PLACES]:
        line = "" if place.line is None else f":{place.line}"
        page.verbatim(f"{' ' * 2 * INDENT}{shown_path(place.path)}{line}", "cyan")
    left_out = len(finding.locations) - _SHOWN_PLACES
    if left_out > 0:
        page.line(f"and {count(left_out, 'more place')}", 2 * INDENT)
    if report.error is None:  # which says what to do otherwise
        _rows(page, remedy_rows(finding.hint, report.tools), 2 * INDENT)


def _title(kind: Finding | Explanation, text: str) -> Text:
    title = Text(kind.severity.value, _COLORS[kind.severity])
    return title.append(f"  {kind.code} {kind.name}  ", "bold").append(printable(text))


def _plan(page: Page, plan: Plan) -> None:
    page.heading("Plan", _size(plan))
    _why(page, plan.why, INDENT)
    for mend in plan.mends:
        change = Text(printable(mend.revision), "bold")
        change.append(f"  {mended(mend)}")
        page.line(change, INDENT)
        _why(page, mend.why)
    for relink in plan.relinks:
        change = Text(printable(relink.revision), "bold")
        change.append(f"  {_parents(relink.before)} → {_parents(relink.after)}")
        page.line(change, INDENT)
        _why(page, relink.why)
    for new in plan.new_revisions:
        change = Text(f"{new.revision}  new, on {_parents(new.down_revision)}", "bold")
        page.line(change, INDENT)
        _why(page, new.why)


def _why(page: Page, reasons: tuple[Reason, ...], indent: int = 2 * INDENT) -> None:
    for reason in reasons:
        if reason.kind == "choice":  # stands below the plan, with its commands
            continue
        style = "yellow" if reason.kind == GUESS else "dim"
        page.line(f"{reason.kind}: {reason.detail}", indent, style)


def _parents(parents: tuple[str, ...]) -> str:
    return printable(", ".join(parents)) or "None"


def _size(plan: Plan) -> str:
    rewritten = {relink.path for relink in plan.relinks}
    rewritten.update(mend.edits[-1].path for mend in plan.mends if mend.part is not Part.FILE)
    deleted = {mend.path for mend in plan.mends if mend.part is Part.FILE}
    parts = [
        f"{count(number, 'file')} {what}"
        for number, what in (
            (len(rewritten), "rewritten"),
            (len(plan.new_revisions), "added"),
            (len(deleted), "deleted"),
        )
        if number
    ]
    return f"strategy {plan.strategy}, {', '.join(parts)}"


def _steps(page: Page, title: str, steps: list[Step]) -> None:
    if steps:
        page.heading(title)
    for number, step in enumerate(steps, 1):
        page.line(f"{number}. {step.text}", INDENT, hanging=3)
        for command in step.commands:
            page.verbatim(f"{' ' * (INDENT + 5)}{command}", "bold")


def _repaired(page: Page, report: Report) -> None:
    plan, confirmation = report.plan, report.confirmation
    assert plan is not None
    assert confirmation is not None
    done = f"Rebased onto {report.upstream.ref}" if report.upstream else "Repaired"
    page.line(f"{done}: {_size(plan)}.", style="bold green")
    _notices(page, report)
    _copies(page, report)
    _confirmation(page, report, confirmation)
    if report.journal is not None:
        page.line("")
        page.line("The old files are kept in")
        page.verbatim(f"{' ' * INDENT}{shown_path(report.journal)}", "cyan")
        page.line("and put back with")
        _undo_command(page, report)
    _steps(page, "What to do now", advice.steps_after_repair(report))


def _undo(page: Page, report: Report) -> None:
    changed = tuple(each for each in report.moves if each.move.after != each.move.before)
    report = replace(report, moves=changed)
    if report.done:
        if report.restored or report.deleted:
            page.line("The files are as they were before the repair.", style="bold green")
        if any(result.state is MoveState.MOVED for result in report.moves):
            files = report.restored or report.deleted
            fit = "fit these files again" if files else "are as they were before"
            page.line(f"The stamps {fit}.", style="bold green")
        if report.restored or report.deleted:
            page.line(verdict(report))
        _notices(page, report)
        return
    for does, paths in (("puts back", report.restored), ("deletes", report.deleted)):
        if paths:
            page.line(f"Undoing the last repair {does}:")
        for path in paths:
            page.verbatim(f"{' ' * INDENT}{shown_path(path)}", "cyan")
    _notices(page, report)
    if any(result.state is MoveState.PLANNED for result in report.moves):
        _sections(page, databases.sections(report))


def _lock(page: Page, report: Report) -> None:
    if report.done:
        page.line("Written; commit it together with the migrations:", style="bold green")
        for edit in report.edits:
            page.verbatim(f"{' ' * INDENT}{shown_path(edit.path)}", "cyan")
    elif report.edits:
        page.line(verdict(report), style="bold green")
        _notices(page, report)
        _changes(page, report)
        page.line("")
    else:
        page.line("The chain lock is in step with the chain.", style="bold green")
        _notices(page, report)


def _rehearsal(page: Page, report: Report) -> None:
    if report.rehearsal is None:
        return
    if report.plan is not None:  # which stands above
        page.line("")
    page.line(rehearsal.verdict(report), style=rehearsal.color(report.rehearsal))
    if report.command == "rehearse":
        _notices(page, report)
    _sections(page, rehearsal.sections(report, page.style.width - INDENT))
    _steps(page, "What to do now", advice.steps_after_rehearsal(report))


def _restamp(page: Page, report: Report) -> None:
    page.line(databases.verdict(report), style=databases.color(report))
    _notices(page, report)
    _sections(page, databases.sections(report))
    if report.done and any(result.state is MoveState.MOVED for result in report.moves):
        page.line("")
        page.line("The old rows are in the journal, and are put back with")
        _undo_command(page, report)


def _undo_command(page: Page, report: Report) -> None:
    tools = report.tools
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


def _backups(page: Page, report: Report) -> None:
    if report.error is not None:
        return
    page.line(backup.verdict(report), style="bold green")
    _notices(page, report)
    _copies(page, report)


def _explanations(page: Page, report: Report) -> None:
    several = len(report.explained) > 1
    for each in report.explained:
        page.line(_title(each, each.summary), hanging=INDENT if several else 0)
    if several:
        page.line("")
        page.line("To read what breaks, how it comes about and how it is repaired, type")
        page.verbatim(f"{' ' * INDENT}{report.tools.fixchain} explain CODE", "bold")
    elif report.explained:
        _sections(page, explanation.sections(report.explained[0], report.tools))


def _copies(page: Page, report: Report) -> None:
    for each in report.backups:
        page.heading("Backup", printable(each.name))
        page.verbatim(f"{' ' * INDENT}{shown_path(each.path)}", "cyan")
        for fact in backup.facts(each):
            page.line(fact, INDENT)
        page.line("to restore it, stop the app and type:", INDENT)
        page.verbatim(f"{' ' * 2 * INDENT}{each.restore}", "bold")


def _hooks(page: Page, report: Report) -> None:
    if report.hook_files:
        page.line(hooks.verdict(report), style="bold")
        _notices(page, report)
        _sections(page, hooks.sections(report), 0)  # what is to be copied is not indented
        _steps(page, "What to do now", hooks.steps(report))


def _confirmation(page: Page, report: Report, confirmation: Confirmation) -> None:
    page.heading("What Alembic says", confirmation.by)
    for command, output in (
        ("heads", confirmation.heads_output),
        ("history", confirmation.history_output),
    ):
        page.verbatim(f"{' ' * INDENT}$ {report.tools.alembic} {command}", "bold")
        lines = output.splitlines()
        for line in lines[:_SHOWN_LINES]:
            page.verbatim(f"{' ' * INDENT}{line}")
        if len(lines) > _SHOWN_LINES:
            page.line(f"… {count(len(lines) - _SHOWN_LINES, 'more line')} …", INDENT, "dim")
