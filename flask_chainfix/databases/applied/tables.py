"""What the tables of a database tell of the revisions that have run there.

A table that a revision is certain to make must be there once it has run, unless something that has
run may have taken it away; one that only revisions make which have not run must not be. Tables of
named schemas are not among those that were looked at, and tell nothing; nor does any where binds
have some of them. Where a database has other schemas, and none of the chain's tables is where they
were looked for, they are taken to be in one of those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import Standing
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.schema.footprint import Action, Kind


def contradicts(snapshot: Facts, standing: Standing, revisions: frozenset[str]) -> bool:
    """Whether the tables of a database show that something else has run there.

    Args:
        snapshot: the chain with the migrations' sources.
        standing: the database.
        revisions: what is thought to have run there.
    """
    return bool(
        absent_tables(snapshot, standing, revisions) or early_tables(snapshot, standing, revisions)
    )


def absent_tables(
    snapshot: Facts, standing: Standing, revisions: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    """The tables that must be there and are not, each with the revision that makes it."""
    if not _tells(snapshot, standing):
        return ()
    there = _names(standing)
    chain_tables = snapshot.chain_tables
    return tuple(
        (revision, table)
        for table, makers in chain_tables.makers.items()
        if table not in there
        for revision in makers
        if revision in revisions
        and not any(
            other in revisions and not _is_below(snapshot, other, revision)
            for other in chain_tables.removing(table)
        )
    )


def early_tables(
    snapshot: Facts, standing: Standing, revisions: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    """The tables that are there although the revision that makes them has not run, with it.

    An upgrade stops there, as nothing that comes before takes the table away.
    """
    if not _tells(snapshot, standing):
        return ()
    there = _names(standing)
    chain_tables = snapshot.chain_tables
    found = []
    for table, makers in chain_tables.makers.items():
        has_run = not revisions.isdisjoint({*makers, *chain_tables.perhaps.get(table, ())})
        if has_run or table not in there:
            continue
        maker = next(each for each in snapshot.graph.order if each in makers)
        below = snapshot.graph.required([maker])
        if below.intersection(chain_tables.removing(table)) <= revisions:
            found.append((maker, table))
    return tuple(found)


def _tells(snapshot: Facts, standing: Standing) -> bool:
    if standing.tables is None or snapshot.chain_tables.binds:
        return False
    return standing.complete or not _names(standing).isdisjoint(snapshot.chain_tables.makers)


def _names(standing: Standing) -> frozenset[str]:
    return frozenset(table.lower() for table in standing.tables or ())


def _is_below(snapshot: Facts, lower: str, upper: str) -> bool:
    """Whether one ran before the other in every known chain that has both."""
    return lower != upper and all(
        lower in chain.required([upper])
        for chain in (snapshot.graph, *snapshot.old)
        if lower in chain and upper in chain
    )


class Fit(NamedTuple):
    """The revisions that a database's tables fit, as rows.

    Attributes:
        rows: the highest revisions that a table proves; none where no table of the chain is there.
        highest: with those above them that leave no table, and so cannot be told.
        silent: those, in the order of the chain.
    """

    rows: tuple[str, ...]
    highest: tuple[str, ...]
    silent: tuple[str, ...]


def fit(snapshot: Facts, standing: Standing) -> Fit | None:
    """Find the revisions that the tables of a database fit; ``None`` where they fit none."""
    graph = snapshot.graph
    if not _tells(snapshot, standing):
        return None
    there, makers = _names(standing), snapshot.chain_tables.makers
    proven = {each[0] for table, each in makers.items() if table in there and len(each) == 1}
    run = frozenset(graph.required(proven))
    if contradicts(snapshot, standing, run):
        return None
    silent = [*_silent_above(snapshot, run)]
    return Fit(tops(graph, run), tops(graph, run.union(silent)), tuple(silent))


def proven_top(snapshot: Facts, standing: Standing) -> str | None:
    """The one revision that the tables of a database prove to be the highest that ran there."""
    fitting = fit(snapshot, standing)
    return fitting.rows[0] if fitting is not None and len(fitting.rows) == 1 else None


def _silent_above(snapshot: Facts, run: Collection[str]) -> Iterator[str]:
    """What may have run as well, as no table shows whether it has."""
    showing = {revision for makers in snapshot.chain_tables.makers.values() for revision in makers}
    have = set(run)
    for revision in snapshot.graph.order:
        below = snapshot.graph.requirements(revision)
        if revision not in have | showing and have.issuperset(below):
            have.add(revision)
            yield revision


def never_ran(snapshot: Facts, revisions: Iterable[str], absent: Iterable[str]) -> frozenset[str]:
    """What has not run of what rows claim, by tables that are not there.

    Beside what makes them, that is what stands on it and shows no table of its own.
    """
    graph, makers = snapshot.graph, snapshot.chain_tables.makers
    showing = {revision for each in makers.values() for revision in each}
    lost = set(absent)
    claimed = set(revisions)
    for revision in graph.order:
        below = lost.intersection(graph.requirements(revision))
        if revision in claimed and revision not in showing and below:
            lost.add(revision)
    return frozenset(lost)


# --- Which of several migrations with one id have run --------------------------------------------

_Made = tuple[str, str]  # a table and a column of it; "" for the table itself


def possible_ids(snapshot: Facts, standing: Standing, ids: Sequence[str]) -> Sequence[str]:
    """Which of several ids a row can stand for, as far as the tables tell.

    Args:
        snapshot: the chain.
        standing: the database.
        ids: those that the migrations have now which had the id in the row.
    """
    left = list(ids)
    if all(id_ in snapshot.graph for id_ in ids):
        files = [snapshot.file(id_) for id_ in ids]
        proven = with_what_they_make(snapshot, files, standing)
        if len(proven) == 1:
            return [ids[proven[0]]]
        own = zip(ids, _made_alone(snapshot, files), strict=True)
        left = [id_ for id_, made in own if not _lacks_columns(made, standing)]
    left = [id_ for id_ in left if not absent_tables(snapshot, standing, frozenset([id_]))]
    return left or ids


def with_what_they_make(
    snapshot: Facts, files: Sequence[MigrationFile], standing: Standing
) -> list[int]:
    """The files whose own tables and columns are all in a database, by their index."""
    there: set[_Made] = {(table, "") for table in _names(standing)}
    there.update(standing.columns or ())
    looked = standing.columns is not None
    own = (
        {each for each in made if looked or not each[1]} for made in _made_alone(snapshot, files)
    )
    return [index for index, made in enumerate(own) if made and made <= there]


def _lacks_columns(made: Collection[_Made], standing: Standing) -> bool:
    """Whether a column is not there that a file makes, and its table is."""
    there = _names(standing)
    return standing.columns is not None and any(
        column and table in there and (table, column) not in standing.columns
        for table, column in made
    )


def tables_altered(snapshot: Facts, files: Iterable[MigrationFile]) -> frozenset[str]:
    """The tables to which files add columns, in lower case."""
    return frozenset(table for file in files for table, column in _made(snapshot, file) if column)


def _made_alone(snapshot: Facts, files: Sequence[MigrationFile]) -> list[frozenset[_Made]]:
    """What each file makes for certain, and none of the others."""
    made = [_made(snapshot, file) for file in files]
    return [each.difference(*(other for other in made if other is not each)) for each in made]


def _made(snapshot: Facts, file: MigrationFile) -> frozenset[_Made]:
    """The tables that a file is certain to make, and the columns that it adds to others."""
    made = [
        ((thing.table or "").lower(), thing.name.lower())
        if thing.kind is Kind.COLUMN
        else (thing.name.lower(), "")
        for action, thing, _, certain, *_ in snapshot.footprint(file).effects
        if certain and action is Action.CREATE and thing.kind in (Kind.TABLE, Kind.COLUMN)
    ]
    return frozenset(each for each in made if not each[1] or (each[0], "") not in made)
