"""SQL text -> what it does to tables: statement by statement, as far as sqlglot's trees tell.

sqlglot takes a tenth of a second to be imported, so it is not before a migration holds SQL. Its
trees differ from version to version: one that has another shape than those known here is opaque.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.parsing import Allowance, Script, beginning
from flask_chainfix.schema.sql.statements import read_statement
from flask_chainfix.schema.sql.words import TEMPORARY, Deeds, split

# A script beyond this is data rather than a migration, and reading it would take seconds.
MOST_CHARACTERS = 256 * 1024
MOST_STATEMENTS = 10_000
_DIALECTS = {
    "cockroachdb": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgresql": "postgres",
    "redshift": "postgres",
    "sqlite": "sqlite",
}
# What a script may be written for where nobody says; the last is sqlglot's own superset of all.
_GUESSES = ("postgres", "mysql", "sqlite", "")
# Comments that MySQL runs, and comments in comments: versions of sqlglot differ about them.
_AMBIGUOUS = re.compile(r"/\*!|/\*(?:(?!\*/)[\s\S])*?/\*")
_PARAMETER = re.compile(r"%\(\w+\)s|%s\b|(?<![:\w\\]):[A-Za-z_]\w*")

_SYSTEM_SCHEMAS = frozenset(
    {"information_schema", "mysql", "performance_schema", "pg_catalog", "pg_toast", "sys"}
)
_SYSTEM_TABLES = frozenset({"dual", "sqlite_master", "sqlite_schema", "sqlite_sequence"})


def read_sql(  # noqa: PLR0913  (how it is read, by name)
    script: str,
    line: int,
    *,
    dialect: str | None = None,
    certain: bool = True,
    database: str = "",
    allowance: Allowance | None = None,
) -> tuple[tuple[Effect, ...], tuple[Opaque, ...]]:
    """What a SQL script does to the schema, in order.

    Args:
        script: any number of statements.
        line: where it stands.
        dialect: SQLAlchemy's name of the dialect; ``None`` where it is not known.
        certain: whether it is run whenever the migration is.
        database: the bind that it is run on, in a multi-database environment.
        allowance: how much may still be read of the migration that it stands in; ``None`` where it
            stands alone.

    Returns:
        What it does, and what of it cannot be known.
    """
    effects: list[Effect] = []
    opaque: list[Opaque] = []
    for deed in _read(script, _DIALECTS.get(dialect or ""), allowance or Allowance()):
        if isinstance(deed, Opaque):
            table = deed.table and deed.table._replace(database=database)
            opaque.append(deed._replace(line=line, table=table, place=len(effects)))
            continue
        effects.append(
            deed._replace(
                object=deed.object._replace(database=database),
                line=line,
                certain=certain and deed.certain,
                renamed=deed.renamed and deed.renamed._replace(database=database),
            )
        )
    return tuple(effects), tuple(opaque)


def _read(script: str, dialect: str | None, allowance: Allowance) -> Iterable[Effect | Opaque]:
    """What a script does, read as the dialect in which the most of it can be read."""
    if len(script) > MOST_CHARACTERS:
        return (Opaque(f"a SQL script of {len(script):,} characters", 0),)
    if len(script) > allowance.characters:
        return (Opaque("more SQL than is read of one migration", 0),)
    if _AMBIGUOUS.search(script):
        return (Opaque("SQL with comments that databases may run", 0),)
    allowance.characters -= len(script)
    text = _PARAMETER.sub("NULL", script).replace("\\:", ":").replace("%%", "%")
    best: tuple[int, list[Effect | Opaque]] | None = None
    for guess in _GUESSES if dialect is None else (dialect,):
        attempt = Script(text, guess, allowance, dialect is not None and guess != "sqlite")
        deeds = list(_statements(attempt))
        if best is None or attempt.failures < best[0]:
            best = attempt.failures, list(_lasting(deeds, guess))
        if not attempt.failures:
            break
    return best[1] if best is not None else ()


def _statements(script: Script) -> Deeds:
    try:
        statements = list(split(script.tokens(), script.dialect))
    # sqlglot raises more than its own errors on what nobody has tried.
    except Exception:
        script.failures = MOST_STATEMENTS
        yield Opaque(f"SQL that cannot be read: {beginning(script.text)}", 0)
        return
    if len(statements) > MOST_STATEMENTS:
        yield Opaque(f"a SQL script of {len(statements):,} statements", 0)
        return
    for tokens in statements:
        yield from dict.fromkeys(read_statement(tokens, script))


def _lasting(deeds: Iterable[Effect | Opaque], dialect: str) -> Deeds:
    """The deeds that concern tables which are there before or after the script."""
    temporary: set[str] = set()
    for deed in deeds:
        thing = deed.table if isinstance(deed, Opaque) else deed.object
        if thing is None or thing.kind is Kind.TYPE:
            yield deed
            continue
        changed = deed if isinstance(deed, Effect) and thing.kind is Kind.TABLE else None
        table = thing.name if thing.kind is Kind.TABLE else thing.table
        passing = thing.schema == TEMPORARY or (dialect == "sqlite" and thing.schema == "temp")
        passing = passing or (dialect == "tsql" and table.startswith("#"))
        if changed and changed.action is Action.CREATE and changed.renamed is None:
            (temporary.add if passing else temporary.discard)(table)
        elif passing or (table in temporary and not thing.schema):
            passing = True
            if changed and changed.action is Action.DROP:
                temporary.discard(table)
                temporary.update({changed.renamed.name} if changed.renamed is not None else ())
        if not passing and not _is_system(thing, table, dialect):
            yield deed


def _is_system(thing: SchemaObject, table: str, dialect: str) -> bool:
    own = dialect in ("", "postgres") and table.startswith("pg_")
    return own or thing.schema.lower() in _SYSTEM_SCHEMAS or table in _SYSTEM_TABLES
