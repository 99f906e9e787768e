"""Ids that stood twice in an older chain: which of their migrations a database has run.

A row cannot tell. Since a repair each of the migrations has an id of its own, and only the tables
of the database show for which of these ids the row stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from flask_chainfix import source
from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.databases.applied.live_evidence import absent_tables
from flask_chainfix.databases.applied.rows import can_stand, stood_for
from flask_chainfix.model.databases import Standing
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.plans import Mend, Part
from flask_chainfix.model.schema import Action, Kind, SchemaObject

_Made = tuple[str, str]  # a table and a column of it; "" for the table itself


def readings(snapshot: Snapshot, chain: Graph, standing: Standing) -> Iterator[frozenset[str]]:
    """What rows written by a chain stand for, by the ids of now.

    Args:
        snapshot: the chain as it is, and what is known of older ones.
        chain: the one that has written the rows.
        standing: the database.

    Yields:
        Once for each way in which the tables let an id be read that stood twice in that chain.
    """
    if chain is snapshot.graph:
        yield from _told_anew(snapshot, standing)
        return
    run = stood_for(chain, standing.rows)
    shared, others = snapshot.databases.shared, snapshot.databases.others
    twice = [name for name in chain.duplicates if name in run and name in shared]
    once = frozenset(
        others.get(name) or _name_now(snapshot, name) for name in run.difference(twice)
    )
    for picks in product(*(_thinkable(snapshot, standing, shared[name]) for name in twice)):
        yield once.union(picks)


def is_another(past: Snapshot, then: MigrationFile, now: Snapshot, file: MigrationFile) -> bool:
    """Whether a file is another migration than the one that had its id in an older chain.

    One that was edited still does some of what it did; where what they do is not known, one that
    kept its name or its message is the same.
    """
    if source.same_body(then.data, file.data):
        return False
    did, does = _deeds(past, then), _deeds(now, file)
    if did and does:
        return did.isdisjoint(does)
    old, new = then.reading, file.reading
    assert isinstance(old, Header)
    assert isinstance(new, Header)
    return then.name != file.name and old.message != new.message


def _deeds(snapshot: Snapshot, file: MigrationFile) -> frozenset[tuple[Action, SchemaObject]]:
    effects = snapshot.footprint(file).effects
    return frozenset(
        (effect.action, effect.object) for effect in effects if effect.action is not Action.USE
    )


def _told_anew(snapshot: Snapshot, standing: Standing) -> Iterator[frozenset[str]]:
    """What rows stand for that were written under the ids from before a repair."""
    anew, graph = snapshot.databases.anew, snapshot.graph
    meanings = (_thinkable(snapshot, standing, anew.get(row, (row,))) for row in standing.rows)
    for picks in product(*meanings):
        if not can_stand(graph, picks):
            continue
        run = stood_for(graph, picks)
        # Which of them ran below a row, that row does not tell, either.
        below = [name for name, ids in anew.items() if len(ids) > 1 and name in run - {*picks}]
        for others in product(*(_thinkable(snapshot, standing, anew[name]) for name in below)):
            yield run.difference(below).union(others)


def told_anew(snapshot: Snapshot, mends: Iterable[Mend]) -> Snapshot:
    """A chain that is being repaired, with what the rows of databases mean by its ids.

    Args:
        snapshot: the chain once single migrations are put right.
        mends: what was put right.
    """
    anew: dict[str, list[str]] = {}
    for mend in mends:
        if mend.part is Part.ID:
            before, after = mend.before[0], mend.after[0]
            kept = [] if mend.frees_id else [before]
            anew.setdefault(before, kept).append(after)
    if not anew:
        return snapshot
    names = {revision: tuple(ids) for revision, ids in anew.items()}
    shared = {revision: ids for revision, ids in names.items() if len(ids) > 1}
    known = snapshot.databases
    databases = replace(known, anew=names, shared={**known.shared, **shared})
    return replace(snapshot, databases=databases)


def _name_now(snapshot: Snapshot, revision: str) -> str:
    name = snapshot.databases.renamed.get(revision, revision)
    return name if revision not in snapshot.graph and name in snapshot.graph else revision


def _thinkable(snapshot: Snapshot, standing: Standing, names: Sequence[str]) -> Sequence[str]:
    """Those of the ids of now that a row can stand for: only one where the schema tells."""
    left = list(names)
    if all(name in snapshot.graph for name in names):
        files = [snapshot.file(name) for name in names]
        proven = with_what_they_make(snapshot, files, standing)
        if len(proven) == 1:
            return [names[proven[0]]]
        left = [
            name
            for name, made in zip(names, _own(snapshot, files), strict=True)
            if not _lacks_columns(made, standing)
        ]
    left = [name for name in left if not absent_tables(snapshot, standing, frozenset([name]))]
    return left or names


def with_what_they_make(
    snapshot: Snapshot, files: Sequence[MigrationFile], standing: Standing
) -> list[int]:
    """The files of which a database has all tables and columns that only they make for certain."""
    there: set[_Made] = {(table.lower(), "") for table in standing.tables or ()}
    there.update(standing.columns or ())
    looked = standing.columns is not None
    own = ({each for each in made if looked or not each[1]} for made in _own(snapshot, files))
    return [index for index, made in enumerate(own) if made and made <= there]


def _lacks_columns(made: Collection[_Made], standing: Standing) -> bool:
    """Whether a column is not there that a file makes, and its table is."""
    there = {table.lower() for table in standing.tables or ()}
    return standing.columns is not None and any(
        column and table in there and (table, column) not in standing.columns
        for table, column in made
    )


def tables_altered(snapshot: Snapshot, files: Iterable[MigrationFile]) -> frozenset[str]:
    """The tables to which files add columns, in lower case."""
    return frozenset(table for file in files for table, column in _made(snapshot, file) if column)


def _own(snapshot: Snapshot, files: Sequence[MigrationFile]) -> list[frozenset[_Made]]:
    """What each file makes for certain, and none of the others."""
    made = [_made(snapshot, file) for file in files]
    return [each.difference(*(other for other in made if other is not each)) for each in made]


def _made(snapshot: Snapshot, file: MigrationFile) -> frozenset[_Made]:
    """The tables that a file is certain to make, and the columns that it adds to others."""
    objects = [
        effect.object
        for effect in snapshot.footprint(file).effects
        if effect.certain and effect.action is Action.CREATE
    ]
    tables = {each.name.lower() for each in objects if each.kind is Kind.TABLE}
    columns = {
        ((each.table or "").lower(), each.name.lower())
        for each in objects
        if each.kind is Kind.COLUMN
    }
    return frozenset(
        (*((table, "") for table in tables), *(each for each in columns if each[0] not in tables))
    )


def untold(snapshot: Snapshot, possible: Collection[frozenset[str]]) -> str | None:
    """An id that stood twice, where nothing tells which of its migrations has run.

    Not where all of them may have run, as by the chain as it is: that is another doubt.

    Args:
        snapshot: the chain as it is.
        possible: what may have run in a database.
    """
    for name, names in snapshot.databases.shared.items():
        had = {run.intersection(names) for run in possible} - {frozenset()}
        if len(had) > 1 and frozenset(names) not in had:
            return name
    return None


def misread(snapshot: Snapshot, standing: Standing, run: Collection[str]) -> str | None:
    """An id that stood twice: one of its migrations has run, and another is taken for done.

    Not while a repair is planned, with which the rows move.
    """
    if snapshot.databases.anew:
        return None
    rows = tuple(sorted({*standing.rows, *run}))
    never = stood_for(snapshot.graph, rows).difference(run)
    for name, names in snapshot.databases.shared.items():
        if not (never.isdisjoint(names) or set(names).isdisjoint(run)):
            return name
    return None


def told_apart(snapshot: Snapshot, name: str) -> str:
    """What an id means that stood twice, in words; the files are called as they are."""
    if name in snapshot.databases.anew:  # other ids and names are only in the plan
        ids = [each for each in snapshot.databases.shared[name] if each in snapshot.graph]
        messages = {f"“{snapshot.header(each).message}”": None for each in ids}
        which = " and ".join(messages) if len(messages) == len(ids) else "several migrations"
        return f"{name} is the id of {which}"
    said = (
        f"{snapshot.file(each).name} (now {each})" if each in snapshot.graph else f"{each} (gone)"
        for each in snapshot.databases.shared[name]
    )
    return f"{name} was the id of {' and '.join(said)}"


def telling_which_ran(snapshot: Snapshot, name: str, run: Collection[str]) -> str:
    """Which of the migrations that had an id have run in a database, in words."""
    names = snapshot.databases.shared[name]
    ran = ", ".join(each for each in names if each in run)
    never = ", ".join(each for each in names if each not in run)
    return f"{told_apart(snapshot, name)}: {ran} ran there, and {never} never did"
