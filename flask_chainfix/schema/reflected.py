"""A schema as a database describes it, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from flask_chainfix.schema.footprint import Kind, SchemaObject
from flask_chainfix.schema.objects import belongs_to_database, table_of

# Each object with its properties, all in the database's own words: a column has a ``type``, whether
# it is ``nullable``, a ``default`` and the like; an index and a constraint have a ``definition``.
Properties = Mapping[str, str]
Reflected = Mapping[SchemaObject, Properties]

_ORDER = (Kind.TYPE, Kind.TABLE, Kind.COLUMN, Kind.CONSTRAINT, Kind.INDEX)


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
    expected: Reflected, found: Reflected, ignored: Sequence[str] = ()
) -> tuple[PropertyDifference, ...]:
    """Compare two schemas, object by object.

    Args:
        expected: the one that is right.
        found: the other one.
        ignored: patterns of the names that are left out, ``audit_*`` or ``users.legacy`` for
            example; with a table go its parts.

    Returns:
        What differs, table by table. Of a table that one of them has not, nothing but that.
    """
    result = (
        each
        for thing in sorted({*expected, *found}, key=_place)
        if not _is_left_out(thing, ignored)
        for each in _compared(thing, expected, found)
    )
    return tuple(result)


def _compared(
    thing: SchemaObject, expected: Reflected, found: Reflected
) -> Iterator[PropertyDifference]:
    wanted, there = expected.get(thing), found.get(thing)
    if wanted is not None and there is not None:
        for name in dict.fromkeys((*wanted, *there)):
            if wanted.get(name, "") != there.get(name, ""):
                yield PropertyDifference(thing, name, wanted.get(name, ""), there.get(name, ""))
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
    words = [properties.get("type", "there")]
    if properties.get("nullable") == "no":
        words.append("NOT NULL")
    words += [
        f"{name.upper()} {value}"
        for name, value in properties.items()
        if name not in ("type", "nullable") and value
    ]
    return " ".join(words)


def _place(thing: SchemaObject) -> tuple[str, bool, str, int, str]:
    table = table_of(thing).name if thing.table else thing.name
    return thing.schema, thing.kind is not Kind.TYPE, table, _ORDER.index(thing.kind), thing.name


def _is_left_out(thing: SchemaObject, ignored: Sequence[str]) -> bool:
    if belongs_to_database(thing):
        return True
    names = {thing.name, f"{thing.table}.{thing.name}" if thing.table else "", thing.table} - {""}
    names |= {f"{thing.schema}.{name}" for name in names if thing.schema}
    return any(fnmatchcase(name, pattern) for name in names for pattern in ignored)
