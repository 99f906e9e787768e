"""The values of expressions in migrations, as far as schemas are concerned.

Besides these, plain Python constants, tuples and dictionaries represent themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import ColumnProperties, Kind, SchemaObject


@dataclass(frozen=True)
class Unknown:
    """A value that is known only at runtime, and that does not change the schema itself."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Partial:
    """A partly known string: the known parts, with a space for each gap."""

    known: str

    @classmethod
    def joined(cls, parts: Sequence[object]) -> str | Partial:
        """Concatenate strings, with a gap for anything else."""
        if all(map(is_plain, parts)):
            return "".join(map(str, parts))
        pieces = (part.known if isinstance(part, Partial) else part for part in parts)
        return cls("".join(str(piece) if is_plain(piece) else " " for piece in pieces))


@dataclass(frozen=True)
class Operations:
    """Alembic's ``op``, or the object that ``batch_alter_table`` returns.

    Attributes:
        batch: whether the operations are confined to one table.
        table: the table of a batch; ``None`` if its name is unknown.
        copies: whether SQLite may run the batch by copying the table.
    """

    batch: bool = False
    table: SchemaObject | None = None
    copies: bool = False


@dataclass(frozen=True)
class Handle:
    """Access to the database: a connection, a session, a migration context."""


@dataclass(frozen=True)
class Imported:
    """A module, or something in it, by its dotted name."""

    name: str


@dataclass(frozen=True)
class Foreign:
    """An instance of a class that is not followed."""

    name: str


SUPPRESS = Foreign("contextlib.suppress")
"""The context manager that lets operations fail."""


@dataclass(frozen=True)
class Local:
    """A function of the same file, with its enclosing names; ``None`` at module level."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    names: dict[str, object] | None = None


@dataclass(frozen=True)
class TableValue:
    """A ``Table``: its name, ``None`` if unknown, and its definition."""

    table: SchemaObject | None
    columns: tuple[object, ...] = ()


@dataclass(frozen=True)
class Clause:
    """A SQL expression made of Python objects, or a mapped class, with the objects it uses."""

    uses: tuple[SchemaObject, ...]


@dataclass(frozen=True)
class Text:
    """A SQL text; unknown if it is computed from the beginning."""

    sql: str | Partial


@dataclass(frozen=True)
class Reference:
    """A foreign key's target: a table, and its known columns."""

    table: str
    schema: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ColumnValue:
    """A ``Column`` that is being defined.

    Attributes:
        name: ``None`` if unknown.
        references: the targets of its foreign keys.
        types: its enumerated types.
        complete: whether every target is known.
        indexed: whether an index is created with it, named after the table and the column.
        constraints: the names of the constraints that are created with it; ``None`` if the database
            chooses the name.
        computed: whether it is computed, or has a default that is no constant.
        properties: its type, nullability and default, if known.
        hides: the kinds of parts that its type may bring under unknown names.
    """

    name: str | None
    references: tuple[Reference, ...] = ()
    types: tuple[TypeValue, ...] = ()
    complete: bool = True
    indexed: bool = False
    constraints: tuple[str | None, ...] = ()
    computed: bool = False
    properties: ColumnProperties = ()
    hides: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class ConstraintValue:
    """A constraint or index of a table that is being defined.

    Attributes:
        name: ``None`` if it has none, or if it is unknown.
        references: the targets of a foreign key.
        complete: whether every target is known.
        kind: whether it is a constraint or an index.
        primary: the columns of a primary key; an unknown one is not a string.
    """

    name: str | None
    references: tuple[Reference, ...] = ()
    complete: bool = True
    kind: Kind = Kind.CONSTRAINT
    primary: tuple[object, ...] = ()


@dataclass(frozen=True)
class DataType:
    """A type that every database has, in one word for all its spellings."""

    word: str


@dataclass(frozen=True)
class TypeValue:
    """An enumerated type.

    Attributes:
        object: the type; ``None`` if it has no name of its own.
        made_with_table: whether PostgreSQL creates it together with a table that uses it.
        guarded: whether ``create()`` and ``drop()`` first check whether it exists.
    """

    object: SchemaObject | None
    made_with_table: bool = True
    guarded: bool = False


@dataclass(frozen=True)
class Method:
    """An attribute of a value: a method that is not yet called, or the ``c`` of a table."""

    owner: object
    name: str


@dataclass()
class Arguments:
    """The arguments of a call.

    Attributes:
        positional: in order, with starred ones unpacked.
        named: by name.
        line: 1-based line of the call.
        complete: whether there are no others whose number is known only at runtime.
    """

    positional: list[object]
    named: Mapping[str, object]
    line: int
    complete: bool = True

    def get(self, index: int, *names: str) -> object:
        """An argument by position or name; ``None`` if it is not given."""
        if index < len(self.positional):
            return self.positional[index]
        given = (self.named[name] for name in names if name in self.named)
        return next(given, None if self.complete else UNKNOWN)

    @property
    def values(self) -> list[object]:
        """All of them."""
        return [*self.positional, *self.named.values()]


def is_constant(value: object) -> bool:
    """Whether a value is one that Python code could hold as a literal."""
    if type(value) is tuple:
        return all(map(is_constant, value))
    return value is None or isinstance(value, (str, int, float, bytes))


def is_plain(value: object) -> bool:
    """Whether a value can be formatted into a string: it is a string or a number."""
    return isinstance(value, (str, int, float))


def elements(value: object) -> tuple[object, ...] | None:
    """The items of a loop over a value; ``None`` if unknown."""
    known = type(value) is tuple or isinstance(value, (dict, str))
    return tuple(value) if known else None  # type: ignore[arg-type]


def held_by(value: object) -> Iterable[object]:
    """The parts of a value, without the enclosing names of a function."""
    if type(value) is tuple:
        return value
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, Local):
        return ()
    names = getattr(value, "__dataclass_fields__", ())
    # A column's are only a few words, whatever the source contains.
    return [getattr(value, name) for name in names if name != "properties"]


def uses(values: Iterable[object]) -> tuple[SchemaObject, ...]:
    """The objects that SQL made of these values would use."""
    found: dict[SchemaObject, None] = {}
    for value in values:
        if isinstance(value, Clause):
            found.update(dict.fromkeys(value.uses))
        elif isinstance(value, TableValue) and value.table is not None:
            found[value.table] = None
        elif isinstance(value, Method):
            found.update(dict.fromkeys(uses([value.owner])))
        elif type(value) is tuple or isinstance(value, dict):
            found.update(dict.fromkeys(uses(held_by(value))))
    return tuple(found)
