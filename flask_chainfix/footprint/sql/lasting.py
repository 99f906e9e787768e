"""What of a script is seen by others: neither temporary tables nor those of the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask_chainfix.footprint.sql.cursor import TEMPORARY
from flask_chainfix.model.schema import Action, Effect, Kind, Opaque, SchemaObject

_SYSTEM_SCHEMAS = frozenset(
    {"information_schema", "mysql", "performance_schema", "pg_catalog", "pg_toast", "sys"}
)
_SYSTEM_TABLES = frozenset(
    {"dual", "sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_temp_master"}
)


def lasting(deeds: Iterable[Effect | Opaque], dialect: str) -> Iterator[Effect | Opaque]:
    """The deeds that concern tables which are there before or after the script."""
    temporary: set[str] = set()
    for deed in deeds:
        thing = deed.table if isinstance(deed, Opaque) else deed.object
        if thing is None or thing.kind is Kind.TYPE:
            yield deed
            continue
        table = thing.name if thing.kind is Kind.TABLE else thing.table
        if isinstance(deed, Effect) and thing.kind is Kind.TABLE:
            if _is_temporary(thing, table, dialect):
                (temporary.discard if deed.action is Action.DROP else temporary.add)(table)
                continue
            if deed.action is Action.CREATE and deed.renamed is None:
                temporary.discard(table)
        if table in temporary and not thing.schema:
            if isinstance(deed, Effect) and thing.kind is Kind.TABLE and deed.action is Action.DROP:
                temporary.discard(table)
                temporary |= {deed.renamed.name} if deed.renamed is not None else set()
            continue
        if not _is_temporary(thing, table, dialect) and not _is_system(thing, table, dialect):
            yield deed


def _is_temporary(thing: SchemaObject, table: str, dialect: str) -> bool:
    in_schema = thing.schema == TEMPORARY or (dialect == "sqlite" and thing.schema == "temp")
    return in_schema or (dialect == "tsql" and table.startswith("#"))


def _is_system(thing: SchemaObject, table: str, dialect: str) -> bool:
    own = dialect in ("", "postgres") and table.startswith("pg_")
    return own or thing.schema.lower() in _SYSTEM_SCHEMAS or table in _SYSTEM_TABLES
