"""The values of expressions in migrations, as far as schemas are concerned.

Besides these, plain Python constants, tuples and dictionaries represent themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence, Sized
from functools import cached_property
from typing import TYPE_CHECKING

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import ColumnProperties, Kind, SchemaObject

if TYPE_CHECKING:
    from flask_chainfix.schema.sql.parsing import Allowance


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
        if all(map(_is_plain, parts)):
            return "".join(map(str, parts))
        pieces = (part.known if isinstance(part, Partial) else part for part in parts)
        return cls("".join(str(piece) if _is_plain(piece) else " " for piece in pieces))


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


@dataclass(frozen=True)
class Local:
    """A function of the same file, with its enclosing names; ``None`` at module level."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    names: dict[str, object] | None = None


@dataclass(frozen=True)
class Clause:
    """A SQL expression made of Python objects, a table or a mapped class.

    Attributes:
        uses: the objects that it uses.
        is_table: whether it is a ``Table``, the only object that it uses.
    """

    uses: tuple[SchemaObject, ...]
    is_table: bool = False


@dataclass(frozen=True)
class Text:
    """A SQL text; unknown if it is computed from the beginning."""

    sql: str | Partial


@dataclass(frozen=True)
class ColumnValue:
    """A ``Column`` that is being defined.

    Attributes:
        name: ``None`` if unknown.
        references: the tables and columns that its foreign keys name.
        types: its enumerated types.
        complete: whether every target is known.
        indexed: whether an index is created with it, named after the table and the column.
        constraints: the constraints that are created with it.
        computed: whether it is computed, or has a default that is no constant.
        properties: its type, nullability and default, if known.
        hides: the kinds of parts that its type may bring under unknown names.
    """

    name: str | None
    references: tuple[SchemaObject, ...] = ()
    types: tuple[TypeValue, ...] = ()
    complete: bool = True
    indexed: bool = False
    constraints: tuple[ConstraintValue, ...] = ()
    computed: bool = False
    properties: ColumnProperties = ()
    hides: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class ConstraintValue:
    """A constraint or index of a table that is being defined.

    Attributes:
        name: ``None`` if it has none, or if it is unknown.
        references: the tables and columns that a foreign key names.
        complete: whether every target is known.
        kind: whether it is a constraint or an index.
        primary: the columns of a primary key; an unknown one is not a string.
        sort: the sort of a constraint in the words of ``drop_constraint``.
    """

    name: str | None
    references: tuple[SchemaObject, ...] = ()
    complete: bool = True
    kind: Kind = Kind.CONSTRAINT
    primary: tuple[object, ...] = ()
    sort: str = ""


@dataclass(frozen=True)
class DataType:
    """A type that every database has, in one word for all its spellings."""

    word: str


class FinalName(str):
    """A name that no naming convention changes: ``op.f`` has been called on it."""

    __slots__ = ()


@dataclass(frozen=True)
class TypeValue:
    """An enumerated type.

    Attributes:
        object: the type; ``None`` if it has no name of its own.
        made_with_table: whether PostgreSQL creates it together with a table that uses it.
        guarded: whether ``create()`` and ``drop()`` first check whether it exists.
        checked: whether a check comes with it where it is no type of its own.
    """

    object: SchemaObject | None
    made_with_table: bool = True
    guarded: bool = False
    checked: bool = False


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


def _is_plain(value: object) -> bool:
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
        elif isinstance(value, Method):
            found.update(dict.fromkeys(uses([value.owner])))
        elif type(value) is tuple or isinstance(value, dict):
            found.update(dict.fromkeys(uses(held_by(value))))
    return tuple(found)


# --- What it costs to follow a migration ----------------------------------------------------------
# A step takes a microsecond or two. Ordinary migrations take a thousand; loops multiply them.
MOST_STEPS = 1_000_000
_CALL = 20
_AT_ONCE = 16  # characters or elements that are copied in the time of a step


class TooMuch(Exception):
    """The migration does more than can be followed in reasonable time and memory."""


class Budget:
    """The steps that are left for one file.

    Every expression is a step. An operation that builds a value pays for its size before it is
    built, and one that looks into values pays for everything in them. So both the time and the
    memory are bounded.
    """

    def __init__(self) -> None:
        self._left = MOST_STEPS

    @cached_property
    def sql(self) -> Allowance:
        """How much of its SQL may still be read."""
        from flask_chainfix.schema.sql.parsing import Allowance  # most migrations have none

        return Allowance()

    def spend(self, steps: int = 1) -> None:
        """Pay for steps.

        Raises:
            TooMuch: there are not enough left.
        """
        self._left -= steps
        if self._left < 0:
            raise TooMuch

    def call(self) -> None:
        """Pay for a call, or for a round of a loop."""
        self.spend(_CALL)

    def copy(self, *values: Sized) -> None:
        """Pay for one value as long as these together."""
        self.spend(len(values) + sum(map(len, values)) // _AT_ONCE)

    def look_into(self, values: Iterable[object]) -> None:
        """Pay for a look at everything in some values, each occurrence counted."""
        pending = [*values]
        while pending:
            value = pending.pop()
            if isinstance(value, (str, bytes)):
                self.copy(value)
            else:
                self.spend()
                pending.extend(held_by(value))
