"""SQL scripts -> effects: in which dialect, how much of it, and what others can see of it."""

from __future__ import annotations

from collections.abc import Iterable

from flask_chainfix.footprint.sql.context import Context
from flask_chainfix.footprint.sql.effort import Allowance
from flask_chainfix.footprint.sql.lasting import lasting
from flask_chainfix.footprint.sql.statements import split
from flask_chainfix.footprint.sql.tokens import lex
from flask_chainfix.footprint.sql.verbs import read_statement
from flask_chainfix.model.schema import Effect, Opaque

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
            Effect(
                deed.action,
                deed.object._replace(database=database),
                line,
                certain and deed.certain,
                deed.renamed and deed.renamed._replace(database=database),
            )
        )
    return tuple(effects), tuple(opaque)


def _read(script: str, dialect: str | None, allowance: Allowance) -> Iterable[Effect | Opaque]:
    """What a script does, read as the dialect in which the most of it can be read."""
    if len(script) > MOST_CHARACTERS:
        return (Opaque(f"a SQL script of {len(script):,} characters", 0),)
    if len(script) > allowance.characters:
        return (Opaque("more SQL than is read of one migration", 0),)
    allowance.characters -= len(script)
    best: tuple[int, list[Effect | Opaque]] | None = None
    for guess in _guesses(script) if dialect is None else (dialect,):
        context = Context(guess, allowance, quotes_tell=dialect is not None and guess != "sqlite")
        statements = list(split(lex(script, guess), guess))
        if len(statements) > MOST_STATEMENTS:
            return (Opaque(f"a SQL script of {len(statements):,} statements", 0),)
        deeds = [deed for one in statements for deed in read_statement(one, context)]
        if best is None or context.failures < best[0]:
            best = context.failures, list(lasting(deeds, guess))
        if not context.failures:
            break
    return best[1] if best is not None else ()


def _guesses(script: str) -> tuple[str, ...]:
    """The dialects that a script may be written in, the likeliest first."""
    # To all but MySQL and MariaDB, the statements in their executable comments are not there.
    return ("mysql", *_GUESSES) if "/*!" in script else _GUESSES
