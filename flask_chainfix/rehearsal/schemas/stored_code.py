"""Enumerated types, views, functions and triggers: the database's SQL to create and drop them.

Alembic has no operations for them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple, TypeVar

from sqlalchemy import bindparam, inspect, text
from sqlalchemy.engine import Connection

from flask_chainfix.databases.catalog import escaped
from flask_chainfix.schema.footprint import Kind, SchemaObject

# Function bodies are not checked when they are created, so that they may name what comes later.
UNCHECKED = "SET LOCAL check_function_bodies = off"

_SQLITE = """
SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('view', 'trigger')
ORDER BY type = 'trigger', rowid
"""
_SQLITE_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = {}"
_PATH = "SELECT set_config('search_path', :path, false)"
# What an extension has made comes with it.
_OWN = """n.nspname IN :schemas AND NOT EXISTS (SELECT FROM pg_depend e
      WHERE e.objid = {0}.oid AND e.classid = '{1}'::regclass AND e.deptype = 'e')"""
# For each kind: id, kind in SQL, schema, table, name, what a DROP names, definition, and a query.
_POSTGRESQL = {
    Kind.TYPE: """
SELECT t.oid, 'TYPE', n.nspname, '', t.typname, quote_ident(t.typname),
  concat('ENUM (', (SELECT string_agg(quote_literal(v.enumlabel), ', ' ORDER BY v.enumsortorder)
    FROM pg_enum v WHERE v.enumtypid = t.oid), ')'),
  concat('SELECT to_regtype(', quote_literal(t.oid::regtype::text), ')')
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND """  # noqa: S608  (constants)
    + _OWN.format("t", "pg_type"),
    Kind.FUNCTION: """
SELECT p.oid, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, n.nspname, '',
  concat(p.proname, '(', pg_get_function_identity_arguments(p.oid), ')'),
  concat(quote_ident(p.proname), '(', pg_get_function_identity_arguments(p.oid), ')'),
  rtrim(pg_get_functiondef(p.oid), chr(10)),
  concat('SELECT to_regprocedure(', quote_literal(p.oid::regprocedure::text), ')')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p', 'w') AND """
    + _OWN.format("p", "pg_proc"),
    Kind.TABLE: """
SELECT c.oid, CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, n.nspname, '',
  c.relname, quote_ident(c.relname), rtrim(pg_get_viewdef(c.oid), ';'), ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND """
    + _OWN.format("c", "pg_class"),
    Kind.INDEX: """
SELECT i.oid, 'INDEX', n.nspname, c.relname, i.relname, quote_ident(i.relname),
  pg_get_indexdef(i.oid), concat('SELECT to_regclass(', quote_literal(i.oid::regclass::text), ')')
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND """
    + _OWN.format("c", "pg_class"),
    Kind.TRIGGER: """
SELECT g.oid, 'TRIGGER', n.nspname, c.relname, g.tgname,
  concat(quote_ident(g.tgname), ' ON ', c.oid::regclass), pg_get_triggerdef(g.oid, true),
  format('SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(%L) AND tgname = %L',
    c.oid::regclass::text, g.tgname)
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND """  # noqa: S608  (constants)
    + _OWN.format("c", "pg_class"),
}
# What each view and function needs; the owner 0 stands for all tables.
_NEEDED = """
SELECT DISTINCT CASE d.classid WHEN 'pg_rewrite'::regclass THEN r.ev_class
    WHEN 'pg_proc'::regclass THEN d.objid ELSE 0 END AS owner,
  CASE d.refclassid WHEN 'pg_type'::regclass THEN coalesce(nullif(t.typrelid, 0), e.typrelid)
    ELSE d.refobjid END AS needed
FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
LEFT JOIN pg_type e ON e.oid = t.typelem
WHERE d.objid >= 16384 AND d.refobjid >= 16384
  AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_attrdef'::regclass,
    'pg_constraint'::regclass, 'pg_class'::regclass)
  AND d.refclassid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
"""
_MYSQL = """
SELECT routine_type, routine_name, '' FROM information_schema.routines
WHERE routine_schema = database()
UNION ALL SELECT 'VIEW', table_name, '' FROM information_schema.views
WHERE table_schema = database()
UNION ALL SELECT 'TRIGGER', trigger_name, event_object_table FROM information_schema.triggers
WHERE trigger_schema = database()
"""
_MYSQL_THERE = {
    "TRIGGER": "SELECT 1 FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
    " AND trigger_name = {}",
    "FUNCTION": "SELECT 1 FROM information_schema.routines WHERE routine_schema = DATABASE()"
    " AND routine_type = 'FUNCTION' AND routine_name = {}",
    "PROCEDURE": "SELECT 1 FROM information_schema.routines WHERE routine_schema = DATABASE()"
    " AND routine_type = 'PROCEDURE' AND routine_name = {}",
}
_DEFINER = re.compile(r" DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
_KINDS = {
    "FUNCTION": Kind.FUNCTION,
    "PROCEDURE": Kind.PROCEDURE,
    "TRIGGER": Kind.TRIGGER,
    "VIEW": Kind.TABLE,
    "MATERIALIZED VIEW": Kind.TABLE,
    "INDEX": Kind.INDEX,  # of a materialized view
    "TYPE": Kind.TYPE,
}

_ROUTINES = frozenset({Kind.FUNCTION, Kind.PROCEDURE})
CODE = _ROUTINES | {Kind.TRIGGER}
_K = TypeVar("_K", int, str)


class StoredCode(NamedTuple):
    """One enumerated type, view, function, procedure or trigger.

    Attributes:
        object: the object; a view counts as a table.
        made: the statement that creates it; ``""`` if this user may not see it.
        words: its kind in SQL.
        place: what names it after that, in a statement that drops it.
        there: a query whose value is not NULL if it exists; ``""`` for a view.
        id: the database's own id of it.
    """

    object: SchemaObject
    made: str
    words: str
    place: str
    there: str = ""
    id: int = 0

    @property
    def is_function(self) -> bool:
        """Whether it is a function or a procedure."""
        return self.object.kind in _ROUTINES

    @property
    def dropped(self) -> str:
        """The statement that drops it."""
        return f"DROP {self.words} {self.place}"


class Ordered(NamedTuple):
    """Stored code in an order in which it can be created.

    Attributes:
        early: the types, and the functions that tables need.
        late: all else, after the tables.
    """

    early: Sequence[StoredCode]
    late: Sequence[StoredCode]


def stored_code(
    connection: Connection,
    schema: str | None = None,
    others: Collection[str] = (),
    only: Set[Kind] = frozenset(Kind),
) -> Sequence[StoredCode]:
    """The enumerated types, views, functions and triggers of a database.

    Args:
        connection: to the database, in a transaction.
        schema: the schema whose names stand alone; ``None`` for the default one.
        others: further schemas to read.
        only: the kinds of objects to read.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    dialect = connection.dialect.name
    if dialect in ("mysql", "mariadb"):
        rows = connection.execute(text(_MYSQL)).all()
        return [_of_mysql(connection, *row) for row in rows if _KINDS[row[0]] in only]
    found: Iterable[StoredCode] = _of_sqlite(connection) if dialect == "sqlite" else ()
    if dialect == "postgresql" and (own := schema or inspect(connection).default_schema_name):
        found = _of_postgresql(connection, own, others, only)
    return [each for each in found if each.object.kind in only]


def _of_postgresql(
    connection: Connection, own: str, others: Collection[str], only: Set[Kind]
) -> Iterator[StoredCode]:
    """All names but those of the own schema come with their schema."""
    quote = connection.dialect.identifier_preparer.quote
    before = connection.execute(text("SELECT current_setting('search_path')")).scalar()
    connection.execute(text(_PATH), {"path": f"{quote(own)}, public"})
    parts = [sql for kind, sql in _POSTGRESQL.items() if kind in only]
    query = text(f"{' UNION ALL '.join(parts)} ORDER BY 1")
    query = query.bindparams(bindparam("schemas", expanding=True))
    rows = connection.execute(query, {"schemas": [own, *others]}).all()
    connection.execute(text(_PATH), {"path": before})
    for oid, words, schema, table, name, quoted, definition, there in rows:
        is_own, place, made = schema == own, quoted, definition
        if words != "TRIGGER" and not is_own:
            place = f"{quote(schema)}.{quoted}"
        if words.endswith(("VIEW", "TYPE")):
            made = f"CREATE {words} {place} AS\n{made}"
        elif is_own:  # a definition of a function always names its schema
            begins = rf"\b{words} {re.escape(quote(own))}\."
            made = re.sub(begins, f"{words} ", made, count=1)
        thing = SchemaObject(_KINDS[words], name, table, "" if is_own else schema.casefold())
        yield StoredCode(thing, made, words, place, there, oid)


def _of_sqlite(connection: Connection) -> Iterator[StoredCode]:
    quote = connection.dialect.identifier_preparer.quote
    for kind, name, table, sql in connection.execute(text(_SQLITE)).all():
        words = kind.upper()
        is_view = words == "VIEW"
        there = _SQLITE_THERE.format(literal(name))
        thing = SchemaObject(_KINDS[words], name, "" if is_view else table)
        yield StoredCode(thing, sql, words, quote(name), "" if is_view else there)


def _of_mysql(connection: Connection, words: str, name: str, table: str) -> StoredCode:
    """The statements without the definer, the user of this server."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    quoted, own = quote(name), f"{quote(connection.engine.url.database or '')}."
    row = connection.execute(text(f"SHOW CREATE {words} {escaped(quoted)}")).mappings().one()
    made = row.get(f"Create {words.title()}") or row.get("SQL Original Statement") or ""
    there = _MYSQL_THERE.get(words, "").format(literal(name))
    if words == "VIEW":  # one that lacks a table names its database
        made = made.replace(own, "")
    thing = SchemaObject(_KINDS[words], name, table)
    return StoredCode(thing, _DEFINER.sub("", made, count=1), words, quoted, there)


def literal(value: str) -> str:
    """A string in SQL."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


# --- The order in which it can be created --------------------------------------------------------
def in_order(connection: Connection, code: Sequence[StoredCode]) -> Ordered:
    """Each object after those that it needs; otherwise as they were created.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    triggers = [each for each in code if each.words == "TRIGGER"]
    types = [each for each in code if each.words == "TYPE"]
    if connection.dialect.name == "postgresql" and code:
        needed: dict[int, list[int]] = {}
        for owner, other in connection.execute(text(_NEEDED)):
            needed.setdefault(owner, []).append(other)
        by_id = {each.id: each for each in code if each not in (*types, *triggers)}
        called = [each for each in needed.get(0, ()) if each in by_id and by_id[each].is_function]
        early, rest = (
            [by_id[each] for each in _closed(ids, needed) if each in by_id]
            for ids in (called, by_id)
        )
        early = [each for each in early if each.is_function]
        late = [each for each in (*rest, *triggers) if each not in early]
        return Ordered([*types, *early], late)
    routines = [each for each in code if each.is_function]
    views = {each.place: each for each in code if each.words == "VIEW"}
    named: dict[str, list[str]] = {}
    if connection.dialect.name != "sqlite":  # which does not look for what a view needs
        named = {one: [name for name in views if name in views[one].made] for one in views}
    return Ordered((), [*routines, *map(views.__getitem__, _closed(views, named)), *triggers])


def _closed(start: Iterable[_K], needed: Mapping[_K, Sequence[_K]]) -> Iterator[_K]:
    """The given ones with all that they need, each after what it needs."""
    begun: set[_K] = set()

    def visit(one: _K) -> Iterator[_K]:
        if one not in begun:
            begun.add(one)
            for other in sorted(needed.get(one, ())):
                yield from visit(other)
            yield one

    for one in start:
        yield from visit(one)


# --- What a user may not see ---------------------------------------------------------------------
_RIGHTS = """
SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = :user
UNION SELECT privilege_type FROM information_schema.schema_privileges
WHERE grantee = :user AND database() LIKE table_schema
"""
_USER = """
SELECT concat(quote(substring_index(current_user(), '@', 1)), '@',
  quote(substring_index(current_user(), '@', -1)))
"""
_OF_ROUTINES = frozenset({"ALTER ROUTINE", "CREATE ROUTINE", "EXECUTE"})
_SINCE = (11,)  # PostgreSQL with procedures


def hidden_code(connection: Connection) -> Set[Kind]:
    """The kinds of stored code that would look missing to this user even if there is some.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    dialect = connection.dialect
    if dialect.name == "sqlite":
        return frozenset()
    if dialect.name == "postgresql":
        known = (dialect.server_version_info or _SINCE) >= _SINCE
        return frozenset() if known else CODE
    user = connection.execute(text(_USER)).scalar()
    rights = set(connection.execute(text(_RIGHTS), {"user": user}).scalars())
    hidden = frozenset[Kind]() if rights & _OF_ROUTINES else _ROUTINES
    return hidden if "TRIGGER" in rights else hidden | {Kind.TRIGGER}
