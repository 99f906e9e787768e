"""What databases have run: by which of the known chains their rows have been written.

A row of Alembic's version table stands for its revision and all that had to run before it, in the
chain that was there when the row was written. What has run stays as it is, however the files are
linked afterwards. So of every known chain it is asked whether it can have written the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from flask_chainfix import source
from flask_chainfix.chain.ancestry import Ancestry, upgrade_order
from flask_chainfix.chain.redundancy import impassable, stuck_at
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.databases.applied.contents import contradicts, possible_ids
from flask_chainfix.databases.applied.rows import can_stand, stood_for
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import Databases, DatabaseState, DatabaseStatus
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.plans import Mend, Part
from flask_chainfix.schema.footprint import Action, SchemaObject


@dataclass(frozen=True)
class Applied:
    """What one database has run.

    Attributes:
        status: where it stands.
        revisions: what has run there, ancestors included, by the ids of now; only what is known.
        unknown: its rows that no chain has.
        published: whether it is no database, but what the main branch or a release has: databases
            stand there that nobody here can ask.
    """

    status: DatabaseStatus
    revisions: frozenset[str]
    unknown: tuple[str, ...] = ()
    published: bool = False

    @property
    def name(self) -> str:
        """How users know the database."""
        return self.status.name

    @property
    def has(self) -> str:
        """The verb between its name and its revisions."""
        return "has" if self.published else "has run"


def applied_in(snapshot: Facts) -> tuple[Applied, ...]:
    """What each database has run; twice where that depends on who wrote its rows.

    Of one that cannot be reached, or does not exist, nothing is known.
    """
    return tuple(
        possibility
        for status in snapshot.databases.statuses
        if status.is_known
        for possibility in possibilities(snapshot, status)
    )


def published_in(snapshot: Facts) -> tuple[Applied, ...]:
    """What the main branch and releases have, each as a database that stands at its heads."""
    chains = {
        chain.revisions.intersection(snapshot.graph): chain
        for chain in reversed(snapshot.published_chains)
    }
    return tuple(
        Applied(
            DatabaseStatus(
                chain.name, chain.ref, DatabaseState.STAMPED, tuple(sorted(revisions)), by_user=True
            ),
            revisions,
            published=True,
        )
        for revisions, chain in reversed(chains.items())
        if revisions
    )


def alone(known: Iterable[Applied], sides: Collection[str]) -> dict[str, list[Applied]]:
    """Of each side, those that have it without the other."""
    alone: dict[str, list[Applied]] = {side: [] for side in sides}
    for each in known:
        have = each.revisions.intersection(sides)
        if len(have) == 1:
            alone[min(have)].append(each)
    return alone


def unexplained(snapshot: Facts) -> tuple[DatabaseStatus, ...]:
    """The databases whose rows and tables fit no known chain."""
    return tuple(
        status
        for status in snapshot.databases.statuses
        if status.state is not DatabaseState.UNREACHABLE and not possibilities(snapshot, status)
    )


def possibilities(snapshot: Facts, status: DatabaseStatus) -> tuple[Applied, ...]:
    """What a database has run, by each chain that its rows and its tables match.

    The journal tells the chain where a repair has looked at the database, or has moved its rows;
    else it is one that knows all rows, and of which none stands for another, as Alembic does not
    write such. The tables of the database may speak against any of them, and against the journal.

    Returns:
        Each possibility once, that of the chain as it is first, then the latest old chain's.
    """
    said = claims(snapshot, status)
    fitting = _fitting(snapshot, said)
    if fitting or not said:
        return fitting
    return _fitting(snapshot, _written(snapshot, status))


def can_have_written(
    snapshot: Facts, statuses: Iterable[DatabaseStatus]
) -> tuple[DatabaseStatus, ...]:
    """The databases whose rows and tables are explained by a chain, whatever is known of others."""
    alone = replace(snapshot, databases=Databases(), old=())
    return tuple(
        status
        for status in statuses
        if status.is_known and any(not each.unknown for each in possibilities(alone, status))
    )


def claims(snapshot: Facts, status: DatabaseStatus) -> tuple[Applied, ...]:
    """What the rows of a database and the journal say has run there, whatever its tables show."""
    if snapshot.databases.current_is_named and can_stand(snapshot.graph, status.rows):
        return (Applied(status, stood_for(snapshot.graph, status.rows)),)
    known = (snapshot.graph, *snapshot.old)
    if all(any(row in chain for chain in known) for row in status.rows):
        recorded = _recorded(snapshot, status)
        if recorded is not None:
            return recorded
    return _written(snapshot, status)


def _written(snapshot: Facts, status: DatabaseStatus) -> tuple[Applied, ...]:
    chains = (snapshot.graph, *snapshot.old)
    known_rows: tuple[Container[str], ...] = (*chains, snapshot.databases.anew)
    unknown = [row for row in status.rows if not any(row in each for each in known_rows)]
    if unknown:
        known = stood_for(snapshot.graph, status.rows)
        lost = tuple(row for row in status.rows if row not in snapshot.graph)
        return (Applied(status, known, lost),)
    written = {
        run: None
        for chain in chains
        if chain is snapshot.graph or can_stand(chain, status.rows)
        for run in _readings(snapshot, chain, status)
    }
    return tuple(Applied(status, revisions) for revisions in written)


def _recorded(snapshot: Facts, status: DatabaseStatus) -> tuple[Applied, ...] | None:
    """What the journal says, if anything: none where an unknown chain has written the rows.

    A database that it has left with the right rows is upgraded and downgraded from there by the
    chain as it is.
    """
    graph, rows = snapshot.graph, status.rows
    left = snapshot.databases.moved.get(status.identity)
    if left is None:
        return None
    if rows == left.before != left.after:
        return tuple(
            Applied(status, run)
            for chain in snapshot.old[:1]
            if can_stand(chain, rows)
            for run in _readings(snapshot, chain, status)
        )
    was_moved = rows == left.after != left.before
    if snapshot.databases.old_is_named and not was_moved:
        return None  # the user says who has written them
    run, had = stood_for(graph, rows), stood_for(graph, left.after)
    goes_on = can_stand(graph, rows) and (run >= had or run <= had)
    return (Applied(status, run),) if goes_on or rows == left.after else None


def _fitting(snapshot: Facts, possible: tuple[Applied, ...]) -> tuple[Applied, ...]:
    """Those that the tables of the database do not contradict."""
    return tuple(
        each
        for each in possible
        if each.unknown or not contradicts(snapshot, each.status, each.revisions)
    )


# --- What rows stand for, by the ids of now ------------------------------------------------------


def _readings(snapshot: Facts, chain: Graph, status: DatabaseStatus) -> Iterator[frozenset[str]]:
    """What rows written by a chain stand for, by the ids of now.

    A row cannot tell which of several migrations it stands for that had one id. After a repair each
    of them has an id of its own, and only the tables of the database show which of these has run:
    all that they let it be are yielded.
    """
    known = snapshot.databases
    if chain is snapshot.graph:
        yield from _readings_of_old_ids(snapshot, status)
        return
    run = stood_for(chain, status.rows)
    run -= {then for then, now in known.squashed.items() if now in run}
    twice = [name for name in chain.duplicates if name in run and name in known.shared]
    graph, ids = snapshot.graph, known.renamed
    moved = {old for old in ids if old not in graph and ids[old] in graph}
    once = frozenset(
        known.others.get(name) or (ids[name] if name in moved else name)
        for name in run.difference(twice)
    )
    yield from _with_each(snapshot, status, once, [known.shared[name] for name in twice])


def _readings_of_old_ids(snapshot: Facts, status: DatabaseStatus) -> Iterator[frozenset[str]]:
    """What rows stand for that were written under the ids from before a repair."""
    new_ids, graph = snapshot.databases.anew, snapshot.graph
    rows = [new_ids.get(row, (row,)) for row in status.rows]
    for picks in product(*(possible_ids(snapshot, status, ids) for ids in rows)):
        if not can_stand(graph, picks):
            continue
        run = stood_for(graph, picks)
        # Which of them ran below a row, that row does not tell, either.
        below = [name for name, ids in new_ids.items() if len(ids) > 1 and name in run - {*picks}]
        sure = run.difference(below)
        yield from _with_each(snapshot, status, sure, [new_ids[name] for name in below])


def _with_each(
    snapshot: Facts, status: DatabaseStatus, sure: frozenset[str], doubtful: Iterable[Sequence[str]]
) -> Iterator[frozenset[str]]:
    """What is sure to have run, with one of each group of doubtful ids."""
    for picks in product(*(possible_ids(snapshot, status, ids) for ids in doubtful)):
        yield sure.union(picks)


def with_new_ids(snapshot: Facts, mends: Iterable[Mend]) -> Facts:
    """A chain that is being repaired, with what rows mean by its ids once migrations are mended."""
    new_ids: dict[str, list[str]] = {}
    for mend in mends:
        if mend.part is Part.ID:
            before, after = mend.before[0], mend.after[0]
            kept = [] if mend.frees_id else [before]
            new_ids.setdefault(before, kept).append(after)
    if not new_ids:
        return snapshot
    names = {revision: tuple(ids) for revision, ids in new_ids.items()}
    shared = {revision: ids for revision, ids in names.items() if len(ids) > 1}
    known = snapshot.databases
    databases = replace(known, anew=names, shared={**known.shared, **shared})
    return replace(snapshot, databases=databases)


def is_another(past: Facts, then: MigrationFile, now: Facts, file: MigrationFile) -> bool:
    """Whether a file is another migration than the one that had its id in an older chain.

    One that was edited still does some of what it did; where what they do is not known, one that
    kept its name or its message is the same.
    """
    if source.same_body(then.data, file.data):
        return False
    did, does = _changes(past, then), _changes(now, file)
    if did and does:
        return did.isdisjoint(does)
    messages = [each.reading.message for each in (then, file) if isinstance(each.reading, Header)]
    return then.name != file.name and len(set(messages)) > 1


def _changes(snapshot: Facts, file: MigrationFile) -> frozenset[tuple[Action, SchemaObject]]:
    effects = snapshot.footprint(file).effects
    return frozenset(
        (effect.action, effect.object) for effect in effects if effect.action is not Action.USE
    )


# --- At which revisions Alembic's own upgrade of databases stops ---------------------------------


def stuck_revisions(snapshot: Facts) -> frozenset[str]:
    """The revisions at which ``upgrade heads`` stops because of what they name in vain.

    It is looked at from a new database, from one that has run all that such a revision requires,
    and from those that are known. Where Alembic has no fixed order, it can stop at all of them.
    """
    graph = snapshot.graph
    tied = frozenset(impassable(graph))
    if not tied:
        return tied
    runs_before = Ancestry(graph)
    places = {frozenset[str]()}
    places |= {frozenset(graph.required([revision]) - {revision}) for revision in tied}
    for applied in (*applied_in(snapshot), *published_in(snapshot)):
        places.add(frozenset(graph.required(applied.revisions.intersection(graph))))
    stuck: set[str] = set()
    for done in places:
        order = upgrade_order(graph, runs_before, done)
        if order is None:
            return tied
        stuck |= stuck_at(graph, done, sorted(order, key=order.__getitem__))
    return frozenset(stuck)
