"""What the tables of a database tell of the revisions that have run there.

A table that a revision is certain to make, and that nothing may have taken away, must be there once
it has run; one that only revisions make which have not run must not be. Tables of other schemas are
not among those that were looked at, and tell nothing; nor does any where binds have some of them,
or where none of those that the chain makes is there: then they are elsewhere.
"""

from __future__ import annotations

from flask_chainfix.model import Standing
from flask_chainfix.snapshot import Snapshot


def contradicts(snapshot: Snapshot, standing: Standing, revisions: frozenset[str]) -> bool:
    """Whether the tables of a database show that something else has run there.

    Args:
        snapshot: the chain with the migrations' sources.
        standing: the database.
        revisions: what is thought to have run there.
    """
    return bool(absent_tables(snapshot, standing, revisions)) or _unexpected(
        snapshot, standing, revisions
    )


def absent_tables(
    snapshot: Snapshot, standing: Standing, revisions: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    """The tables that should be there and are not, each behind the revision that makes it."""
    there = {table.lower() for table in standing.tables or ()}
    if there.isdisjoint(snapshot.lasting_tables):
        return ()
    return tuple(
        (revision, table)
        for table, makers in snapshot.lasting_tables.items()
        for revision in makers
        if revision in revisions and table not in there
    )


def _unexpected(snapshot: Snapshot, standing: Standing, revisions: frozenset[str]) -> bool:
    there = {table.lower() for table in standing.tables or ()}
    return any(
        table in there and revisions.isdisjoint(makers)
        for table, makers in snapshot.lasting_tables.items()
    )
