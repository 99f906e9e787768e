"""A page of text, and the parts that several commands share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import plain_ascii, printable
from flask_chainfix.common.remedies import Remedy, Tools, Way
from flask_chainfix.common.wording import bytes_in_words, count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.model.databases import Backup, DatabaseState
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Explanation, Finding, Location, Severity
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report import advice
from flask_chainfix.report.advice import Step, choice_rows, remedy_rows
from flask_chainfix.report.database_results import RestampPlan
from flask_chainfix.report.display import (
    Detail,
    Row,
    Section,
    Style,
    line_style,
    shown_path,
    shown_place,
    unified_diff,
)
from flask_chainfix.report.lines import Line, link_to
from flask_chainfix.report.phrases import size, verdict
from flask_chainfix.report.pictures.chain_picture import current_state, expected_state
from flask_chainfix.report.pictures.layout import PictureNode
from flask_chainfix.report.pictures.terminal_picture import draw
from flask_chainfix.report.results import Checked, Planning, Proposed, Rehearsed
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.report.text import rehearsal_text as rehearsal

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal

INDENT = 2
_MOST_LINES, _SHORT_LINES = 2_000, 100  # of a picture, in full and otherwise


class Page:
    """Collects lines, wrapped and coloured for one output."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._lines = StringIO()
        self._verdict = ""  # the first paragraph

    @property
    def in_full(self) -> bool:
        """Whether to show everything."""
        return self.style.detail is Detail.FULL

    def text(self) -> str:
        """Everything so far; with ``--quiet`` only the verdict."""
        only = self.style.detail is Detail.VERDICT
        text = self._verdict if only else self._lines.getvalue()
        return plain_ascii(text) if self.style.ascii_only else text

    def heading(self, title: str, aside: str = "") -> None:
        """Add a title after an empty line, with a dimmed text beside it."""
        line = Line().append(printable(title), "bold underline")
        self._print(Line())
        self._print(line.append(f"  {printable(aside)}" if aside else "", "dim"))

    def line(self, text: str | Line, indent: int = 0, style: str = "", *, hanging: int = 0) -> None:
        """Add a paragraph, wrapped to the width; later lines are indented by ``hanging`` more."""
        body = Line(text, style) if isinstance(text, str) else text
        body.parts = [(printable(part), styles) for part, styles in body.parts]
        for part in body.wrapped(self.style.width - indent - hanging):
            self._print(part, indent)
            indent, hanging = indent + hanging, 0
        self._verdict = self._verdict or self._lines.getvalue().lstrip("\n")

    def verbatim(self, text: str, style: str = "") -> None:
        """Add a line that must not be wrapped, such as a command or a part of a diff."""
        self._print(Line(printable(text), style))

    def path(
        self, path: Path | None, shown: str = "", more: str = "", *, indent: int = INDENT
    ) -> None:
        """Add a path, as a link to the file if links can be shown.

        Args:
            path: the file; ``None`` if it is not on disk.
            shown: the text to show for the path.
            more: the text after it.
            indent: its indentation, in columns.
        """
        text = shown or (shown_path(path) if path else "")
        line = Line().append(printable(text), f"cyan {link_to(path) if path else ''}")
        self._print(line.append(printable(more)), indent)

    def picture(self, nodes: list[PictureNode], *, whole: bool = False) -> None:
        """Add a drawing of a chain; ``whole`` if the user asked for the drawing itself."""
        width = self.style.width - INDENT
        lines = draw(nodes, width=width, ascii_only=self.style.ascii_only)
        most = _MOST_LINES if whole or self.in_full else _SHORT_LINES
        if len(lines) > most:
            lines = [*lines[:most], Line(f"… and {len(lines) - most:,} more lines", "dim")]
        for line in lines:
            self._print(line.cut(0, len(line.plain.rstrip())), INDENT)

    def _print(self, line: Line, indent: int = 0) -> None:
        text = line.ansi(color=self.style.color, links=self.style.links)
        self._lines.write(f"{' ' * indent if text else ''}{text}\n")


# --- Parts that several commands share -----------------------------------------------------------
_COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN_FINDINGS = 1_000  # of one code; wrapping more would take minutes
_SHOWN_FIRST, _SHOWN_PLACES = 10, 2  # unless in full


def write_verdict(page: Page, result: Proposed) -> None:
    """Write the verdict; with ``--quiet`` and a healthy chain, what a plan would change."""
    broken, said = bool(errors_of(result.diagnosis.findings)), verdict(result.diagnosis)
    planned = result.proposal.planned if isinstance(result, Planning) else None
    if planned is not None and not broken and page.style.detail is Detail.VERDICT:
        why = (size(planned.plan), *(each.detail for each in planned.plan.why))
        said = f"Planned: {': '.join(why)}."
    page.line(said, style="bold red" if broken else "bold green")


def write_surroundings(page: Page, result: Proposed, *, apart: bool) -> None:
    """Write the notices and the databases."""
    notices = (*result.diagnosis.notices, *result.notices)
    if notices and apart:
        page.line("")
    write_notices(page, notices)
    snapshot = result.proposal.snapshot
    states = {status.state for status in snapshot.databases.statuses}
    if page.in_full or states != {DatabaseState.MISSING}:  # a notice reports missing ones
        write_sections(page, databases.sections(table_of(result, snapshot)))


def write_diagnosis(page: Page, result: Proposed) -> None:
    """Write the verdict, the findings, notices, databases, and the current chain."""
    findings = result.diagnosis.findings
    write_verdict(page, result)
    write_findings(page, result, findings)
    write_surroundings(page, result, apart=bool(findings))
    page.heading("Current state")
    page.picture(current_state(result.proposal))


def write_outcome(page: Page, proposal: Proposal, error: ChainFixError | None) -> None:
    """Write the planned chain, or the obstacle."""
    planned, obstacle = proposal.planned, proposal.obstacle
    if planned is not None:
        page.heading("Expected state", size(planned.plan))
        page.picture(expected_state(planned.after, planned.plan))
    elif obstacle is not None and error is None:
        page.heading("Expected state")
        page.line(f"No repair can be planned yet: {obstacle.message}", INDENT)
        for row in obstacle.lines:
            page.verbatim(f"{' ' * INDENT}{row}")


def table_of(result: Proposed | RestampPlan, snapshot: Facts) -> databases.Table:
    """The table of databases for a result."""
    moves = result.moves if isinstance(result, RestampPlan) else result.proposal.moves
    told = result.error.remedy if result.error else None
    distances = isinstance(result, Checked)
    return databases.Table(snapshot, moves, result.tools, told, distances)


def write_findings(page: Page, result: Proposed | Rehearsed, findings: Sequence[Finding]) -> None:
    """Write the findings, up to a limit for each code.

    Unless in full, findings that do not count are only named, and findings that a planned repair
    fixes have no remedy of their own: the repair is the next step for all of them.
    """
    most = _SHOWN_FINDINGS if page.in_full else _SHOWN_FIRST
    shown: Counter[str] = Counter()
    counting = set(map(id, result.diagnosis.counting))  # comparing thousands would take minutes
    beside: list[Finding] = []
    if not page.in_full and counting:
        beside = [each for each in findings if id(each) not in counting]
        findings = [each for each in findings if id(each) in counting]
    told: dict[Way, None] = {}
    for finding in findings:
        shown[finding.code] += 1
        if shown[finding.code] <= most:
            _finding(page, result, finding, told)
    for code, number in shown.items():
        if number > most:
            page.line(f"and {number - most:,} more of {code}; --format json lists all", INDENT)
    if not page.in_full and findings:
        page.line(f"--verbose adds {_left_out(beside)}", INDENT, "dim")


def _left_out(beside: Sequence[Finding]) -> str:
    """The line about what is left out, including other findings."""
    if not beside:
        return "what each breaks, all its places, and all remedies"
    severities = [each.severity.value for each in beside]
    numbers = (count(severities.count(name), name) for name in dict.fromkeys(severities))
    codes = dict.fromkeys(each.code for each in beside)
    names = f"{beside[0].code} {beside[0].name}" if len(codes) == 1 else listing(codes)
    return f"{' and '.join(numbers)} ({names}) and what each fault breaks"


def write_changes(page: Page, edits: Sequence[Edit], *, around: bool = False) -> None:
    """Write the diff of the files; without context lines unless in full."""
    page.heading("Changes")
    for line in unified_diff(edits, around=around or page.in_full):
        page.verbatim(line, line_style(line))


def write_notices(page: Page, notices: Iterable[str]) -> None:
    """Write the notices."""
    for notice in notices:
        page.line(f"note: {notice}", style="yellow")


def _finding(
    page: Page, result: Proposed | Rehearsed, finding: Finding, told: dict[Way, None]
) -> None:
    """Write a finding; unless in full, ways out that have been ``told`` are not repeated."""
    page.line(title_of(finding, finding.message), INDENT)
    if page.in_full:
        page.line(f"breaks: {result.tools.spell_out(finding.breaks)}", 2 * INDENT)
    planned = isinstance(result, Proposed) and result.proposal.planned is not None
    is_next_step = planned and finding.repairable and not page.in_full
    if not is_next_step or len(finding.locations) <= _SHOWN_PLACES:
        _places(page, finding.locations, 1 if is_next_step else _SHOWN_PLACES)
    if result.error is None and not is_next_step:  # the error has the remedy
        ways = Remedy.of(finding.hint).ways
        new = tuple(way for way in ways if page.in_full or way not in told)
        told.update(dict.fromkeys(ways))
        if len(ways) - len(new) > 1:
            page.line("remedies: those above", 2 * INDENT)
            write_rows(page, choice_rows(Remedy(new), result.tools), 2 * INDENT)
        else:
            write_rows(page, remedy_rows(finding.hint, result.tools), 2 * INDENT)


def _places(page: Page, places: Sequence[Location], most: int) -> None:
    """Write the places; unless in full, at most ``most``."""
    shown = places if page.in_full or len(places) <= most else places[:1]
    left_out = len(places) - len(shown)
    more = f" and {count(left_out, 'more place')}" if left_out else ""
    for place in shown:
        text = shown_place(place)
        has_room = 2 * INDENT + len(text) + len(more) <= page.style.width
        path = None if place.ref else place.path
        page.path(path, text, more if has_room else "", indent=2 * INDENT)


def title_of(kind: Finding | Explanation, text: str) -> Line:
    """A severity, a code and a name before a text."""
    title = Line(kind.severity.value, _COLORS[kind.severity])
    return title.append(f"  {kind.code} {kind.name}  ", "bold").append(printable(text))


def write_steps(page: Page, title: str, steps: list[Step]) -> None:
    """Write numbered steps with their commands."""
    if steps:
        page.heading(title)
    for number, step in enumerate(steps, 1):
        page.line(f"{number}. {step.text}", INDENT, hanging=3)
        for command in step.commands:
            page.verbatim(f"{' ' * (INDENT + 5)}{command}", "bold")


def write_undo_command(page: Page, tools: Tools) -> None:
    """Write the command that undoes a change."""
    page.line("To undo it:")
    page.verbatim(f"{' ' * INDENT}{tools.fixchain} undo{tools.databases}", "bold")


def write_sections(page: Page, sections: Iterable[Section], indent: int = INDENT) -> None:
    """Write sections with their headings."""
    for section in sections:
        page.heading(section.title, section.aside)
        write_rows(page, section.rows, indent)


def write_rows(page: Page, rows: Iterable[Row], indent: int) -> None:
    """Write rows, wrapped if allowed."""
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
    """Write the result of a rehearsal."""
    page.line(rehearsal.verdict(done, of_plan=of_plan), style=rehearsal.color(done))
    write_notices(page, notices)
    width = page.style.width - INDENT
    write_sections(page, rehearsal.sections(done, ways, width, in_full=page.in_full))


def write_next_steps(page: Page, done: Rehearsal, tools: Tools, *, of_plan: bool) -> None:
    """Write the steps after a rehearsal."""
    steps = advice.steps_after_rehearsal(done, tools, of_plan=of_plan)
    write_steps(page, "What to do now", steps)


def write_copies(page: Page, backups: Iterable[Backup]) -> None:
    """Write the backups, and how to restore them."""
    for each in backups:
        page.heading("Backup", printable(each.name))
        page.path(each.path)
        size = f"{bytes_in_words(each.size)}, {count(each.tables, 'table')}"
        page.line(f"{size}, read back and complete, {each.seconds:.2f} s", INDENT)
        page.line(f"SHA-256 {each.sha256}", INDENT)
        page.line("to restore it, stop the app and type:", INDENT)
        page.verbatim(f"{' ' * 2 * INDENT}{each.restore}", "bold")
