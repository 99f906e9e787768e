"""Read a schema from PostgreSQL's catalog, with PostgreSQL's own functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import nullcontext
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ProgrammingError

from flask_chainfix.schema.footprint import Kind
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
n.nspname IN :schemas AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend e
    WHERE e.classid = 'pg_catalog.{}'::regclass AND e.objid = {}.oid AND e.deptype = 'e')
"""
_RELATIONS = """
pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {own}
""".format(own=_OWN.format("pg_class", "c"))

_TABLES = """
SELECT n.nspname::text AS schema, c.relname,
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
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
SELECT n.nspname::text AS schema, c.relname, a.attname,
    format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
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
SELECT n.nspname::text AS schema, c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM {relations}
JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
"""

_INDEXES = """
SELECT n.nspname::text AS schema, c.relname, i.relname, x.indisunique, x.indisvalid,
    replace(pg_get_indexdef(i.oid), quote_ident(i.relname) || ' ON ', 'ON ')
FROM {relations}
JOIN pg_catalog.pg_index x ON x.indrelid = c.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = c.oid AND k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
"""

_TYPES = """
SELECT n.nspname::text AS schema, t.typname, CASE t.typtype
    WHEN 'e' THEN (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
    WHEN 'c' THEN (SELECT concat('(', string_agg(
            concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
            ORDER BY a.attnum), ')')
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
    WHEN 'r' THEN (SELECT concat_ws(' ', 'RANGE', format_type(r.rngsubtype, NULL))
        FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
    ELSE concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
        (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
            FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) END
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c') AND {own}
"""

# Each with the kinds of objects that are unknown if it is refused.
_QUERIES: Mapping[str, frozenset[Kind]] = {
    _TABLES: frozenset(),
    _COLUMNS: frozenset(),
    _CONSTRAINTS: frozenset({Kind.CONSTRAINT}),
    _INDEXES: frozenset({Kind.INDEX}),
    _TYPES: frozenset({Kind.TYPE, Kind.VALUE}),
}
_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_GENERATED_SINCE = (12,)


def default_schema(connection: Connection) -> str | None:
    """The schema of objects that name none; ``None`` if there is none."""
    found: str | None = connection.execute(text("SELECT current_schema()::text")).scalar()
    return found


def objects(
    connection: Connection,
    schemas: Sequence[str],
    answered: Callable[[], None],
    only: Set[str] | None = None,
    *,
    partly: bool = False,
) -> Mapping[str, Sequence[Described | Unread]]:
    """The objects of some schemas: all of them, or those of some tables with the types.

    With ``partly``, kinds of objects that this user may not read are left out.

    Every query scans the whole catalog, so many schemas are read at once. Equal ones share one
    result. If there are several, the name of their own schema is removed from definitions as text.
    """
    version = connection.dialect.server_version_info or _GENERATED_SINCE
    words = {
        "relations": _RELATIONS if only is None else f"{_RELATIONS} AND c.relname IN :only",
        "own": _OWN.format("pg_type", "t"),
        "generated": "a.attgenerated" if version >= _GENERATED_SINCE else "''",
    }
    path = schemas[0] if len(schemas) == 1 else "public"
    connection.execute(text(_PATH), {"schema": path})
    found: dict[str, list[_Rows]] = {schema: [] for schema in schemas}
    unread: list[Unread] = []
    for query, kinds in _QUERIES.items():
        asked = text(query.format(**words)).bindparams(bindparam("schemas", expanding=True))
        values: dict[str, Any] = {"schemas": list(schemas)}
        if ":only" in asked.text:
            asked = asked.bindparams(bindparam("only", expanding=True))
            values["only"] = ["", *(only or ())]
        rows: dict[str, list[tuple[Any, ...]]] = {schema: [] for schema in schemas}
        try:
            with connection.begin_nested() if partly and kinds else nullcontext():
                for schema, *row in connection.execute(asked, values):
                    rows[schema].append(tuple(row))
        except ProgrammingError as error:  # no right on a table of the catalog
            if not (partly and kinds):
                raise
            names = " and ".join(sorted(f"{kind.value}s" for kind in kinds))
            unread.append(Unread(f"{names}: {' '.join(str(error.orig).split())}", kinds))
        for schema, each in rows.items():
            found[schema].append(_relative(each, schema if schema != path else ""))
        answered()
    described: dict[object, Sequence[Described | Unread]] = {}
    result: dict[str, Sequence[Described | Unread]] = {}
    for schema, parts in found.items():
        known = tuple(parts)
        if known not in described:
            described[known] = [*_described(*known), *unread]
        result[schema] = described[known]
    return result


_Rows = tuple[tuple[Any, ...], ...]


def _relative(rows: list[tuple[Any, ...]], schema: str) -> _Rows:
    """Sorted rows without the name of their own schema; ``""`` if they do not have it."""
    if schema:
        quoted = '"' + schema.replace('"', '""') + '"'
        own = re.compile(rf"(?<![\w$\"])(?:{re.escape(schema)}|{re.escape(quoted)})\.")
        rows = [
            tuple(
                own.sub("", each) if isinstance(each, str) and schema in each else each
                for each in row
            )
            for row in rows
        ]
    return tuple(sorted(rows, key=itemgetter(0, 1)))


def _described(
    tables: _Rows, columns: _Rows, constraints: _Rows, indexes: _Rows, types: _Rows
) -> Iterator[Described]:
    for name, type_, query, unlogged, partitioned, partition, parents, server in tables:
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
    yield from map(_column, columns)
    for table, name, definition in constraints:
        yield constraint(table, name, definition)
    for table, name, is_unique, is_valid, definition in indexes:
        _, _, how = definition.partition(" USING ")
        parts = ("UNIQUE" * is_unique, how.removeprefix("btree "), "INVALID" * (not is_valid))
        yield index(table, name, " ".join(filter(None, parts)))
    for name, definition in types:
        yield enumeration(name, definition or "")


def _column(row: tuple[Any, ...]) -> Described:
    table, name, type_, is_required, is_builtin, expression, generated, identity, *more = row
    collation, sequence = more
    stored = "STORED" if generated == "s" else "VIRTUAL"
    return column(
        table,
        name,
        _as_written(type_) if is_builtin else type_,
        nullable=not is_required,
        default=None if generated else expression,
        computed=f"{expression} {stored}" if generated else "",
        identity=f"{_IDENTITY[identity]} {sequence}" if identity else "",
        collation=collation,
    )


def _as_written(type_: str) -> str:
    """A type of PostgreSQL, as migrations spell it."""
    words = type_ if type_.startswith('"') else type_.upper()
    words = words.replace("CHARACTER VARYING", "VARCHAR").replace("CHARACTER", "CHAR")
    return re.sub(r",(?=\d)", ", ", words)
