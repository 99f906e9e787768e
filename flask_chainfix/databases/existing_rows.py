"""Whether existing rows allow objects to be added to their tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    and_,
    column,
    func,
    literal_column,
    not_,
    select,
    table,
)
from sqlalchemy.engine import Connection

from flask_chainfix.databases.connecting import reading
from flask_chainfix.databases.targets import Target
from flask_chainfix.schema.footprint import Kind, SchemaObject, table_of


class InTheWay(NamedTuple):
    """Rows that prevent an object from being added.

    Attributes:
        object: the object to be added.
        reason: why the rows prevent it, in words.
        query: the SQL that shows these rows; ``""`` if it is all rows of the table.
    """

    object: SchemaObject
    reason: str
    query: str = ""


def in_the_way(
    target: Target, wanted: Sequence[tuple[SchemaObject, Any]], lacking: Collection[SchemaObject]
) -> tuple[InTheWay, ...]:
    """Find rows that must be changed before objects can be added.

    Args:
        target: the database.
        wanted: the objects to be added, each with SQLAlchemy's description of it.
        lacking: all objects that the database lacks.

    Raises:
        Obstacle: the database cannot be read.
    """
    with reading(target) as connection:
        looking = _Looking(connection, target.tables_schema, lacking)
        return tuple(
            found
            for thing, element in wanted
            if thing.table and table_of(thing) not in lacking
            for found in looking.at(thing, element)
        )


class _Looking:
    """Queries on the rows of one database; each query returns at most one row."""

    def __init__(
        self, connection: Connection, schema: str | None, lacking: Collection[SchemaObject]
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._lacking = lacking

    def at(self, thing: SchemaObject, element: Any) -> Iterator[InTheWay]:
        """The rows in the way of one part of an existing table."""
        if isinstance(element, Column):
            yield from self._column(thing, element)
        elif isinstance(element, UniqueConstraint) or getattr(element, "unique", False):
            yield from self._unique(thing, element)
        elif isinstance(element, ForeignKeyConstraint):
            yield from self._foreign_key(thing, element)
        elif isinstance(element, CheckConstraint):
            yield from self._check(thing, element)

    def _column(self, thing: SchemaObject, new: Column[Any]) -> Iterator[InTheWay]:
        if new.nullable or new.server_default is not None:
            return
        if self._finds(_one_of(self._rows(thing, ()))):
            yield InTheWay(
                thing,
                f"{thing.spelled} may not be NULL and has no default, and {thing.table} has rows",
            )

    def _unique(self, thing: SchemaObject, element: UniqueConstraint | Index) -> Iterator[InTheWay]:
        new, there = self._split(table_of(thing), element.columns)
        if any(each.nullable and each.server_default is None for each in new):
            return  # NULL equals nothing
        rows = self._rows(thing, there)
        names = [rows.c[each.name] for each in there]
        # Without columns to compare, any two rows may be equal.
        query = select(*names, func.count()).select_from(rows).having(func.count() > 1)
        query = query.where(and_(True, *(name.is_not(None) for name in names))).group_by(*names)
        if self._finds(query):
            same = ", ".join(each.name for each in there)
            yield InTheWay(
                thing,
                f"{thing.kind.value} {thing.name} is unique, and rows of {thing.table} have the"
                f" same {same or 'values'}",
                self._written(query),
            )

    def _foreign_key(self, thing: SchemaObject, key: ForeignKeyConstraint) -> Iterator[InTheWay]:
        new, there = self._split(table_of(thing), key.columns)
        if any(each.server_default is None for each in new):
            return  # NULL references nothing
        rows = self._rows(thing, there)
        query = _one_of(rows, *rows.c)
        query = query.where(and_(True, *(rows.c[each.name].is_not(None) for each in there)))
        other = SchemaObject(Kind.TABLE, key.referred_table.name, "", thing.schema)
        targets = [element.column for element in key.elements]
        if not (new or other in self._lacking or self._split(other, targets)[0]):
            referred = self._rows(other, targets).alias("referred")
            pairs = zip(key.columns, targets, strict=True)
            same = (rows.c[ours.name] == referred.c[theirs.name] for ours, theirs in pairs)
            query = query.where(not_(_one_of(referred).where(*same).correlate(rows).exists()))
        if self._finds(query):
            yield InTheWay(
                thing,
                f"{thing.kind.value} {thing.name}: rows of {thing.table} refer by"
                f" {', '.join(key.column_keys)} to rows that {other.name} does not have",
                self._written(query),
            )

    def _check(self, thing: SchemaObject, check: CheckConstraint) -> Iterator[InTheWay]:
        if any(each.kind is Kind.COLUMN and each.table == thing.table for each in self._lacking):
            return  # it may use that column
        words = str(check.sqltext)
        query = _one_of(self._rows(thing, ()), literal_column("*"))
        query = query.where(not_(literal_column(f"({words})")))
        if self._finds(query):
            yield InTheWay(
                thing,
                f"rows of {thing.table} are against {thing.kind.value} {thing.name} ({words})",
                self._written(query),
            )

    def _split(
        self, owner: SchemaObject, columns: Iterable[Column[Any]]
    ) -> tuple[list[Column[Any]], list[Column[Any]]]:
        """The columns that the database lacks, and the columns that it has."""
        new: list[Column[Any]] = []
        there: list[Column[Any]] = []
        for each in columns:
            lacks = owner.part(Kind.COLUMN, each.name) in self._lacking
            (new if lacks else there).append(each)
        return new, there

    def _rows(self, thing: SchemaObject, columns: Iterable[Column[Any]]) -> Any:
        names: list[Any] = [column(each.name) for each in columns]
        return table(table_of(thing).name, *names, schema=thing.schema or self._schema)

    def _finds(self, query: Any) -> bool:
        return self._connection.execute(query.limit(1)).first() is not None

    def _written(self, query: Any) -> str:
        compiled = query.compile(
            dialect=self._connection.dialect, compile_kwargs={"literal_binds": True}
        )
        return f"{' '.join(str(compiled).split())};"


def _one_of(rows: Any, *columns: Any) -> Any:
    return select(*columns or (literal_column("1"),)).select_from(rows)
