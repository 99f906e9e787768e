"""Databases as text: their stamps, and the moves of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import printable, sql_comment
from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.common.wording import count, end_of, in_rows, listing
from flask_chainfix.databases.applied.lost import distance
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseStatus,
    Downgrade,
    MoveResult,
    MoveState,
)
from flask_chainfix.report.advice import remedy_rows
from flask_chainfix.report.database_results import RestampPlan, RestampScript
from flask_chainfix.report.display import Row, Section
from flask_chainfix.report.results import Checked, Proposed, notices_of

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


@dataclass(frozen=True)
class DatabaseTable:
    """The contents of the section about databases.

    Attributes:
        snapshot: the chain, and where the databases stand.
        moves: the moves of their rows, planned or made; if there are any, only these are shown.
        tools: how to spell out commands.
        shown_remedy: a remedy that is shown elsewhere, and not repeated here.
        distances: whether to add how far each database is from the heads.
    """

    snapshot: Facts
    moves: Sequence[MoveResult]
    tools: Tools
    shown_remedy: Remedy | None = None
    distances: bool = False


def verdict(moves: Sequence[MoveResult]) -> str:
    """The moves, planned or made, on one line."""
    numbers = {state: sum(result.state is state for result in moves) for state in MoveState}
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
    return f"{count(len(moves), 'database')}: {', '.join(parts)}."


def table_of(result: Proposed | RestampPlan) -> DatabaseTable:
    """The table of databases for a result."""
    moves = result.moves if isinstance(result, RestampPlan) else result.proposal.moves
    shown_remedy = result.error.remedy if result.error else None
    distances = isinstance(result, Checked)
    return DatabaseTable(result.diagnosis.snapshot, moves, result.tools, shown_remedy, distances)


def sections_of(result: Proposed | RestampPlan) -> Iterator[Section]:
    """The table of databases for a result, as ``sections`` has it."""
    return sections(table_of(result))


def sections(table: DatabaseTable) -> Iterator[Section]:
    """The table of databases; unremarkable ones are folded."""
    rows = tuple(_rows(table))
    if rows:
        yield Section("Databases", "", rows)


def script(result: RestampScript) -> Iterator[str]:
    """The lines of an executable SQL script; everything else is in comments."""
    yield "-- Where the rows differ, nothing is changed: psql stops with an error; mariadb and"
    yield "-- sqlite3 end with 0 all the same, and say so in the last result."
    yield from (sql_comment(f"note: {notice}") for notice in notices_of(result))
    yield from (sql_comment(" ".join(row.text.split())) for row in _rows(table_of(result)))
    for name, statements in result.scripts:
        yield ""
        yield sql_comment(name)
        yield from (line for statement in statements for line in statement.split("\n"))


def _rows(table: DatabaseTable) -> Iterator[Row]:
    snapshot = table.snapshot
    statuses = {each.identity: each for each in snapshot.databases.statuses}
    lines = [_line_of_move(table, statuses, result) for result in table.moves] or [
        (
            status.name,
            f"{_stands(status)}{_distance(snapshot, status)}",
            "" if status.state is DatabaseState.MISSING else status.problem,
            "bold yellow" if status.state is DatabaseState.UNREACHABLE else "",
            "",
        )
        for status in statuses.values()
    ]
    longest = min(max((len(printable(line[0])) for line in lines), default=0), _LONGEST_NAME)
    quiet = 0
    for number, (name, what, detail, style, remedy) in enumerate(lines):
        if number >= _SHOWN_ROWS and not style.startswith("bold"):
            quiet += 1
            continue
        yield Row(
            f"{end_of(printable(name), longest):<{longest}}  {printable(what)}",
            style,
            wrapped=False,
        )
        if detail:
            yield Row(detail, indent=2)
            if table.shown_remedy != Remedy.of(remedy):
                yield from (
                    row._replace(indent=row.indent + 2) for row in remedy_rows(remedy, table.tools)
                )
    if quiet:
        yield Row(f"and {count(quiet, 'more database')}", "dim")


def _line_of_move(
    table: DatabaseTable, statuses: dict[str, DatabaseStatus], result: MoveResult
) -> tuple[str, str, str, str, str | Remedy]:
    move, state = result.move, result.state
    status = statuses.get(move.identity)
    if status is not None and not status.rows:
        missing = status.state is DatabaseState.MISSING
        detail, remedy = ("", result.remedy) if missing else (result.detail, "")
        return move.name, _stands(status), detail, _STYLES.get(state, ""), remedy
    rows = in_rows(move.before) or "not stamped"
    if move.after != move.before:
        rows += f" → {in_rows(move.after) or 'none'}"
    word = "" if state is MoveState.PLANNED else f"  {state.value}"
    if table.distances and status is not None:
        word += _distance(table.snapshot, status)
    return move.name, f"{rows}{word}", result.detail, _STYLES.get(state, ""), result.remedy


def _stands(status: DatabaseStatus) -> str:
    if status.state is DatabaseState.UNSTAMPED:
        return f"not stamped, with {count(len(status.tables or ()), 'table')}"
    return _WORDS.get(status.state) or in_rows(status.rows)


def _distance(snapshot: Facts, status: DatabaseStatus) -> str:
    """How far a database is from the heads, shown after its stamp."""
    found = distance(snapshot, status)
    if found is None or not status.rows:
        return ""
    ways = ((found.behind, "behind"), (found.ahead, "ahead"))
    parts = [f"{count(number, 'revision')} {way}" for number, way in ways if number]
    return f"  {', '.join(parts)}" if parts else ""


# --- Databases that are downgraded with the old chain and upgraded with the new one --------------


_SHOWN = 12


def downgrade_sections(downgrades: Sequence[Downgrade], *, done: bool = False) -> Iterator[Section]:
    """The downgrades of each database, the data they delete, and the later upgrades."""
    for each in downgrades:
        rows = (each.before, each.below, each.after)
        way = " → ".join(listing(ids) or "nothing" for ids in rows)
        loses = f"drops {listing(each.drops, _SHOWN)}, with the data in it"
        yield Section(
            "Downgraded, and upgraded again" if done else "Downgrade, and upgrade again",
            each.name,
            (
                Row(f"stamp  {way}", hanging=7),
                Row(f"down   {listing(each.down, _SHOWN)}", hanging=7),
                Row(loses if each.drops else "drops nothing", "bold yellow", indent=7),
                Row(f"up     {listing(each.up, _SHOWN)}", hanging=7),
            ),
        )
