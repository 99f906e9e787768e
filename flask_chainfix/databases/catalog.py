"""What a database holds beyond ``reflecting.read_whole``, as the database describes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection


class Item(NamedTuple):
    """One thing in a catalog.

    Attributes:
        kind: what it is, for example ``view``.
        name: its name, with its schema unless that is the default one.
    """

    kind: str
    name: str


Catalog = Mapping[Item, str]

# What the queries below have in common. What belongs to an extension comes with that, and what
# begins with pg_ with the server; names of the default schema are shown without it.
_WORDS = {
    "OURS": """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.objid = {0}.oid AND e.classid = '{1}'::regclass
        AND e.deptype = 'e')""",
    "NAME": "CASE n.nspname WHEN current_schema() THEN '' ELSE n.nspname || '.' END || {0}",
}
_WORD = re.compile(rf"({'|'.join(_WORDS)})\(([\w.]+)(?:, (\w+))?\)")
_POSTGRESQL = (
    # Tables, views, indexes and sequences.
    """
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' WHEN c.relkind IN ('i', 'I') THEN
      'settings of index' WHEN c.relkind IN ('v', 'm') THEN 'settings of view'
      ELSE 'settings of table' END,
      NAME(c.relname),
      concat_ws(' ',
        'WITH ' || c.reloptions::text,
        CASE WHEN c.relrowsecurity THEN 'ROW SECURITY' END,
        'REPLICA ' || nullif(nullif(c.relreplident::text, 'd'), 'n'),
        CASE WHEN i.indisclustered THEN 'CLUSTERED' END,
        'GRANTS ' || c.relacl::text,
        (SELECT concat_ws(' ', 'AS', s.seqtypid::regtype, 'START', s.seqstart, 'BY',
          s.seqincrement, 'FROM', s.seqmin, 'TO', s.seqmax, 'CACHE', s.seqcache,
          CASE WHEN s.seqcycle THEN 'CYCLE' END,
          (SELECT 'OF ' || d.refobjid::regclass || '.' || a.attname FROM pg_depend d
            JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
          FROM pg_sequence s WHERE s.seqrelid = c.oid))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'S') AND OURS(c, pg_class)
    """,
    """
    SELECT 'settings of column', NAME(c.relname) || '.' || a.attname,
      concat_ws(' ',
        'STORAGE ' || nullif(a.attstorage::text, t.typstorage::text),
        'GRANTS ' || a.attacl::text)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND OURS(c, pg_class)
    """,
    """
    SELECT 'comment on ' || i.type, i.identity, quote_literal(d.description)
    FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    WHERE d.objoid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = d.objoid
      AND e.classid = d.classoid AND e.deptype = 'e')
    """,
    """
    SELECT 'trigger', g.tgrelid::regclass || '.' || g.tgname,
      pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text
    FROM pg_trigger g WHERE NOT g.tgisinternal
    """,
    """
    SELECT 'function', NAME(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
      CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END
      || coalesce(' GRANTS ' || p.proacl::text, '')
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE OURS(p, pg_proc)
    """,
    # The types that are neither enumerations nor domains.
    """
    SELECT 'type', NAME(t.typname),
      concat_ws(' ', t.typtype::text,
        (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', '
          ORDER BY a.attnum) FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype = 'r' OR c.relkind = 'c') AND OURS(t, pg_type)
    """,
    "SELECT 'extension', x.extname, 'there' FROM pg_extension x WHERE x.extname <> 'plpgsql'",
    """
    SELECT 'schema', n.nspname, coalesce('GRANTS ' || n.nspacl::text, 'there') FROM pg_namespace n
    WHERE OURS(n, pg_namespace)
    """,
    """
    SELECT 'policy', p.polrelid::regclass || '.' || p.polname,
      concat_ws(' ', p.polcmd::text, p.polpermissive, p.polroles::regrole[]::text,
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p
    """,
    """
    SELECT 'rule', r.ev_class::regclass || '.' || r.rulename, pg_get_ruledef(r.oid)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.rulename <> '_RETURN' AND OURS(c, pg_class)
    """,
    "SELECT 'statistics object', s.stxname, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s",
    "SELECT 'event trigger', evtname, evtevent || ' ' || evtfoid::regproc FROM pg_event_trigger",
    "SELECT 'publication', pubname, 'there' FROM pg_publication",
    "SELECT 'foreign server', srvname, 'there' FROM pg_foreign_server",
    """
    SELECT 'collation', NAME(l.collname), 'there' FROM pg_collation l
    JOIN pg_namespace n ON n.oid = l.collnamespace WHERE OURS(l, pg_collation)
    """,
    """
    SELECT 'operator', NAME(o.oprname), o.oid::regoperator::text FROM pg_operator o
    JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE OURS(o, pg_operator)
    """,
    """
    SELECT 'cast', c.castsource::regtype || ' as ' || c.casttarget::regtype, 'there'
    FROM pg_cast c
    JOIN pg_type t ON t.oid = c.castsource JOIN pg_type u ON u.oid = c.casttarget
    WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = c.oid
      AND e.classid = 'pg_cast'::regclass AND e.deptype = 'e')
    """,
    "SELECT 'default privileges', d.oid::text, d.defaclacl::text FROM pg_default_acl d",
)

_MYSQL = (
    """
    SELECT 'trigger', concat(event_object_table, '.', trigger_name),
      concat_ws(' ', action_timing, event_manipulation, action_statement)
    FROM information_schema.triggers WHERE trigger_schema = database()
    """,
    """
    SELECT lower(routine_type), routine_name, routine_definition
    FROM information_schema.routines WHERE routine_schema = database()
    """,
    """
    SELECT 'event', event_name, event_definition FROM information_schema.events
    WHERE event_schema = database()
    """,
    """
    SELECT 'sequence', table_name, 'there' FROM information_schema.tables
    WHERE table_schema = database() AND table_type = 'SEQUENCE'
    """,
)
_MYSQL_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = database() AND table_type NOT IN ('VIEW', 'SEQUENCE')
"""
_COLUMN_CHECKS = """
SELECT constraint_name, check_clause FROM information_schema.check_constraints
WHERE constraint_schema = database() AND table_name = :table AND level = 'Column'
"""
_KEY = re.compile(r"(?:[A-Z]+ )?KEY `((?:[^`]|``)+)` \(")
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")

_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')"
_QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^]]*\]|--[^\n]*|/\*.*?\*/", re.S
)
_CLAUSE = re.compile(
    r"\bAUTOINCREMENT\b|\bCOLLATE\s+\w+|\bON\s+CONFLICT\s+\w+|\b(?:NOT\s+)?DEFERRABLE\b"
    r"|\bINITIALLY\s+\w+|\bWITHOUT\s+ROWID\b|\)\s*STRICT\b|,\s*STRICT\b",
    re.IGNORECASE,
)


def read_catalog(connection: Connection) -> Catalog:
    """Read what a database holds that ``reflecting.read_whole`` leaves out.

    Args:
        connection: to the database.

    Returns:
        The definition of each item, to be compared with another database of the same server.

    Raises:
        SQLAlchemyError: the catalog cannot be read.
    """
    return dict(_READERS[connection.dialect.name](connection))


def _postgresql(connection: Connection) -> Iterator[tuple[Item, str]]:
    def spelled(found: re.Match[str]) -> str:
        return _WORDS[found[1]].format(found[2], found[3])

    for query in _POSTGRESQL:
        for kind, name, definition in connection.exec_driver_sql(_WORD.sub(spelled, query)):
            if definition:
                yield Item(kind, name), " ".join(definition.split())


def _mysql(connection: Connection) -> Iterator[tuple[Item, str]]:
    own = f"`{connection.engine.url.database}`."
    for query in _MYSQL:
        for kind, name, definition in connection.execute(text(query)):
            yield Item(kind, name), " ".join((definition or "there").replace(own, "").split())
    for name in connection.execute(text(_MYSQL_TABLES)).scalars().all():
        for clause in mysql_clauses(connection, name):  # their order has no meaning
            yield Item("table", f"{name}: {clause}"), "there"


def mysql_clauses(connection: Connection, table: str) -> list[str]:
    """The clauses of a table's definition in MySQL: each a column, a key or an option."""
    quoted = connection.dialect.identifier_preparer.quote_identifier(table)
    (_, created) = connection.execute(text(f"SHOW CREATE TABLE {escaped(quoted)}")).one()
    return [_COUNTER.sub("", line.strip().rstrip(",")) for line in created.split("\n")[1:]]


def escaped(sql: str) -> str:
    """SQL with its colons escaped, so that SQLAlchemy sees no parameter."""
    return sql.replace("\\", "\\\\").replace(":", "\\:")


def mysql_index(clause: str) -> str:
    """The name of the index that a clause creates; ``""`` if it creates none."""
    found = _KEY.match(clause)
    return found[1].replace("``", "`") if found else ""


def mysql_checks(connection: Connection, table: str) -> list[tuple[str, str, str]]:
    """The column checks of a table in MariaDB: column, check and clause."""
    known = text(
        "SELECT 1 FROM information_schema.columns WHERE table_schema ="
        " 'information_schema' AND table_name = 'CHECK_CONSTRAINTS' AND column_name = 'LEVEL'"
    )
    if connection.execute(known).first() is None:
        return []
    rows = connection.execute(text(_COLUMN_CHECKS), {"table": table}).all()
    clauses = mysql_clauses(connection, table)
    return [
        (column, check, clause)
        for column, check in rows
        for clause in clauses
        if clause.startswith(f"`{column}` ")
    ]


def sqlite_clauses(sql: str) -> Mapping[str, int]:
    """The clauses of a table's SQL that SQLite's pragmas leave out, with their counts."""
    plain = _QUOTED.sub("''", sql)
    return Counter(
        " ".join(found[0].strip("), ").upper().split()) for found in _CLAUSE.finditer(plain)
    )


def index_parts(sql: str) -> str:
    """An index's definition from its SQL, without its name and its table's."""
    unique = "UNIQUE " if " UNIQUE " in sql.upper().partition(" ON ")[0] else ""
    definition = re.sub(r"[\s\"`]+", "", sql.partition("(")[2])
    return f"{unique}({definition}"


def _sqlite(connection: Connection) -> Iterator[tuple[Item, str]]:
    for kind, name, table, sql in connection.execute(text(_SQLITE)).all():
        if kind == "trigger":
            yield Item(kind, f"{table}.{name}"), " ".join(sql.split())
        elif not name.startswith("sqlite_") and not sql.upper().startswith("CREATE VIRTUAL"):
            for clause, number in sqlite_clauses(sql).items():
                yield Item("clause", f"{name}: {clause}"), str(number)
            yield from _keys_of_sqlite_table(connection, name)


def _keys_of_sqlite_table(connection: Connection, table: str) -> Iterator[tuple[Item, str]]:
    """The keys without names, and the columns that are rowids, however the SQL is written."""
    place = connection.dialect.identifier_preparer.quote_identifier(table)
    for _, column, type_, *_, in_key in connection.exec_driver_sql(f"PRAGMA table_info({place})"):
        if in_key and type_.upper() == "INTEGER":
            yield Item("rowid", f"{table}.{column}"), "there"
    for columns in sqlite_uniques(connection, table):
        yield Item("unique constraint", f"{table} ({', '.join(columns)})"), "there"
    for key in sqlite_references(connection, table):
        yield Item("foreign key", f"{table} ({', '.join(key.columns)})"), f"to {key.definition}"


def sqlite_uniques(connection: Connection, table: str) -> list[tuple[str, ...]]:
    """The columns of each unique constraint of a SQLite table, however the SQL is written."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    found = []
    for _, name, _, origin, *_ in connection.exec_driver_sql(
        f"PRAGMA index_list({quote(table)})"
    ).all():
        if origin == "u":
            parts = connection.exec_driver_sql(f"PRAGMA index_info({quote(name)})").all()
            found.append(tuple(str(part[2]) for part in parts))
    return sorted(found)


class Reference(NamedTuple):
    """A foreign key of a table in SQLite.

    Attributes:
        columns: the columns of the table.
        table: the referenced table.
        referred: the referenced columns; empty if none are named.
        actions: the actions ``ON UPDATE`` and ``ON DELETE``.
    """

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]
    actions: tuple[str, str]

    @property
    def definition(self) -> str:
        """The referenced columns and the actions, as text."""
        update, delete = self.actions
        referred = ", ".join(self.referred)
        return f"{self.table} ({referred}) ON UPDATE {update} ON DELETE {delete}"


def sqlite_references(connection: Connection, table: str) -> list[Reference]:
    """The foreign keys of a SQLite table, however the SQL is written."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({quote(table)})").all()
    keys: dict[int, list[Any]] = {}
    for row in rows:
        keys.setdefault(row[0], []).append(row)
    return [
        Reference(
            tuple(row[3] for row in key),
            key[0][2],
            tuple(row[4] for row in key if row[4] is not None),
            (key[0][5], key[0][6]),
        )
        for key in keys.values()
    ]


_READERS = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _sqlite,
}


def rows_in(connection: Connection) -> Mapping[str, int]:
    """The number of rows of each table of the default schema that is not empty.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    from sqlalchemy import func, inspect, select, table

    numbers = {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in inspect(connection).get_table_names()
    }
    return {name: number for name, number in numbers.items() if number}
