"""A schema as a database describes it, and how two of them differ."""

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

# Each object with its properties, all in the database's own words: a column has a ``type``, whether
# it is ``nullable``, a ``default`` and the like; an index and a constraint have a ``definition``.
# A property that could not be told is left out; one that is not there is ``""``.
Properties = Mapping[str, str]
Reflected = Mapping[SchemaObject, Properties]
Described = tuple[SchemaObject, Properties]

_BLANKS = re.compile(r"('(?:[^'\\]|\\.|'')*')|\s+", re.DOTALL)
_ORDER = (Kind.TYPE, Kind.TABLE, Kind.COLUMN, Kind.CONSTRAINT, Kind.INDEX)


class Unread(NamedTuple):
    """Something that a database could not tell.

    Attributes:
        words: what, and why.
    """

    words: str


def relation(name: str, properties: Properties) -> Described:
    """A table, a view, or what else has columns."""
    return SchemaObject(Kind.TABLE, name), properties


def column(table: str, name: str, type_: str, *, nullable: bool, **more: str | None) -> Described:
    """A column; of what else there is to say, ``None`` is nothing."""
    properties = {"type": type_, "nullable": "yes" if nullable else "no"}
    properties |= {aspect: value or "" for aspect, value in more.items()}
    return SchemaObject(Kind.COLUMN, name, table), properties


def constraint(table: str, name: str, definition: str) -> Described:
    """A constraint; one without a name goes by its definition."""
    return SchemaObject(Kind.CONSTRAINT, name or definition, table), {"definition": definition}


def index(table: str, name: str, definition: str) -> Described:
    """An index."""
    return SchemaObject(Kind.INDEX, name, table), {"definition": definition}


def on_one_line(words: str) -> str:
    """SQL with single blanks, but for those in quotes."""
    return _BLANKS.sub(lambda found: found[1] or " ", words).strip()


def enumeration(name: str, labels: str) -> Described:
    """An enumerated type, or a domain."""
    return SchemaObject(Kind.TYPE, name), {"type": labels}


class PropertyDifference(NamedTuple):
    """One thing in which two schemas differ.

    Attributes:
        object: the object.
        aspect: what of it; ``""`` where only one of the schemas has the object at all.
        expected: what it is to be; ``""`` for nothing.
        found: what it is; ``""`` for nothing.
    """

    object: SchemaObject
    aspect: str
    expected: str
    found: str

    @property
    def is_missing(self) -> bool:
        """Whether the object is not there at all."""
        return not self.aspect and not self.found

    @property
    def is_extra(self) -> bool:
        """Whether the object should not be there at all."""
        return not self.aspect and not self.expected


def differences(
    expected: Reflected,
    found: Reflected,
    ignored: Sequence[str] = (),
    version_tables: Collection[str] = (),
) -> tuple[PropertyDifference, ...]:
    """Compare two schemas, object by object.

    Version tables of Alembic are left out: those that are named, and what looks like one.

    Args:
        expected: the one that is right.
        found: the other one.
        ignored: patterns of what is left out, see ``is_ignored``.
        version_tables: the names of some.

    Returns:
        What differs, table by table. Of a table that one of them has not, nothing but that.
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
    table = table_of(thing)
    if thing.table and (table in expected) is not (table in found):
        return
    yield PropertyDifference(thing, "", described(wanted), described(there))


def described(properties: Properties | None) -> str:
    """All that a database says of one object, on one line; ``""`` for an object that is not."""
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
