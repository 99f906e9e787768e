"""Read a schema from PostgreSQL's catalog, with PostgreSQL's own functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from flask_chainfix.schema.reflected import (
    Described,
    Unread,
    column,
    constraint,
    enumeration,
    index,
    on_one_line,
    relation,
)

SCHEMAS = """
SELECT nspname::text FROM pg_catalog.pg_namespace
WHERE nspname IN :exact OR lower(nspname) IN :folded
"""

# Names of the schema that is read come without it. What extensions bring is mostly in public, where
# the schemas of tenants are beside it.
_PATH = """
SELECT set_config('search_path', quote_ident(CAST(:schema AS text)) || ', public', true)
"""

# Objects of extensions belong to no migration.
_OWN = """
n.nspname = :schema AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend e
    WHERE e.classid = 'pg_catalog.{}'::regclass AND e.objid = {}.oid AND e.deptype = 'e')
"""
_RELATIONS = """
pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {own}
""".format(own=_OWN.format("pg_class", "c"))

_TABLES = """
SELECT c.relname, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
    CASE c.relpersistence WHEN 'u' THEN 'yes' END,
    CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
    pg_get_expr(c.relpartbound, c.oid),
    (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
        FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
    (SELECT s.srvname || COALESCE(' ' || array_to_string(f.ftoptions, ' '), '')
        FROM pg_catalog.pg_foreign_table f
        JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid)
FROM {relations}
"""

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
    t.typnamespace = 'pg_catalog'::regnamespace AS is_builtin,
    pg_get_expr(d.adbin, d.adrelid) AS expression,
    {generated} AS generated, a.attidentity, CASE WHEN a.attcollation <> t.typcollation
        THEN (SELECT l.collname FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation) END
        AS collation,
    (SELECT format('START %s INCREMENT %s', s.seqstart, s.seqincrement)
        FROM pg_catalog.pg_depend o JOIN pg_catalog.pg_sequence s ON s.seqrelid = o.objid
        WHERE a.attidentity <> '' AND o.refclassid = 'pg_catalog.pg_class'::regclass
        AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum AND o.deptype = 'i')
        AS sequence
FROM {relations}
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
"""

# A partition's inherited objects belong to its parent table.
_CONSTRAINTS = """
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM {relations}
JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
"""

_INDEXES = """
SELECT c.relname, i.relname, x.indisunique, x.indisvalid,
    replace(pg_get_indexdef(i.oid), quote_ident(i.relname) || ' ON ', 'ON ')
FROM {relations}
JOIN pg_catalog.pg_index x ON x.indrelid = c.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = c.oid AND k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
"""

_TYPES = """
SELECT t.typname, CASE t.typtype
    WHEN 'e' THEN (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
    ELSE concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
        (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
            FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) END
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd') AND {own}
"""

_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_GENERATED_SINCE = (12,)


def default_schema(connection: Connection) -> str | None:
    """The schema of objects that name none; ``None`` if there is none."""
    found: str | None = connection.execute(text("SELECT current_schema()::text")).scalar()
    return found


def objects(
    connection: Connection, schema: str, heard: Callable[[], None], only: Set[str] | None
) -> Iterator[Described | Unread]:
    """The objects of a schema: all of them, or those of some tables with the types."""
    version = connection.dialect.server_version_info or _GENERATED_SINCE
    words = {
        "relations": _RELATIONS if only is None else f"{_RELATIONS} AND c.relname IN :only",
        "own": _OWN.format("pg_type", "t"),
        "generated": "a.attgenerated" if version >= _GENERATED_SINCE else "''",
    }

    def rows(query: str) -> list[Any]:
        asked, values = text(query.format(**words)), {"schema": schema}
        if ":only" in asked.text:
            asked = asked.bindparams(bindparam("only", ["", *(only or ())], expanding=True))
        found = connection.execute(asked, values).all()
        heard()
        return list(found)

    rows(_PATH)
    for name, type_, query, unlogged, partitioned, partition, parents, server in rows(_TABLES):
        yield relation(
            name,
            {
                "type": type_,
                "query": on_one_line(query or ""),
                "unlogged": unlogged or "",
                "partition by": partitioned or "",
                "partition": partition or "",
                "inherits": parents or "",
                "server": server or "",
            },
        )
    yield from map(_column, rows(_COLUMNS))
    for table, name, definition in rows(_CONSTRAINTS):
        yield constraint(table, name, definition)
    for table, name, is_unique, is_valid, definition in rows(_INDEXES):
        _, _, how = definition.partition(" USING ")
        parts = ("UNIQUE" * is_unique, how.removeprefix("btree "), "INVALID" * (not is_valid))
        yield index(table, name, " ".join(filter(None, parts)))
    for name, definition in rows(_TYPES):
        yield enumeration(name, definition or "")


def _column(row: Any) -> Described:
    stored = "STORED" if row.generated == "s" else "VIRTUAL"
    return column(
        row.relname,
        row.attname,
        _as_written(row.type) if row.is_builtin else row.type,
        nullable=not row.attnotnull,
        default=None if row.generated else row.expression,
        computed=f"{row.expression} {stored}" if row.generated else "",
        identity=f"{_IDENTITY[row.attidentity]} {row.sequence}" if row.attidentity else "",
        collation=row.collation,
    )


def _as_written(type_: str) -> str:
    """A type of PostgreSQL, as migrations spell it."""
    words = type_ if type_.startswith('"') else type_.upper()
    words = words.replace("CHARACTER VARYING", "VARCHAR").replace("CHARACTER", "CHAR")
    return re.sub(r",(?=\d)", ", ", words)
