"""The SQL script for operators that changes version rows, or nothing if the rows differ."""

# ruff: noqa: S608 - names are quoted, and values literals, in the way of the dialect

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from flask_chainfix.common.quoting import sql_identifier, sql_literal
from flask_chainfix.databases.connecting import WAITING
from flask_chainfix.databases.restamping import binary, changes_for, preparer
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Move

_OTHERS = "the rows differ: nothing was changed"


def guarded_sql(target: Target, move: Move) -> tuple[str, ...]:
    """The statements that make a move, each with its semicolon.

    If the rows are not as expected, the script for PostgreSQL ends with an error, and those for
    MySQL and SQLite change nothing and say so in a result. This function does not connect.

    Raises:
        Unspeakable: a name or an id cannot be written safely in a script.
    """
    script = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}[target.backend]
    quote = preparer(target).quote
    names = (target.schema, target.version_table)
    table = ".".join(sql_identifier(quote(name)) for name in names if name)
    return tuple(f"{statement};" for statement in script(target, table, move))


def _postgresql(target: Target, table: str, move: Move) -> Iterator[str]:
    before = ", ".join(sql_literal(revision) for revision in sorted(move.before))
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
    yield from _changes(table, move, "")
    yield "COMMIT"


def _is_transactional(target: Target) -> str:
    """Whether the version table's storage engine has transactions, as an SQL expression."""
    schema = "DATABASE()" if target.schema is None else sql_literal(target.schema)
    name = sql_literal(target.version_table)
    return (
        "(SELECT COUNT(*) FROM information_schema.tables t JOIN information_schema.engines e"
        f" ON e.engine = t.engine WHERE t.table_schema = {schema} AND t.table_name = {name}"
        " AND e.transactions = 'YES') = 1"
    )


def _mysql(target: Target, table: str, move: Move) -> Iterator[str]:
    def is_it(revision: str) -> str:
        return f"{binary('version_num')} = {binary(sql_literal(revision))}"

    expected = _expected(table, move, is_it)
    yield f"SET SESSION innodb_lock_wait_timeout = {WAITING}"
    yield "START TRANSACTION"
    yield f"SELECT version_num FROM {table} FOR UPDATE"
    yield f"SET @fixchain_expected = ({expected} AND {_is_transactional(target)})"
    yield from _changes(table, move, "@fixchain_expected", is_it=is_it)
    yield "COMMIT"
    yield f"SELECT IF(@fixchain_expected, 'moved', '{_OTHERS}') AS fixchain"


def _sqlite(target: Target, table: str, move: Move) -> Iterator[str]:
    expected = _expected(
        table, move, lambda revision: f"version_num COLLATE BINARY = {sql_literal(revision)}"
    )
    yield "BEGIN IMMEDIATE"
    yield f"CREATE TEMP TABLE fixchain AS SELECT {expected} AS expected"
    # The shell continues after an error; after a rollback the table with the result is gone.
    yield from _changes(table, move, "(SELECT expected FROM temp.fixchain)", " OR ROLLBACK")
    yield f"SELECT CASE WHEN expected THEN 'moved' ELSE '{_OTHERS}' END FROM temp.fixchain"
    yield "DROP TABLE temp.fixchain"
    yield "COMMIT"


def _expected(table: str, move: Move, is_it: Callable[[str], str]) -> str:
    """Whether the rows are those before the move, as an SQL expression."""
    counted = [f"(SELECT COUNT(*) FROM {table}) = {len(move.before)}"]
    counted += [
        f"(SELECT COUNT(*) FROM {table} WHERE {is_it(revision)}) = {times}"
        for revision, times in sorted(Counter(move.before).items())
    ]
    return " AND ".join(counted)


def _is_plainly(revision: str) -> str:
    return f"version_num = {sql_literal(revision)}"


def _changes(
    table: str,
    move: Move,
    guard: str,
    conflict: str = "",
    is_it: Callable[[str], str] = _is_plainly,
) -> Iterator[str]:
    changes = changes_for(move)
    also, only = (f" AND {guard}", f" WHERE {guard}") if guard else ("", "")
    for old in changes.deleted:
        yield f"DELETE FROM {table} WHERE {is_it(old)}{also}"
    for old, new in changes.updated:
        setting = f"SET version_num = {sql_literal(new)}"
        yield f"UPDATE{conflict} {table} {setting} WHERE {is_it(old)}{also}"
    for new in changes.inserted:
        source = " FROM DUAL" if guard.startswith("@") else ""
        yield f"INSERT{conflict} INTO {table} (version_num) SELECT {sql_literal(new)}{source}{only}"
