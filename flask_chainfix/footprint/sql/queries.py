"""What queries and changes of data use, from the trees that sqlglot makes of them.

Only this module and ``scopes`` import sqlglot, which takes a tenth of a second.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from flask_chainfix.footprint.sql.cursor import TEMPORARY, Name, Unread, create, use
from flask_chainfix.footprint.sql.scopes import Scopes, name_of
from flask_chainfix.footprint.sql.tokens import Token, words
from flask_chainfix.footprint.sql.user_types import types_in
from flask_chainfix.model.schema import Effect, Opaque

_ROOTS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Values)
_INERT_FUNCTIONS = words(
    """
    currval current_setting gen_random_uuid get_lock lastval last_insert_id nextval release_lock
    row_count set_config setval sleep uuid_generate_v4 version
    """
)


class Query(NamedTuple):
    """What a query does.

    Attributes:
        deeds: the tables, columns and types that it uses, and what else it does.
        columns: the names of its results; ``None`` where they cannot be told.
    """

    deeds: tuple[Effect | Opaque, ...]
    columns: tuple[str, ...] | None


def read_query(text: str, tokens: Sequence[Token], dialect: str, *, quotes_tell: bool) -> Query:
    """Read a query or a change of data.

    Args:
        text: the statement.
        tokens: what it is made of.
        dialect: sqlglot's name of its dialect.
        quotes_tell: whether what stands in double quotes is certain to be a name.

    Raises:
        Unread: sqlglot cannot parse it.
    """
    try:
        with _quiet():
            (root,) = sqlglot.parse(text, read=dialect, error_level=ErrorLevel.RAISE)
        if not isinstance(root, _ROOTS):
            raise Unread
        scopes = Scopes(root)
        deeds: list[Effect | Opaque] = [use(table.table()) for table in scopes.tables]
        for table, name in scopes.columns(quotes_tell=quotes_tell):
            deeds.append(use(table.column(name)))
        deeds.extend(types_in(tokens, dialect))
        deeds.extend(_functions_run(root))
        deeds.extend(_tables_made(root))
        return Query(tuple(deeds), _results(root))
    # It raises more than its own errors on what nobody has tried: AttributeError, RecursionError, …
    except Exception as error:
        raise Unread from error


def _results(root: exp.Expr) -> tuple[str, ...] | None:
    """The names of a query's results, where each has one."""
    results = root.selects if isinstance(root, exp.Query) else []
    names: list[str] = []
    for result in results:
        alias = result.args.get("alias")
        column = result.this if isinstance(result, exp.Column) else None
        names.append(name_of(alias) or name_of(column))
    return tuple(names) if names and all(names) else None


def _functions_run(root: exp.Expr) -> Iterator[Opaque]:
    """The functions that a SELECT without tables calls for what they do."""
    if not isinstance(root, exp.Select) or any(
        isinstance(clause, exp.From) for clause in root.args.values()
    ):
        return
    for result in root.expressions:
        called = result.unalias()
        while isinstance(called, exp.Dot):
            called = called.expression
        name = called.name.lower() if isinstance(called, exp.Anonymous) else ""
        if name and name not in _INERT_FUNCTIONS and not name.startswith("pg_"):
            yield Opaque(f"a function that is called: {name[:60]}", 0)


def _tables_made(root: exp.Expr) -> Iterator[Effect]:
    """The table of SELECT … INTO."""
    for into in root.find_all(exp.Into):
        table = into.this
        if isinstance(table, exp.Table) and name_of(table.this):
            schema = TEMPORARY if into.args.get("temporary") else name_of(table.args.get("db"))
            yield create(Name(schema, name_of(table.this)).table())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep sqlglot from logging what it does not support."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
