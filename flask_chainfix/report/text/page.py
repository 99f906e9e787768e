"""A page of text: lines, and the parts that several commands share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import singledispatch
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import plain_ascii, printable
from flask_chainfix.common.remedies import Remedy, Way
from flask_chainfix.common.wording import bytes_in_words, count, listing
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.model.databases import DatabaseState
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Explanation, Finding, Location, Severity
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report.advice import choice_rows, remedy_rows
from flask_chainfix.report.database_results import Finished, Unwound
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
from flask_chainfix.report.next_steps import NextStep
from flask_chainfix.report.phrases import size, verdict
from flask_chainfix.report.pictures.chain_picture import current_state, expected_state
from flask_chainfix.report.pictures.layout import PictureNode
from flask_chainfix.report.pictures.terminal_picture import draw
from flask_chainfix.report.results import (
    BackedUp,
    Checked,
    Planning,
    Proposed,
    Rehearsed,
    Result,
    notices_of,
)
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.report.text import rehearsal_text as rehearsals

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal

INDENT = 2
_MOST_LINES, _SHORT_LINES = 2_000, 100  # of a picture, in full and otherwise
_COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN_FINDINGS = 1_000  # of one code; wrapping more would take minutes
_SHOWN_FIRST, _SHOWN_PLACES = 10, 2  # unless in full


@singledispatch
def write(result: Result, page: Page) -> None:
    """Write a result onto a page; each kind of result is registered in a module beside this one."""


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

    @property
    def width(self) -> int:
        """The columns for a row of a section."""
        return self.style.width - INDENT

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

    def verbatim(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """Add a line that must not be wrapped, such as a command or a part of a diff."""
        self._print(Line(printable(f"{' ' * indent}{text}"), style))

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
        lines = draw(nodes, width=self.width, ascii_only=self.style.ascii_only)
        most = _MOST_LINES if whole or self.in_full else _SHORT_LINES
        if len(lines) > most:
            lines = [*lines[:most], Line(f"… and {len(lines) - most:,} more lines", "dim")]
        for line in lines:
            self._print(line.cut(0, len(line.plain.rstrip())), INDENT)

    def _print(self, line: Line, indent: int = 0) -> None:
        text = line.ansi(color=self.style.color, links=self.style.links)
        self._lines.write(f"{' ' * indent if text else ''}{text}\n")

    # --- Parts of any result ---------------------------------------------------------------------
    def beginning(self, words: str, result: Result, style: str = "") -> None:
        """Add the verdict and the notices of a result; red if it was stopped, otherwise green."""
        self.line(words, style=style or ("bold green" if result.error is None else "bold red"))
        self.notices(notices_of(result))

    def notices(self, notices: Iterable[str]) -> None:
        """Add notices."""
        for notice in notices:
            self.line(f"note: {notice}", style="yellow")

    def sections(self, sections: Iterable[Section], indent: int = INDENT) -> None:
        """Add sections with their headings."""
        for section in sections:
            self.heading(section.title, section.aside)
            self.rows(section.rows, indent)

    def rows(self, rows: Iterable[Row], indent: int = INDENT) -> None:
        """Add rows, wrapped if allowed."""
        for row in rows:
            if row.wrapped:
                self.line(row.text, indent + row.indent, row.style, hanging=row.hanging)
            else:
                self.verbatim(f"{' ' * (indent + row.indent)}{row.text}".rstrip(), row.style)

    def command(self, command: str, indent: int = INDENT) -> None:
        """Add a command to type."""
        self.verbatim(command, "bold", indent=indent)

    def steps(self, title: str, steps: list[NextStep]) -> None:
        """Add numbered steps with their commands."""
        if steps:
            self.heading(title)
        for number, step in enumerate(steps, 1):
            self.line(f"{number}. {step.text}", INDENT, hanging=3)
            for command in step.commands:
                self.command(command, INDENT + 5)

    def undo_command(self, result: Result) -> None:
        """Add the command that undoes a change."""
        self.line("To undo it:")
        self.command(f"{result.tools.fixchain} undo{result.tools.databases}")

    def changes(self, edits: Sequence[Edit], *, around: bool = False) -> None:
        """Add the diff of files; without context lines unless in full."""
        self.heading("Changes")
        for line in unified_diff(edits, around=around or self.in_full):
            self.verbatim(line, line_style(line))

    def backups(self, made: BackedUp) -> None:
        """Add the notices about backups, the backups, and how to restore them."""
        self.notices(made.notices)
        for each in made.backups:
            self.heading("Backup", each.name)
            self.path(each.path)
            size = f"{bytes_in_words(each.size)}, {count(each.tables, 'table')}"
            self.line(f"{size}, read back and complete, {each.seconds:.2f} s", INDENT)
            self.line(f"SHA-256 {each.sha256}", INDENT)
            self.line("to restore it, stop the app and type:", INDENT)
            self.command(each.restore, 2 * INDENT)

    def rehearsal(
        self,
        done: Rehearsal,
        ways: Sequence[Rehearsal],
        notices: Sequence[str] = (),
        *,
        of_plan: bool,
    ) -> None:
        """Add the result of a rehearsal."""
        self.line(rehearsals.verdict(done, of_plan=of_plan), style=rehearsals.color(done))
        self.notices(notices)
        self.sections(rehearsals.sections(done, ways, self.width, in_full=self.in_full))

    # --- The findings, and what a plan makes of the chain -----------------------------------------
    def diagnosis(self, result: Proposed) -> None:
        """Add the verdict, the findings, notices, databases, and the current chain."""
        findings = result.diagnosis.findings
        self.verdict(result)
        self.findings(result, findings)
        self.surroundings(result, apart=bool(findings))
        self.heading("Current state")
        self.picture(current_state(result.proposal))

    def verdict(self, result: Proposed) -> None:
        """Add the verdict; with ``--quiet`` and a healthy chain, what a plan would change."""
        broken, said = bool(errors_of(result.diagnosis.findings)), verdict(result.diagnosis)
        planned = result.proposal.planned if isinstance(result, Planning) else None
        if planned is not None and not broken and self.style.detail is Detail.VERDICT:
            why = (size(planned.plan), *(each.detail for each in planned.plan.why))
            said = f"Planned: {': '.join(why)}."
        self.line(said, style="bold red" if broken else "bold green")

    def surroundings(self, result: Proposed, *, apart: bool) -> None:
        """Add the notices and the databases."""
        notices = notices_of(result)
        if notices and apart:
            self.line("")
        self.notices(notices)
        states = {each.state for each in result.diagnosis.snapshot.databases.statuses}
        if self.in_full or states != {DatabaseState.MISSING}:  # a notice reports missing ones
            self.sections(databases.sections_of(result))

    def outcome(self, proposal: Proposal, error: ChainFixError | None) -> None:
        """Add the planned chain, or the obstacle."""
        planned, obstacle = proposal.planned, proposal.obstacle
        if planned is not None:
            self.heading("Expected state", size(planned.plan))
            self.picture(expected_state(planned.after, planned.plan))
        elif obstacle is not None and error is None:
            self.heading("Expected state")
            self.line(f"No repair can be planned yet: {obstacle.message}", INDENT)
            for row in obstacle.lines:
                self.verbatim(row, indent=INDENT)

    def findings(self, result: Proposed | Rehearsed, findings: Sequence[Finding]) -> None:
        """Add findings, up to a limit for each code.

        Unless in full, findings that do not count are only named, and findings that a planned
        repair fixes have no remedy of their own: the repair is the next step for all of them.
        """
        most = _SHOWN_FINDINGS if self.in_full else _SHOWN_FIRST
        shown: Counter[str] = Counter()
        counting = set(map(id, result.diagnosis.counting))  # comparing thousands would take minutes
        beside: list[Finding] = []
        if not self.in_full and counting:
            beside = [each for each in findings if id(each) not in counting]
            findings = [each for each in findings if id(each) in counting]
        shown_ways: dict[Way, None] = {}
        for finding in findings:
            shown[finding.code] += 1
            if shown[finding.code] <= most:
                self._finding(result, finding, shown_ways)
        for code, number in shown.items():
            if number > most:
                self.line(f"and {number - most:,} more of {code}; --format json lists all", INDENT)
        if not self.in_full and findings:
            self.line(f"--verbose adds {_left_out(beside)}", INDENT, "dim")

    def _finding(
        self, result: Proposed | Rehearsed, finding: Finding, shown_ways: dict[Way, None]
    ) -> None:
        """Add a finding; unless in full, ``shown_ways`` are not repeated."""
        self.line(title_of(finding, finding.message), INDENT)
        if self.in_full:
            self.line(f"breaks: {result.tools.spell_out(finding.breaks)}", 2 * INDENT)
        planned = isinstance(result, Proposed) and result.proposal.planned is not None
        on_disk = isinstance(result, Checked) and bool(result.unstaged)  # a repair may be there
        is_next_step = (planned or on_disk) and finding.repairable and not self.in_full
        if not is_next_step or len(finding.locations) <= _SHOWN_PLACES:
            self._places(finding.locations, 1 if is_next_step else _SHOWN_PLACES)
        if result.error is None and not is_next_step:  # the error has the remedy
            ways = Remedy.of(finding.hint).ways
            new = tuple(way for way in ways if self.in_full or way not in shown_ways)
            shown_ways.update(dict.fromkeys(ways))
            if len(ways) - len(new) > 1:
                self.line("remedies: those above", 2 * INDENT)
                self.rows(choice_rows(Remedy(new), result.tools), 2 * INDENT)
            else:
                self.rows(remedy_rows(finding.hint, result.tools), 2 * INDENT)

    def _places(self, places: Sequence[Location], most: int) -> None:
        """Add places; unless in full, at most ``most``."""
        shown = places if self.in_full or len(places) <= most else places[:1]
        left_out = len(places) - len(shown)
        more = f" and {count(left_out, 'more place')}" if left_out else ""
        for place in shown:
            text = shown_place(place)
            has_room = 2 * INDENT + len(text) + len(more) <= self.style.width
            path = None if place.ref else place.path
            self.path(path, text, more if has_room else "", indent=2 * INDENT)


def title_of(kind: Finding | Explanation, text: str) -> Line:
    """A severity, a code and a name before a text."""
    title = Line(kind.severity.value, _COLORS[kind.severity])
    return title.append(f"  {kind.code} {kind.name}  ", "bold").append(text)


def _left_out(beside: Sequence[Finding]) -> str:
    """The line about what is left out, including other findings."""
    if not beside:
        return "what each breaks, all its places, and all remedies"
    severities = [each.severity.value for each in beside]
    numbers = (count(severities.count(name), name) for name in dict.fromkeys(severities))
    codes = dict.fromkeys(each.code for each in beside)
    names = f"{beside[0].code} {beside[0].name}" if len(codes) == 1 else listing(codes)
    return f"{' and '.join(numbers)} ({names}) and what each fault breaks"


def write_databases(page: Page, result: Finished | Unwound) -> None:
    """Write the backups that were made, and where the databases stand now."""
    if result.backup is not None:
        page.backups(result.backup)
    table = databases.DatabaseTable(result.diagnosis.snapshot, result.moves, result.tools)
    page.sections(databases.sections(table))
