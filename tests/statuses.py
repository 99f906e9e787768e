"""Literal databases beside a literal chain: where they stand, and what Git knows of lost rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.databases.facts import Facts, Uncompared
from flask_chainfix.model.databases import (
    Databases,
    DatabaseState,
    DatabaseStatus,
    LostRevision,
    Move,
)
from flask_chainfix.schema.footprint import Key, Kind, SchemaObject, key_of
from flask_chainfix.schema.live import Live
from tests.support import Rev, migration, path_of, rev

DAY = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)


def db(
    rows: str | tuple[str, ...] = "", name: str = "production", *, tables: str | None = None
) -> DatabaseStatus:
    """A database with these rows and other tables, written with blanks between them."""
    rows = tuple(rows.split()) if isinstance(rows, str) else rows
    return DatabaseStatus(
        name,
        f"id of {name}",
        DatabaseState.STAMPED if rows else DatabaseState.EMPTY,
        tuple(sorted(rows)),
        None if tables is None else frozenset(tables.split()),
    )


def unreachable(name: str, problem: str, remedy: str) -> DatabaseStatus:
    """A database that could not be asked."""
    state = DatabaseState.UNREACHABLE
    return DatabaseStatus(name, f"id of {name}", state, problem=problem, remedy=remedy)


def lost(spec: str | Rev, **changes: Any) -> LostRevision:
    """What Git knows of a revision whose file was removed, in the notation of ``support``."""
    item = spec if isinstance(spec, Rev) else rev(spec)
    found = LostRevision(
        item.revision, "1a2b3c4", "Ann", DAY, path_of(item.revision), migration(item), item.parents
    )
    return replace(found, depends_on=item.depends_on, **changes)


def moved(before: str, after: str, name: str = "production") -> Move:
    """A change of rows that the journal holds."""
    rows = (tuple(sorted(words.split())) for words in (before, after))
    old, new = rows
    return Move(name, f"id of {name}", old, new)


def looked_at(
    snapshot: Facts,
    *statuses: DatabaseStatus,
    lost: Iterable[LostRevision] = (),
    moved: Iterable[Move] = (),
    old: Graph | None = None,
    columns: Iterable[tuple[str, str]] | None = None,
) -> Facts:
    """The chain after a look at databases, at the journal and at Git.

    Their schemas are known by their tables, and by these pairs of table and column.
    """
    databases = Databases(
        statuses,
        {move.identity: move for move in moved},
        {each.revision: each for each in lost},
    )
    looked = frozenset({Kind.TABLE} if columns is None else {Kind.TABLE, Kind.COLUMN})
    schemas: dict[Hashable, Live | Uncompared] = {}
    for status in statuses:
        if status.tables is not None:
            found = (
                key._replace(database=status.bind or "")
                for key in keys_of(status.tables, columns or ())
            )
            schemas[status.seen] = Live(
                dict.fromkeys(found, True), looked, is_public=False, bind=status.bind or ""
            )
    before = () if old is None else (old,)
    return replace(snapshot, databases=databases, old=before, schemas=schemas)


def keys_of(tables: Iterable[str], columns: Iterable[tuple[str, str]]) -> Iterator[Key]:
    """The keys of tables, by name, and of columns, by table and name, in the default schema."""
    for table in tables:
        yield key_of(SchemaObject(Kind.TABLE, table))
    for table, name in columns:
        yield key_of(SchemaObject(Kind.COLUMN, name, table))
