"""Which version rows each database is to have, once the chain has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from flask_chainfix.common.errors import UnsafeForDatabases
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.applied.contradictions import by_its_origin, leaving_out
from flask_chainfix.databases.applied.has_run import Applied, possibilities, unexplained
from flask_chainfix.databases.applied.row_moves import move_for
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.databases import DatabaseState, Move, MoveResult, MoveState, Standing
from flask_chainfix.model.findings import Finding, Severity

# Findings that say that it is not known what a database has run.
_NOT_KNOWN = ("FC301", "FC302", "FC305", "FC306")


def planned_moves(
    before: Facts, after: Facts, taken: Mapping[str, str] = MappingProxyType({})
) -> tuple[MoveResult, ...]:
    """The move of each database, for a chain as it is or is going to be.

    Args:
        before: the chain as it is, and where its databases stand.
        after: the chain whose rows they are to have.
        taken: lost revisions, and those that the user takes them for.
    """
    known: dict[object, MoveResult] = {}
    moves = []
    for standing in before.databases.standings:
        possible = possibilities(before, standing)
        # Most of a thousand tenants stand at the same few places.
        ran = tuple((each.revisions, each.unknown) for each in possible)
        alike = (standing.state, standing.problem, standing.rows, ran)
        if alike not in known or taken:
            known[alike] = _planned_move(before, after, standing, possible, taken)
        move = replace(known[alike].move, name=standing.name, identity=standing.identity)
        moves.append(replace(known[alike], move=move))
    return tuple(moves)


def _planned_move(
    before: Facts,
    after: Facts,
    standing: Standing,
    possible: Sequence[Applied],
    taken: Mapping[str, str],
) -> MoveResult:
    stay = Move(standing.name, standing.identity, standing.rows, standing.rows)
    if standing.state is DatabaseState.UNREACHABLE:
        return MoveResult(stay, MoveState.FAILED, standing.problem, standing.remedy)
    if standing.state is DatabaseState.MISSING and not standing.own:
        remedy = "create the database, or correct its name in the URL"
        return MoveResult(stay, MoveState.FAILED, "it does not exist", remedy)
    if not standing.rows:
        return MoveResult(stay, MoveState.UNCHANGED)
    return move_for(before, after, standing, possible, taken)


def settled(now: Facts, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves; of databases in doubt, what they are if the chain as it is has stamped them.

    Rows that are right then stay, and the journal takes that down.

    Args:
        now: the chain as it is, and where its databases stand.
        moves: the move of each database.
    """
    said = replace(now, databases=replace(now.databases, current_is_named=True))
    in_doubt = (MoveState.DOUBTFUL, MoveState.REFUSED)
    return tuple(
        MoveResult(then.move, MoveState.PLANNED, "the chain as it is has stamped it, as you say")
        if first.state in in_doubt and then.state is MoveState.UNCHANGED
        else first
        for first, then in zip(moves, planned_moves(said, said), strict=True)
    )


def refuse_unknown_rows(
    snapshot: Facts, findings: Sequence[Finding], planner: str = "repair"
) -> None:
    """Stop where it is not known what a database has run.

    Args:
        snapshot: the chain, and where the databases stand.
        findings: what is wrong with that.
        planner: the command that plans.

    Raises:
        UnsafeForDatabases: no plan is safe then.
    """
    # Ignoring such a finding makes it no less true that a plan could strand a revision.
    of_databases = (*findings, *diagnose(snapshot, Family.DATABASE, ignored=True))
    for finding in of_databases:
        if finding.code in _NOT_KNOWN and finding.severity is Severity.ERROR:
            raise UnsafeForDatabases(
                f"no plan is safe while it is not known what a database has run: {finding.message}",
                Remedy.of(finding.hint) | _without_what_it_is_of(snapshot, finding, planner),
            )
    for standing in unexplained(snapshot):
        raise UnsafeForDatabases(
            f"no known chain can have written the rows of {standing.name}"
            f" ({', '.join(standing.rows)}), so what has run there is not known",
            by_its_origin(snapshot, standing) | leaving_out(snapshot, standing, planner),
        )


def _without_what_it_is_of(snapshot: Facts, finding: Finding, planner: str) -> Remedy:
    """To leave out the databases that a finding is about; of the app's own all go together."""
    standings = snapshot.databases.standings
    for standing in standings:
        left = tuple(
            each for each in standings if each is not standing and not (each.own and standing.own)
        )
        without = replace(snapshot, databases=replace(snapshot.databases, standings=left))
        if finding not in diagnose(without, Family.DATABASE, ignored=True) + diagnose(
            without, Family.DATABASE
        ):
            return leaving_out(snapshot, standing, planner)
    return Remedy()


def without_missing(now: Facts, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves, of which none fails because its database does not exist: no row has to follow."""
    missing = {
        each.identity for each in now.databases.standings if each.state is DatabaseState.MISSING
    }
    return tuple(
        MoveResult(each.move, MoveState.UNCHANGED) if each.move.identity in missing else each
        for each in moves
    )


def places_after(moves: Sequence[MoveResult]) -> tuple[tuple[str, ...], ...]:
    """The rows from which databases will be upgraded once their moves are made, each once."""
    stay = (MoveState.PLANNED, MoveState.UNCHANGED)
    return tuple(dict.fromkeys(each.move.after for each in moves if each.state in stay))
