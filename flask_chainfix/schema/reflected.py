"""A schema as a database describes it, and the differences between two schemas."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from flask_chainfix.schema.footprint import (
    Kind,
    SchemaObject,
    belongs_to_database,
    is_ignored,
    table_of,
    version_tables_in,
)

# Each object with its properties, in the database's own words: a column has a ``type``, whether
# it is ``nullable``, a ``default`` and the like; an index and a constraint have a ``definition``.
# An unknown property is left out; one that the object does not have is ``""``.
Properties = Mapping[str, str]
Reflected = Mapping[SchemaObject, Properties]
Described = tuple[SchemaObject, Properties]

_BLANKS = re.compile(r"('(?:[^'\\]|\\.|'')*')|\s+", re.DOTALL)
_OTHER_TABLES = ("view", "materialized view", "foreign table", "virtual table")
_CODE = (Kind.FUNCTION, Kind.PROCEDURE, Kind.TRIGGER)
_ORDER = (Kind.TYPE, Kind.TABLE, Kind.COLUMN, Kind.CONSTRAINT, Kind.INDEX, *_CODE)


class Unread(NamedTuple):
    """Something that could not be read from a database.

    Attributes:
        words: what, and why.
        kinds: the kinds of objects that are therefore unknown; empty for a detail of some.
        table: the only table or view that this concerns; ``""`` for all.
    """

    words: str
    kinds: frozenset[Kind] = frozenset()
    table: str = ""


def relation(name: str, properties: Properties) -> Described:
    """A table, a view, or another object with columns."""
    return SchemaObject(Kind.TABLE, name), properties


def column(table: str, name: str, type_: str, *, nullable: bool, **more: str | None) -> Described:
    """A column; further properties that are ``None`` are ``""``."""
    properties = {"type": type_, "nullable": "yes" if nullable else "no"}
    properties |= {aspect: value or "" for aspect, value in more.items()}
    return SchemaObject(Kind.COLUMN, name, table), properties


def constraint(table: str, name: str, definition: str) -> Described:
    """A constraint; without a name it is identified by its definition."""
    return SchemaObject(Kind.CONSTRAINT, name or definition, table), {"definition": definition}


def index(table: str, name: str, definition: str) -> Described:
    """An index."""
    return SchemaObject(Kind.INDEX, name, table), {"definition": definition}


def on_one_line(words: str) -> str:
    """SQL with single spaces, except within quotes."""
    return _BLANKS.sub(lambda found: found[1] or " ", words).strip()


def enumeration(name: str, labels: str) -> Described:
    """An enumerated type, or a domain."""
    return SchemaObject(Kind.TYPE, name), {"type": labels}


class PropertyDifference(NamedTuple):
    """One difference between two schemas.

    Attributes:
        object: the object.
        aspect: the property that differs; ``""`` if only one of the schemas has the object.
        expected: the expected value; ``""`` for none.
        found: the actual value; ``""`` for none.
    """

    object: SchemaObject
    aspect: str
    expected: str
    found: str

    @property
    def named(self) -> str:
        """The object with its kind, for example ``column users.mail``."""
        kind = self.object.kind.value
        if self.object.kind is Kind.TABLE:
            said = "view" if self.aspect == "query" else self.found or self.expected
            kind = next((each for each in _OTHER_TABLES if said.startswith(each)), kind)
        return f"{kind} {self.object.spelled}"

    @property
    def is_missing(self) -> bool:
        """Whether the object is missing entirely."""
        return not self.aspect and not self.found

    @property
    def is_extra(self) -> bool:
        """Whether the object should not exist at all."""
        return not self.aspect and not self.expected


def differences(
    expected: Reflected,
    found: Reflected,
    ignored: Sequence[str] = (),
    version_tables: Collection[str] = (),
) -> tuple[PropertyDifference, ...]:
    """Compare two schemas, object by object.

    Alembic's version tables are left out: those that are named, and tables that look like one.

    Args:
        expected: the right schema.
        found: the other schema.
        ignored: patterns of objects to leave out, see ``is_ignored``.
        version_tables: the names of known version tables.

    Returns:
        The differences, table by table. For a missing table, only that and its triggers.
    """
    left_out = {*version_tables} | version_tables_in({*expected, *found})
    result = (
        each
        for thing in sorted({*expected, *found}, key=_place)
        if not belongs_to_database(thing)
        and table_of(thing).name not in left_out
        and not is_ignored(thing, ignored)
        for each in _compared(thing, expected, found)
    )
    return tuple(result)


def _compared(
    thing: SchemaObject, expected: Reflected, found: Reflected
) -> Iterator[PropertyDifference]:
    wanted, there = expected.get(thing), found.get(thing)
    if wanted is not None and there is not None:
        for name, value in wanted.items():
            if there.get(name, value) != value:
                yield PropertyDifference(thing, name, value, there[name])
        return
    table, is_part = table_of(thing), thing.table and thing.kind is not Kind.TRIGGER
    if is_part and (table in expected) is not (table in found):
        return
    yield PropertyDifference(thing, "", described(wanted), described(there))


def described(properties: Properties | None) -> str:
    """All properties of one object, on one line; ``""`` for an object that does not exist."""
    if properties is None:
        return ""
    if "definition" in properties:
        return properties["definition"]
    words = [properties["type"]] if properties.get("type") else []
    if properties.get("nullable") == "no":
        words.append("NOT NULL")
    words += [
        f"{name.upper()} {value}"
        for name, value in properties.items()
        if name not in ("type", "nullable") and value
    ]
    return " ".join(words) or "there"


def _place(thing: SchemaObject) -> tuple[str, bool, str, int, str]:
    table = table_of(thing).name if thing.table else thing.name
    return thing.schema, thing.kind is not Kind.TYPE, table, _ORDER.index(thing.kind), thing.name
