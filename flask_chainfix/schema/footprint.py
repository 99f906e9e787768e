"""What a migration does to the schema of a database, as far as its source tells."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """The kinds of schema objects that migrations create and use."""

    TABLE = "table"
    COLUMN = "column"
    INDEX = "index"
    CONSTRAINT = "constraint"
    TYPE = "type"
    VALUE = "value"  # of an enumerated type
    # Properties of columns.
    DATA_TYPE = "data type"
    NULLABILITY = "nullability"
    DEFAULT = "default"

    # Each member is there once. Enum's own hash is that of the name, and slow where objects are
    # looked up by the hundred thousand.
    __hash__ = object.__hash__


PROPERTIES = (Kind.DATA_TYPE, Kind.NULLABILITY, Kind.DEFAULT)
# What a property may be; a data type is one of a few words, with the length.
NULLABLE, NOT_NULL = "nullable", "NOT NULL"
A_DEFAULT, NO_DEFAULT = "a default", "no default"

ColumnProperties = tuple[tuple[Kind, str | None], ...]
"""What an operation makes of properties of a column; ``None`` where that is not known."""


class SchemaObject(NamedTuple):
    """A named object of a schema, or a property of a column, which has the column's name.

    Attributes:
        kind: what it is.
        name: its own name, as the migration spells it; SQL names without quotes in lower case.
        table: the table that it belongs to, of a value the type; ``""`` for tables, types, and
            where it is not said.
        schema: the schema as it is named; ``""`` where none is.
        database: the bind whose database it is in, of a multi-database environment; else ``""``.
    """

    kind: Kind
    name: str
    table: str = ""
    schema: str = ""
    database: str = ""

    @property
    def spelled(self) -> str:
        """The name as people write it: ``schema.table.column``."""
        return ".".join(part for part in (self.schema, self.table, self.name) if part)

    def part(self, kind: Kind, name: str) -> SchemaObject:
        """A column, index or constraint of this table."""
        return SchemaObject(kind, name, self.name, self.schema, self.database)


class Action(Enum):
    """What a migration does with an object."""

    CREATE = "creates"
    USE = "uses"
    DROP = "drops"

    __hash__ = object.__hash__


class Effect(NamedTuple):
    """One thing that a migration does with one object.

    Renaming is a DROP of the old name and a CREATE of the new one, with ``renamed`` set on both.

    Attributes:
        action: what it does.
        object: with which object.
        line: 1-based line of the operation.
        certain: whether it happens whenever the migration runs; ``False`` under a condition, with
            ``if_exists`` or ``if_not_exists``, and on some databases only.
        renamed: the other name of an object that is being renamed.
        tolerant: whether it succeeds, on some databases at least, where the object is there
            already: a batch that copies its table, a type that is made together with a table.
        properties: what it makes of the column's properties. Those that are not listed are not
            known of a new column, and stay as they are of one that is used or renamed.
        default: the default that it gives to a column that was there, where the source tells.
    """

    action: Action
    object: SchemaObject
    line: int
    certain: bool = True
    renamed: SchemaObject | None = None
    tolerant: bool = False
    properties: ColumnProperties = ()
    default: str | None = None


class Opaque(NamedTuple):
    """Something that a migration does and its source does not tell.

    Attributes:
        detail: what cannot be known, in words that complete "line 7: …".
        line: 1-based line of the operation.
        actions: what it may be.
        table: the table that it is confined to; ``None`` where it may concern any.
        kinds: what kinds of objects it may concern.
        place: how many of the migration's effects come before it.
    """

    detail: str
    line: int
    actions: frozenset[Action] = frozenset(Action)
    table: SchemaObject | None = None
    kinds: frozenset[Kind] = frozenset(Kind)
    place: int = 0

    def may(self, action: Action, kind: Kind) -> bool:
        """Whether it may be this. Only what may do anything changes a property of a column."""
        if kind not in self.kinds:
            return False
        if kind in PROPERTIES:
            return len(self.actions) == len(Action)
        return action in self.actions


class Footprint(NamedTuple):
    """What one direction of a migration does, in the order in which it does it.

    Attributes:
        effects: what is known.
        opaque: what is not.
        unnamed: the tables that get constraints or indexes whose names the source does not tell,
            each with the number of effects that come before.
        rows: what may change rows, in words, each with its 1-based line.
    """

    effects: tuple[Effect, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    unnamed: tuple[tuple[SchemaObject, int], ...] = ()
    rows: tuple[tuple[str, int], ...] = ()
