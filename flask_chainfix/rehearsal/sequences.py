"""The sequences of PostgreSQL: what they are like, and which column takes its values from one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, DefaultClause, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from flask_chainfix.schema.footprint import SchemaObject

_SEQUENCES = """
SELECT n.nspname, c.relname, s.seqtypid::regtype::text AS type, s.seqstart, s.seqincrement,
  s.seqmin, s.seqmax, s.seqcache, s.seqcycle, t.relname AS of_table, a.attname AS of_column,
  coalesce(d.deptype = 'i', false) AS of_identity
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
  AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE n.nspname !~ '^pg_' ORDER BY n.nspname, c.relname
"""
_WIDEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_NEXT = re.compile(r"nextval\('(.+)'::regclass\)")


def sequences_in(connection: Connection) -> list[dict[str, Any]]:
    """All of them, with the columns that they belong to; ``schema`` is None for the default one."""
    default = inspect(connection).default_schema_name
    found = connection.execute(text(_SEQUENCES.replace("::", "\\:\\:")))
    rows = [row._asdict() for row in found]
    return [
        {**row, "schema": None if row["nspname"] == default else row["nspname"]} for row in rows
    ]


def sequence_options(row: Mapping[str, Any]) -> str:
    """What of a sequence is not as a new one has it."""
    widest = _WIDEST.get(row["type"], 0)
    down = row["seqincrement"] < 0
    usual = {
        "INCREMENT": ("seqincrement", 1),
        "MINVALUE": ("seqmin", -widest - 1 if down else 1),
        "MAXVALUE": ("seqmax", -1 if down else widest),
        "START": ("seqstart", row["seqmax"] if down else row["seqmin"]),
        "CACHE": ("seqcache", 1),
    }
    words = [f" {word} {row[key]}" for word, (key, value) in usual.items() if row[key] != value]
    return "".join((*words, " CYCLE" if row["seqcycle"] else ""))


def sequence_of(default: Any) -> str | None:
    """The sequence from which a default takes its values, as PostgreSQL writes it."""
    found = _NEXT.fullmatch(str(default))
    return found and found[1]


def sequences_for(
    thing: SchemaObject, columns: Iterable[Column[Any]]
) -> tuple[list[str], list[str]]:
    """What makes the sequences of columns before they come, and ties them to these afterwards."""
    made, owned = [], []
    quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]
    for column in columns:
        default = column.server_default
        name = sequence_of(default.arg) if isinstance(default, DefaultClause) else None
        if name is not None:
            place = ".".join(map(quote, filter(None, (thing.schema, column.table.name))))
            owner = f"{place}.{quote(column.name)}"
            made.append(f"op.execute({f'CREATE SEQUENCE IF NOT EXISTS {name}'!r})")
            owned.append(f"op.execute({f'ALTER SEQUENCE {name} OWNED BY {owner}'!r})")
    return made, owned
