"""Whether the schema of a database matches the revisions that are assumed to have run.

What a revision always creates must exist once it has run, unless another applied revision may have
dropped it. What only unapplied revisions create must not exist. If a database has other schemas
than those read, and none of the chain's tables is in those read, the tables are assumed to be in
one of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.databases.applied.differences import Difference, unexpected
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.applied.verdicts import Trace, Verdict, trace
from flask_chainfix.databases.facts import Facts, Uncompared
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.schema.footprint import (
    PROPERTIES,
    Action,
    Footprint,
    Key,
    Kind,
    key_of,
    table_key,
)
from flask_chainfix.schema.live import Live, deciding
from flask_chainfix.schema.object_history import Step

# An upgrade stops if one of these exists already. If one is missing, only the first two prove
# that a revision has not run: indexes are sometimes dropped by hand.
_MADE_ONCE = (Kind.TABLE, Kind.COLUMN, Kind.INDEX, Kind.CONSTRAINT)


class Found(NamedTuple):
    """A table, column, index or constraint, and the revision that creates it."""

    revision: str
    name: str
    kind: Kind


def contradicts(snapshot: Facts, status: DatabaseStatus, revisions: frozenset[str]) -> bool:
    """Whether a database shows that other revisions have run there.

    A column that exists early is no contradiction: the next upgrade stops at it, and skips nothing.

    Args:
        snapshot: the chain with the migrations' sources.
        status: the database.
        revisions: the revisions that are assumed to have run there.
    """
    missing, there_early = _compared(snapshot, status, revisions)
    return bool(missing) or any(found.kind is Kind.TABLE for found in there_early)


def absent(snapshot: Facts, status: DatabaseStatus, revisions: frozenset[str]) -> tuple[Found, ...]:
    """The tables and columns that must exist and do not, each with the revision that creates it."""
    return _compared(snapshot, status, revisions)[0]


def early(snapshot: Facts, status: DatabaseStatus, revisions: frozenset[str]) -> tuple[Found, ...]:
    """The tables, columns, indexes and constraints that exist before their revision has run.

    An upgrade stops there, because no earlier revision drops them.
    """
    return _compared(snapshot, status, revisions)[1]


def _compared(
    snapshot: Facts, status: DatabaseStatus, revisions: frozenset[str]
) -> tuple[tuple[Found, ...], tuple[Found, ...]]:
    seen = _seen(snapshot, status)
    if seen is None:
        return (), ()
    chain, live = seen
    return snapshot.once((live, revisions), lambda: _compare(chain, live, revisions))


def _compare(
    snapshot: Facts, live: Live, revisions: frozenset[str]
) -> tuple[tuple[Found, ...], tuple[Found, ...]]:
    missing: list[Step] = []
    there_early: list[Step] = []
    for each in unexpected(snapshot.histories, live, revisions):
        changed = each.following if each.found else each.last
        if changed is None or changed.with_table:
            continue
        if each.found and changed.state and changed.object.kind in _MADE_ONCE:
            there_early.append(changed)
        elif not each.found and changed.object.kind in _MADE_ONCE[:2]:
            missing.append(changed)
    stopping = (step for step in there_early if not _may_be_dropped(snapshot, step, revisions))
    return tuple(map(_found, missing)), tuple(map(_found, stopping))


def _may_be_dropped(snapshot: Facts, step: Step, revisions: frozenset[str]) -> bool:
    """Whether earlier revisions may drop an object, so that it can be created."""
    below = snapshot.graph.required([step.revision]) - revisions
    evidence = snapshot.evidence
    return any(evidence.doubts(Action.DROP, step.object, below))


def _found(step: Step) -> Found:
    return Found(step.revision, step.object.spelled, step.object.kind)


def _seen(snapshot: Facts, status: DatabaseStatus) -> tuple[Facts, Live] | None:
    """The schema of a database, and the chain as it runs on that kind of database.

    ``None`` if it was not read, or says nothing about this chain.
    """
    live = snapshot.schemas.get(status.seen)
    if live is None or isinstance(live, Uncompared):
        return None
    chain = snapshot.running_on(live.dialect)
    return (chain, live) if status.complete or _holds_a_table(chain, live) else None


def _holds_a_table(snapshot: Facts, live: Live) -> bool:
    """Whether a database has any of the chain's tables in the schemas that were read."""
    tables = (key for key in snapshot.histories if key.kind is Kind.TABLE)
    return snapshot.once(("tables", live), lambda: any(map(live.state, tables)))


def reading_its_schema(snapshot: Facts, status: DatabaseStatus) -> Remedy:
    """How to let the schema of a database decide; empty if it was read already, or cannot be."""
    if status.by_user or status.seen in snapshot.schemas:
        return Remedy()
    return way(f"see what the schema of {status.name} shows", "{fixchain} check{asked}")


class Fit(NamedTuple):
    """The revisions that match the schema of a database, as rows.

    Attributes:
        rows: the rows that stand for what has run; empty if nothing of the chain exists.
        highest: the same with the revisions above that leave no sign, so may have run.
        silent: those revisions, in the order of the chain.
    """

    rows: tuple[str, ...]
    highest: tuple[str, ...]
    silent: tuple[str, ...]


def fit(snapshot: Facts, status: DatabaseStatus) -> Fit | None:
    """Find the revisions that match a database; ``None`` if none do."""
    found = traced(snapshot, status)
    if found is None or found.fits is None or found.having(Verdict.HALF_RUN):
        return None
    run = frozenset(found.having(Verdict.RUN))
    if contradicts(snapshot, status, run):
        return None
    graph = snapshot.graph
    signs = {each: deciding(found.revisions[each].signs) for each in found.silent}
    begun = [each for each in signs if any(sign.made for sign in signs[each])]
    lacking = {each for each in signs if any(sign.made is False for sign in signs[each])}
    if not lacking.isdisjoint(graph.required(begun)):
        return None  # neither that they have run nor that they have not fits the schema
    return Fit(found.fits, tops(graph, run.union(found.silent)), found.silent)


def traced(
    snapshot: Facts, status: DatabaseStatus, claimed: frozenset[str] = frozenset()
) -> Trace | None:
    """What a database shows about each revision; ``None`` if its schema was not read.

    Args:
        snapshot: the chain with the migrations' sources.
        status: the database.
        claimed: as in ``trace``.
    """
    seen = _seen(snapshot, status)
    if seen is None:
        return None
    chain, live = seen
    chains = snapshot.old
    return snapshot.once((live, chains, claimed), lambda: trace(chain, live, claimed, chains))


def not_as_made(found: Trace, claimed: Collection[str]) -> Iterator[Difference]:
    """Differences from what the stamp's revisions create that no later revision explains.

    Args:
        found: what the database shows.
        claimed: those revisions.
    """
    for revision, each in found.revisions.items():
        for sign in deciding(each.signs) if revision in claimed else ():
            thing, expected, line = sign.step.object, sign.step.state, sign.step.line
            if sign.made is False:
                kind = "missing" if expected else "left"
                kind = "otherwise" if thing.kind in PROPERTIES else kind
                yield Difference(kind, thing, revision, line, expected, sign.state)


def proven_top(snapshot: Facts, status: DatabaseStatus) -> str | None:
    """The single highest revision that a database proves to have run."""
    fitting = fit(snapshot, status)
    return fitting.rows[0] if fitting is not None and len(fitting.rows) == 1 else None


def never_ran(snapshot: Facts, status: DatabaseStatus, claimed: Collection[str]) -> frozenset[str]:
    """The claimed revisions that left nothing, and those without signs that require them."""
    found = traced(snapshot, status)
    never: set[str] = set()
    for revision, each in {} if found is None else found.revisions.items():
        signs = deciding(each.signs)
        left_nothing = bool(signs) and all(sign.made is False for sign in signs)
        silent = not signs and not never.isdisjoint(snapshot.graph.requirements(revision))
        if revision in claimed and (left_nothing or silent):
            never.add(revision)
    return frozenset(never)


def half_made(snapshot: Facts, status: DatabaseStatus, revision: str) -> tuple[str, ...]:
    """The objects of a revision that are missing, if it has half run."""
    found = traced(snapshot, status)
    if found is None:
        return ()
    signs = deciding(found.revisions[revision].signs)
    if not any(sign.made for sign in signs):
        return ()
    return tuple(sign.step.object.spelled for sign in signs if sign.made is False)


def makes_all(snapshot: Facts, statuses: Iterable[DatabaseStatus]) -> bool:
    """Whether the chain creates every table of some databases."""
    return all(
        Key(Kind.TABLE, "", "", "", table.casefold()) in snapshot.histories
        for status in statuses
        for table in status.tables or ()
    )


def proves(snapshot: Facts, status: DatabaseStatus, revision: str) -> bool:
    """Whether a database has all that a revision creates, and nothing else can have created it."""
    found = traced(snapshot, status)
    if found is None:
        return False
    of_it = found.revisions[revision]
    return of_it.verdict is Verdict.RUN and not of_it.because


# --- Which of several migrations with one id have run --------------------------------------------


def possible_ids(snapshot: Facts, status: DatabaseStatus, ids: Sequence[str]) -> Sequence[str]:
    """Which of several ids a row can stand for, according to the database.

    Args:
        snapshot: the chain.
        status: the database.
        ids: the current ids of the migrations that had the id in the row.
    """
    if all(id_ in snapshot.graph for id_ in ids):
        files = [snapshot.file(id_) for id_ in ids]
        proven = with_what_they_make(snapshot, files, status)
        if len(proven) == 1:
            return [ids[proven[0]]]
    left = [id_ for id_ in ids if not absent(snapshot, status, frozenset([id_]))]
    return left or ids


def with_what_they_make(
    snapshot: Facts, files: Sequence[MigrationFile], status: DatabaseStatus
) -> list[int]:
    """The indices of the files whose own tables and columns all exist in a database."""
    seen = _seen(snapshot, status)
    if seen is None:
        return []
    chain, live = seen
    made = [frozenset(made_by(chain.footprint(file))) for file in files]
    alone = (each.difference(*(other for other in made if other is not each)) for each in made)
    states = [[live.state(key) for key in each] for each in alone]
    return [index for index, each in enumerate(states) if True in each and False not in each]


def made_by(footprint: Footprint) -> Iterator[Key]:
    """The tables that a migration always creates, and the columns that it adds to others."""
    made = {
        key_of(effect.object)
        for effect in footprint.effects
        if effect.certain and effect.action is Action.CREATE
    }
    for key in made:
        if key.kind is Kind.TABLE or (key.kind is Kind.COLUMN and table_key(key) not in made):
            yield key
