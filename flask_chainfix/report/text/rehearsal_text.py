"""A rehearsal as text: the verdict, a table of what ran, and the failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import beginning_of, bytes_in_words, count, listing
from flask_chainfix.model.findings import Location
from flask_chainfix.model.rehearsal import SERVERS, Rehearsal, RehearsalFailure, RehearsalStep
from flask_chainfix.report.display import Row, Section, shown_place

_SHOWN_ROWS = 20
_SHOWN_SLOWEST = 5
_AROUND = 3
_NARROWEST = 12

# The possible passes of a rehearsal over the chain, in order.
_PASSES = ((0, "up", "old chain"), (1, "up", "up"), (1, "down", "down"), (2, "up", "up"))


def verdict(rehearsal: Rehearsal, *, of_plan: bool) -> str:
    """The verdict on one line.

    Args:
        rehearsal: the rehearsal.
        of_plan: whether the planned chain ran, not the current one.
    """
    chain = "planned chain" if of_plan else "chain"
    if rehearsal.for_databases:
        chain = f"way of {listing(rehearsal.for_databases)}"
    failure = rehearsal.failure
    if failure is not None:
        where = f" at {failure.revision} ({_way(failure)})" if failure.revision else ""
        return f"The rehearsal of the {chain} failed{where}."
    number = len({step.revision for step in rehearsal.steps})
    runs = f"{count(number, 'revision')} {_ways(rehearsal)}"
    if rehearsal.start and not number:
        runs = f"nothing to run above {listing(rehearsal.start)}"
    if rehearsal.differences is None:
        result = f"not compared with the models: {rehearsal.not_compared}"
    elif rehearsal.differences:
        places = count(len(rehearsal.differences), "place")
        result = f"the result differs from the models in {places}"
    else:
        result = "the result fits the models"
    if rehearsal.gaps:
        gaps = len({gap.revision for gap in rehearsal.gaps})
        result = f"{count(gaps, 'downgrade')} did not undo everything; {result}"
    server = SERVERS.get(rehearsal.dialect)
    where = f"a new {server} database" if server else rehearsal.database
    if rehearsal.copies:
        where = f"a copy of a {server or 'SQLite'} database"
    return f"The {chain} was rehearsed on {where}: {runs}; {result}."


def _ways(rehearsal: Rehearsal) -> str:
    """The directions in which the revisions ran, in words."""
    from_ = ", ".join(rehearsal.start)
    if rehearsal.gaps is not None:
        return f"each up, down and up again{f', above {from_}' if from_ else ''}"
    if from_:
        return f"up from {from_}"
    return "up; it was not stamped" if rehearsal.copies else "up, down, up again"


def color(rehearsal: Rehearsal) -> str:
    """The colour of the verdict."""
    if rehearsal.failure is not None:
        return "bold red"
    return "yellow" if rehearsal.differences or rehearsal.gaps else "bold green"


def sections(
    rehearsal: Rehearsal, ways: Sequence[Rehearsal], width: int, *, in_full: bool
) -> Iterator[Section]:
    """The non-empty sections of a rehearsal.

    Args:
        rehearsal: the rehearsal.
        ways: the rehearsals from the stamps of known databases.
        width: columns for a row.
        in_full: whether to also list revisions that ran without problems.
    """
    failure = rehearsal.failure
    for copy in rehearsal.copies:
        size = f"{count(copy.tables, 'table')}, a backup of {bytes_in_words(copy.size)}"
        yield Section("Copy", copy.database, (Row(f"{size}, copied in {copy.seconds:.2f} s"),))
    rows = tuple(_table(rehearsal, width, in_full=in_full))
    if rows and (in_full or failure is not None):
        yield Section("Rehearsal", rehearsal.database, rows)
    if failure is not None:
        yield Section("Failure", failure.kind.value, tuple(_failure_rows(failure)))
    if rehearsal.lost or rehearsal.empty:
        rows = tuple(_rows(rehearsal, in_full=in_full))
        yield Section("Rows", "made for the rehearsal", rows)
    if rehearsal.differences:
        rows = tuple(_difference_rows(rehearsal, in_full=in_full))
        yield Section("Differences", "from the models", rows)
    if ways:
        yield Section("Ways", "of known databases", tuple(_way_rows(ways)))
    if rehearsal.kept:
        kept = tuple(Row(url, "cyan", wrapped=False) for url in rehearsal.kept)
        yield Section("Kept", "", kept)


def _rows(rehearsal: Rehearsal, *, in_full: bool) -> Iterator[Row]:
    """The rows that downgrades deleted, and the tables that had no rows."""
    lost = rehearsal.lost or ()
    lines = [
        f"the downgrade of {each.revision} deletes {count(each.rows, 'row')} of {each.table}"
        for each in lost
    ]
    lines += [f"{each.table} was empty: {each.why}" for each in rehearsal.empty]
    shown = lines if in_full else lines[:_SHOWN_ROWS]
    yield from map(Row, shown)
    if len(lines) > len(shown):
        yield Row(f"and {len(lines) - len(shown):,} more, which --verbose has", "dim")


def _way_rows(ways: Sequence[Rehearsal]) -> Iterator[Row]:
    for way in ways:
        names = listing(way.for_databases)
        ran = count(len([step for step in way.steps if step.round]), "revision")
        result = "failed" if way.failure else f"ok, {ran} run over the new chain"
        style = "bold red" if way.failure else ""
        yield Row(f"{names}, from {', '.join(way.start)}: {result}", style)


def _difference_rows(rehearsal: Rehearsal, *, in_full: bool) -> Iterator[Row]:
    lines = rehearsal.differences or ()
    shown = lines if in_full else lines[:_SHOWN_ROWS]
    yield from map(Row, shown)
    left_out = len(lines) - len(shown)
    if left_out > 0:
        yield Row(f"and {count(left_out, 'more difference')}")


def _table(rehearsal: Rehearsal, width: int, *, in_full: bool) -> Iterator[Row]:
    """What ran, a row for each revision; a long table is folded where nothing happened."""
    passes = [each for each in _PASSES if any(_in_pass(step, each) for step in rehearsal.steps)]
    steps: dict[str, list[RehearsalStep]] = {}
    for step in rehearsal.steps:
        steps.setdefault(step.revision, []).append(step)
    if not steps:
        return
    revisions = list(steps)
    cells = {each: _cells(steps[each], passes) for each in revisions}
    heads = [*(each[2] for each in passes), "seconds"]
    columns = [max(len(head), len("failed")) for head in heads]
    room = width - sum(columns) - 2 * len(columns)
    longest = max(_NARROWEST, min(room, max(len(each) for each in revisions)))
    yield Row(_line("revision", heads, longest, columns), "bold", wrapped=False)
    shown = set(revisions) if in_full else _shown(rehearsal, revisions)
    folded = 0
    for revision in revisions:
        if revision in shown:
            if folded:
                yield _fold(folded)
            folded = 0
            style = "bold red" if "failed" in cells[revision] else ""
            yield Row(_line(revision, cells[revision], longest, columns), style, wrapped=False)
        else:
            folded += 1
    if folded:
        yield _fold(folded)


def _fold(number: int) -> Row:
    return Row(f"… {count(number, 'more revision')}, nothing happened …", "dim")


def _line(name: str, cells: Sequence[str], longest: int, columns: Sequence[int]) -> str:
    name = beginning_of(printable(name), longest)
    values = (f"{cell:>{column}}" for cell, column in zip(cells, columns, strict=True))
    return "  ".join([f"{name:<{longest}}", *values]).rstrip()


_Pass = tuple[int, str, str]


def _in_pass(step: RehearsalStep, each: _Pass) -> bool:
    return (step.round, step.direction) == each[:2]


def _cells(steps: Sequence[RehearsalStep], passes: Sequence[_Pass]) -> list[str]:
    """The cells of one revision's row."""
    cells = []
    for each in passes:
        ran = [step for step in steps if _in_pass(step, each)]
        cells.append("failed" if any(step.error for step in ran) else "ok" if ran else "")
    return [*cells, f"{sum(step.seconds for step in steps):.2f}"]


def _shown(rehearsal: Rehearsal, revisions: Sequence[str]) -> set[str]:
    """The rows to show: the first, the last, the slowest, and those around a failure."""
    if len(revisions) <= _SHOWN_ROWS:
        return set(revisions)
    seconds = dict.fromkeys(revisions, 0.0)
    for step in rehearsal.steps:
        seconds[step.revision] += step.seconds
    slowest = sorted(revisions, key=lambda revision: -seconds[revision])[:_SHOWN_SLOWEST]
    shown = {*slowest, *revisions[:2], *revisions[-2:]}
    failure = rehearsal.failure
    if failure is not None and failure.revision in revisions:
        place = revisions.index(failure.revision)
        shown.update(revisions[max(0, place - _AROUND) : place + _AROUND + 1])
    return shown


def _failure_rows(failure: RehearsalFailure) -> Iterator[Row]:
    """Where it failed, at what, and why."""
    if failure.revision:
        bind = f", database {failure.bind}" if failure.bind else ""
        yield Row(f"{failure.revision}  {_way(failure)}{bind}", "bold")
    if failure.path is not None:
        place = shown_place(Location(failure.path, failure.line))
        yield Row(place, "cyan", wrapped=False)
    if failure.operation:
        yield Row(f"operation: {failure.operation}")
    if failure.cause:
        yield Row(f"cause: {failure.cause}")


def where_and_why(failure: RehearsalFailure) -> str:
    """The end of a sentence about a failure: its place and cause."""
    at = f" at {failure.revision}" if failure.revision else ""
    place = ""
    if failure.path is not None:
        place = f" ({shown_place(Location(failure.path, failure.line))})"
    return f"{at}: {failure.message}{place}"


def _way(failure: RehearsalFailure) -> str:
    if failure.round == 0:
        return "the old chain's way up"
    return failure.direction if failure.round == 1 else "second way up"
