"""Random chains as people write them, and databases that Alembic builds from parts of them.

Each revision does a few things that the schema before it allows: tables, columns, renames, types,
nullability, defaults, indexes, constraints, batches, rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import Connection, Engine

from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.live_schema import read_together
from flask_chainfix.databases.targets import Target
from flask_chainfix.schema.live import Live

from .support import Rev, chain

_TYPES = ("sa.Integer()", "sa.String(40)", "sa.Text()", "sa.Boolean()", "sa.DateTime()")
# Other types that a column without rows can get, and those in which a default is a number.
_OTHER_TYPES = {
    "sa.Integer()": ("sa.BigInteger()", "sa.String(40)", "sa.Numeric(10, 2)"),
    "sa.BigInteger()": ("sa.Integer()", "sa.SmallInteger()"),
    "sa.SmallInteger()": ("sa.Integer()",),
    "sa.Numeric(10, 2)": ("sa.Numeric(12, 4)", "sa.Float()"),
    "sa.Numeric(12, 4)": ("sa.Numeric(10, 2)",),
    "sa.Float()": ("sa.Integer()",),
    "sa.String(40)": ("sa.String(80)", "sa.Text()"),
    "sa.String(80)": ("sa.String(40)", "sa.Text()"),
    "sa.Text()": ("sa.String(40)",),
    "sa.DateTime()": ("sa.Date()",),
    "sa.Date()": ("sa.DateTime()",),
}
_WITH_DEFAULT = frozenset(_OTHER_TYPES) - {"sa.DateTime()", "sa.Date()", "sa.Text()"}


class Column(NamedTuple):
    """A column as the chain leaves it.

    Attributes:
        kind: its type, as a migration writes it.
        nullable: whether it is.
        default: whether it has one.
    """

    kind: str
    nullable: bool = True
    default: bool = False

    def defined(self, name: str) -> str:
        """How a migration writes it."""
        rest = "" if self.nullable else ", nullable=False"
        rest += ", server_default='1'" if self.default else ""
        return f"sa.Column({name!r}, {self.kind}{rest})"

    def altered(self, new: Column, random: Random) -> str:
        """The arguments that make it another one; people leave out at times what stays."""
        says = not self.nullable or self.default or random.random() < 0.5
        parts = [f"{'existing_type' if new.kind == self.kind else 'type_'}={new.kind}"]
        for name, before, after in (
            ("nullable", self.nullable, new.nullable),
            ("server_default", "1" if self.default else None, "1" if new.default else None),
        ):
            if before != after or says:
                parts.append(f"{'existing_' if before == after else ''}{name}={after!r}")
        return ", ".join(parts)


@dataclass
class Sketch:
    """A schema while a chain is being written.

    Attributes:
        random: what decides.
        tables: the columns by table.
        built: the indexes and unique constraints: the table and the column of each.
        numbers: how many names have been given.
    """

    random: Random
    tables: dict[str, dict[str, Column]] = field(default_factory=dict)
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
            *(self._alter_type, self._alter_nullable, self._alter_default),
        )
        wanted = self.random.choice((1, 1, 1, 2, 2, 3, 4))
        found: list[str] = []
        while len(found) < wanted:
            found += self.random.choice(ways)() if self.tables else self._create_table()
        return found

    def alterations(self) -> list[str]:
        """A few changes of columns that succeed after all those before."""
        ways = (self._alter_type, self._alter_nullable, self._alter_default)
        return [operation for way in ways * 2 for operation in way()]

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
            for name, column in self.tables[table].items()
            if name not in taken and not (short and "Text" in column.kind)
        ]
        return self.random.choice(free) if free else None

    def _create_table(self) -> list[str]:
        table = self._name("table")
        columns = {self._name("col"): self._column() for _ in range(self.random.randint(1, 3))}
        self.tables[table] = columns
        rest = "".join(f", {column.defined(name)}" for name, column in columns.items())
        return [
            f"op.create_table({table!r}, sa.Column('id', sa.Integer(), primary_key=True){rest})"
        ]

    def _column(self) -> Column:
        kind = self.random.choice(_TYPES)
        default = kind in _WITH_DEFAULT and self.random.random() < 0.3
        return Column(kind, self.random.random() < 0.6, default)

    def _add_column(self) -> list[str]:
        table, name = self._table(), self._name("col")
        column = self._column()
        if not column.default:  # which SQLite refuses to a column that may not be NULL
            column = column._replace(nullable=True)
        self.tables[table][name] = column
        made = column.defined(name)
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
        old = self.tables[table][new] = self.tables[table].pop(column)
        arguments = old.altered(old, self.random)
        return [_batch(table, f"alter_column({column!r}, new_column_name={new!r}, {arguments})")]

    def _alter(self, change: Callable[[Column], Column | None]) -> list[str]:
        table = self._table()
        name = self._free_column(table)
        old = self.tables[table][name] if name is not None else None
        new = change(old) if old is not None else None
        if name is None or old is None or new is None:
            return []
        self.tables[table][name] = new
        return [_batch(table, f"alter_column({name!r}, {old.altered(new, self.random)})")]

    def _alter_type(self) -> list[str]:
        def change(old: Column) -> Column | None:
            kind = self.random.choice(_OTHER_TYPES.get(old.kind, (None,)))
            if kind is None or (old.default and kind not in _WITH_DEFAULT):
                return None
            return old._replace(kind=kind)

        return self._alter(change)

    def _alter_nullable(self) -> list[str]:
        return self._alter(lambda old: old._replace(nullable=not old.nullable))

    def _alter_default(self) -> list[str]:
        return self._alter(
            lambda old: old._replace(default=not old.default) if old.kind in _WITH_DEFAULT else None
        )

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


def line_of_tables(length: int) -> list[Written]:
    """A chain of which each revision makes a table, an index, and a column of the table before."""
    columns = (
        "sa.Column('id', sa.Integer(), primary_key=True)",
        "sa.Column('name', sa.String(40), nullable=False)",
        "sa.Column('number', sa.Integer(), server_default='0')",
        *(f"sa.Column('col_{at}', {kind})" for at, kind in enumerate(_TYPES[2:])),
    )
    written = []
    for at in range(length):
        operations = [
            f"op.create_table('table_{at}', {', '.join(columns)})",
            f"op.create_index('ix_{at}', 'table_{at}', ['name'])",
        ]
        if at:
            operations.append(f"op.add_column('table_{at - 1}', sa.Column('more', sa.String(10)))")
        parents = (f"r{at - 1:05}",) if at else ()
        written.append(Written(f"r{at:05}", parents, tuple(operations)))
    return written


def facts_of(written: Sequence[Written], dialect: str) -> Facts:
    """The chain as its files tell it."""
    revisions = (
        Rev(each.revision, each.parents).doing(*each.operations or ("pass",)) for each in written
    )
    facts = chain(*revisions)
    return replace(facts, environment=replace(facts.environment, dialect=dialect))


def run(engine: Engine, operations: Iterable[str], naming: Mapping[str, str] | None = None) -> None:
    """Run operations as Alembic does in ``upgrade()``, with the models' naming convention."""
    options = {"target_metadata": sqlalchemy.MetaData(naming_convention=naming)}
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts=options)
        names = {"op": Operations(context), "sa": sqlalchemy}
        for operation in operations:
            exec(operation, names)


def read_live(
    connection: Connection, target: Target, schemas: frozenset[str] = frozenset()
) -> Live:
    """Read the tables of a database with all their parts.

    Args:
        connection: to the database, in a transaction.
        target: the database.
        schemas: further schemas that migrations name, in lower case.

    Raises:
        Obstacle: this user may not use the schema.
    """
    (found,) = read_together(connection, [target], schemas, lambda: None)
    if isinstance(found, Obstacle):
        raise found
    return found
