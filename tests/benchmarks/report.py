"""The figures as tables, and the goals with what was reached of them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .measures import (
    AGAINST,
    ALEMBIC,
    CHECK,
    CHECK_ALONE,
    CHECK_SAMPLE,
    COMPARE_TENANTS,
    DRAW,
    EMPTY_PAGE,
    HEADS,
    INSPECTOR,
    LOOP,
    PARSE,
    QUERIES,
    READ_TENANTS,
    READING,
    REBASE,
    ROWS_THERE,
    SCHEMA,
    STARTS,
    SWITCH,
    TRACE,
    TRACE_TENANTS,
    WITH_OTHERS,
    PageSection,
    Section,
)

_COLUMNS = (
    "seconds",
    "µs per\nrevision",
    "times bare\nreading",
    "times faster\nthan Alembic",
    "peak MB",
)
_NOTE = (
    "Reading, loading and checking in process: seconds of the process's own work. Whole processes"
    " and repairs: seconds on the clock, but of starts and hostile projects those of the process's"
    " own work."
)
_FASTER, _TIMES_READING, _TIMES_PARSING, _FLAT, _TIMES_LOOP = 5.0, 3.0, 2.5, 1.5, 3.0
_TIMES_CHECK, _TIMES_INSPECTOR = 1.5, 2.0
_TIMES_AGAINST, _TIMES_WITH = 1.5, 3.0
_TIMES_SCHEMA, _PAGE_BYTES = 2.0, 1_500  # for each revision
_QUIET = 0.02  # seconds of an empty page; where it takes longer, the machine is busy
_SMALL_PAGE = {ROWS_THERE: 0.3, SWITCH: 0.1}  # up to 1,000 revisions
_LARGE_PAGE = {ROWS_THERE: 1.0, SWITCH: 0.3}
_MOST_SECONDS, _MOST_MEGABYTES = 10.0, 500.0


class Results(NamedTuple):
    """Everything that was measured: by size, and the chains that are hard on Alembic.

    ``tenants`` is empty where no server was named.
    """

    plain: Sequence[Section]
    shared: Sequence[Section]
    parted: Section
    busy: Sequence[Section]
    labelled: Sequence[Section]
    dependent: Sequence[Section]
    sample: Section
    starts: Section
    hostile: Section
    traced: Sequence[Section]
    tenants: Sequence[Section]
    pages: Sequence[PageSection] = ()


class Goal(NamedTuple):
    """A goal, what was measured of it, and whether that is enough (``None``: not measured)."""

    text: str
    measured: str
    reached: bool | None


def show(results: Results) -> None:
    """Print the table, the goals, and what they were measured with."""
    console = Console(width=100, highlight=False, emoji=False, markup=False)
    names = ("alembic", "flask", "flask-migrate", "sqlalchemy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    console.print(f"Python {platform.python_version()}, {versions}; {platform.machine()}")
    console.print(_table(results))
    console.print(_NOTE, soft_wrap=True)
    for goal in goals(results):
        state = {True: "reached", False: "NOT REACHED", None: "not measured"}[goal.reached]
        console.print(f"{state:>12}  {goal.text}: {goal.measured}", soft_wrap=True)


def _table(results: Results) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("")
    for title in _COLUMNS:
        table.add_column(title, justify="right")
    for section in (
        *results.plain,
        *results.shared,
        results.parted,
        *results.busy,
        *results.labelled,
        *results.dependent,
        results.sample,
        results.starts,
        results.hostile,
        *results.traced,
        *results.tenants,
        *(each.section for each in results.pages),
    ):
        table.add_row(section.title)
        for row in section.rows:
            table.add_row(
                f"  {row.name}",
                f"{row.seconds:.3f}",
                f"{row.seconds / section.revisions * 1e6:,.0f}" if section.revisions else "",
                _ratio(row.seconds, section.seconds(READING)),
                _ratio(section.seconds(ALEMBIC), row.seconds),
                "" if row.peak is None else f"{row.peak / 1e6:,.0f}",
            )
        table.add_section()
    return table


def _ratio(one: float | None, other: float | None) -> str:
    return "" if one is None or other is None else f"{one / other:.1f}"


def goals(results: Results) -> Iterator[Goal]:
    """Each goal of the project with what was measured of it."""
    at_10_000 = next((part for part in results.plain if part.revisions == 10_000), None)
    check = at_10_000.seconds(CHECK) if at_10_000 else None
    yield _goal(
        f"check at 10,000 at least {_FASTER:g} times faster than Alembic",
        at_10_000.seconds(ALEMBIC) if at_10_000 else None,
        check,
        at_least=_FASTER,
    )
    yield _goal(
        f"check at 10,000 at most {_TIMES_READING:g} times bare reading",
        check,
        at_10_000.seconds(READING) if at_10_000 else None,
        at_most=_TIMES_READING,
    )
    shared = next((part for part in results.shared if part.revisions == 10_000), None)
    yield _goal(
        f"rebase at 10,000 at most {_TIMES_CHECK:g} times check",
        shared.seconds(REBASE) if shared else None,
        shared.seconds(CHECK) if shared else None,
        at_most=_TIMES_CHECK,
    )
    alone = results.parted.seconds(CHECK_ALONE)
    for name, most in ((AGAINST, _TIMES_AGAINST), (WITH_OTHERS, _TIMES_WITH)):
        title = f"{name}, at most {most:g} times check"
        yield _goal(title, results.parted.seconds(name), alone, at_most=most)
    first, last = results.plain[0], results.plain[-1]
    yield _growth(f"time per revision flat to {last.revisions:,}", first, last)
    for parts in (results.labelled, results.dependent):
        yield _growth(f"no super-linear step, {parts[0].title} and more", parts[0], parts[-1])
    busy, busiest = results.busy[0], results.busy[-1]
    yield _goal(
        f"check --schema at {busy.revisions:,} at most {_TIMES_PARSING:g} times one ast.parse",
        busy.seconds(SCHEMA),
        busy.seconds(PARSE),
        at_most=_TIMES_PARSING,
    )
    yield _growth(f"check --schema linear to {busiest.revisions:,}", busy, busiest, SCHEMA)
    yield _goal(
        "fixchain check on the sample no slower than flask db heads",
        results.sample.seconds(CHECK_SAMPLE),
        results.sample.seconds(HEADS),
        at_most=1.0,
    )
    for command, other, most in STARTS:
        measured = results.starts.seconds(command), results.starts.seconds(other)
        yield _goal(f"{command} at most {most:g} times {other}", *measured, at_most=most)
    slowest = max(results.hostile.rows, key=lambda row: row.seconds)
    largest = max(results.hostile.rows, key=lambda row: row.peak or 0)
    yield Goal(
        f"check of a hostile project at most {_MOST_SECONDS:g} s and {_MOST_MEGABYTES:g} MB",
        f"{slowest.seconds:.1f} s ({slowest.name}), {(largest.peak or 0) / 1e6:,.0f} MB"
        f" ({largest.name})",
        slowest.seconds <= _MOST_SECONDS and (largest.peak or 0) <= _MOST_MEGABYTES * 1e6,
    )
    for traced in results.traced:
        yield _goal(
            f"trace of {traced.revisions:,} tables at most {_TIMES_INSPECTOR:g} times inspection",
            traced.seconds(TRACE),
            traced.seconds(INSPECTOR),
            at_most=_TIMES_INSPECTOR,
        )
    for schemas in results.tenants:
        yield _goal(
            f"reading {schemas.revisions:,} schemas at most {_TIMES_LOOP:g} times a loop",
            schemas.seconds(READ_TENANTS),
            schemas.seconds(LOOP),
            at_most=_TIMES_LOOP,
        )
        yield _goal(
            f"comparing {schemas.revisions:,} schemas at most {_TIMES_LOOP:g} times their queries",
            schemas.seconds(COMPARE_TENANTS),
            schemas.seconds(QUERIES),
            at_most=_TIMES_LOOP,
        )
        yield _goal(
            f"tracing {schemas.revisions:,} schemas at most {_TIMES_LOOP:g} times their queries",
            schemas.seconds(TRACE_TENANTS),
            schemas.seconds(QUERIES),
            at_most=_TIMES_LOOP,
        )
    for page in results.pages:
        yield from _goals_of_page(page)


def _goals_of_page(page: PageSection) -> Iterator[Goal]:
    section, size = page
    at = f"at {section.revisions:,}"
    drawn, judged = section.seconds(DRAW), section.seconds(SCHEMA)
    text = f"graph --format html {at} at most {_TIMES_SCHEMA:g} times check --schema"
    yield _goal(text, drawn, judged, at_most=_TIMES_SCHEMA)
    most = section.revisions * _PAGE_BYTES
    yield Goal(f"its page {at} at most {most / 1e6:g} MB", f"{size / 1e6:.2f} MB", size <= most)
    busy = max(1.0, (section.seconds(EMPTY_PAGE) or 0) / _QUIET)
    limits = _SMALL_PAGE if section.revisions <= 1_000 else _LARGE_PAGE
    for name, seconds in limits.items():
        took = section.seconds(name) or 0
        told = f"{took:.3f} s, on a machine {busy:.1f} times as busy as a quiet one"
        yield Goal(f"{name} {at}: at most {seconds:g} s", told, took <= seconds * busy)


def _growth(text: str, first: Section, last: Section, name: str = CHECK) -> Goal:
    each = [_each(section, name) for section in (first, last)]
    if first.revisions == last.revisions or each[0] is None or each[1] is None:
        return Goal(text, "one size only", None)
    measured = (
        f"{each[0] * 1e6:.0f} µs at {first.revisions:,}, {each[1] * 1e6:.0f} µs at"
        f" {last.revisions:,}, factor {each[1] / each[0]:.2f} (flat: at most {_FLAT:g})"
    )
    reading = _each(first, READING), _each(last, READING)
    if reading[0] and reading[1]:
        measured += f"; bare reading {reading[1] / reading[0]:.2f}"
    return Goal(text, measured, each[1] <= _FLAT * each[0])


def _each(section: Section, name: str) -> float | None:
    seconds = section.seconds(name)
    return None if seconds is None else seconds / section.revisions


def _goal(
    text: str,
    one: float | None,
    other: float | None,
    *,
    at_least: float = 0.0,
    at_most: float = float("inf"),
) -> Goal:
    if one is None or other is None:
        return Goal(text, "needs 10,000 among the sizes", None)
    return Goal(
        text, f"{one / other:.2f} ({one:.3f} s, {other:.3f} s)", at_least <= one / other <= at_most
    )
