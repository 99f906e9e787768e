"""Random chains as people write them, and databases that Alembic builds from parts of them.

Each revision does a few things that the schema before it allows: tables, columns, renames, indexes,
constraints, batches, rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import Engine

from flask_chainfix.databases.facts import Facts

from .support import Rev, chain

_TYPES = ("sa.Integer()", "sa.String(40)", "sa.Text()", "sa.Boolean()", "sa.DateTime()")


@dataclass
class Sketch:
    """A schema while a chain is being written.

    Attributes:
        random: what decides.
        tables: the type of each column by table.
        built: the indexes and unique constraints: the table and the column of each.
        numbers: how many names have been given.
    """

    random: Random
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    built: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: int = 0

    def take(self, other: Sketch) -> None:
        """Go on with what another sketch has, too."""
        self.tables |= other.tables
        self.built |= other.built
        self.numbers = max(self.numbers, other.numbers)

    def operations(self) -> list[str]:
        """A few operations that succeed after all those before."""
        ways = (
            *[self._create_table] * 2,
            *[self._add_column] * 3,
            *(self._drop_column, self._rename_column, self._drop_table, self._rename_table),
            *(self._create_index, self._drop_index, self._unique, self._rows),
        )
        wanted = self.random.choice((1, 1, 1, 2, 2, 3, 4))
        found: list[str] = []
        while len(found) < wanted:
            found += self.random.choice(ways)() if self.tables else self._create_table()
        return found

    def _name(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}_{self.numbers}"

    def _table(self) -> str:
        return self.random.choice(list(self.tables))

    def _free_column(self, table: str, *, short: bool = False) -> str | None:
        """A column on which nothing is built; a short one can be indexed in MySQL."""
        taken = {column for where, column in self.built.values() if where == table}
        free = [
            name
            for name, kind in self.tables[table].items()
            if name not in taken and not (short and "Text" in kind)
        ]
        return self.random.choice(free) if free else None

    def _create_table(self) -> list[str]:
        table = self._name("table")
        columns = {
            self._name("col"): self.random.choice(_TYPES) for _ in range(self.random.randint(1, 3))
        }
        self.tables[table] = columns
        rest = "".join(f", sa.Column({name!r}, {kind})" for name, kind in columns.items())
        return [
            f"op.create_table({table!r}, sa.Column('id', sa.Integer(), primary_key=True){rest})"
        ]

    def _add_column(self) -> list[str]:
        table, column = self._table(), self._name("col")
        kind = self.tables[table][column] = self.random.choice(_TYPES)
        made = f"sa.Column({column!r}, {kind}, nullable=True)"
        if self.random.random() < 0.5:
            return [_batch(table, f"add_column({made})")]
        return [f"op.add_column({table!r}, {made})"]

    def _drop_column(self) -> list[str]:
        table = self._table()
        column = self._free_column(table)
        if column is None:
            return []
        del self.tables[table][column]
        return [_batch(table, f"drop_column({column!r})")]

    def _rename_column(self) -> list[str]:
        table, new = self._table(), self._name("col")
        column = self._free_column(table)
        if column is None:
            return []
        kind = self.tables[table][new] = self.tables[table].pop(column)
        return [
            _batch(
                table, f"alter_column({column!r}, new_column_name={new!r}, existing_type={kind})"
            )
        ]

    def _rows(self) -> list[str]:
        return [f"op.execute('DELETE FROM {self._table()}')"] if self.random.random() < 0.3 else []

    def _drop_table(self) -> list[str]:
        if len(self.tables) < 3 or self.random.random() < 0.5:
            return []
        table = self._table()
        del self.tables[table]
        self.built = {name: place for name, place in self.built.items() if place[0] != table}
        return [f"op.drop_table({table!r})"]

    def _rename_table(self) -> list[str]:
        if self.random.random() < 0.5:
            return []
        table, new = self._table(), self._name("table")
        self.tables[new] = self.tables.pop(table)
        self.built = {
            name: (new if where == table else where, column)
            for name, (where, column) in self.built.items()
        }
        return [f"op.rename_table({table!r}, {new!r})"]

    def _create_index(self) -> list[str]:
        table, name = self._table(), self._name("ix")
        column = self._free_column(table, short=True)
        if column is None:
            return []
        self.built[name] = table, column
        return [f"op.create_index({name!r}, {table!r}, [{column!r}])"]

    def _drop_index(self) -> list[str]:
        names = [name for name in self.built if name.startswith("ix")]
        if not names:
            return []
        name = self.random.choice(names)
        table, _ = self.built.pop(name)
        return [f"op.drop_index({name!r}, table_name={table!r})"]

    def _unique(self) -> list[str]:
        table, name = self._table(), self._name("uq")
        column = self._free_column(table, short=True)
        if column is None:
            return []
        self.built[name] = table, column
        return [_batch(table, f"create_unique_constraint({name!r}, [{column!r}])")]


def _batch(table: str, operation: str) -> str:
    return f"with op.batch_alter_table({table!r}) as batch:\n        batch.{operation}"


class Written(NamedTuple):
    """A revision with its operations."""

    revision: str
    parents: tuple[str, ...]
    operations: tuple[str, ...]


def random_chain(random: Random, length: int) -> list[Written]:
    """A chain, base first; some fork, and merge again."""
    trunk = Sketch(random)
    written: list[Written] = []

    def add(sketch: Sketch, parents: tuple[str, ...]) -> tuple[str, ...]:
        name = f"r{len(written):02}"
        written.append(Written(name, parents, tuple(sketch.operations())))
        return (name,)

    heads: tuple[str, ...] = ()
    for _ in range(length):
        heads = add(trunk, heads)
        if len(written) > 2 and random.random() < 0.1:
            branch = Sketch(random, numbers=trunk.numbers + 500)
            others = heads
            for _ in range(random.randint(1, 3)):
                others = add(branch, others)
            for _ in range(random.randint(0, 2)):
                heads = add(trunk, heads)
            name = f"r{len(written):02}"
            written.append(Written(name, (*heads, *others), ()))
            heads = (name,)
            trunk.take(branch)
    return written


def facts_of(written: Sequence[Written], dialect: str) -> Facts:
    """The chain as its files tell it."""
    revisions = (
        Rev(each.revision, each.parents).doing(*each.operations or ("pass",)) for each in written
    )
    facts = chain(*revisions)
    return replace(facts, environment=replace(facts.environment, dialect=dialect))


def run(engine: Engine, operations: Iterable[str]) -> None:
    """Run operations as Alembic does in ``upgrade()``."""
    with engine.begin() as connection:
        names = {"op": Operations(MigrationContext.configure(connection)), "sa": sqlalchemy}
        for operation in operations:
            exec(operation, names)
