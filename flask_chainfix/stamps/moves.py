"""How version rows follow a chain that has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from flask_chainfix.errors import CannotPlan
from flask_chainfix.model import Move, MoveResult, MoveState, Standing
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps.lost import is_noop, survivors
from flask_chainfix.stamps.rows import gaps, stood_for, tops
from flask_chainfix.stamps.shared import (
    catching_up,
    misread,
    stamping,
    telling_which_ran,
    told_apart,
    untold,
)
from flask_chainfix.stamps.tables import absent_tables
from flask_chainfix.stamps.writers import Applied

_NOTHING: Mapping[str, str] = MappingProxyType({})


def move_for(
    now: Snapshot,
    then: Snapshot,
    standing: Standing,
    possible: Sequence[Applied],
    taken: Mapping[str, str] = _NOTHING,
) -> MoveResult:
    """The rows that a database is to have, so that they stand for exactly what has run there.

    Args:
        now: the chain as it is, and what is known of databases and lost revisions.
        then: the chain whose rows they are to be; it may be the same.
        standing: the database.
        possible: what has run there, by each chain that can have written its rows.
        taken: lost revisions, and those that the user takes them for.

    Returns:
        A move that is planned, or one that is refused, or for which there is nothing to do.
    """
    if not possible:
        return _refused(
            standing,
            f"which chain has written {', '.join(standing.rows)} is not known, and so what has run",
            "name a Git revision that holds that chain: restamp --old REF",
        )
    possible = [each for each in possible if _is_as_told(now, each, taken)] or possible
    results = [_move(now, then, applied, taken) for applied in possible]
    first = results[0]
    alike = all(
        (each.state, each.move.after) == (first.state, first.move.after) for each in results
    )
    if alike and first.state is not MoveState.REFUSED:
        return first
    shared = untold(now, [each.revisions for each in possible])
    if shared is not None:
        return _refused(
            standing,
            f"{told_apart(now, shared)}, and the tables do not tell which of them ran there",
            _ways_on(now, possible, shared),
        )
    if alike:
        return first
    if MoveState.PLANNED not in (result.state for result in results):
        return _left_as_it_is(results)
    by_old = now.databases.old_is_named and len(results) == 2  # that of now, and one of then
    if by_old and results[-1].state is MoveState.PLANNED:
        return results[-1]  # the user has said that this chain has written them
    return _refused(
        standing,
        "its rows may have been written by the chain before the repair or after it, and would mean"
        " different things",
        "if it was stamped before, name the Git revision that holds that chain: restamp --old REF;"
        " if it was built after, leave it as it is",
    )


def _left_as_it_is(results: Iterable[MoveResult]) -> MoveResult:
    """Rows that stay by one chain, and cannot be moved if the other one has written them."""
    refused = next(each for each in results if each.state is MoveState.REFUSED)
    return replace(
        refused,
        state=MoveState.DOUBTFUL,
        detail="right if the chain as it is has stamped it; if the chain before the repair has,"
        f" {refused.detail}",
    )


def _is_as_told(now: Snapshot, applied: Applied, taken: Mapping[str, str]) -> bool:
    """Whether ids that stood twice are read as the user takes them."""
    return not any(
        applied.revisions.intersection(names) - {taken.get(name)}
        for name, names in now.databases.shared.items()
        if taken.get(name) in names
    )


def _ways_on(now: Snapshot, possible: Iterable[Applied], shared: str) -> str:
    """What to do by which of the migrations has run that had the same id."""
    names = now.databases.shared[shared]
    ways = {
        ran: _way_on(now, each, shared, ran)
        for each in possible
        for ran in sorted(each.revisions.intersection(names))
    }
    return "; ".join(f"if {ran} ran there, {way}" for ran, way in ways.items())


def _way_on(now: Snapshot, applied: Applied, shared: str, ran: str) -> str:
    result = _move(now, now, applied, _NOTHING)
    if result.state is MoveState.UNCHANGED:
        return "the stamp is right as it is, so leave that database out (--no-database)"
    if result.state is MoveState.REFUSED:
        return str(result.remedy)
    if shared not in now.graph:
        return f"say so: restamp --lost {shared}={ran}"
    return stamping(now.graph, result.move.before, result.move.after)


def _move(now: Snapshot, then: Snapshot, applied: Applied, taken: Mapping[str, str]) -> MoveResult:
    standing, graph = applied.standing, then.graph
    unknown = [row for row in applied.unknown if row not in taken]
    if unknown:
        return _refused(
            standing,
            f"no migration file has {', '.join(unknown)}",
            "check --database tells where it went, and what can be done",
        )
    try:
        has_run = applied.revisions | _counted(now, applied, taken)
    except CannotPlan as refusal:
        return _refused(standing, refusal.message, str(refusal.remedy))
    run = {now.databases.renamed.get(revision, revision) for revision in has_run}
    gone = sorted(
        name for name in run if name not in graph and name not in taken and not is_noop(now, name)
    )
    if gone:
        return _refused(
            standing,
            f"{', '.join(gone)} ran there, and no migration file would have it any more"
            if now is not then
            else f"{', '.join(gone)} ran there, and no migration file has it any more",
            _ways_back(now, then, gone[0]),
        )
    kept = run.intersection(graph)
    skipped = gaps(graph, kept)
    shared = misread(now, standing, kept)
    if skipped and shared is not None and now is then:
        return _refused(standing, telling_which_ran(now, shared, kept), catching_up(graph, kept))
    if skipped:
        return _refused(
            standing,
            f"{', '.join(skipped)} never ran there, and would be skipped",
            "undo the repair, and repair again with this database named; or take the files from"
            " before the repair, upgrade to them there, then restamp with the new files",
        )
    after = tops(graph, kept)
    state = MoveState.UNCHANGED if after == standing.rows else MoveState.PLANNED
    return MoveResult(Move(standing.name, standing.identity, standing.rows, after), state)


def _ways_back(now: Snapshot, then: Snapshot, gone: str) -> str:
    """What to do about what has run and no file has."""
    if any(gone in names for names in now.databases.shared.values()):
        return (
            "bring that file back from version control, with the id that it got, or else with one"
            " of its own; or leave that database out (--no-database)"
        )
    lost = now.databases.lost.get(gone)
    if lost is not None and lost.renamed in then.graph:
        return (
            f"if {lost.renamed}, which is like it, is the same migration, say so: restamp --lost"
            f" {gone}={lost.renamed}"
        )
    return (
        f"bring it back (repair --bring-back {gone}); or, if what it did is no longer there, say"
        f" what it counts for: restamp --lost {gone}=REVISION"
    )


def _counted(now: Snapshot, applied: Applied, taken: Mapping[str, str]) -> frozenset[str]:
    """What has run where lost revisions are counted for others.

    Raises:
        CannotPlan: what Git knows, or the tables of the database, speak against it.
    """
    lost_here = sorted(applied.revisions.union(applied.unknown).intersection(taken))
    counted = (_counted_for(now, applied.standing, lost, taken[lost]) for lost in lost_here)
    return frozenset().union(*counted)


def _counted_for(now: Snapshot, standing: Standing, lost: str, other: str) -> set[str]:
    """What a lost revision stood for, if it counts for another one."""
    known = now.databases.lost.get(lost)
    way = survivors(now, lost)
    below = _certainly_below(now, way.rows)
    if known is not None and known.renamed == other and not way.unknown:
        return below | {other}
    if way.rows:
        if other not in way.rows:
            raise CannotPlan(
                f"{lost} was on {', '.join(way.rows)} by what Git knows, and not on {other}",
                f"count it for that: --lost {lost}={way.rows[0]}",
            )
        return below
    counted = _certainly_below(now, (other,))
    absent = absent_tables(now, standing, frozenset(counted))
    if absent:
        revision, table = absent[0]
        raise CannotPlan(
            f"{revision} makes the table {table}, which is not there, so it has not run",
            f"count {lost} for one below that, or bring it back",
        )
    return counted


def _certainly_below(now: Snapshot, rows: Collection[str]) -> set[str]:
    """What has run where these revisions have, whichever of the known chains it was."""
    chains = [chain for chain in (now.graph, *now.old) if all(row in chain for row in rows)]
    return set.intersection(*(set(stood_for(chain, tuple(rows))) for chain in chains))


def _refused(standing: Standing, detail: str, remedy: str) -> MoveResult:
    stay = Move(standing.name, standing.identity, standing.rows, standing.rows)
    return MoveResult(stay, MoveState.REFUSED, detail, remedy)
