"""What databases have really run, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import count, in_rows, listing
from flask_chainfix.databases.applied.by_schema import (
    TracedDatabase,
    against,
    difference_in_words,
    remedy_of,
    sign_in_words,
)
from flask_chainfix.databases.applied.differences import Difference
from flask_chainfix.databases.applied.verdicts import Trace, Verdict
from flask_chainfix.databases.facts import Facts
from flask_chainfix.rehearsal.schemas.drift import ExactComparison
from flask_chainfix.report.advice import remedy_rows
from flask_chainfix.report.database_results import Traced
from flask_chainfix.report.display import Row, Section
from flask_chainfix.report.lines import cells as columns_of
from flask_chainfix.report.pictures.layout import PictureNode
from flask_chainfix.report.text.page import INDENT, Page, write
from flask_chainfix.schema.live import Sign, deciding
from flask_chainfix.schema.reflected import PropertyDifference

_NAMED = 3
_WORDS = {
    Verdict.RUN: "has run",
    Verdict.NOT_RUN: "has not run",
    Verdict.HALF_RUN: "half run",
    Verdict.UNKNOWN: "not known",
}


@write.register
def _(result: Traced, page: Page) -> None:
    drifted = any(each.problem or each.differences for each in result.exact.values())
    differs = drifted or any(each.differs for each in result.databases)
    page.beginning(verdict(result), result, "bold red" if differs else "bold green")
    for found in result.databases:
        page.heading(found.status.name)
        page.line(summary(found, result.snapshot), INDENT)
        if found.unknown:
            page.line(decided(found), INDENT)
        if found.differs or found.unknown:
            page.picture(picture(found, result.snapshot))
        page.sections(sections(found, result, page.width, in_full=page.in_full))
        page.rows(remedy_rows(steps(found, result), result.tools))


def verdict(result: Traced) -> str:
    """The verdict on one line."""
    total = len(result.databases)
    number = sum(each.differs for each in result.databases)
    differing = sum(len(_differences(each, result)) for each in result.databases)
    also = f", with {count(differing, 'difference')}" if differing else ""
    uncompared = sum(bool(each.problem) for each in result.exact.values())
    if uncompared:
        which = "" if total == 1 else f" {uncompared:,}"
        verb = "was" if uncompared == 1 else "were"
        also += f", but{which} {verb} not compared with what the chain makes"
    if total == 1:
        return f"The database {'does not match' if number else 'matches'} its stamp{also}."
    if number:
        verb = "does not match its stamp" if number == 1 else "do not match their stamps"
        return f"{number:,} of {total:,} databases {verb}{also}."
    return f"All {total:,} databases match their stamps{also}."


def _differences(found: TracedDatabase, result: Traced) -> tuple[Any, ...]:
    """The differences of a database: the exact ones if the chain was run."""
    exact = result.exact.get(found.status.identity)
    if exact is not None and not exact.problem:
        return exact.differences
    return () if found.trace is None else found.trace.differences


def summary(found: TracedDatabase, snapshot: Facts) -> str:
    """The trace of one database in one sentence."""
    rows, trace = found.status.rows, found.trace
    stamped = f"stamped at {in_rows(rows)}" if rows else "not stamped"
    if trace is None:
        return f"{stamped}; its schema was not read: {found.problem}"
    parts = [
        f"{count(len(names), 'revision')} {word}"
        for names, word in ((found.behind, "behind"), (found.ahead, "ahead"))
        if names
    ]
    if found.half:
        each = "each of " if len(found.half) > 1 else ""
        parts.append(f"half of {each}{listing(found.half, _NAMED)} has run")
    parts += against(found, found.contradicted)
    if parts:
        matches = ""
        if trace.fits and not found.half and not found.contradicted:
            matches = f"its schema matches {listing(trace.fits)}: "
        return f"{stamped}; {matches}{', '.join(parts)}"
    twice = [name for name in found.unknown if name in snapshot.graph.duplicates]
    if twice:
        ids = f"the {'id' if len(twice) == 1 else 'ids'} {listing(twice, _NAMED)}"
        return f"{stamped}; several files have {ids}, and it is not known which of them has run"
    silent = [name for name in found.unknown if name in found.claimed]
    if silent:
        leave = "leaves" if len(silent) == 1 else "leave"
        return f"{stamped}, and its schema matches; {listing(silent, _NAMED)} {leave} no sign in it"
    return f"{stamped}, and its schema {'matches' if rows else 'shows no revision'}"


def decided(found: TracedDatabase) -> str:
    """How many revisions a schema decides, in words."""
    total = 0 if found.trace is None else len(found.trace.revisions)
    return f"the schema decides {total - len(found.unknown):,} of {count(total, 'revision')}"


def picture(found: TracedDatabase, snapshot: Facts) -> list[PictureNode]:
    """The chain with the verdict on each revision; applied ones have no mark."""
    if found.trace is None:
        return []
    nodes, mismatched = [], found.mismatched
    for revision, traced in found.trace.revisions.items():
        marks = () if traced.verdict is Verdict.RUN else (_WORDS[traced.verdict],)
        if revision in found.status.rows:
            marks = ("stamp", *marks)
        nodes.append(
            PictureNode(
                revision,
                snapshot.graph.parents[revision],
                snapshot.header(revision).message,
                marks,
                "broken" if revision in mismatched else "plain",
            )
        )
    return nodes


class _Shown(NamedTuple):
    """How many items of each kind to show; ``None`` for all."""

    signs: int | None = 4
    revisions: int | None = 12
    differences: int | None = 20


def sections(
    found: TracedDatabase, result: Traced, width: int, *, in_full: bool
) -> Iterator[Section]:
    """The evidence and the differences of a database.

    Args:
        found: the database.
        result: the result of the command.
        width: columns for a row.
        in_full: whether to show everything, however long.
    """
    most = _Shown(None, None, None) if in_full else _Shown()
    if found.trace is not None:
        yield from _evidence_sections(found, found.trace, result.snapshot, most)
    exact = result.exact.get(found.status.identity)
    if found.trace and found.trace.differences and (exact is None or exact.problem):
        rows = _difference_rows(found.trace.differences, result.snapshot, most)
        yield Section("Differences", "", tuple(rows))
    if exact is not None:
        rows = _exact_rows(exact, _first_alike(found, exact, result), width, most)
        yield Section("Compared with what the chain makes", "", tuple(rows))


def _evidence_sections(
    found: TracedDatabase, trace: Trace, snapshot: Facts, most: _Shown
) -> Iterator[Section]:
    mismatched = list(filter(found.mismatched.__contains__, trace.revisions))
    rows: list[Row] = []
    for name in mismatched[: most.revisions]:
        traced = trace.revisions[name]
        rows.append(Row(f"{name} {_WORDS[traced.verdict]}", "bold"))
        if traced.because:
            verb = "has" if traced.verdict is Verdict.RUN else "has not"
            over = "which requires it" if verb == "has" else "which it requires"
            rows.append(Row(f"as {traced.because}, {over}, {verb} run", indent=2))
        signs = _telling(traced.signs)
        rows += [Row(sign_in_words(sign, snapshot), indent=2) for sign in signs[: most.signs]]
        if more := len(signs) - len(signs[: most.signs]):
            rows.append(Row(f"and {more:,} more", "dim", indent=2))
    if left_out := len(mismatched) - len(mismatched[: most.revisions]):
        rows.append(Row(f"and {count(left_out, 'more revision')}", "dim"))
    if rows:
        yield Section("Evidence", "", tuple(rows))


def _difference_rows(
    differences: tuple[Difference, ...], snapshot: Facts, most: _Shown
) -> Iterator[Row]:
    shown = differences[: most.differences]
    for each in shown:
        yield Row(difference_in_words(each, snapshot))
    left = len(differences) - len(shown)
    if left > 0:
        yield Row(f"and {left:,} more", "dim")


def _first_alike(found: TracedDatabase, exact: ExactComparison, result: Traced) -> str:
    """The name of an earlier database with the same differences; ``""`` for none."""
    for each in result.databases:
        if each is found:
            break
        other = result.exact.get(each.status.identity)
        if exact.differences and other is not None and other.differences == exact.differences:
            return each.status.name
    return ""


def _exact_rows(exact: ExactComparison, alike: str, width: int, most: _Shown) -> Iterator[Row]:
    """The differences from what the chain makes on a scratch database."""
    if exact.problem:
        yield Row(f"not compared: {exact.problem}", "bold red")
        return
    if alike:
        yield Row(f"the same {count(len(exact.differences), 'difference')} as in {alike}")
    elif exact.differences:
        shown = exact.differences[: most.differences]
        yield from _table(shown, width)
        left = len(exact.differences) - len(shown)
        if left > 0:
            yield Row(f"and {left:,} more, which --verbose has", "dim")
    else:
        yield Row("no difference")
    for words in exact.unread:
        yield Row(f"not compared: {words}", "dim")
    if exact.note:
        yield Row(exact.note, "dim")


def _table(differences: Sequence[PropertyDifference], width: int) -> Iterator[Row]:
    """A line for each difference; if one does not fit, all are stacked."""
    cells = [("", "", "the chain makes", "the database has")]
    for each in differences:
        said = (each.named, each.aspect, each.expected or "nothing", each.found or "nothing")
        cells.append((printable(said[0]), said[1], printable(said[2]), printable(said[3])))
    widths = [max(map(columns_of, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        for number, line in enumerate(cells):
            padded = (
                cell + " " * (room - columns_of(cell))
                for cell, room in zip(line, widths, strict=True)
            )
            yield Row("  ".join(padded).rstrip(), "" if number else "dim", wrapped=False)
        return
    for name, aspect, expected, found in cells[1:]:
        yield Row(f"{name}: {aspect}" if aspect else name, "bold")
        yield Row(f"the chain makes   {expected}", indent=2, hanging=18)
        yield Row(f"the database has  {found}", indent=2, hanging=18)


def _telling(signs: tuple[Sign, ...]) -> list[Sign]:
    own = deciding(signs)
    return [sign for sign in own if sign.made is not None] or own


def steps(found: TracedDatabase, result: Traced) -> Remedy:
    """The remedies that make the database and its stamp match, or allow a comparison."""
    exact = result.exact.get(found.status.identity)
    comparing = Remedy.of(exact.remedy) if exact is not None else Remedy()
    ways = (remedy_of(result.snapshot, found) | comparing).ways
    return Remedy(tuple(dict.fromkeys(ways))).placed(here=found.status.own)
