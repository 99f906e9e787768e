"""How version rows follow a changed chain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import option
from flask_chainfix.common.remedies import Remedy, Way, way
from flask_chainfix.common.wording import in_rows
from flask_chainfix.databases.applied.contents import absent, proven_top, reading_its_schema
from flask_chainfix.databases.applied.contradictions import (
    by_its_origin,
    by_revision,
    contradiction,
    in_words,
    left_out,
    mismatch,
    running_skipped,
    ways_out,
)
from flask_chainfix.databases.applied.has_run import (
    Applied,
    claims,
    meanings_of,
    misread_id,
    possibilities,
    undecided_id,
    which_ran,
)
from flask_chainfix.databases.applied.lost import (
    finishing_there,
    is_noop,
    replaced,
    squash_of,
    survivors,
    under_its_new_id,
)
from flask_chainfix.databases.applied.rows import (
    catching_up,
    counting_as,
    gaps,
    refused,
    stamp_commands,
    stood_for,
    tops,
)
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import (
    DatabaseState,
    DatabaseStatus,
    Move,
    MoveResult,
    MoveState,
)

STAMPED_AS_IT_IS = way(
    "if the current chain stamped it, say so; all below its stamp then counts as run",
    "{fixchain} restamp --current{databases}",
)

# If it is in doubt which chain has written rows, undo must not change them.
UNDO, UNDO_OF_FILES = "{fixchain} undo{databases}", "{fixchain} undo --no-database"

OF_EITHER_CHAIN = (
    "its rows may have been written by the chain before the repair or after it, and would mean"
    " different things"
)

_NOTHING: Mapping[str, str] = MappingProxyType({})
_SETTLED = (MoveState.PLANNED, MoveState.UNCHANGED)


def planned_moves(
    before: Facts, after: Facts, taken: Mapping[str, str] = _NOTHING
) -> tuple[MoveResult, ...]:
    """The move of each database to a current or planned chain."""
    known: dict[object, MoveResult] = {}
    moves = []
    for status in before.databases.statuses:
        possible = possibilities(before, status)
        # Even a thousand tenants mostly share a few stamps and schemas.
        ran = tuple((each.revisions, each.unknown) for each in possible)
        schema = id(before.schemas.get(status.seen))
        alike = (status.state, status.own, status.complete, status.rows, ran, schema)
        found = known.get(alike)
        # Why a database cannot be moved, and what to do about it, names that database.
        if found is None or found.state not in _SETTLED:
            found = known[alike] = _move_of(before, after, status, possible, taken)
        move = replace(found.move, name=status.name, identity=status.identity)
        moves.append(replace(found, move=move))
    return tuple(moves)


def assuming_current_chain(now: Facts, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves; databases in doubt are assumed to be stamped by the current chain.

    Rows that are right under this assumption stay, and the journal records that, also where only
    the schema decides: a plain check does not read it.
    """
    said = replace(now, databases=replace(now.databases, current_is_named=True))
    unsettled = (MoveState.DOUBTFUL, MoveState.REFUSED)
    in_doubt = [
        first.state in unsettled
        or (first.state is MoveState.UNCHANGED and len(claims(now, each)) > 1)
        for first, each in zip(moves, now.databases.statuses, strict=True)
    ]
    return tuple(
        MoveResult(then.move, MoveState.PLANNED, "the current chain stamped it, as you say")
        if doubtful and then.state is MoveState.UNCHANGED
        else first
        for first, then, doubtful in zip(moves, planned_moves(said, said), in_doubt, strict=True)
    )


def without_missing(now: Facts, moves: Sequence[MoveResult]) -> tuple[MoveResult, ...]:
    """The moves without failures of databases that do not exist, which have no rows."""
    missing = {
        each.identity for each in now.databases.statuses if each.state is DatabaseState.MISSING
    }
    return tuple(
        MoveResult(each.move, MoveState.UNCHANGED) if each.move.identity in missing else each
        for each in moves
    )


def rows_after(moves: Sequence[MoveResult]) -> tuple[tuple[str, ...], ...]:
    """The distinct rows from which databases will be upgraded after their moves."""
    return tuple(dict.fromkeys(each.move.after for each in moves if each.state in _SETTLED))


def _move_of(
    before: Facts,
    after: Facts,
    status: DatabaseStatus,
    possible: Sequence[Applied],
    taken: Mapping[str, str],
) -> MoveResult:
    stay = Move(status.name, status.identity, status.rows, status.rows)
    if status.state is DatabaseState.UNREACHABLE:
        return MoveResult(stay, MoveState.FAILED, status.problem, status.remedy)
    if status.state is DatabaseState.MISSING and not status.own:
        remedy = "create the database, or correct its name in the URL"
        return MoveResult(stay, MoveState.FAILED, "it does not exist", remedy)
    if not status.rows:
        return MoveResult(stay, MoveState.UNCHANGED)
    return move_for(before, after, status, possible, taken)


def move_for(
    now: Facts,
    then: Facts,
    status: DatabaseStatus,
    possible: Sequence[Applied],
    taken: Mapping[str, str] = _NOTHING,
) -> MoveResult:
    """The rows that a database must have to stand for exactly what has run there.

    Args:
        now: the current chain, with databases and lost revisions.
        then: the chain that the rows are for; it may be the same.
        status: the database.
        possible: what has run there, by each chain that can have written its rows.
        taken: lost revisions, each with the revision that the user counts it as.
    """
    if not possible:
        found = mismatch(now, status)
        if found is not None:
            return refused(status, contradiction(found), ways_out(now, found))
        return refused(
            status,
            f"it is not known which chain wrote {in_rows(status.rows)}, nor what has run",
            by_its_origin(now, status),
        )
    possible = [each for each in possible if _is_as_asked(now, each, taken)] or possible
    results = [_move(now, then, applied, taken) for applied in possible]
    any_of_them = results[0]
    alike = len({(each.state, each.move.after) for each in results}) == 1
    if alike and any_of_them.state is not MoveState.REFUSED:
        return any_of_them
    shared = undecided_id(now, [each.revisions for each in possible])
    if shared is not None:
        return refused(
            status,
            f"{meanings_of(now, shared)}, and it is not known which of them ran there",
            reading_its_schema(now, status) | _ways_on(now, possible, shared),
        )
    if alike:
        return any_of_them
    if now.databases.old_is_named and len(possible) == 2:
        _, by_named = possible  # the chain that the user has named as the one that wrote the rows
        _, move = results
        # The rows may stay the same and still stand for another migration.
        means_others = not by_named.revisions.isdisjoint(now.databases.others.values())
        if means_others or move.state is not MoveState.UNCHANGED:
            return move
    if MoveState.PLANNED not in (result.state for result in results):
        return _left_as_it_is(results)
    remedy = reading_its_schema(now, status) | by_its_origin(now, status) | STAMPED_AS_IT_IS
    return refused(status, OF_EITHER_CHAIN, remedy)


def _left_as_it_is(results: Iterable[MoveResult]) -> MoveResult:
    """Rows that are right by one chain, and cannot be moved if another chain wrote them."""
    one = next(each for each in results if each.state is MoveState.REFUSED)
    return replace(
        one,
        state=MoveState.DOUBTFUL,
        detail="right if the current chain stamped it; if the chain before the repair did,"
        f" {one.detail}",
        remedy=by_either_chain(Remedy.of(one.remedy)),
    )


def by_either_chain(otherwise: Remedy) -> Remedy:
    """What to do if the current chain wrote the rows, and if the chain before the repair did."""
    ways = []
    for each in otherwise.ways:
        commands = tuple(UNDO_OF_FILES if typed == UNDO else typed for typed in each.commands)
        then = f" and {each.text[3:]}" if each.text.startswith("if ") else f", {each.text}"
        text = f"if the chain before the repair did{then}"
        ways.append(each._replace(text=text, commands=commands))
    return STAMPED_AS_IT_IS | Remedy(tuple(ways))


def _is_as_asked(now: Facts, applied: Applied, taken: Mapping[str, str]) -> bool:
    """Whether ids of several migrations are read in the way that the user has chosen."""
    return not any(
        applied.revisions.intersection(names) - {taken.get(name)}
        for name, names in now.databases.shared.items()
        if taken.get(name) in names
    )


def _ways_on(now: Facts, possible: Sequence[Applied], shared: str) -> Remedy:
    """What to do, depending on which of the migrations with one id has run."""
    if now.databases.planned_ids:  # these ids do not exist yet
        return way(
            "repair the files without that database; restamp then names what to do by which of"
            " them ran there",
            left_out(now, [possible[0].status.name]) or "{fixchain} repair --no-database",
            "{fixchain} restamp{databases}",
        )
    names = now.databases.shared[shared]
    ways = {
        ran: _way_on(now, each, shared, ran)
        for each in possible
        for ran in sorted(each.revisions.intersection(names))
    }
    return Remedy(
        tuple(
            Way(f"if {ran} ran there, {each.text}", each.commands)
            for ran, remedy in ways.items()
            for each in remedy.ways[:1]
        )
    )


def _way_on(now: Facts, applied: Applied, shared: str, ran: str) -> Remedy:
    result = _move(now, now, applied, _NOTHING)
    if result.state is MoveState.UNCHANGED:
        return Remedy.of("the stamp is right as it is")
    if result.state is MoveState.REFUSED:
        return Remedy.of(result.remedy)
    if shared not in now.graph:
        return way("say so", counting_as(ran, shared))
    return way("move the stamp", *stamp_commands(now.graph, result.move.before, result.move.after))


def _move(now: Facts, then: Facts, applied: Applied, taken: Mapping[str, str]) -> MoveResult:
    status, graph = applied.status, then.graph
    unknown = [row for row in applied.unknown if row not in taken]
    if unknown:
        return refused(
            status,
            f"no migration file has {in_rows(unknown)}",
            way("see where it went, and what can be done", "{fixchain} check{asked}"),
        )
    try:
        lost_here = sorted(applied.revisions.union(applied.unknown).intersection(taken))
        has_run = applied.revisions.union(
            *(_counted_for(now, lost, taken[lost]) for lost in lost_here)
        )
    except CannotPlan as refusal:
        return refused(status, refusal.message, refusal.remedy)
    run = {now.databases.renamed.get(revision, revision) for revision in has_run}
    gone = sorted(
        name for name in run if name not in graph and name not in taken and not is_noop(now, name)
    )
    if gone:
        return refused(
            status,
            f"{', '.join(gone)} ran there, and no migration file"
            f" {'has' if now is then else 'would have'} it any more",
            _ways_back(now, then, status, gone[0]),
        )
    kept = run.intersection(graph)
    skipped = gaps(graph, kept)
    shared = misread_id(now, status, kept)
    if skipped and shared is not None and now is then:
        which = which_ran(now, shared, kept)
        return refused(status, which, catching_up(graph, kept, status.rows))
    if skipped:
        return refused(
            status,
            f"{', '.join(skipped)} never ran there, and would be skipped",
            _catching_up(now, kept, status)
            if now is then
            else way("upgrade it first, with the chain as it is", "{alembic} upgrade heads"),
        )
    missing = absent(then, status, frozenset(kept))
    if missing:
        return refused(
            status,
            f"{', '.join(tops(graph, kept))} would stand for what is not there:"
            f" {in_words(by_revision(missing))}",
            _counting_less(now, applied),
        )
    after = tops(graph, kept)
    state = MoveState.UNCHANGED if after == status.rows else MoveState.PLANNED
    return MoveResult(Move(status.name, status.identity, status.rows, after), state)


def _ways_back(now: Facts, then: Facts, status: DatabaseStatus, gone: str) -> Remedy:
    """What to do about applied revisions that no file has."""
    if gone in now.databases.others.values():
        return Remedy.of(f"bring {gone} here under an id of its own, then restamp again")
    if any(gone in names for names in now.databases.shared.values()):
        return Remedy.of(
            "bring that file back from version control, with the id that it got, or one of its own"
        )
    lost = now.databases.lost.get(gone)
    if lost is not None and lost.renamed in then.graph:
        return way(
            f"if {lost.renamed}, which is like it, is the same migration, say so",
            counting_as(lost.renamed or "", gone),
        )
    squashed = proven_top(now, status)
    if squashed is not None and not survivors(now, gone).rows:
        said = f"if {squashed} does all that these did, say so"
        return way(said, counting_as(squashed, status.rows[0]))
    return way("bring it back", _bring_back(gone)) | (
        f"treat it as another (restamp --lost {gone}=REVISION), if what it did is not there"
    )


def _bring_back(lost: str) -> str:
    return f"{{fixchain}} repair {option('--bring-back', lost)}{{databases}}"


def _catching_up(now: Facts, kept: Collection[str], status: DatabaseStatus) -> Remedy:
    catching = running_skipped(now, status, kept)
    if not now.old or now.databases.old_is_named:
        return catching
    return catching | way(
        "undo the repair, then repair again with this database named",
        UNDO,
        "{fixchain} repair{databases}",
    )


def _counting_less(now: Facts, applied: Applied) -> Remedy:
    """An older revision to count a lost one as, if the tables show that less has run."""
    lost = applied.unknown[0] if applied.unknown else applied.status.rows[0]
    known = now.databases.lost.get(lost)
    if known is not None and known.renamed in now.graph:
        return under_its_new_id(now, known)
    fitting = proven_top(now, applied.status)
    if fitting is not None:
        return way(f"its tables match {fitting}: treat {lost} as that", counting_as(fitting, lost))
    others = finishing_there(now, lost) or replaced(now, lost)
    return others or way("bring it back", _bring_back(lost))


def _counted_for(now: Facts, lost: str, other: str) -> set[str]:
    """What a lost revision stands for if it counts as another one, else ``CannotPlan``."""
    known, left = now.databases.lost.get(lost), survivors(now, lost)
    below = _certainly_below(now, left.rows)
    if known is not None and known.renamed == other and not left.unknown:
        return below | {other}
    if left.rows and squash_of(now, lost) != other:
        if other not in left.rows:
            raise CannotPlan(
                f"{lost} was on {', '.join(left.rows)} as far as Git knows, and not on {other}",
                way("treat it as that", counting_as(left.rows[0], lost)),
            )
        return below
    return _certainly_below(now, (other,))


def _certainly_below(now: Facts, rows: Collection[str]) -> set[str]:
    """These revisions with their ancestors in every known chain."""
    chains = [chain for chain in (now.graph, *now.old) if all(row in chain for row in rows)]
    return set.intersection(*(set(stood_for(chain, tuple(rows))) for chain in chains))
