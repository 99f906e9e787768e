"""Databases for people: where each stands, which rows it gets, and what came of that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_chainfix.common.quoting import printable, sql_comment
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import count
from flask_chainfix.databases.applied.lost import distance
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.model.databases import DatabaseState, MoveResult, MoveState, Standing
from flask_chainfix.report.advice import remedy_rows
from flask_chainfix.report.page import Row, Section

_SHOWN_ROWS = 20


_LONGEST_NAME = 44


_STYLES = {
    MoveState.MOVED: "green",
    MoveState.DOUBTFUL: "bold yellow",
    MoveState.REFUSED: "bold red",
    MoveState.FAILED: "bold red",
    MoveState.UNKNOWN: "bold red",
}


_WORDS = {
    DatabaseState.EMPTY: "nothing applied",
    DatabaseState.MISSING: "does not exist",
    DatabaseState.UNREACHABLE: "unreachable",
}


def verdict(report: Report) -> str:
    """The one line that says what is to become of the rows, or has."""
    numbers = {state: sum(result.state is state for result in report.moves) for state in MoveState}
    words = {
        MoveState.MOVED: "moved",
        MoveState.PLANNED: "to move",
        MoveState.UNCHANGED: "already right",
        MoveState.DOUBTFUL: "in doubt",
        MoveState.REFUSED: "refused",
        MoveState.FAILED: "failed",
        MoveState.UNKNOWN: "not known",
    }
    parts = [f"{numbers[state]:,} {word}" for state, word in words.items() if numbers[state]]
    if not parts:
        return "No database was named, so there is no stamp to move."
    return f"{count(len(report.moves), 'database')}: {', '.join(parts)}."


def color(report: Report) -> str:
    """The colour of the verdict."""
    return "bold red" if report.error is not None else "bold green"


def sections(report: Report) -> Iterator[Section]:
    """The table of databases, folded where nothing is to be told."""
    rows = tuple(_rows(report))
    if rows:
        yield Section("Databases", "", rows)


def script(report: Report) -> Iterator[str]:
    """The lines of the SQL that was asked for; all else is in comments, so that it can be run."""
    yield "-- Where the rows are others, nothing is changed: psql stops with an error; mariadb and"
    yield "-- sqlite3 end with 0 all the same, and say so in the last result."
    yield from (sql_comment(f"note: {notice}") for notice in report.notices)
    yield from (sql_comment(" ".join(row.text.split())) for row in _rows(report))
    for name, statements in report.sql or ():
        yield ""
        yield sql_comment(name)
        yield from (line for statement in statements for line in statement.split("\n"))


def _rows(report: Report) -> Iterator[Row]:
    standings = (
        {}
        if report.before is None
        else {standing.identity: standing for standing in report.before.databases.standings}
    )
    lines = [_line_of_move(report, standings, result) for result in report.moves] or [
        (
            standing.name,
            f"{_stands(standing)}{_distance(report, standing)}",
            "" if standing.state is DatabaseState.MISSING else standing.problem,
            _style_of(standing),
            "",
        )
        for standing in standings.values()
    ]
    longest = min(max((len(printable(line[0])) for line in lines), default=0), _LONGEST_NAME)
    quiet = 0
    for number, (name, what, detail, style, remedy) in enumerate(lines):
        if number >= _SHOWN_ROWS and not style.startswith("bold"):
            quiet += 1
            continue
        yield Row(
            f"{_cut(printable(name), longest):<{longest}}  {printable(what)}", style, wrapped=False
        )
        if detail:
            yield Row(detail, indent=2)
            if report.error is None or report.error.remedy != Remedy.of(remedy):  # told there
                yield from (
                    row._replace(indent=row.indent + 2) for row in remedy_rows(remedy, report.tools)
                )
    if quiet:
        yield Row(f"and {count(quiet, 'more database')}", "dim")


def _line_of_move(
    report: Report, standings: dict[str, Standing], result: MoveResult
) -> tuple[str, str, str, str, str | Remedy]:
    move, state = result.move, result.state
    standing = standings.get(move.identity)
    if standing is not None and not standing.rows:
        missing = standing.state is DatabaseState.MISSING
        detail, remedy = ("", result.remedy) if missing else (result.detail, "")
        return move.name, _stands(standing), detail, _STYLES.get(state, ""), remedy
    rows = ", ".join(move.before) or "not stamped"
    if move.after != move.before:
        rows += f" → {', '.join(move.after) or 'none'}"
    word = "" if state is MoveState.PLANNED else f"  {state.value}"
    if report.command == "check" and standing is not None:
        word += _distance(report, standing)
    return move.name, f"{rows}{word}", result.detail, _STYLES.get(state, ""), result.remedy


def _stands(standing: Standing) -> str:
    if standing.state is DatabaseState.UNSTAMPED:
        return f"not stamped, with {count(len(standing.tables or ()), 'table')}"
    return _WORDS.get(standing.state) or ", ".join(standing.rows)


def _distance(report: Report, standing: Standing) -> str:
    """How far a database is from the heads, behind where it stands."""
    assert report.before is not None
    found = distance(report.before, standing)
    if found is None or not standing.rows:
        return ""
    ways = ((found.behind, "behind"), (found.ahead, "ahead"))
    parts = [f"{count(number, 'revision')} {way}" for number, way in ways if number]
    return f"  {', '.join(parts)}" if parts else ""


def _style_of(standing: Standing) -> str:
    return "bold yellow" if standing.state is DatabaseState.UNREACHABLE else ""


def _cut(name: str, longest: int) -> str:
    # What tells databases of one server apart is at the end.
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def as_json(report: Report) -> dict[str, Any]:
    """The keys of the JSON document that are about databases."""
    standings = () if report.before is None else report.before.databases.standings
    moves = {result.move.identity: result for result in report.moves}
    known = {standing.identity for standing in standings}
    found = [_database(report, standing, moves.get(standing.identity)) for standing in standings]
    found += [_moved(result) for result in report.moves if result.move.identity not in known]
    return {
        "databases": found or None,
        "sql": None
        if report.sql is None
        else [{"name": name, "statements": list(each)} for name, each in report.sql],
    }


def _database(report: Report, standing: Standing, result: MoveResult | None) -> dict[str, Any]:
    assert report.before is not None
    moved = _moved(result) if result is not None else {}
    found = distance(report.before, standing)
    return {
        "name": standing.name,
        "own": standing.own,
        "state": standing.state.value,
        "rows": list(standing.rows),
        "behind": None if found is None else found.behind,
        "ahead": None if found is None else found.ahead,
        "problem": standing.problem or None,
        "rows_after": moved.get("rows_after"),
        "result": moved.get("result"),
        "detail": moved.get("detail"),
    }


def _moved(result: MoveResult) -> dict[str, Any]:
    return {
        "name": result.move.name,
        "rows": list(result.move.before),
        "rows_after": list(result.move.after),
        "result": result.state.value,
        "detail": result.detail or None,
    }
