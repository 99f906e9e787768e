"""SQL for operators: a move as a script that changes nothing where the rows are others."""

# ruff: noqa: S608 - names are quoted, and values literals, in the way of the dialect

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import text

from flask_chainfix.common.quoting import sql_identifier, sql_literal
from flask_chainfix.databases.connecting import WAITING
from flask_chainfix.databases.tables import version_table
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Move


class Changes(NamedTuple):
    """The least that has to be done.

    Attributes:
        updated: ids before and after.
        deleted: ids.
        inserted: ids.
    """

    updated: tuple[tuple[str, str], ...]
    deleted: tuple[str, ...]
    inserted: tuple[str, ...]


def changes_for(move: Move) -> Changes:
    """What a move does to the rows; a row that can be used again keeps its other columns."""
    counted = Counter(move.before)
    # One id in several rows: they cannot be told apart, so none of them is used again.
    twice = {revision for revision, times in counted.items() if times > 1}
    surplus = sorted(set(move.before) - set(move.after) - twice)
    missing = sorted(set(move.after) - (set(move.before) - twice))
    # A server that tells no cases apart refuses the same id in another one beside the old.
    pairs = [(old, new) for old in surplus for new in missing if old.casefold() == new.casefold()]
    surplus, missing = (
        [revision for revision in side if not any(revision in pair for pair in pairs)]
        for side in (surplus, missing)
    )
    count = min(len(surplus), len(missing))
    return Changes(
        (*pairs, *zip(surplus[:count], missing[:count], strict=True)),
        (*sorted(twice), *surplus[count:]),
        tuple(missing[count:]),
    )


_OTHERS = "the rows are others: nothing was changed"


def guarded_sql(target: Target, move: Move) -> tuple[str, ...]:
    """The statements that make a move, each with the semicolon at its end.

    On other rows than those that are expected, the script for PostgreSQL ends with an error, and
    those for MySQL and SQLite change nothing and say so in a result.

    Args:
        target: the database; it is not connected to.
        move: what is to be done.

    Raises:
        Unspeakable: a name or an id has no safe form in a script.
    """
    script = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}[target.backend]
    return tuple(f"{statement};" for statement in script(target, _named(target), move))


def _named(target: Target) -> str:
    """The name of the version table as a script can have it."""
    quote = _preparer(target).quote
    names = (target.schema, target.version_table)
    return ".".join(sql_identifier(target.backend, name, quote(name)) for name in names if name)


def quoted_table(target: Target) -> str:
    """The name of the version table as it stands in SQL, quoted where it has to be."""
    name: str = _preparer(target).format_table(version_table(target))
    return name


def _preparer(target: Target) -> Any:
    # With this style of parameters no percent sign is doubled.
    of_backend: Any = target.url.get_dialect()
    return of_backend(paramstyle="named").identifier_preparer


def verbatim(statement: str) -> Any:
    """A statement in which a colon is a colon."""
    return text(statement.replace(":", r"\:"))


def _postgresql(target: Target, table: str, move: Move) -> Iterator[str]:
    literal = sql_literal(target.backend)
    before = ", ".join(literal(revision) for revision in sorted(move.before))
    found = f'ARRAY(SELECT version_num::text FROM {table} ORDER BY version_num::text COLLATE "C")'
    body = (
        "BEGIN\n"
        f"  IF {found} IS DISTINCT FROM ARRAY[{before}]::text[] THEN\n"
        f"    RAISE EXCEPTION '{_OTHERS}';\n"
        "  END IF;\n"
        "END"
    )
    tag = "$fixchain$"
    while tag in body:
        tag = f"{tag[:-1]}_$"
    yield "BEGIN"
    yield f"SET LOCAL lock_timeout = '{WAITING}s'"
    yield f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
    yield f"DO {tag}{body}{tag}"
    yield from _changes(table, move, literal, "")
    yield "COMMIT"


def _is_transactional(target: Target) -> str:
    """Whether the version table is of an engine that has transactions, as an expression."""
    literal = sql_literal(target.backend)
    schema = "DATABASE()" if target.schema is None else literal(target.schema)
    name = literal(target.version_table)
    return (
        "(SELECT COUNT(*) FROM information_schema.tables t JOIN information_schema.engines e"
        f" ON e.engine = t.engine WHERE t.table_schema = {schema} AND t.table_name = {name}"
        " AND e.transactions = 'YES') = 1"
    )


def _mysql(target: Target, table: str, move: Move) -> Iterator[str]:
    literal = sql_literal(target.backend)

    def binary(value: str) -> str:
        return f"CAST(CONVERT({value} USING utf8mb4) AS BINARY)"

    expected = _expected(
        table,
        move,
        lambda revision: f"{binary('version_num')} = {binary(literal(revision))}",
    )
    yield f"SET SESSION innodb_lock_wait_timeout = {WAITING}"
    yield "START TRANSACTION"
    yield f"SELECT version_num FROM {table} FOR UPDATE"
    yield f"SET @fixchain_expected = ({expected} AND {_is_transactional(target)})"
    yield from _changes(table, move, literal, "@fixchain_expected")
    yield "COMMIT"
    yield f"SELECT IF(@fixchain_expected, 'moved', '{_OTHERS}') AS fixchain"


def _sqlite(target: Target, table: str, move: Move) -> Iterator[str]:
    literal = sql_literal(target.backend)
    expected = _expected(
        table, move, lambda revision: f"version_num COLLATE BINARY = {literal(revision)}"
    )
    yield "BEGIN IMMEDIATE"
    yield f"CREATE TEMP TABLE fixchain AS SELECT {expected} AS expected"
    # The shell goes on after an error; after a rollback there is no table with the answer.
    yield from _changes(
        table, move, literal, "(SELECT expected FROM temp.fixchain)", " OR ROLLBACK"
    )
    yield f"SELECT CASE WHEN expected THEN 'moved' ELSE '{_OTHERS}' END FROM temp.fixchain"
    yield "DROP TABLE temp.fixchain"
    yield "COMMIT"


def _expected(table: str, move: Move, is_it: Callable[[str], str]) -> str:
    """Whether the rows are those before the move, as an expression."""
    counted = [f"(SELECT COUNT(*) FROM {table}) = {len(move.before)}"]
    counted += [
        f"(SELECT COUNT(*) FROM {table} WHERE {is_it(revision)}) = {times}"
        for revision, times in sorted(Counter(move.before).items())
    ]
    return " AND ".join(counted)


def _changes(
    table: str, move: Move, literal: Callable[[str], str], guard: str, conflict: str = ""
) -> Iterator[str]:
    changes = changes_for(move)
    also, only = (f" AND {guard}", f" WHERE {guard}") if guard else ("", "")
    for old, new in changes.updated:
        yield (
            f"UPDATE{conflict} {table} SET version_num = {literal(new)}"
            f" WHERE version_num = {literal(old)}{also}"
        )
    for old in changes.deleted:
        yield f"DELETE FROM {table} WHERE version_num = {literal(old)}{also}"
    for new in changes.inserted:
        source = " FROM DUAL" if guard.startswith("@") else ""
        yield f"INSERT{conflict} INTO {table} (version_num) SELECT {literal(new)}{source}{only}"
