"""SQL text -> its effects on tables, statement by statement, as far as sqlglot's trees show.

Importing sqlglot takes a tenth of a second, so it is imported only if a migration has SQL. Its
trees differ between versions: a tree of an unknown shape is opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.effects import (
    Effects,
    create,
    doubtful,
    drop,
    dropped_by_cascade,
    is_system,
    rename,
    use,
)
from flask_chainfix.schema.sql.parsing import (
    MOST_CHARACTERS,
    Allowance,
    Script,
    Statement,
    UnreadSql,
    beginning,
    split,
    word_set,
)

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
# The dialects to try if none is known; the last is sqlglot's own superset of all.
_GUESSES = ("postgres", "mysql", "sqlite", "")
# Comments that MySQL runs, and nested comments: versions of sqlglot treat them differently.
_AMBIGUOUS = re.compile(r"/\*!|/\*(?:(?!\*/)[\s\S])*?/\*")
_PATH = re.compile(
    r"(?:^|;)\s*(?:SET\s+(?:(?:LOCAL|SESSION)\s+)?(?:search_path\b|SCHEMA\b)|USE\s)"
    r"|set_config\s*\(\s*'search_path'",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"%\(\w+\)s|%s\b|(?<![:\w\\]):[A-Za-z_]\w*")

_TABLES = frozenset({"TABLE", "VIEW"})
_TYPES = frozenset({"DOMAIN", "TYPE"})
# These create and drop no table, column, index or type.
_OTHER_KINDS = word_set(
    """
    AGGREGATE CAST COLLATION DATABASE EVENT EXTENSION FUNCTION OPERATOR OWNED POLICY PROCEDURE
    PUBLICATION ROLE RULE SCHEMA SEQUENCE SERVER STATISTICS SUBSCRIPTION TRIGGER USER
    """
)
_KINDS = _TABLES | _TYPES | _OTHER_KINDS | {"INDEX"}
# Statements without an effect on the schema, whatever follows.
_INERT = word_set(
    """
    ABORT ANALYZE BEGIN CHECKPOINT CLUSTER COMMIT COPY DISCARD END EXPLAIN FLUSH GRANT
    LISTEN LOCK NOTIFY OPTIMIZE PRAGMA REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT SET
    SHOW START UNLOCK USE VACUUM
    """
)
_ROWS = frozenset({"(", "DELETE", "INSERT", "MERGE", "SELECT", "TABLE", "UPDATE", "VALUES", "WITH"})
_DEFINING = word_set("; ALTER CALL CREATE DROP EXEC EXECUTE RENAME TRUNCATE")
# What an unreadable statement may do, by its verb; any other may do anything.
_MAY_DO = {
    **dict.fromkeys(_INERT | {"DELETE", "INSERT", "MERGE"}, (Action.USE,)),
    **dict.fromkeys(("COMMENT", "REPLACE", "TRUNCATE", "UPDATE"), (Action.USE,)),
    "CREATE": (Action.CREATE, Action.USE),
    "DROP": (Action.DROP,),
}
# The kinds of objects that are created and dropped with one of these.
_KINDS_WITH = {
    **dict.fromkeys(_TYPES, frozenset({Kind.TYPE})),
    **dict.fromkeys(_OTHER_KINDS - {"DATABASE", "SCHEMA"}, frozenset[Kind]()),
    "INDEX": frozenset({Kind.INDEX}),
}
_KIND_OF = {"DOMAIN": Kind.TYPE, "INDEX": Kind.INDEX, "TYPE": Kind.TYPE}
_DROP_ENDS = ("CASCADE", "CONSTRAINTS", "PURGE", "RESTRICT")
# Actions of ALTER TABLE on the table as a whole, and the words of other actions.
_ABOUT_TABLE = word_set(
    "AUTO_INCREMENT CHARACTER COLLATE COMMENT CONVERT DISABLE ENABLE ENGINE NOCHECK OWNER VALIDATE"
)
_ACTIONS = word_set("ADD ALTER ATTACH CHANGE DETACH DROP INHERIT MODIFY RENAME")
# An unreadable action may concern other tables if it contains one of these words.
_REACHES_OUT = frozenset(
    {"EXCHANGE", "OF", "PARTITION", "REFERENCES", "RENAME", "SCHEMA", "SWITCH"}
)


def moves_names(known: str) -> bool:
    """Whether a script, as far as it is known, changes the schema of unqualified names."""
    return _PATH.search(known) is not None


_COMMENT = re.compile(r"--[^\n]*(?:\n|\Z)|/\*.*?\*/", re.DOTALL)
_CHANGING_ROWS = re.compile(
    r"(?:\A|;)[\s(]*(INSERT|UPDATE|DELETE|MERGE|REPLACE|COPY|TRUNCATE|LOAD|WITH|CALL|DO"
    r"|CREATE(?:\s+\w+){0,2}\s+TABLE(?=\b[^;]*\bSELECT\b))\b",
    re.IGNORECASE,
)


def verb_for_rows(script: str) -> str:
    """The first verb of a script that may change rows; ``""`` if there is none."""
    found = _CHANGING_ROWS.search(_COMMENT.sub(" ", script[:MOST_CHARACTERS]))
    return " ".join(found[1].upper().split()) if found else ""


def may_do(known: str) -> tuple[Action, ...]:
    """What a partly known script may do; empty if it may do anything."""
    verb, *words = re.findall(r"\w+|;", known.upper()) or [""]
    reads = verb == "SELECT" and "FROM" in words and "INTO" not in words
    changes_rows = verb in ("DELETE", "INSERT", "UPDATE")
    return (Action.USE,) if (reads or changes_rows) and _DEFINING.isdisjoint(words) else ()


def read_sql(  # noqa: PLR0913  (options, by name)
    script: str,
    line: int,
    *,
    dialect: str | None = None,
    certain: bool = True,
    database: str = "",
    allowance: Allowance | None = None,
) -> Iterator[Effect | Opaque]:
    """What a SQL script does to the schema.

    Args:
        script: any number of statements.
        line: its 1-based line.
        dialect: SQLAlchemy's name of the dialect; ``None`` if unknown.
        certain: whether it runs whenever the migration does.
        database: the bind that it runs on, in a multi-database environment.
        allowance: how much of its migration's SQL may still be read; ``None`` if it stands alone.

    Yields:
        The effects and what cannot be known, in order; the caller sets the places.
    """
    for effect in _read(script, _DIALECTS.get(dialect or ""), allowance or Allowance()):
        if isinstance(effect, Opaque):
            table = effect.table and effect.table._replace(database=database)
            yield effect._replace(line=line, table=table)
        else:
            yield effect._replace(
                object=effect.object._replace(database=database),
                line=line,
                certain=certain and effect.certain,
                renamed=effect.renamed and effect.renamed._replace(database=database),
            )


def _read(script: str, dialect: str | None, allowance: Allowance) -> Iterable[Effect | Opaque]:
    """The effects of a script, in the dialect in which most of it can be read."""
    if len(script) > MOST_CHARACTERS:
        return (Opaque(f"a SQL script of {len(script):,} characters", 0),)
    if len(script) > allowance.characters:
        return (Opaque("more SQL than is read of one migration", 0),)
    if _AMBIGUOUS.search(script):
        return (Opaque("SQL with comments that databases may run", 0),)
    allowance.characters -= len(script)
    text = _PARAMETER.sub("NULL", script).replace("\\:", ":").replace("%%", "%")
    best: list[Effect | Opaque] = []
    fewest = MOST_CHARACTERS
    for guess in _GUESSES if dialect is None else (dialect,):
        attempt = Script(text, guess, allowance, dialect is not None and guess != "sqlite")
        effects = [effect for effect in _statements(attempt) if not is_system(effect, guess)]
        if attempt.failures < fewest:
            best, fewest = effects, attempt.failures
        if not fewest:
            break
    return best


def _statements(script: Script) -> Effects:
    try:
        statements = list(split(script.tokens(), script.dialect))
    # sqlglot also raises other errors than its own on unusual input.
    except Exception:
        script.failures = MOST_STATEMENTS
        yield Opaque(f"SQL that cannot be read: {beginning(script.text)}", 0)
        return
    if len(statements) > MOST_STATEMENTS:
        yield Opaque(f"a SQL script of {len(statements):,} statements", 0)
        return
    for statement in statements:
        if statement.is_temporary:  # and other tables have its name afterwards, or it has theirs
            yield Opaque(f"a temporary table: {script.shown(statement)}", 0)
            return
        yield from dict.fromkeys(_read_statement(statement, script))


def _read_statement(statement: Statement, script: Script) -> Effects:
    """What one statement does."""
    verb = statement.words[0]
    try:
        if verb in _ROWS:
            yield from script.rows(statement)
        elif verb in _READERS:
            yield from list(_READERS[verb](statement, script))
        elif verb not in _INERT or statement.runs_on or statement.is_block:
            raise UnreadSql
    except (
        Exception
    ):  # sqlglot also raises other errors than its own, and trees have unknown shapes
        yield _unread(statement, script)


def _kind(statement: Statement) -> str:
    """The kind of object that a statement is about; ``""`` if it is unknown.

    The statement goes on behind it.
    """
    statement.at = 1
    while not statement.ended and statement.peek() not in ("(", ","):
        statement.at += 1
        if statement.peek(-1) in _KINDS:
            return statement.peek(-1)
    return ""


def _create(statement: Statement, script: Script) -> Effects:
    kind = _kind(statement)
    if kind in _TYPES:
        statement.takes("IF", "NOT", "EXISTS")
        type_ = statement.qualified(Kind.TYPE)
        if statement.runs_on or type_.name == "body":
            raise UnreadSql
        is_enumerated = [statement.peek(), statement.peek(1)] == ["AS", "ENUM"]
        yield create(type_)._replace(by_hand=not is_enumerated)
    elif kind in _TABLES or kind == "INDEX":
        if kind == "INDEX" and statement.peek(1) == ".":
            raise UnreadSql  # it would be read as a name and its table
        from flask_chainfix.schema.sql.trees import created

        for options in (["WITH", "NO", "DATA"], ["WITH", "DATA"]):
            if statement.words[-len(options) :] == options:
                statement = Statement(statement.tokens[: -len(options)])
        yield from created(script.tree(statement), script)
    elif not kind or not statement.is_one_routine or _is_of_schema(statement, kind, "CREATE"):
        raise UnreadSql


def _is_of_schema(statement: Statement, kind: str, word: str) -> bool:
    """Whether a statement creates what is in a schema, or renames it with the schema."""
    return kind == "SCHEMA" and word in statement.rest


def _drop(statement: Statement, script: Script) -> Effects:
    kind = _kind(statement)
    statement.takes("CONCURRENTLY")
    certain = not statement.takes("IF", "EXISTS")
    if not kind or (kind in _OTHER_KINDS and statement.runs_on):
        raise UnreadSql
    if kind in _OTHER_KINDS:
        takes_along = "CASCADE" in statement.rest or script.dialect in ("mysql", "")
        if kind in ("DATABASE", "OWNED") or (takes_along and kind in ("EXTENSION", "SCHEMA")):
            yield Opaque(f"dropping a whole {kind.lower()}", 0, frozenset({Action.DROP}))
        return
    if kind == "INDEX" and script.dialect == "tsql":
        raise UnreadSql  # DROP INDEX table.name, or name ON table, name ON table
    more = True
    while more:
        thing = statement.qualified(_KIND_OF.get(kind, Kind.TABLE))
        if thing.kind is Kind.INDEX and statement.takes("ON"):
            table = statement.qualified()
            yield use(table, certain=certain)
            thing = table.part(Kind.INDEX, thing.name)
        yield drop(thing, certain=certain)
        more = statement.takes(",")
    if "CASCADE" in statement.rest:
        parts = (Kind.COLUMN, Kind.INDEX) if kind in _TYPES else (Kind.TABLE,)  # or views
        yield dropped_by_cascade(kind.lower(), Kind.CONSTRAINT, *parts)
    while statement.peek() in _DROP_ENDS:
        statement.at += 1
    if not statement.ended and statement.peek() not in ("ALGORITHM", "LOCK"):
        raise UnreadSql


def _alter(statement: Statement, script: Script) -> Effects:
    kind = _kind(statement)
    certain = not statement.takes("IF", "EXISTS")
    statement.takes("ONLY")
    if kind in _TABLES:
        table = statement.qualified()
        statement.takes("*")
        effects = _alter_table(table, statement, script)
        first = effects[0] if effects else None
        if not (isinstance(first, Effect) and first.renamed and first.object == table):
            effects = [use(table), *effects]
        yield from effects if certain else doubtful(effects)
    elif kind in _TYPES or kind == "INDEX":
        thing = statement.qualified(_KIND_OF[kind])
        if statement.takes("ON") or statement.runs_on:
            raise UnreadSql
        yield from _value(thing, statement) or _renamed(thing, statement) or [use(thing)]
    elif not kind or statement.runs_on or _is_of_schema(statement, kind, "RENAME"):
        raise UnreadSql


def _alter_table(
    table: SchemaObject, statement: Statement, script: Script
) -> list[Effect | Opaque]:
    """The effects of the actions after ALTER TABLE and the name."""
    from flask_chainfix.schema.sql.trees import altered

    try:
        if effects := _renamed(table, statement):
            return effects
        first, *rest = statement.rest
        if first in _ABOUT_TABLE and _ACTIONS.isdisjoint(rest):
            return []
        read: list[Effect | Opaque] = list(altered(script.tree(statement), table, script))
        if "CASCADE" in rest and any(
            getattr(effect, "action", None) is Action.DROP for effect in read
        ):
            read.append(dropped_by_cascade("part of a table", Kind.CONSTRAINT))
        return read
    except Exception:
        reaches_out = not _REACHES_OUT.isdisjoint(statement.words) or statement.runs_on
        return [_unread(statement, script, None if reaches_out else table)]


def _value(type_: SchemaObject, statement: Statement) -> list[Effect | Opaque]:
    """The effects of ALTER TYPE on a value of an enumerated type."""
    if statement.takes("ADD", "VALUE"):
        certain = not statement.takes("IF", "NOT", "EXISTS")
        value = type_.part(Kind.VALUE, statement.text())
        return [use(type_), create(value, certain=certain)]
    if statement.takes("RENAME", "VALUE"):
        old = type_.part(Kind.VALUE, statement.text())
        if not statement.takes("TO"):
            raise UnreadSql
        return [use(type_), *rename(old, type_.part(Kind.VALUE, statement.text()))]
    return []


def _renamed(thing: SchemaObject, statement: Statement) -> list[Effect | Opaque]:
    """The effects of a rename or a move to another schema, if nothing else follows."""
    if statement.takes("RENAME", "TO"):
        new = statement.qualified()
        after = thing._replace(name=new.name, schema=new.schema or thing.schema)
    elif statement.takes("SET", "SCHEMA"):
        after = thing._replace(schema=statement.name())
    else:
        return []
    if not statement.ended:
        raise UnreadSql
    return list(rename(thing, after))


def _unread(statement: Statement, script: Script, table: SchemaObject | None = None) -> Opaque:
    """A statement that cannot be read, shown by its beginning."""
    script.failures += 1
    verb, *rest = statement.words
    actions, kinds = frozenset(Action), frozenset(Kind)
    if not statement.runs_on and _DEFINING.isdisjoint(rest):
        actions = frozenset(_MAY_DO.get(verb, Action))
        kinds = _KINDS_WITH.get(_kind(statement), kinds) if verb in ("CREATE", "DROP") else kinds
    detail = f"a statement that cannot be read: {script.shown(statement)}"
    return Opaque(detail, 0, actions, table, kinds)


_READERS: dict[str, Callable[[Statement, Script], Effects]] = {
    "ALTER": _alter,
    "CREATE": _create,
    "DROP": _drop,
}
