"""Make a few rows for empty tables, as far as their constraints allow.

Two rows are equal wherever possible, with the longest texts, and a third is NULL wherever that is
allowed. A NOT NULL column without a default, a unique index, a shorter type or a cast then fails as
it would on real rows. Nothing is random.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice, product
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    MetaData,
    Table,
    UniqueConstraint,
    func,
    inspect,
    select,
    text,
    types,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_chainfix.databases.catalog import escaped
from flask_chainfix.environment.messages import message_of
from flask_chainfix.rehearsal.child.made_values import LONGEST, NoValue, value
from flask_chainfix.rehearsal.child.schema_watch import Fingerprints, fingerprints

_ROWS = 3
_TRIES = 300  # for one row
_AT_ONCE = 100  # tables that one query counts
_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])(-?\d+(?:\.\d+)?)")
_SIMPLE_TEXTS = ("a", "A", "1", "a@b.example", "https://a.example", "{}", "")


class RowMaker:
    """Fills the tables of one database that migrations make or change."""

    def __init__(self, version_table: str) -> None:
        self._version_table = version_table
        self._known: Fingerprints = {}
        self._empty: dict[str, str] = {}
        self._counted: Mapping[str, int] | None = None

    def fill(self, connection: Connection) -> Mapping[str, str]:
        """Insert rows into every table that is empty, or has changed since the last time.

        Returns:
            The reason for each table that stays empty, by its name; reasons that were reported
            before are left out.

        Raises:
            SQLAlchemyError: the catalog cannot be read.
        """
        now = fingerprints(connection)
        tables = set(inspect(connection).get_table_names()) - {self._version_table}
        changed = {name for name in tables if now.get(name) != self._known.get(name)}
        # In production, new rows arrive before the next migration.
        bare = {name for name, number in self.counted(connection).items() if not number}
        changed |= {name for name in bare if not self._empty.get(name)}
        self._known = now
        reasons: dict[str, str] = {}
        for name in _parents_first(connection, changed):
            why = _fill(connection, name)
            if why and self._empty.get(name) != why:
                reasons[name] = why
            self._empty[name] = why
        if changed:
            self.forget()
        return reasons

    def counted(self, connection: Connection) -> Mapping[str, int]:
        """How many rows each table holds, counted once between two steps.

        Raises:
            SQLAlchemyError: the rows cannot be counted.
        """
        if self._counted is None:
            self._counted = self._count(connection)
        return self._counted

    def forget(self) -> None:
        """Count again, since a step has run."""
        self._counted = None

    def _count(self, connection: Connection) -> Mapping[str, int]:
        names = sorted(set(inspect(connection).get_table_names()) - {self._version_table})
        quote = connection.dialect.identifier_preparer.quote
        found: dict[str, int] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, len(names)))
            # As text: SQLAlchemy takes far longer to write this than databases to answer it.
            queries = (
                f"SELECT {at}, count(*) FROM {quote(names[at])}"  # noqa: S608  (quoted)
                for at in some
            )
            rows = connection.execute(text(escaped(" UNION ALL ".join(queries))))
            found |= {names[at]: int(number) for at, number in rows}
        return found


def lost(before: Mapping[str, int], after: Mapping[str, int]) -> Mapping[str, int]:
    """The number of lost rows by table; a new table that has rows was renamed."""
    moved = sorted(number for name, number in after.items() if number and name not in before)
    found: dict[str, int] = {}
    for name, number in before.items():
        if name in after:
            gone = number - after[name]
        elif number in moved:
            moved.remove(number)
            gone = 0
        else:
            gone = number
        if gone > 0:
            found[name] = gone
    return found


# --- One table ------------------------------------------------------------------------------------
def _parents_first(connection: Connection, names: set[str]) -> Iterator[str]:
    """The tables, each after those that its foreign keys refer to, as far as possible."""
    look = inspect(connection)
    parents = {
        name: {str(key["referred_table"]) for key in look.get_foreign_keys(name)} & names - {name}
        for name in sorted(names)
    }
    while parents:
        free = [name for name, needed in parents.items() if not needed & parents.keys()]
        for name in free or list(parents)[:1]:
            del parents[name]
            yield name


def _fill(connection: Connection, name: str) -> str:
    """Add rows to a table; return why it is still empty, else ``""``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of types that SQLAlchemy does not know
            table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
            plan = _Plan(connection, table)
            held = _count(connection, table)
            for number in range(_ROWS):
                problem = plan.add(held + number, is_bare=number == _ROWS - 1)
                if problem and not (held or number):
                    return problem
    except NoValue as reason:
        return str(reason)
    except (SQLAlchemyError, NotImplementedError, ArithmeticError, ValueError) as error:
        return message_of(error)
    return ""


def _count(connection: Connection, table: Table) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


class _Key(NamedTuple):
    """A foreign key with the rows that it can point to."""

    columns: tuple[str, ...]
    parent: str
    rows: Sequence[Sequence[Any]]
    is_own: bool
    referred: tuple[str, ...]


class _Plan:
    """Makes the rows of one table."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._columns = [each for each in table.columns if not _is_made_there(each)]
        self._keys = [self._key(each) for each in table.foreign_key_constraints]
        self._distinct = self._distinct_columns()
        self._candidates = self._candidates_from(_checks_of(connection, table))

    def add(self, number: int, *, is_bare: bool) -> str:
        """Insert one row; return why that is impossible, else ``""``.

        Args:
            number: the number of the row, from 0.
            is_bare: whether to use NULL wherever that is allowed.
        """
        problem = "no row meets its constraints"
        everything = {each.name for each in self._columns}
        for distinct in (self._distinct, everything):
            row = self._row(number, distinct, is_bare=is_bare)
            for values in islice(self._variants(row, number, distinct), _TRIES):
                problem = self._insert(values)
                if not problem:
                    self._prefer(values)
                    return ""
        return problem

    def _prefer(self, values: Mapping[str, Any]) -> None:
        """Try values first that a check has accepted."""
        for name, candidates in self._candidates.items():
            if values.get(name) in candidates:
                candidates.remove(values[name])
                candidates.insert(0, values[name])

    def _insert(self, values: Mapping[str, Any]) -> str:
        """Insert a row; return the database's objection, else ``""``."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(self._table.insert().values(values))
        except SQLAlchemyError as error:
            return message_of(error)
        return ""

    def _row(self, number: int, distinct: set[str], *, is_bare: bool) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for column in self._columns:
            if is_bare and column.nullable and column.name not in distinct:
                row[column.name] = None
                continue
            try:
                serial = number + 1 if column.name in distinct else 0
                row[column.name] = value(column.type, serial)
            except NoValue as reason:
                if column.nullable:
                    row[column.name] = None
                elif column.server_default is None and column.autoincrement is not True:
                    raise NoValue(f"column {column.name}: {reason}") from None
        for key in self._keys:
            self._point(row, key, number, distinct, is_bare=is_bare)
        return row

    def _point(
        self, row: dict[str, Any], key: _Key, number: int, distinct: set[str], *, is_bare: bool
    ) -> None:
        """Let a foreign key of a row refer to an existing row."""
        loose = [name for name in key.columns if self._table.c[name].nullable]
        if key.rows and not (is_bare and loose):
            index = number if distinct.intersection(key.columns) else 0
            row.update(zip(key.columns, key.rows[index % len(key.rows)], strict=True))
        elif loose:
            row.update(dict.fromkeys(loose))
        elif key.is_own:
            row.update(
                {each: row.get(to) for each, to in zip(key.columns, key.referred, strict=True)}
            )
        else:
            raise NoValue(f"its foreign key points to {key.parent}, which has no rows")

    def _variants(
        self, row: dict[str, Any], number: int, distinct: set[str]
    ) -> Iterator[dict[str, Any]]:
        """The row, and then variants with values that its checks mention."""
        yield row
        names = [name for name in self._candidates if name in row]
        turned: list[list[Any]] = []
        for name in names:
            values = self._candidates[name]
            # Those that must differ begin elsewhere in each row.
            start = number % len(values) if name in distinct else 0
            turned.append([*values[start:], *values[:start]])
        for choice in product(*turned) if names else ():
            yield {**row, **dict(zip(names, choice, strict=True))}

    def _key(self, constraint: ForeignKeyConstraint) -> _Key:
        columns = tuple(each.parent.name for each in constraint.elements)
        target = [each.target_fullname.rpartition(".") for each in constraint.elements]
        parent, referred = target[0][0], tuple(each[2] for each in target)
        schema, _, name = parent.rpartition(".")
        is_own = parent == self._table.fullname
        found = Table(name, MetaData(), *(Column(each) for each in referred), schema=schema or None)
        query = select(*found.columns).where(*(each.is_not(None) for each in found.columns))
        rows = self._connection.execute(query.order_by(*found.columns).limit(LONGEST)).all()
        return _Key(columns, parent, [tuple(row) for row in rows], is_own, referred)

    def _distinct_columns(self) -> set[str]:
        """One column of each unique key, which gets a different value in every row."""
        table = self._table
        groups = [[each.name for each in table.primary_key.columns]]
        groups += [
            [column.name for column in each.columns]
            for each in table.constraints
            if isinstance(each, UniqueConstraint)
        ]
        groups += [
            [column.name for column in each.columns] for each in table.indexes if each.unique
        ]
        look = inspect(self._connection)
        if self._connection.dialect.name in ("sqlite", "mysql", "mariadb"):
            groups += [
                list(each["column_names"]) for each in look.get_unique_constraints(table.name)
            ]
        pointing = {name for key in self._keys for name in key.columns}
        found: set[str] = set()
        for group in groups:
            if group and not found.intersection(group):
                found.add(min(group, key=lambda name: (name in pointing, _variety(table.c[name]))))
        return found

    def _candidates_from(self, checks: Sequence[str]) -> dict[str, list[Any]]:
        """Candidate values by column: those that checks name, and their neighbours."""
        found: dict[str, list[Any]] = {}
        for sql in checks:
            literals = list(_LITERAL.finditer(sql))
            for column in self._columns:
                if re.search(rf"(?<!\w){re.escape(column.name)}(?!\w)", sql):
                    values = found.setdefault(column.name, [])
                    values += [each for each in _near(column, literals) if each not in values]
        return {name: values for name, values in found.items() if values}


def _checks_of(connection: Connection, table: Table) -> Sequence[str]:
    """The conditions of a table's checks, as SQL."""
    try:
        checks = inspect(connection).get_check_constraints(table.name)
    except NotImplementedError:  # MySQL before it had any
        return ()
    return [str(each["sqltext"]) for each in checks]


def _is_made_there(column: Column[Any]) -> bool:
    """Whether the database itself computes the column."""
    identity = column.identity
    return column.computed is not None or (identity is not None and bool(identity.always))


def _variety(column: Column[Any]) -> int:
    """How few values a type has: 0 if there are enough."""
    return 1 if isinstance(column.type, (types.Boolean, types.Enum)) else 0


def _near(column: Column[Any], literals: Sequence[re.Match[str]]) -> Iterator[Any]:
    if isinstance(column.type, types.Boolean):
        yield from (True, False)
    elif isinstance(column.type, (types.Integer, types.Numeric, types.Float)):
        numbers = [Decimal(found[2]) for found in literals if found[2]]
        for number in (*numbers, Decimal(1), Decimal(0)):
            for near in (number, number + 1, number - 1):
                yield int(near) if isinstance(column.type, types.Integer) else near
    elif isinstance(column.type, types.String):
        longest = column.type.length or LONGEST
        yield from (found[1].replace("''", "'") for found in literals if found[1] is not None)
        lengths = [int(found[2]) for found in literals if found[2] and found[2].isdigit()]
        yield from ("a" * min(each, longest) for each in lengths if each)
        yield from (text for text in _SIMPLE_TEXTS if len(text) <= longest)
    elif isinstance(column.type, (types.Date, types.DateTime)):
        yield from (value(column.type, days) for days in (10, 5_000, 20_000))
