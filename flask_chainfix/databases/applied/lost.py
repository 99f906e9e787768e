"""Lost revisions, which no file has now: what they did, and which ancestors are left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.common.quoting import git_word, path_word, ref_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.rows import counting_as, since, stood_for, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus, LostRevision
from flask_chainfix.schema.footprint import Footprint
from flask_chainfix.schema.live import Live

if TYPE_CHECKING:
    from flask_chainfix.databases.applied.contents import Found


def is_noop(snapshot: Facts, revision: str) -> bool:
    """Whether a revision, which may be lost, is proven to do nothing.

    It is not enough that it leaves tables alone: it may call a program, or create a function.
    """
    if revision in snapshot.graph:
        file = snapshot.file(revision)
        return not any(snapshot.footprint(file)) and source.does_nothing(file.data)
    footprint = lost_footprint(snapshot, revision)
    is_still = footprint is not None and not any(footprint)
    return is_still and source.does_nothing(snapshot.databases.lost[revision].data)


def lost_footprint(
    snapshot: Facts, revision: str, direction: str = "upgrade", bind: str | None = None
) -> Footprint | None:
    """What a lost revision did to the schema; ``None`` if version control does not have its file.

    Args:
        snapshot: the chain.
        revision: its id.
        direction: ``upgrade`` or ``downgrade``.
        bind: the database, in a multi-database environment; ``None`` for all of them together.
    """
    lost = snapshot.databases.lost.get(revision)
    if lost is None:
        return None
    from flask_chainfix.schema.python.footprint_reader import read_footprint  # rarely needed

    dialect = snapshot.environment.dialect
    return read_footprint(lost.data, dialect=dialect, direction=direction, bind=bind)


def left_behind(
    snapshot: Facts, revisions: Iterable[str], statuses: Iterable[DatabaseStatus]
) -> list[str]:
    """The tables and columns of lost revisions that databases have and the chain never names."""
    from flask_chainfix.databases.applied.contents import made_by

    footprints = filter(None, (lost_footprint(snapshot, each) for each in revisions))
    made = {key for footprint in footprints for key in made_by(footprint)}
    schemas = [snapshot.schemas.get(status.seen) for status in statuses]
    return sorted(
        f"{key.table}.{key.name}".lstrip(".")
        for key in made
        if not snapshot.evidence.mentions(key)
        and any(isinstance(live, Live) and live.state(key) is True for live in schemas)
    )


class Distance(NamedTuple):
    """How far a database is from the heads of the chain.

    Attributes:
        behind: how many revisions an upgrade to the heads would run there.
        ahead: how many lost revisions it has run above those that files still have.
    """

    behind: int
    ahead: int


def distance(snapshot: Facts, status: DatabaseStatus) -> Distance | None:
    """The distance of a database from the heads; ``None`` if its rows do not show it."""
    if status.state not in (DatabaseState.STAMPED, DatabaseState.EMPTY):
        return None
    graph, ahead = snapshot.graph, set[str]()
    below = [row for row in status.rows if row in graph]
    for row in set(status.rows).difference(graph):
        lost, way = snapshot.databases.lost.get(row), survivors(snapshot, row)
        renamed = lost is not None and lost.renamed in graph
        if not way.rows or renamed or snapshot.possible_file(row) is not None:
            return None
        ahead.update(way.between)
        below += way.rows
    run = stood_for(graph, tuple(sorted(below))).intersection(graph)
    if run & graph.open_ends or not run.isdisjoint(graph.missing_dependencies):
        return None
    return Distance(len(graph) - len(run), len(ahead))


class Survivors(NamedTuple):
    """The ancestors of a lost revision that are left.

    Attributes:
        rows: its nearest ancestors that files still have, as rows; empty if the path to them is
            unknown.
        between: the lost revisions from it down to them.
        unknown: those of ``between`` that version control does not know.
    """

    rows: tuple[str, ...]
    between: tuple[str, ...]
    unknown: tuple[str, ...]


def survivors(snapshot: Facts, revision: str) -> Survivors:
    """Find the nearest ancestors of a lost revision that files still have."""
    graph, known = snapshot.graph, snapshot.databases.lost
    seen: dict[str, None] = {}
    pending = [revision]
    while pending:
        name = pending.pop()
        if name not in seen and name not in graph and name in known:
            names = known[name].requirements
            pending += [graph.labelled.get(each, (each,))[0] for each in names]
        seen[name] = None
    between = tuple(name for name in seen if name not in graph)
    unknown = tuple(name for name in between if name not in known)
    rows = () if unknown else tops(graph, graph.required(name for name in seen if name in graph))
    return Survivors(rows, between, unknown)


def early_on_return(snapshot: Facts, status: DatabaseStatus, revision: str) -> tuple[Found, ...]:
    """The tables that would stop a database's next upgrade if a lost revision were restored.

    Each comes with the revision that creates it, which has not run there according to the rows.
    """
    from flask_chainfix.databases.applied.contents import early

    rows = {*status.rows, *survivors(snapshot, revision).rows}.intersection(snapshot.graph)
    return early(snapshot, status, frozenset(snapshot.graph.required(rows)))


def squash_of(snapshot: Facts, revision: str) -> str | None:
    """The revision that makes all that databases hold, in place of a lost one and those below it.

    It is above what is left of these, and each database shows it and all that is between.
    """
    from flask_chainfix.databases.applied.contents import proven_top, proves

    graph, below = snapshot.graph, survivors(snapshot, revision).rows
    stamped = [each for each in snapshot.databases.statuses if revision in each.rows]
    found = {proven_top(snapshot, each) if each.rows == (revision,) else None for each in stamped}
    top = found.pop() if len(found) == 1 else None
    run = graph.required(() if top is None else [top])
    if top in below or not run.issuperset(below):
        return None
    shown = (each for each in run - graph.required(below) if not is_noop(snapshot, each))
    return top if all(proves(snapshot, db, each) for each in shown for db in stamped) else None


def finishing_there(snapshot: Facts, revision: str) -> Remedy:
    """How to run the rest of the old chain, if there is one, in the code that has it."""
    lost = snapshot.databases.lost.get(revision)
    if lost is None or not (lost.checkout and lost.above):
        return Remedy()
    return way(
        "check out the code that has it, run the rest of the old chain, and come back",
        f"git checkout {ref_word(lost.checkout)}",
        "{alembic} upgrade heads",
        "git checkout -",
        "{fixchain} check{databases}",
    )


def replaced(snapshot: Facts, revision: str) -> Remedy:
    """What to do about the last revision of an old chain, if the new chain makes more than it did.

    Empty if the new chain has several bases, or nothing is known to be missing.
    """
    from flask_chainfix.databases.applied.contents import absent

    graph, lost = snapshot.graph, snapshot.databases.lost.get(revision)
    if lost is None or lost.above or len(graph.bases) != 1:
        return Remedy()
    (base,) = graph.bases
    stamped = [each for each in snapshot.databases.statuses if revision in each.rows]
    missing = [found for each in stamped for found in absent(snapshot, each, frozenset({base}))]
    remedy, place = Remedy(), lost.path.parent
    if lost.checkout and len(graph) == 1 and place in snapshot.environment.version_locations:
        remedy |= way(
            f"bring the old migrations back in place of {base}, and write one for what is new",
            f"git checkout {ref_word(lost.checkout)} -- {git_word(place)}",
            f"rm -- {path_word(os.path.relpath(snapshot.file(base).path))}",
            "{alembic} revision --autogenerate -m 'what is new'",
            "{alembic} upgrade head",
        )
    if missing:
        names = listing(list(dict.fromkeys(name for _, name, _ in missing)), 4)
        remedy |= way(
            f"make {names} by hand as {base} does, then move the stamp to it",
            f"{{alembic}} upgrade --sql {since(graph, base)}",
            counting_as(base, revision),
        )
    return remedy


def under_its_new_id(snapshot: Facts, lost: LostRevision) -> Remedy:
    """How to move a stamp to a migration's new id, and what to do first if it was edited."""
    new = lost.renamed or ""
    move = counting_as(new, lost.revision)
    if not lost.edited:
        return way("move the stamp to its new id", move)
    from flask_chainfix.databases.applied.contents import absent

    run = frozenset(snapshot.graph.required([new]))
    stamped = (each for each in snapshot.databases.statuses if lost.revision in each.rows)
    missing = [pair for each in stamped for pair in absent(snapshot, each, run)]
    if not missing:
        return way("move the stamp to its new id, if what was edited does not matter there", move)
    tables = ", ".join(dict.fromkeys(table for _, table, _ in missing))
    return way(
        f"create {tables} by hand as {new} does now, then move the stamp to that id",
        f"{{alembic}} upgrade --sql {since(snapshot.graph, new)}",
        move,
    )
