"""Objects as they can be compared, and what one revision does with them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from flask_chainfix.schema.footprint import Action, Kind, SchemaObject

# Tables, schemas and columns that Alembic and databases keep for themselves.
_THEIR_TABLES = frozenset({"alembic_version", "spatial_ref_sys"})
_THEIR_SCHEMAS = frozenset({"information_schema", "mysql", "pg_catalog", "sys"})
_THEIR_COLUMNS = frozenset({"ctid", "oid", "rowid", "tableoid", "xmin"})


class Key(NamedTuple):
    """What all spellings of an object have in common.

    Case is folded and ``public`` taken for the default schema, so that what some database would
    keep apart is not told to be missing.
    """

    kind: Kind
    database: str
    schema: str
    table: str
    name: str


def key_of(object_: SchemaObject) -> Key:
    """The key of an object."""
    kind, name, table, schema, database = object_
    schema = schema.casefold()
    # An index may be dropped without a word about its table.
    table = "" if kind is Kind.INDEX else table.casefold()
    return Key(kind, database, "" if schema == "public" else schema, table, name.casefold())


def table_key(key: Key) -> Key:
    """The key of the table that a column belongs to; that of a table itself."""
    if key.kind is Kind.TABLE:
        return key
    return key._replace(kind=Kind.TABLE, table="", name=key.table)


def table_of(object_: SchemaObject) -> SchemaObject:
    """The table that a part belongs to, of a value its type; a table itself."""
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
    """Whether an object is one of those that the settings name; with a table go its parts.

    Patterns are those of file names, ``audit_*`` for tables and types, ``users.legacy`` or
    ``*.ix_tmp_*`` for columns, indexes and constraints; a schema may stand before both. Case does
    not count.
    """
    own = object_.name if not object_.table else f"{object_.table}.{object_.name}"
    names = {own, object_.table or own}
    if object_.schema:
        names |= {f"{object_.schema}.{name}" for name in names}
    return any(
        fnmatchcase(name.casefold(), pattern.casefold()) for name in names for pattern in patterns
    )


def version_tables_in(objects: Iterable[SchemaObject]) -> set[str]:
    """The names of tables that have one column, and that one is called like Alembic's."""
    columns: dict[str, set[str]] = {}
    for each in objects:
        if each.kind is Kind.COLUMN:
            columns.setdefault(each.table, set()).add(each.name.casefold())
    return {table for table, names in columns.items() if names == {"version_num"}}


class Touch(NamedTuple):
    """What one revision does with one object, seen from outside the revision.

    Attributes:
        revision: its id.
        line: 1-based line of the operation.
        object: the object as the operation spells it.
        certain: whether it happens whenever the revision runs.
        place: how many of the revision's effects come before it.
        tolerant: whether it may succeed where the object is there already.
        renamed: the other name of an object that is being renamed.
    """

    revision: str
    line: int
    object: SchemaObject
    certain: bool
    place: int = 0
    tolerant: bool = False
    renamed: SchemaObject | None = None


def ended(touch: Touch) -> str:
    """What has become of an object that a revision has dropped, in words."""
    return "has dropped" if touch.renamed is None else f"has renamed to {touch.renamed.name}"


def dropping(touches: Iterable[Touch]) -> str:
    """What revisions do that drop an object, in words: they may rename it."""
    renames = {touch.renamed is not None for touch in touches}
    return "drop or rename" if len(renames) > 1 else "rename" if True in renames else "drop"


class OwnTouches:
    """What one revision does, less what concerns nobody but itself.

    Attributes:
        made: what exists because of it.
        used: what must exist before it, and still does afterwards.
        ended: what must exist before it, and no longer does.
        made_again: what it makes though it has made it already: both touches.
        ended_again: what it drops though it has dropped it already.
    """

    def __init__(self) -> None:
        self.made: dict[Key, Touch] = {}
        self.used: dict[Key, Touch] = {}
        self.ended: dict[Key, Touch] = {}
        self._come_and_gone: set[Key] = set()
        self.made_again: list[tuple[Touch, Touch]] = []
        self.ended_again: list[tuple[Touch, Touch]] = []

    def add(self, action: Action, key: Key, touch: Touch) -> None:
        """Add the revision's next operation."""
        if action is Action.USE:
            known = self.used.get(key)
            inside = key in self.made or key in self._come_and_gone
            if not inside and (known is None or touch.certain > known.certain):
                self.used[key] = touch
        elif action is Action.CREATE:
            self._make(key, touch)
        else:
            self._end(key, touch)

    def _make(self, key: Key, touch: Touch) -> None:
        replaced = self.ended.pop(key, None)
        if key in self.made:
            self.made_again.append((self.made[key], touch))
        elif replaced is None:
            self.made[key] = touch
        elif replaced.certain and touch.certain:
            self.used.setdefault(key, replaced)
        else:  # dropped if it was there, and made in any case
            self.made[key] = touch._replace(certain=False)

    def _end(self, key: Key, touch: Touch) -> None:
        made = self.made.pop(key, None)
        if made is not None:
            self._come_and_gone.add(key)
            if not touch.certain:
                self.made[key] = made._replace(certain=False)
            elif not made.certain:  # it may have been there before
                self.ended[key] = touch._replace(certain=False)
        elif key in self.ended:
            self.ended_again.append((self.ended[key], touch))
        else:
            self.ended[key] = touch
