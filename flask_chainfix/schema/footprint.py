"""What a migration does to the objects of a schema, as far as its source shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

# How SQLAlchemy ends a name that is too long.
CUT = re.compile(r".{50,}_[0-9a-f]{4}", re.DOTALL)


class Kind(Enum):
    """The kinds of schema objects."""

    TABLE = "table"
    COLUMN = "column"
    INDEX = "index"
    CONSTRAINT = "constraint"
    TYPE = "type"
    VALUE = "value"  # of an enumerated type
    # What only databases show.
    FUNCTION = "function"
    PROCEDURE = "procedure"
    TRIGGER = "trigger"
    # Properties of columns.
    DATA_TYPE = "data type"
    NULLABILITY = "nullability"
    DEFAULT = "default"

    # Members are singletons. Enum hashes the name, which is slow when objects are
    # looked up by the hundred thousand.
    __hash__ = object.__hash__


BY_HAND = ("primary", "exclude")  # sorts of constraints; see ``Effect``
PROPERTIES = (Kind.DATA_TYPE, Kind.NULLABILITY, Kind.DEFAULT)
# The values of a property; a data type is one of a few words, with the length.
NULLABLE, NOT_NULL = "nullable", "NOT NULL"
A_DEFAULT, NO_DEFAULT = "a default", "no default"

ColumnProperties = tuple[tuple[Kind, str | None], ...]
"""The new values of a column's properties; ``None`` if unknown."""


class SchemaObject(NamedTuple):
    """A named object of a schema, or a property of a column, which has the column's name.

    Attributes:
        kind: its kind.
        name: its own name, as the migration spells it; SQL names without quotes in lower case.
        table: the table that it belongs to; for a value, its type; ``""`` for tables and types, and
            if it is unknown.
        schema: its schema; ``""`` if none is named.
        database: the bind of its database in a multi-database environment; otherwise ``""``.
    """

    kind: Kind
    name: str
    table: str = ""
    schema: str = ""
    database: str = ""

    @property
    def spelled(self) -> str:
        """The usual spelling of the name: ``schema.table.column``."""
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
    """One operation of a migration on one object.

    Renaming is a DROP of the old name and a CREATE of the new one, with ``renamed`` set on both.

    Attributes:
        action: what it does.
        object: the object.
        line: 1-based line of the operation.
        certain: whether it happens whenever the migration runs; ``False`` under a condition, with
            ``if_exists`` or ``if_not_exists``, and if it happens on some databases only.
        renamed: the other name of a renamed object.
        tolerant: whether it succeeds, on some databases at least, if the object exists already: an
            index or constraint in a batch that copies its table, or a type that is created with a
            table.
        properties: the column's new properties. Those that are not listed are unknown for a new
            column, and unchanged for one that is used or renamed.
        default: the new default of an existing column, if the source shows it.
        is_view: whether the new object is a view; views and tables share their names.
        by_hand: whether no operation adds the new object where it is missing: a primary key, an
            exclusion constraint, a domain, or a type without enumerated values.
    """

    action: Action
    object: SchemaObject
    line: int
    certain: bool = True
    renamed: SchemaObject | None = None
    tolerant: bool = False
    properties: ColumnProperties = ()
    default: str | None = None
    is_view: bool = False
    by_hand: bool = False


class Opaque(NamedTuple):
    """An operation that cannot be known from the source.

    Attributes:
        detail: what is unknown, in words that complete "line 7: …".
        line: 1-based line of the operation.
        actions: what it may do.
        table: the only table that it may concern; ``None`` if it may concern any.
        kinds: the kinds of objects that it may concern.
        place: how many of the migration's effects come before it.
    """

    detail: str
    line: int
    actions: frozenset[Action] = frozenset(Action)
    table: SchemaObject | None = None
    kinds: frozenset[Kind] = frozenset(Kind)
    place: int = 0

    def may(self, action: Action, kind: Kind) -> bool:
        """Whether it may do this; only what may do anything changes properties of columns."""
        if kind not in self.kinds:
            return False
        if kind in PROPERTIES:
            return len(self.actions) == len(Action)
        return action in self.actions


class Unnamed(NamedTuple):
    """An index or constraint that a database may have under a name that the source does not show.

    Attributes:
        part: its kind and its table; as its name, what that name contains, if anything is known.
        place: how many of the migration's effects come before it.
        sort: the sort of a constraint in the words of ``drop_constraint``; ``""`` if unknown.
        noted: its name among the effects, which a naming convention may change; ``""`` if none.
        final: whether no naming convention names it: it comes from SQL, or is dropped.
    """

    part: SchemaObject
    place: int
    sort: str = ""
    noted: str = ""
    final: bool = False

    def may_become(self, name: str) -> bool:
        """Whether a naming convention may give it a name that is not among the effects."""
        if self.final or self.noted == name:
            return False
        return self.part.name in name or CUT.fullmatch(name) is not None


class Footprint(NamedTuple):
    """What one direction of a migration does, in order.

    Attributes:
        effects: what is known.
        opaque: what is unknown.
        unnamed: the indexes and constraints that tables may get under names that the source does
            not show.
        rows: operations that may change rows, in words, each with its 1-based line.
    """

    effects: tuple[Effect, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    unnamed: tuple[Unnamed, ...] = ()
    rows: tuple[tuple[str, int], ...] = ()


class Touch(NamedTuple):
    """The effect of one revision on one object, seen from outside the revision.

    Attributes:
        revision: its id.
        line: 1-based line of the operation.
        object: the object as the operation spells it.
        certain: whether it happens whenever the revision runs.
        place: how many of the revision's effects come before it.
        tolerant: whether it may succeed if the object exists already.
        renamed: the other name of a renamed object.
    """

    revision: str
    line: int
    object: SchemaObject
    certain: bool
    place: int = 0
    tolerant: bool = False
    renamed: SchemaObject | None = None


def ended(touch: Touch) -> str:
    """What happened to an object that a revision has dropped, in words."""
    return "has dropped" if touch.renamed is None else f"has renamed to {touch.renamed.name}"


def dropping(touches: Iterable[Touch]) -> str:
    """What revisions do that drop an object, in words: they may rename it."""
    renames = {touch.renamed is not None for touch in touches}
    return "drop or rename" if len(renames) > 1 else "rename" if True in renames else "drop"


# --- Comparable keys of objects ------------------------------------------------------------------
# Tables, schemas and columns that belong to Alembic and to databases.
_THEIR_TABLES = frozenset({"alembic_version", "dual", "spatial_ref_sys"})
_THEIR_SCHEMAS = frozenset(
    {"information_schema", "mysql", "performance_schema", "pg_catalog", "pg_toast", "sys"}
)
_THEIR_COLUMNS = frozenset({"ctid", "oid", "rowid", "tableoid", "xmin"})


class Key(NamedTuple):
    """The common key of all spellings of an object.

    Case is folded and ``public`` counts as the default schema, so that an object is not reported as
    missing only because some databases would distinguish its spellings.
    """

    kind: Kind
    database: str
    schema: str
    table: str
    name: str


@lru_cache(maxsize=1 << 16)  # objects are compared by the hundred thousand
def key_of(object_: SchemaObject) -> Key:
    """The key of an object."""
    kind, name, table, schema, database = object_
    schema = schema.casefold()
    # An index may be dropped without naming its table.
    table = "" if kind is Kind.INDEX else table.casefold()
    return Key(kind, database, "" if schema == "public" else schema, table, name.casefold())


def table_key(key: Key) -> Key:
    """The key of the table that a column belongs to; for a table, its own."""
    if key.kind is Kind.TABLE:
        return key
    return key._replace(kind=Kind.TABLE, table="", name=key.table)


def table_of(object_: SchemaObject) -> SchemaObject:
    """The table that a part belongs to; for a value, its type; for a table, itself."""
    if object_.kind is Kind.TABLE:
        return object_
    if object_.kind is Kind.VALUE:
        return SchemaObject(Kind.TYPE, object_.table, "", object_.schema, object_.database)
    return SchemaObject(Kind.TABLE, object_.table, "", object_.schema, object_.database)


def belongs_to_database(object_: SchemaObject) -> bool:
    """Whether an object is Alembic's or the database's own, which no migration creates."""
    table = table_of(object_).name.casefold()
    return (
        table in _THEIR_TABLES
        or table.startswith("sqlite_")
        or object_.schema.casefold() in _THEIR_SCHEMAS
        or (object_.kind is Kind.COLUMN and object_.name.casefold() in _THEIR_COLUMNS)
    )


def is_ignored(object_: SchemaObject, patterns: Iterable[str]) -> bool:
    """Whether the settings ignore an object, or the table that it is a part of.

    Patterns are shell patterns: ``audit_*`` for tables and types, ``users.legacy`` or
    ``*.ix_tmp_*`` for columns, indexes and constraints. A schema may precede both. Case is ignored.
    """
    own = object_.name if not object_.table else f"{object_.table}.{object_.name}"
    names = {own, object_.table or own}
    if object_.schema:
        names |= {f"{object_.schema}.{name}" for name in names}
    return any(
        fnmatchcase(name.casefold(), pattern.casefold()) for name in names for pattern in patterns
    )


def version_tables_in(objects: Iterable[SchemaObject]) -> set[str]:
    """The names of tables whose only column has the name of Alembic's."""
    columns: dict[str, set[str]] = {}
    for each in objects:
        if each.kind is Kind.COLUMN:
            columns.setdefault(each.table, set()).add(each.name.casefold())
    return {table for table, names in columns.items() if names == {"version_num"}}
