"""SQL text -> its effects on tables, statement by statement, as far as sqlglot's trees show.

Importing sqlglot takes a tenth of a second, so it is imported only if a migration has SQL. Its
trees differ between versions: a tree of an unknown shape is opaque.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque
from flask_chainfix.schema.sql.effects import (
    Effects,
    create,
    is_system,
    named,
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

# Nothing in a table, view, index or type changes with these, if not with their contents.
_OTHER_KINDS = word_set(
    """
    AGGREGATE CAST COLLATION DATABASE EVENT EXTENSION FUNCTION OPERATOR POLICY PROCEDURE PUBLICATION
    ROLE RULE SCHEMA SEQUENCE SERVER STATISTICS SUBSCRIPTION TRIGGER USER
    """
)
_WITH_CONTENTS = {"ALTER": "RENAME", "CREATE": "CREATE", "DROP": "CASCADE"}
# What an unreadable statement about another kind may concern.
_KINDS_WITH = {
    "DOMAIN": frozenset({Kind.TYPE, Kind.VALUE}),
    "INDEX": frozenset({Kind.CONSTRAINT, Kind.INDEX}),
    "TYPE": frozenset({Kind.TYPE, Kind.VALUE}),
}
_KINDS = _OTHER_KINDS | {"TABLE", "VIEW", *_KINDS_WITH}
# What may stand between the kind of an object and its name.
_BEFORE_NAME = frozenset({"EXISTS", "IF", "ONLY"})
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
# What sqlglot does not parse of ALTER TYPE.
_NAME, _STRING = r"""(\w+|"[^"]+")""", r"'([^']+)'"
_ALTER_TYPE = re.compile(
    rf"ALTER\s+TYPE\s+(?:{_NAME}\.)?{_NAME}\s+(?:RENAME\s+TO\s+{_NAME}"
    rf"|RENAME\s+VALUE\s+{_STRING}\s+TO\s+{_STRING}"
    rf"|ADD\s+VALUE\s+(IF\s+NOT\s+EXISTS\s+)?{_STRING}(?:\s+(?:BEFORE|AFTER)\s+'[^']+')?)",
    re.IGNORECASE,
)
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
_CHANGES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)


def verb_for_rows(script: str) -> str:
    """The first verb of a script that may change rows; ``""`` if there is none."""
    text = _COMMENT.sub(" ", script[:MOST_CHARACTERS])
    verbs = (" ".join(found[1].upper().split()) for found in _CHANGING_ROWS.finditer(text))
    # A query may change rows in its WITH or behind it.
    only_queries = _CHANGES.search(text) is None
    return next((verb for verb in verbs if not (verb == "WITH" and only_queries)), "")


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
        elif verb in _WITH_CONTENTS:
            yield from list(_define(statement, script))
        elif verb not in _INERT or statement.runs_on or statement.is_block:
            raise UnreadSql
    # sqlglot also raises other errors than its own, and trees have unknown shapes.
    except Exception:
        yield from _unread(statement, script)


def _define(statement: Statement, script: Script) -> Effects:
    """The effects of a CREATE, ALTER or DROP."""
    if _kind(statement)[0] in _OTHER_KINDS:
        if not _is_inert(statement, script):
            raise UnreadSql
    elif found := _ALTER_TYPE.fullmatch(script.source(statement)):
        yield from _alter_type(*found.groups(""))
    else:
        from flask_chainfix.schema.sql.trees import defined

        yield from defined(script.tree(statement), script)


def _kind(statement: Statement) -> tuple[str, int]:
    """The kind of object that a statement is about, and the number of its word; or ``"", 0``."""
    for at, word in enumerate(statement.words[1:], 1):
        if word in ("(", ","):
            break
        if word in _KINDS:
            return word, at
    return "", 0


def _is_inert(statement: Statement, script: Script) -> bool:
    """Whether a statement about one of the other kinds changes nothing else now."""
    (verb, *rest), (kind, _) = statement.words, _kind(statement)
    if kind in ("DATABASE", "EXTENSION", "SCHEMA") and (
        _WITH_CONTENTS[verb] in rest
        or (verb == "DROP" and (kind == "DATABASE" or script.dialect in ("mysql", "")))
    ):
        return False
    return statement.is_one_routine if verb == "CREATE" else not statement.runs_on


def _alter_type(schema: str, name: str, *action: str) -> Effects:
    """The effects of an ALTER TYPE, given the groups of its pattern."""
    type_ = named(_unquoted(name), _unquoted(schema), Kind.TYPE)
    new_name, old, new, maybe, added = action
    if new_name:
        yield from rename(type_, type_._replace(name=_unquoted(new_name)))
        return
    yield use(type_)
    if added:
        yield create(type_.part(Kind.VALUE, added), certain=not maybe)
    else:
        yield from rename(type_.part(Kind.VALUE, old), type_.part(Kind.VALUE, new))


def _unquoted(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name.lower()


def _unread(statement: Statement, script: Script) -> Effects:
    """A statement that cannot be read, shown by its beginning."""
    script.failures += 1
    (verb, *rest), (kind, at) = statement.words, _kind(statement)
    actions, kinds, table = frozenset(Action), frozenset(Kind), None
    if not statement.runs_on and _DEFINING.isdisjoint(rest):
        actions = frozenset(_MAY_DO.get(verb, Action))
        if verb in _WITH_CONTENTS and "CASCADE" not in rest:
            kinds = _KINDS_WITH.get(kind, kinds)
    if verb == "ALTER" and kind in ("TABLE", "VIEW"):
        with suppress(Exception):
            table = script.table(statement, at + 1, _BEFORE_NAME)
            yield use(table, certain="EXISTS" not in rest[: at + 1])
        if statement.runs_on or not _REACHES_OUT.isdisjoint(rest):
            table = None
    detail = f"a statement that cannot be read: {script.shown(statement)}"
    yield Opaque(detail, 0, actions, table, kinds)
