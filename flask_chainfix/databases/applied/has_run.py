"""What databases have run, and which known chain has written their rows.

A row of Alembic's version table stands for its revision and all its ancestors in the chain that
existed when the row was written. Relinking files later does not change what has run. So each known
chain is tested for whether it can have written the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from flask_chainfix.chain import source
from flask_chainfix.chain.ancestry import Ancestry, impassable, stuck_at, upgrade_order
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
        status: the database, with its stamp.
        revisions: the revisions that have run there, ancestors included, by their current ids; only
            those that are known.
        unknown: its rows that no chain has.
        published: whether it stands for the main branch or a release instead of a database, for
            databases that cannot be read from here.
    """

    status: DatabaseStatus
    revisions: frozenset[str]
    unknown: tuple[str, ...] = ()
    published: bool = False

    @property
    def name(self) -> str:
        """The name of the database for users."""
        return self.status.name

    @property
    def has(self) -> str:
        """The verb between its name and its revisions."""
        return "has" if self.published else "has run"


def applied_in(snapshot: Facts) -> tuple[Applied, ...]:
    """What each database has run; several entries if that depends on which chain wrote its rows.

    Databases that cannot be reached, or do not exist, are left out.
    """
    return tuple(
        possibility
        for status in snapshot.databases.statuses
        if status.is_known
        for possibility in possibilities(snapshot, status)
    )


def applied_by_rows(snapshot: Facts) -> Iterator[Applied]:
    """What has run in each database by its rows, even if its tables contradict them."""
    for status in snapshot.databases.statuses:
        if status.state is not DatabaseState.UNREACHABLE:
            yield from possibilities(snapshot, status) or claims(snapshot, status)


def published_in(snapshot: Facts) -> tuple[Applied, ...]:
    """What the main branch and releases have, each as a database that is stamped with its heads."""
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


def applied_anywhere(snapshot: Facts) -> tuple[Applied, ...]:
    """What has run in each known database, and what the main branch and releases have."""
    return (*applied_in(snapshot), *published_in(snapshot))


def unexplained(snapshot: Facts) -> tuple[DatabaseStatus, ...]:
    """The databases whose rows and tables match no known chain."""
    return tuple(
        status
        for status in snapshot.databases.statuses
        if status.state is not DatabaseState.UNREACHABLE and not possibilities(snapshot, status)
    )


def possibilities(snapshot: Facts, status: DatabaseStatus) -> tuple[Applied, ...]:
    """What a database has run, for each chain that its rows and its tables match.

    If a repair has read the database or moved its rows, the journal names the chain. Otherwise it
    is any chain that has all rows and in which no row is an ancestor of another, as Alembic does
    not write such rows. The tables of the database may contradict each chain, and the journal.

    Returns:
        Each possibility once: first that of the current chain, then those of old chains, the latest
            first.
    """
    said = claims(snapshot, status)
    fitting = _fitting(snapshot, said)
    if fitting or not said:
        return fitting
    return _fitting(snapshot, _written(snapshot, status))


def can_have_written(
    snapshot: Facts, statuses: Iterable[DatabaseStatus]
) -> tuple[DatabaseStatus, ...]:
    """The databases whose rows and tables a chain explains, whatever is known of other chains."""
    alone = replace(snapshot, databases=Databases(), old=())
    return tuple(
        status
        for status in statuses
        if status.is_known and any(not each.unknown for each in possibilities(alone, status))
    )


def claims(snapshot: Facts, status: DatabaseStatus) -> tuple[Applied, ...]:
    """What has run in a database by its rows and the journal, whatever its tables show."""
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
    known_rows: tuple[Container[str], ...] = (*chains, snapshot.databases.planned_ids)
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
    """What the journal says, if anything; empty if an unknown chain has written the rows.

    If the journal left the database with the right rows, the current chain has upgraded and
    downgraded it since.
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
        return None  # the user has named the chain that wrote them
    run, had = stood_for(graph, rows), stood_for(graph, left.after)
    goes_on = can_stand(graph, rows) and (run >= had or run <= had)
    return (Applied(status, run),) if goes_on or rows == left.after else None


def _fitting(snapshot: Facts, possible: tuple[Applied, ...]) -> tuple[Applied, ...]:
    """The possibilities that the tables of the database do not contradict."""
    return tuple(
        each
        for each in possible
        if each.unknown or not contradicts(snapshot, each.status, each.revisions)
    )


# --- What rows stand for, by current ids ---------------------------------------------------------


def _readings(snapshot: Facts, chain: Graph, status: DatabaseStatus) -> Iterator[frozenset[str]]:
    """What rows written by a chain stand for, by current ids.

    If several migrations had one id, a row does not show which of them it stands for. After a
    repair each has an id of its own, and only the tables of the database show which has run. Every
    reading that the tables allow is yielded.
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
    """What rows stand for that were written with the ids from before a repair."""
    new_ids, graph = snapshot.databases.planned_ids, snapshot.graph
    rows = [new_ids.get(row, (row,)) for row in status.rows]
    for picks in product(*(possible_ids(snapshot, status, ids) for ids in rows)):
        if not can_stand(graph, picks):
            continue
        run = stood_for(graph, picks)
        # The row does not show which of them ran below it, either.
        below = [name for name, ids in new_ids.items() if len(ids) > 1 and name in run - {*picks}]
        sure = run.difference(below)
        yield from _with_each(snapshot, status, sure, [new_ids[name] for name in below])


def _with_each(
    snapshot: Facts, status: DatabaseStatus, sure: frozenset[str], doubtful: Iterable[Sequence[str]]
) -> Iterator[frozenset[str]]:
    """The revisions that have certainly run, with one of each group of doubtful ids."""
    for picks in product(*(possible_ids(snapshot, status, ids) for ids in doubtful)):
        yield sure.union(picks)


def with_new_ids(snapshot: Facts, mends: Iterable[Mend]) -> Facts:
    """A chain during a repair, with what its ids in rows mean once migrations are mended."""
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
    databases = replace(known, planned_ids=names, shared={**known.shared, **shared})
    return replace(snapshot, databases=databases)


def is_another(past: Facts, then: MigrationFile, now: Facts, file: MigrationFile) -> bool:
    """Whether a file is another migration than the one that had its id in an older chain.

    An edited migration still does some of what it did. If that is unknown, a migration with the
    same name or message is the same one.
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


# --- An id that several migrations had -----------------------------------------------------------


def undecided_id(snapshot: Facts, possible: Collection[frozenset[str]]) -> str | None:
    """An id that several migrations had, if it is unknown which of them has run.

    ``None`` if all of them may have run, as in the current chain: that is another question.

    Args:
        snapshot: the current chain.
        possible: the sets of revisions that may have run in a database.
    """
    for name, names in snapshot.databases.shared.items():
        had = {run.intersection(names) for run in possible} - {frozenset()}
        if len(had) > 1 and frozenset(names) not in had:
            return name
    return None


def misread_id(snapshot: Facts, status: DatabaseStatus, run: Collection[str]) -> str | None:
    """An id of several migrations, one of which has run while Alembic counts another as applied.

    ``None`` while a repair is planned that moves the rows.
    """
    if snapshot.databases.planned_ids:
        return None
    never = stood_for(snapshot.graph, tuple(sorted({*status.rows, *run}))).difference(run)
    for name, names in snapshot.databases.shared.items():
        if not (never.isdisjoint(names) or set(names).isdisjoint(run)):
            return name
    return None


def meanings_of(snapshot: Facts, name: str) -> str:
    """What an id that several migrations had means, in words, with the current names of files."""
    if name in snapshot.databases.planned_ids:  # the new ids and names are only planned
        ids = [each for each in snapshot.databases.shared[name] if each in snapshot.graph]
        messages = {f"“{snapshot.header(each).message}”": None for each in ids}
        which = " and ".join(messages) if len(messages) == len(ids) else "several migrations"
        return f"{name} is the id of {which}"
    said = (
        f"{snapshot.file(each).name} (now {each})" if each in snapshot.graph else f"{each} (gone)"
        for each in snapshot.databases.shared[name]
    )
    return f"{name} was the id of {' and '.join(said)}"


def which_ran(snapshot: Facts, name: str, run: Collection[str]) -> str:
    """Which of the migrations that had an id have run in a database, in words."""
    names = snapshot.databases.shared[name]
    ran = ", ".join(each for each in names if each in run)
    never = ", ".join(each for each in names if each not in run)
    return f"{meanings_of(snapshot, name)}: {ran} ran there, and {never} never did"


# --- Revisions at which Alembic's upgrade stops --------------------------------------------------


def stuck_revisions(snapshot: Facts) -> frozenset[str]:
    """The revisions at which ``upgrade heads`` stops because they name missing revisions.

    The upgrade is computed from an empty database, from one that has run all that such a revision
    requires, and from the known databases. If Alembic has no fixed order, it can stop at all of
    them.
    """
    graph = snapshot.graph
    tied = frozenset(impassable(graph))
    if not tied:
        return tied
    runs_before = Ancestry(graph)
    places = {frozenset[str]()}
    places |= {frozenset(graph.required([revision]) - {revision}) for revision in tied}
    for applied in applied_anywhere(snapshot):
        places.add(frozenset(graph.required(applied.revisions.intersection(graph))))
    stuck: set[str] = set()
    for done in places:
        order = upgrade_order(graph, runs_before, done)
        if order is None:
            return tied
        stuck |= stuck_at(graph, done, sorted(order, key=order.__getitem__))
    return frozenset(stuck)
