"""What a server's database holds beyond its tables, types and stored code, in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

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
    SELECT 'settings of trigger', g.tgrelid::regclass || '.' || g.tgname,
      'ENABLED ' || nullif(g.tgenabled::text, 'O')
    FROM pg_trigger g WHERE NOT g.tgisinternal
    """,
    """
    SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE 'settings of function' END,
      NAME(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
      concat_ws(' ', CASE p.prokind WHEN 'a' THEN 'there' END, 'GRANTS ' || p.proacl::text)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE OURS(p, pg_proc)
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


def read_catalog(connection: Connection) -> Catalog:
    """Read what a database holds that ``drift.expected`` leaves out; nothing in SQLite.

    Args:
        connection: to the database.

    Returns:
        The definition of each item, to be compared with another database of the same server.

    Raises:
        SQLAlchemyError: the catalog cannot be read.
    """
    reader = _READERS.get(connection.dialect.name)
    return {} if reader is None else dict(reader(connection))


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


def index_parts(sql: str) -> str:
    """An index's definition from its SQL, without its name and its table's."""
    unique = "UNIQUE " if " UNIQUE " in sql.upper().partition(" ON ")[0] else ""
    definition = re.sub(r"[\s\"`]+", "", sql.partition("(")[2])
    return f"{unique}({definition}"


_READERS = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
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
