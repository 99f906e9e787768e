"""What one SQL statement does to the schema: by its words, or by the tree sqlglot makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.parsing import Script
from flask_chainfix.schema.sql.words import (
    ENDLESS,
    Deeds,
    Name,
    Unread,
    Words,
    create,
    doubtful,
    drop,
    is_block,
    rename,
    runs_on,
    use,
    word_set,
)

_TABLES = frozenset({"TABLE", "VIEW"})
_TYPES = frozenset({"DOMAIN", "TYPE"})
_ON_TABLE = frozenset({"POLICY", "RULE", "TRIGGER"})
# No table, column, index or type comes or goes with these.
_OTHER_KINDS = word_set(
    """
    AGGREGATE CAST COLLATION CONVERSION DATABASE DEFAULT EVENT EXTENSION FUNCTION GROUP LANGUAGE
    LOGIN OPERATOR OWNED PACKAGE PROC PROCEDURE PUBLICATION ROLE ROUTINE SCHEMA SEQUENCE SERVER
    STATISTICS SUBSCRIPTION SYNONYM TABLESPACE USER
    """
)
_KINDS = _TABLES | _TYPES | _ON_TABLE | _OTHER_KINDS | {"INDEX"}
# Statements without an effect on the schema, whatever follows.
_INERT = word_set(
    """
    ABORT ANALYZE BEGIN CHECKPOINT CLUSTER COMMENT COMMIT COPY DEALLOCATE DISCARD END EXPLAIN FLUSH
    GRANT LISTEN LOCK NOTIFY OPTIMIZE PRAGMA REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT
    SET SHOW START UNLOCK USE VACUUM
    """
)
_ROWS = frozenset({"(", "DELETE", "INSERT", "MERGE", "SELECT", "TABLE", "UPDATE", "VALUES", "WITH"})
_DEFINING = word_set("; ALTER CALL CREATE DROP EXEC EXECUTE RENAME TRUNCATE")
# What a statement may do that cannot be read, by its verb; any other may do anything.
_MAY_DO = {
    **dict.fromkeys(_INERT | {"DELETE", "INSERT", "MERGE"}, (Action.USE,)),
    **dict.fromkeys(("REPLACE", "TRUNCATE", "UPDATE"), (Action.USE,)),
    "CREATE": (Action.CREATE, Action.USE),
    "DROP": (Action.DROP,),
}
# The kinds of objects that come and go with one of these.
_KINDS_WITH = {
    **dict.fromkeys(_TYPES, frozenset({Kind.TYPE})),
    **dict.fromkeys((_ON_TABLE | _OTHER_KINDS) - {"DATABASE", "SCHEMA"}, frozenset[Kind]()),
    "INDEX": frozenset({Kind.INDEX}),
}
_DROP_ENDS = ("CASCADE", "CONSTRAINTS", "PURGE", "RESTRICT")
# Actions of ALTER TABLE that concern the table only as a whole, and what tells of other actions.
_ABOUT_TABLE = word_set(
    """
    AUTO_INCREMENT CHARACTER CHARSET CLUSTER COLLATE COMMENT CONVERT DISABLE ENABLE ENGINE FORCE
    NOCHECK NO OWNER REPLICA VALIDATE
    """
)
_ACTIONS = word_set("ADD ALTER ATTACH CHANGE DETACH DROP INHERIT MODIFY RENAME")
# An action that cannot be read may concern other tables where one of these words stands in it.
_REACHES_OUT = frozenset(
    {"EXCHANGE", "OF", "PARTITION", "REFERENCES", "RENAME", "SCHEMA", "SWITCH"}
)


def may_do(known: str) -> tuple[Action, ...]:
    """What a script may do of which only parts are known; nothing where it may do anything."""
    verb, *words = re.findall(r"\w+|;", known.upper()) or [""]
    reads = verb == "SELECT" and "FROM" in words and "INTO" not in words
    changes_rows = verb in ("DELETE", "INSERT", "UPDATE")
    return (Action.USE,) if (reads or changes_rows) and _DEFINING.isdisjoint(words) else ()


def read_statement(tokens: Sequence[Any], script: Script) -> Deeds:
    """What one statement does."""
    words = Words(tokens)
    verb = words.peek()
    try:
        if verb in _ROWS:
            yield from script.rows(tokens)
        elif verb in _READERS:
            words.at = 1
            yield from list(_READERS[verb](words, tokens, script))
        elif verb not in _INERT or runs_on(tokens) or is_block(words):
            raise Unread
    except Exception:  # sqlglot raises more than its own errors, and trees have unknown shapes
        yield _unread(tokens, script)


def _kind(words: Words) -> str:
    """The kind of object that a statement is about, ``""`` for none that is known.

    The words go on behind it.
    """
    words.at = 1
    while not words.ended and words.peek() not in ("(", ","):
        words.at += 1
        if words.peek(-1) in _KINDS:
            return words.peek(-1)
    return ""


def _create(words: Words, tokens: Sequence[Any], script: Script) -> Deeds:
    kind = _kind(words)
    if kind in _TYPES:
        words.takes("IF", "NOT", "EXISTS")
        name = words.qualified()
        if runs_on(tokens) or name.name == "body":
            raise Unread
        yield create(name.alone(Kind.TYPE))
    elif kind in _TABLES or kind == "INDEX":
        if kind == "INDEX" and words.peek(1) == ".":
            raise Unread  # which is taken for a name and its table
        from flask_chainfix.schema.sql.tables import created

        for options in (["WITH", "NO", "DATA"], ["WITH", "DATA"]):
            if [*words.behind(len(tokens) - len(options))] == options:
                tokens = tokens[: -len(options)]
        yield from created(script.tree(tokens), script.dialect, quotes_tell=script.quotes_tell)
    elif ";" in words.behind(words.at) and script.dialect in ENDLESS:
        raise Unread
    elif kind in _ON_TABLE:
        yield _part_of_a_table(kind)
    elif not kind or (kind == "SCHEMA" and "CREATE" in words.behind(words.at)):
        raise Unread


def _part_of_a_table(kind: str) -> Opaque:
    """A trigger, a policy or a rule, which uses the table that it is for."""
    return Opaque(f"a {kind.lower()}", 0, frozenset({Action.USE}))


def _drop(words: Words, tokens: Sequence[Any], script: Script) -> Deeds:
    kind = _kind(words)
    words.takes("CONCURRENTLY")
    certain = not words.takes("IF", "EXISTS")
    if not kind:
        raise Unread
    if kind in _ON_TABLE:
        yield _part_of_a_table(kind)
        return
    if kind in _OTHER_KINDS:
        cascades = "CASCADE" in words.behind(words.at)
        along = kind == "SCHEMA" and (cascades or script.dialect in ("mysql", ""))
        if kind in ("DATABASE", "OWNED") or along or (kind == "EXTENSION" and cascades):
            yield Opaque(f"dropping a whole {kind.lower()}", 0, frozenset({Action.DROP}))
        elif runs_on(tokens):
            raise Unread
        return
    if kind == "INDEX" and script.dialect == "tsql":
        raise Unread  # DROP INDEX table.name, or name ON table, name ON table
    yield from _dropped(kind, words, certain=certain)
    words.skips(_DROP_ENDS)
    if not words.ended and words.peek() not in ("ALGORITHM", "LOCK"):
        raise Unread


def _dropped(kind: str, words: Words, *, certain: bool) -> Deeds:
    for name in words.names():
        if kind == "INDEX":
            table = words.qualified() if words.takes("ON") else Name(name.schema, "")
            if table.name:
                yield use(table.table(), certain=certain)
            yield drop(table.part(Kind.INDEX, name.name), certain=certain)
        else:
            thing = name.table() if kind in _TABLES else name.alone(Kind.TYPE)
            yield drop(thing, certain=certain)


def _truncate(words: Words, tokens: Sequence[Any], script: Script) -> Deeds:
    words.takes("TABLE")
    words.takes("ONLY")
    yield from [use(name.table()) for name in words.names()]
    words.skips({"*", "CASCADE", "CONTINUE", "IDENTITY", "RESTART", "RESTRICT"})
    if not words.ended:
        raise Unread


def _alter(words: Words, tokens: Sequence[Any], script: Script) -> Deeds:
    kind = _kind(words)
    certain = not words.takes("IF", "EXISTS")
    words.takes("ONLY")
    if kind in _TABLES:
        table = words.qualified()
        words.takes("*")
        deeds = list(_alter_table(table, words, tokens, script))
        first = deeds[0] if deeds else None
        if not (isinstance(first, Effect) and first.renamed and first.object == table.table()):
            deeds.insert(0, use(table.table()))
        yield from deeds if certain else doubtful(deeds)
    elif kind in _TYPES or kind == "INDEX":
        name = words.qualified()
        thing = name.alone(Kind.INDEX if kind == "INDEX" else Kind.TYPE)
        if words.takes("ON") or runs_on(tokens):
            raise Unread
        yield from _renamed(thing, words) or [use(thing)]
    elif kind in _ON_TABLE:
        yield _part_of_a_table(kind)
    elif not kind or runs_on(tokens) or (kind == "SCHEMA" and "RENAME" in words.behind(words.at)):
        raise Unread  # whatever is in a schema changes its name with it


def _alter_table(table: Name, words: Words, tokens: Sequence[Any], script: Script) -> Deeds:
    """What the actions behind ALTER TABLE and the name do."""
    from flask_chainfix.schema.sql.tables import altered

    try:
        if deeds := _renamed(table.table(), words):
            return iter(deeds)
        first, *rest = words.behind(words.at)
        if first in _ABOUT_TABLE and _ACTIONS.isdisjoint(rest):
            return iter(())
        return iter(list(altered(script.tree(tokens), table, script.dialect)))
    except Exception:
        reaches_out = not _REACHES_OUT.isdisjoint(words.behind(0)) or runs_on(tokens)
        return iter([_unread(tokens, script, None if reaches_out else table)])


def _renamed(thing: SchemaObject, words: Words) -> list[Effect | Opaque]:
    """What a rename or a move to another schema does, where nothing else stands here."""
    if words.takes("RENAME", "TO"):
        new = words.qualified()
        after = thing._replace(name=new.name, schema=new.schema or thing.schema)
    elif words.takes("SET", "SCHEMA"):
        after = thing._replace(schema=words.name())
    else:
        return []
    if not words.ended:
        raise Unread
    return list(rename(thing, after))


def _unread(tokens: Sequence[Any], script: Script, table: Name | None = None) -> Opaque:
    """A statement that cannot be read, shown by its beginning."""
    script.failures += 1
    words = Words(tokens)
    verb = words.peek()
    actions, kinds = frozenset(Action), frozenset(Kind)
    if not runs_on(tokens) and _DEFINING.isdisjoint(words.behind(1)):
        actions = frozenset(_MAY_DO.get(verb, Action))
        kinds = _KINDS_WITH.get(_kind(words), kinds) if verb in ("CREATE", "DROP") else kinds
    return Opaque(
        f"a statement that cannot be read: {script.shown(tokens)}",
        0,
        actions,
        table.table() if table is not None else None,
        kinds,
    )


_READERS: dict[str, Callable[[Words, Sequence[Any], Script], Deeds]] = {
    "ALTER": _alter,
    "CREATE": _create,
    "DROP": _drop,
    "TRUNCATE": _truncate,
}
