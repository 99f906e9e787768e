"""Views, functions and triggers: the database's own SQL to create and drop them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from flask_chainfix.databases.catalog import escaped

_SQLITE = """
SELECT type, name, sql FROM sqlite_master WHERE type IN ('view', 'trigger')
ORDER BY type = 'trigger', rowid
"""
# Objects of an extension come with it. Each object is created after those it depends on.
_POSTGRESQL = """
SELECT made, dropped FROM (
  SELECT p.oid, pg_get_functiondef(p.oid) AS made,
    CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
      || quote_ident(n.nspname) || '.' || quote_ident(p.proname)
      || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS dropped
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prokind IN ('f', 'p', 'w') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e')
  UNION ALL
  SELECT c.oid, concat('CREATE ', kind, ' ', place, ' AS', chr(10),
      rtrim(pg_get_viewdef(c.oid), ';')), concat(kind, ' ', place)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind,
      quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS place) AS words
  WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = c.oid AND e.deptype = 'e')
  UNION ALL
  SELECT g.oid, pg_get_triggerdef(g.oid, true),
    concat('TRIGGER ', quote_ident(g.tgname), ' ON ', g.tgrelid::regclass)
  FROM pg_trigger g WHERE NOT g.tgisinternal
) AS found ORDER BY oid
"""
_MYSQL = """
SELECT lower(routine_type), routine_name FROM information_schema.routines
WHERE routine_schema = database()
UNION ALL SELECT 'view', table_name FROM information_schema.views WHERE table_schema = database()
UNION ALL SELECT 'trigger', trigger_name FROM information_schema.triggers
WHERE trigger_schema = database()
"""
_DEFINER = re.compile(r" DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")


class StoredCode(NamedTuple):
    """One view, function, procedure or trigger.

    Attributes:
        made: the statement that creates it.
        dropped: the statement that drops it.
    """

    made: str
    dropped: str


def stored_code(connection: Connection) -> Iterator[StoredCode]:
    """The views, functions and triggers of a database, in a working order.

    Args:
        connection: a connection to a database that a chain has made.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "sqlite":
        for kind, name, sql in connection.execute(text(_SQLITE)).all():
            yield StoredCode(sql, f"DROP {kind.upper()} {quote(name)}")
    elif connection.dialect.name == "postgresql":
        own = f"{quote(inspect(connection).default_schema_name or '')}."
        in_own = re.compile(rf"\b(FUNCTION|PROCEDURE|VIEW) {re.escape(own)}")
        for statements in connection.execute(text(escaped(_POSTGRESQL))).all():
            made, dropped = (in_own.sub(r"\1 ", each, count=1) for each in statements)
            yield StoredCode(made, f"DROP {dropped}")
    else:
        for kind, name in connection.execute(text(_MYSQL)).all():
            yield _of_mysql(connection, kind, name)


def _of_mysql(connection: Connection, kind: str, name: str) -> StoredCode:
    """The statements without the definer, the user of this server."""
    word, quoted = kind.upper(), connection.dialect.identifier_preparer.quote_identifier(name)
    row = connection.execute(text(f"SHOW CREATE {word} {escaped(quoted)}")).mappings().one()
    made = row.get(f"Create {kind.title()}") or row.get("SQL Original Statement") or ""
    return StoredCode(_DEFINER.sub("", made, count=1), f"DROP {word} {quoted}")
