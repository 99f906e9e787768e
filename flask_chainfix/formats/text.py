"""Text for a person whose deployment is down: the verdict first, then why, then what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from io import StringIO

from rich.console import Console
from rich.text import Text

from flask_chainfix.formats import advice, backup, databases, explanation, pieces, rehearsal
from flask_chainfix.formats.advice import Step
from flask_chainfix.formats.chain_picture import current_state, expected_state
from flask_chainfix.formats.diff import line_style, unified_diff
from flask_chainfix.formats.mends import mended
from flask_chainfix.formats.picture import PictureNode, draw
from flask_chainfix.formats.registry import format_
from flask_chainfix.formats.sections import Section
from flask_chainfix.formats.style import Style, printable, shown_path
from flask_chainfix.formats.verdict import verdict
from flask_chainfix.model import (
    GUESS,
    Confirmation,
    Explanation,
    Finding,
    MoveState,
    Part,
    Plan,
    Reason,
    Severity,
)
from flask_chainfix.report import Report
from flask_chainfix.rules.wording import count

_INDENT = 2
_COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN_PLACES = 12
_SHOWN_LINES = 20
_TO_ASCII = {ord("“"): '"', ord("”"): '"', ord("…"): "...", ord("→"): "->", ord("’"): "'"}


@format_("text")
def to_text(report: Report, style: Style) -> str:
    """The sections of a report that have something to say."""
    if report.sql is not None:  # to be run, and so as it is
        return "".join(f"{line}\n" for line in databases.script(report))
    without_chain = {"backup": _backups, "explain": _explanations, "hook": _pieces}
    of_chain = {"lock": _lock, "rehearse": _rehearsal, "restamp": _restamp}
    page = _Page(style)
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
    return page.text()


class _Page:
    """Collects lines, wrapped and coloured for one place of output."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._console = Console(
            file=StringIO(),
            width=style.width,
            force_terminal=style.color,
            color_system="standard" if style.color else None,
            no_color=not style.color,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """Everything so far."""
        file = self._console.file
        assert isinstance(file, StringIO)
        text = file.getvalue()
        return text.translate(_TO_ASCII) if self.style.ascii_only else text

    def heading(self, title: str, aside: str = "") -> None:
        line = Text("\n").append(title, "bold underline" if self.style.color else "bold")
        self._print(line.append(f"  {aside}", "dim") if aside else line)

    def line(self, text: str | Text, indent: int = 0, style: str = "", *, hanging: int = 0) -> None:
        """A paragraph, wrapped to the width; all lines but the first are ``hanging`` further in."""
        body = Text(printable(text), style) if isinstance(text, str) else text
        for part in body.wrap(self._console, self.style.width - indent - hanging) or [body]:
            indented = Text(" " * indent).append_text(part)
            indented.rstrip()
            self._print(indented)
            indent, hanging = indent + hanging, 0

    def verbatim(self, text: str, style: str = "") -> None:
        """A line that must not be wrapped, such as a command or a part of a diff."""
        self._print(Text(printable(text), style))

    def picture(self, nodes: list[PictureNode]) -> None:
        width = self.style.width - _INDENT
        for line in draw(nodes, width=width, ascii_only=self.style.ascii_only):
            indented = Text(" " * _INDENT).append_text(line)
            indented.rstrip()
            self._print(indented)

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _diagnosis(page: _Page, report: Report) -> None:
    broken = any(finding.severity is Severity.ERROR for finding in report.findings)
    page.line(verdict(report), style="bold red" if broken else "bold green")
    _notices(page, report)
    page.heading("Current state")
    page.picture(current_state(report))
    if report.findings:
        page.heading("Findings")
        for finding in report.findings:
            _finding(page, report, finding)
    _sections(page, databases.sections(report))
    if report.plan is not None and report.after is not None:
        if report.command != "check":
            _plan(page, report.plan)
            _changes(page, report)
        page.heading("Expected state", _size(report.plan))
        page.picture(expected_state(report.after, report.plan))
    elif report.obstacle is not None and report.error is None:
        page.heading("Expected state")
        page.line(f"No repair can be planned yet: {report.obstacle.message}", _INDENT)
    if report.rehearsal is not None:
        _rehearsal(page, report)
    if report.command == "check":
        _steps(page, "What to do", advice.steps(report))


def _changes(page: _Page, report: Report) -> None:
    page.heading("Changes")
    for line in unified_diff(report.edits):
        page.verbatim(line, line_style(line))


def _notices(page: _Page, report: Report) -> None:
    for notice in report.notices:
        page.line(f"note: {notice}", style="yellow")


def _finding(page: _Page, report: Report, finding: Finding) -> None:
    page.line(_title(finding, finding.message), _INDENT)
    page.line(f"breaks: {report.tools.spell_out(finding.breaks)}", 2 * _INDENT)
    for place in finding.locations[:_SHOWN_PLACES]:
        line = "" if place.line is None else f":{place.line}"
        page.verbatim(f"{' ' * 2 * _INDENT}{shown_path(place.path)}{line}", "cyan")
    left_out = len(finding.locations) - _SHOWN_PLACES
    if left_out > 0:
        page.line(f"and {count(left_out, 'more place')}", 2 * _INDENT)
    page.line(f"remedy: {finding.hint}", 2 * _INDENT)


def _title(kind: Finding | Explanation, text: str) -> Text:
    title = Text(kind.severity.value, _COLORS[kind.severity])
    return title.append(f"  {kind.code} {kind.name}  ", "bold").append(printable(text))


def _plan(page: _Page, plan: Plan) -> None:
    page.heading("Plan", _size(plan))
    _why(page, plan.why, _INDENT)
    for mend in plan.mends:
        change = Text(printable(mend.revision), "bold")
        change.append(f"  {mended(mend)}")
        page.line(change, _INDENT)
        _why(page, mend.why)
    for relink in plan.relinks:
        change = Text(printable(relink.revision), "bold")
        change.append(f"  {_parents(relink.before)} → {_parents(relink.after)}")
        page.line(change, _INDENT)
        _why(page, relink.why)
    for new in plan.new_revisions:
        change = Text(f"{new.revision}  new, on {_parents(new.down_revision)}", "bold")
        page.line(change, _INDENT)
        _why(page, new.why)


def _why(page: _Page, reasons: tuple[Reason, ...], indent: int = 2 * _INDENT) -> None:
    for reason in reasons:
        style = "yellow" if reason.kind == GUESS else "dim"
        page.line(f"{reason.kind}: {reason.detail}", indent, style)


def _parents(parents: tuple[str, ...]) -> str:
    return printable(", ".join(parents)) or "None"


def _size(plan: Plan) -> str:
    rewritten = {relink.path for relink in plan.relinks}
    rewritten.update(mend.path for mend in plan.mends if mend.part is not Part.FILE)
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


def _steps(page: _Page, title: str, steps: list[Step]) -> None:
    if steps:
        page.heading(title)
    for number, step in enumerate(steps, 1):
        page.line(f"{number}. {step.text}", _INDENT, hanging=3)
        for command in step.commands:
            page.verbatim(f"{' ' * (_INDENT + 5)}{command}", "bold")


def _repaired(page: _Page, report: Report) -> None:
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
        page.verbatim(f"{' ' * _INDENT}{shown_path(report.journal)}", "cyan")
        page.line("and put back with")
        _undo_command(page, report)
    _steps(page, "What to do now", advice.steps_after_repair(report))


def _undo(page: _Page, report: Report) -> None:
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
        return
    for does, paths in (("puts back", report.restored), ("deletes", report.deleted)):
        if paths:
            page.line(f"Undoing the last repair {does}:")
        for path in paths:
            page.verbatim(f"{' ' * _INDENT}{shown_path(path)}", "cyan")
    _notices(page, report)
    if any(result.state is MoveState.PLANNED for result in report.moves):
        _sections(page, databases.sections(report))


def _lock(page: _Page, report: Report) -> None:
    if report.done:
        page.line("Written; commit it together with the migrations:", style="bold green")
        for edit in report.edits:
            page.verbatim(f"{' ' * _INDENT}{shown_path(edit.path)}", "cyan")
    elif report.edits:
        page.line(verdict(report), style="bold green")
        _notices(page, report)
        _changes(page, report)
        page.line("")
    else:
        page.line("The chain lock is in step with the chain.", style="bold green")
        _notices(page, report)


def _rehearsal(page: _Page, report: Report) -> None:
    if report.rehearsal is None:
        return
    if report.plan is not None:  # which stands above
        page.line("")
    page.line(rehearsal.verdict(report), style=rehearsal.color(report.rehearsal))
    if report.plan is None:
        _notices(page, report)
    _sections(page, rehearsal.sections(report, page.style.width - _INDENT))


def _restamp(page: _Page, report: Report) -> None:
    page.line(databases.verdict(report), style=databases.color(report))
    _notices(page, report)
    _sections(page, databases.sections(report))
    if report.done and any(result.state is MoveState.MOVED for result in report.moves):
        page.line("")
        page.line("The old rows are in the journal, and are put back with")
        _undo_command(page, report)


def _undo_command(page: _Page, report: Report) -> None:
    tools = report.tools
    page.verbatim(f"{' ' * _INDENT}{tools.fixchain} undo{tools.databases}", "bold")


def _sections(page: _Page, sections: Iterable[Section], indent: int = _INDENT) -> None:
    for section in sections:
        page.heading(section.title, section.aside)
        for row in section.rows:
            if row.wrapped:
                page.line(row.text, indent, row.style)
            else:
                page.verbatim(f"{' ' * indent}{row.text}".rstrip(), row.style)


def _backups(page: _Page, report: Report) -> None:
    if report.error is not None:
        return
    page.line(backup.verdict(report), style="bold green")
    _copies(page, report)


def _explanations(page: _Page, report: Report) -> None:
    several = len(report.explained) > 1
    for each in report.explained:
        page.line(_title(each, each.summary), hanging=_INDENT if several else 0)
    if several:
        page.line("")
        page.line("To read what breaks, how it comes about and how it is repaired, type")
        page.verbatim(f"{' ' * _INDENT}{report.tools.fixchain} explain CODE", "bold")
    elif report.explained:
        _sections(page, explanation.sections(report.explained[0], report.tools))


def _copies(page: _Page, report: Report) -> None:
    for each in report.backups:
        page.heading("Backup", printable(each.name))
        page.verbatim(f"{' ' * _INDENT}{shown_path(each.path)}", "cyan")
        for fact in backup.facts(each):
            page.line(fact, _INDENT)
        page.line("to restore it, stop the app and type:", _INDENT)
        page.verbatim(f"{' ' * 2 * _INDENT}{each.restore}", "bold")


def _pieces(page: _Page, report: Report) -> None:
    if report.pieces:
        page.line(pieces.verdict(report), style="bold")
        _notices(page, report)
        _sections(page, pieces.sections(report), 0)  # what is to be copied is not indented
        _steps(page, "What to do now", pieces.steps(report))


def _confirmation(page: _Page, report: Report, confirmation: Confirmation) -> None:
    page.heading("What Alembic says", confirmation.by)
    for command, output in (
        ("heads", confirmation.heads_output),
        ("history", confirmation.history_output),
    ):
        page.verbatim(f"{' ' * _INDENT}$ {report.tools.alembic} {command}", "bold")
        lines = output.splitlines()
        for line in lines[:_SHOWN_LINES]:
            page.verbatim(f"{' ' * _INDENT}{line}")
        if len(lines) > _SHOWN_LINES:
            page.line(f"… {count(len(lines) - _SHOWN_LINES, 'more line')} …", _INDENT, "dim")
