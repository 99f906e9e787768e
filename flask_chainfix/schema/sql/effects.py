"""The effects of a SQL statement on objects, with short constructors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask_chainfix.schema.footprint import (
    PROPERTIES,
    Action,
    Effect,
    Kind,
    Opaque,
    SchemaObject,
    belongs_to_database,
    table_of,
)

# The effects of a statement; the recording function fills in line and database.
Effects = Iterator[Effect | Opaque]


def named(name: str, schema: str = "", kind: Kind = Kind.TABLE) -> SchemaObject:
    """A table, view or type, or an index whose table is not named."""
    return SchemaObject(kind, name, schema=schema)


def use(thing: SchemaObject, *, certain: bool = True) -> Effect:
    """The object is needed."""
    return Effect(Action.USE, thing, 0, certain)


def alter(column: SchemaObject, *kinds: Kind) -> Effect:
    """A column is needed, and some of its properties may change; all by default."""
    return use(column)._replace(properties=tuple((kind, None) for kind in kinds or PROPERTIES))


def create(thing: SchemaObject, *, certain: bool = True) -> Effect:
    """The object exists from then on."""
    return Effect(Action.CREATE, thing, 0, certain)


def drop(thing: SchemaObject, *, certain: bool = True) -> Effect:
    """The object no longer exists from then on."""
    return Effect(Action.DROP, thing, 0, certain)


def rename(old: SchemaObject, new: SchemaObject) -> Iterator[Effect]:
    """The old name no longer exists, and the new one does."""
    yield Effect(Action.DROP, old, 0, renamed=new)
    yield Effect(Action.CREATE, new, 0, renamed=old)


def doubtful(effects: Iterable[Effect | Opaque]) -> Effects:
    """The same effects, none of them certain."""
    for effect in effects:
        yield effect if isinstance(effect, Opaque) else effect._replace(certain=False)


def dropped_by_cascade(what: str, *kinds: Kind) -> Opaque:
    """What CASCADE drops besides an object and its parts."""
    detail = f"what is dropped together with the {what} that it needs"
    return Opaque(detail, 0, frozenset({Action.DROP}), kinds=frozenset(kinds))


def is_system(effect: Effect | Opaque, dialect: str) -> bool:
    """Whether an effect concerns a table that belongs to the database itself."""
    thing = effect.table if isinstance(effect, Opaque) else effect.object
    if thing is None or thing.kind is Kind.TYPE:
        return False
    in_catalog = dialect in ("", "postgres") and table_of(thing).name.startswith("pg_")
    return in_catalog or belongs_to_database(thing)
