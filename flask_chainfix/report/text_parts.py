"""What the texts of several commands have in common: verdicts, findings, steps, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.model.databases import Backup, DatabaseState
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Explanation, Finding, Location, Severity
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report import advice
from flask_chainfix.report import database_text as databases
from flask_chainfix.report import rehearsal_text as rehearsal
from flask_chainfix.report.advice import Step, remedy_rows
from flask_chainfix.report.chain_picture import current_state, expected_state
from flask_chainfix.report.command_text import (
    backup_facts,
    size,
    verdict,
)
from flask_chainfix.report.database_results import RestampPlan
from flask_chainfix.report.lines import Line
from flask_chainfix.report.page import (
    INDENT,
    Page,
    Row,
    Section,
    line_style,
    shown_place,
    unified_diff,
)
from flask_chainfix.report.results import Checked, Planning, Rehearsed

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal

_COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN_FINDINGS = 1_000  # of one code; nobody reads more, and wrapping them takes minutes
_SHOWN_FIRST, _SHOWN_PLACES = 10, 2  # of them unless all is told


def write_verdict(page: Page, result: Checked | Planning) -> None:
    """The verdict."""
    broken = bool(errors_of(result.diagnosis.findings))
    page.line(verdict(result.diagnosis), style="bold red" if broken else "bold green")


def write_surroundings(page: Page, result: Checked | Planning, *, apart: bool) -> None:
    """What is to be known beside the findings: the notices, and the databases."""
    notices = (*result.diagnosis.notices, *result.notices)
    if notices and apart:
        page.line("")
    write_notices(page, notices)
    snapshot = result.proposal.snapshot
    states = {status.state for status in snapshot.databases.statuses}
    if page.in_full or states != {DatabaseState.MISSING}:  # of which a notice tells
        write_sections(page, databases.sections(table_of(result, snapshot)))


def write_diagnosis(page: Page, result: Checked | Planning) -> None:
    """The verdict, the findings, what is beside them, and the chain as it is."""
    findings = result.diagnosis.findings
    write_verdict(page, result)
    write_findings(page, result, findings)
    write_surroundings(page, result, apart=bool(findings))
    page.heading("Current state")
    page.picture(current_state(result.proposal))


def write_outcome(page: Page, proposal: Proposal, error: ChainFixError | None) -> None:
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


def table_of(result: Checked | Planning | RestampPlan, snapshot: Facts) -> databases.Table:
    """Where the databases stand, and what becomes of them."""
    moves = result.moves if isinstance(result, RestampPlan) else result.proposal.moves
    told = result.error.remedy if result.error else None
    distances = isinstance(result, Checked)
    return databases.Table(snapshot, moves, result.tools, told, distances)


def write_findings(
    page: Page, result: Checked | Planning | Rehearsed, findings: Sequence[Finding]
) -> None:
    """The findings, of each code as many as somebody may read.

    Unless all is told, those that do not count are only named beside those that do, and what a
    planned repair mends bears no remedy of its own: that is the next step for all of them.
    """
    most = _SHOWN_FINDINGS if page.in_full else _SHOWN_FIRST
    shown: Counter[str] = Counter()
    beside: list[Finding] = []
    if not page.in_full and result.diagnosis.counting:
        beside = [each for each in findings if each not in result.diagnosis.counting]
    for finding in findings:
        if finding in beside:
            continue
        shown[finding.code] += 1
        if shown[finding.code] <= most:
            _finding(page, result, finding)
    for code, number in shown.items():
        if number > most:
            page.line(f"and {number - most:,} more of {code}; --format json lists all", INDENT)
    if not page.in_full and findings:
        page.line(f"--verbose adds {_left_out(beside)}", INDENT, "dim")


def _left_out(beside: Sequence[Finding]) -> str:
    """What a text leaves out of findings, among it some of them."""
    if not beside:
        return "what each breaks, all its places, and all ways out"
    severities = [each.severity.value for each in beside]
    numbers = (count(severities.count(name), name) for name in dict.fromkeys(severities))
    codes = dict.fromkeys(each.code for each in beside)
    names = f"{beside[0].code} {beside[0].name}" if len(codes) == 1 else listing(codes)
    return f"{' and '.join(numbers)} ({names}) and what each fault breaks"


def write_changes(page: Page, edits: Sequence[Edit], *, around: bool = False) -> None:
    """The diff of the files; without the lines around those that change unless all is told."""
    page.heading("Changes")
    for line in unified_diff(edits, around=around or page.in_full):
        page.verbatim(line, line_style(line))


def write_notices(page: Page, notices: Iterable[str]) -> None:
    """What the user should know besides."""
    for notice in notices:
        page.line(f"note: {notice}", style="yellow")


def _finding(page: Page, result: Checked | Planning | Rehearsed, finding: Finding) -> None:
    page.line(title_of(finding, finding.message), INDENT)
    if page.in_full:
        page.line(f"breaks: {result.tools.spell_out(finding.breaks)}", 2 * INDENT)
    planned = isinstance(result, Checked | Planning) and result.proposal.planned is not None
    is_next_step = planned and finding.repairable and not page.in_full
    if not is_next_step or len(finding.locations) <= _SHOWN_PLACES:
        _places(page, finding.locations, 1 if is_next_step else _SHOWN_PLACES)
    if result.error is None and not is_next_step:  # an error says what to do
        write_rows(page, remedy_rows(finding.hint, result.tools), 2 * INDENT)


def _places(page: Page, places: Sequence[Location], most: int) -> None:
    """Where to look; of more places than ``most`` the first, unless all is told."""
    shown = places if page.in_full or len(places) <= most else places[:1]
    left_out = len(places) - len(shown)
    more = f" and {count(left_out, 'more place')}" if left_out else ""
    for place in shown:
        text = shown_place(place)
        has_room = 2 * INDENT + len(text) + len(more) <= page.style.width
        path = None if place.ref else place.path
        page.path(path, text, more if has_room else "", indent=2 * INDENT)


def title_of(kind: Finding | Explanation, text: str) -> Line:
    """A severity, a code and a name in front of a text."""
    title = Line(kind.severity.value, _COLORS[kind.severity])
    return title.append(f"  {kind.code} {kind.name}  ", "bold").append(printable(text))


def write_steps(page: Page, title: str, steps: list[Step]) -> None:
    """Steps with their numbers, and commands to type."""
    if steps:
        page.heading(title)
    for number, step in enumerate(steps, 1):
        page.line(f"{number}. {step.text}", INDENT, hanging=3)
        for command in step.commands:
            page.verbatim(f"{' ' * (INDENT + 5)}{command}", "bold")


def write_undo_command(page: Page, tools: Tools) -> None:
    """The command that takes a change back."""
    page.line("To undo it:")
    page.verbatim(f"{' ' * INDENT}{tools.fixchain} undo{tools.databases}", "bold")


def write_sections(page: Page, sections: Iterable[Section], indent: int = INDENT) -> None:
    """Sections under their headings."""
    for section in sections:
        page.heading(section.title, section.aside)
        write_rows(page, section.rows, indent)


def write_rows(page: Page, rows: Iterable[Row], indent: int) -> None:
    """Rows, wrapped or as they are."""
    for row in rows:
        if row.wrapped:
            page.line(row.text, indent + row.indent, row.style, hanging=row.hanging)
        else:
            page.verbatim(f"{' ' * (indent + row.indent)}{row.text}".rstrip(), row.style)


def write_rehearsal(
    page: Page,
    done: Rehearsal,
    ways: Sequence[Rehearsal],
    *,
    of_plan: bool,
    notices: Sequence[str] = (),
) -> None:
    """What came of a rehearsal."""
    page.line(rehearsal.verdict(done, of_plan=of_plan), style=rehearsal.color(done))
    write_notices(page, notices)
    width = page.style.width - INDENT
    write_sections(page, rehearsal.sections(done, ways, width, in_full=page.in_full))


def write_next_steps(page: Page, done: Rehearsal, tools: Tools, *, of_plan: bool) -> None:
    """What to do after a rehearsal."""
    steps = advice.steps_after_rehearsal(done, tools, of_plan=of_plan)
    write_steps(page, "What to do now", steps)


def write_copies(page: Page, backups: Iterable[Backup]) -> None:
    """The copies of databases, and how to restore them."""
    for each in backups:
        page.heading("Backup", printable(each.name))
        page.path(each.path)
        for fact in backup_facts(each):
            page.line(fact, INDENT)
        page.line("to restore it, stop the app and type:", INDENT)
        page.verbatim(f"{' ' * 2 * INDENT}{each.restore}", "bold")
