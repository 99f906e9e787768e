"""sqlglot's trees of queries and changes of rows -> the tables and columns that they use.

Columns are only reported if a statement has a single table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.effects import Effects, create, named, use
from flask_chainfix.schema.sql.parsing import Script, UnreadSql, word_set

_ROOTS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Values)
# Words that look like columns and are none in some database.
_NO_COLUMNS = word_set(
    """
    _rowid_ cmax cmin ctid current_catalog current_date current_role current_schema current_time
    current_timestamp current_user day dayofyear dd default epoch hour hh iso isodow level localtime
    localtimestamp maxvalue mi microsecond millisecond minute mm month ms nextval now null oid
    ora_rowscn quarter rowid rowcount rownum second session_user sqlcode sqlerrm ss sysdate
    system_user systimestamp tableoid uid unknown user utc_date utc_time utc_timestamp value week
    weekday xmax xmin year yy yyyy
    """
)
_INERT_FUNCTIONS = word_set(
    """
    currval current_setting gen_random_uuid get_lock lastval last_insert_id nextval release_lock
    row_count set_config setval sleep uuid_generate_v4 version
    """
)
# Nodes that take rows from something other than a table, or from several.
_OTHER_SOURCES = (exp.CTE, exp.Insert, exp.Join, exp.Lateral, exp.Merge, exp.Subquery, exp.Values)


def read_rows(root: exp.Expr, script: Script) -> Effects:
    """The effects of a query or a change of rows.

    Raises:
        UnreadSql: it is neither.
    """
    if not isinstance(root, _ROOTS):
        raise UnreadSql
    nodes = [table for table in root.find_all(exp.Table, bfs=False) if _is_source(table)]
    aliases = {_alias(node) for node in [*root.find_all(exp.CTE), *nodes]}
    tables = [
        table_name(table)
        for table in nodes
        # It may be an alias: UPDATE x SET … FROM t AS x.
        if name_of(table.this) and (table.args.get("db") or name_of(table.this) not in aliases)
    ]
    yield from (use(table) for table in tables)
    for insert in root.find_all(exp.Insert):
        if isinstance(insert.this, exp.Schema) and isinstance(insert.this.this, exp.Table):
            for name in insert.this.expressions:
                yield use(table_name(insert.this.this).part(Kind.COLUMN, name_of(name)))
    alone = len(nodes) == len(tables) == 1 and not root.find(*_OTHER_SOURCES)
    yield from _columns(root, tables[0] if alone else None, aliases, script)
    yield from _functions_run(root)
    for into in root.find_all(exp.Into):
        if not isinstance(into.this, exp.Table):
            raise UnreadSql
        yield create(table_name(into.this))


def _columns(
    root: exp.Expr, table: SchemaObject | None, names: set[str], script: Script
) -> Effects:
    """The columns of a statement's only table; columns of several tables cannot be told apart."""
    columns = [column for column in root.find_all(exp.Column, bfs=False) if name_of(column.this)]
    if table is None:
        if columns:
            detail = "columns that may belong to several tables"
            yield Opaque(detail, 0, frozenset({Action.USE}), kinds=frozenset({Kind.COLUMN}))
        return
    assigned = {id(one.this) for one in root.expressions if isinstance(root, exp.Update)}
    no_columns = {*names, table.name, *map(_alias, root.find_all(exp.Alias))}
    for column in columns:
        qualifier = column.args.get("table")
        name = name_of(column.this)
        if qualifier is not None:
            known = name_of(qualifier) in no_columns and column.args.get("db") is None
        else:
            certain = script.quotes_tell or id(column) in assigned
            quoted = column.this.args.get("quoted") and not certain
            known = not (quoted or name in no_columns or _is_no_column(column))
        if known:
            yield use(table.part(Kind.COLUMN, name))


def _is_source(table: exp.Table) -> bool:
    """Whether a table is named as one: not after INTO or FOR UPDATE OF, or in DELETE x FROM."""
    delete = table.parent if isinstance(table.parent, exp.Delete) else None
    deleted = (
        delete is not None and table.arg_key == "tables" and isinstance(delete.this, exp.Table)
    )
    return not deleted and not isinstance(table.parent, (exp.Into, exp.Lock))


def _functions_run(root: exp.Expr) -> Iterator[Opaque]:
    """The functions that a SELECT without tables calls for their effects."""
    if not isinstance(root, exp.Select) or root.find(exp.From):
        return
    for result in root.expressions:
        called = result.unalias()
        while isinstance(called, exp.Dot):
            called = called.expression
        name = called.name.lower() if isinstance(called, exp.Anonymous) else ""
        if name and name not in _INERT_FUNCTIONS and not name.startswith("pg_"):
            yield Opaque(f"a function that is called: {name[:60]}", 0)


def table_name(table: exp.Table) -> SchemaObject:
    """The table that a node names."""
    return named(name_of(table.this), name_of(table.args.get("db")))


def _alias(node: exp.Expr) -> str:
    alias = node.args.get("alias")
    return name_of(alias.this if isinstance(alias, exp.TableAlias) else alias)


def name_of(node: object) -> str:
    """The name that an identifier spells; ``""`` for anything else."""
    if not isinstance(node, exp.Identifier):
        return ""
    # sqlglot removes the # of Transact-SQL's temporary tables.
    marks = "#" * bool(node.args.get("temporary")) + "##" * bool(node.args.get("global"))
    name = f"{marks}{node.this}"
    return name if node.args.get("quoted") else name.lower()


def columns_named(nodes: Iterable[object]) -> Iterator[str]:
    """The columns in lists of names and in expressions."""
    for node in nodes:
        if isinstance(node, exp.Identifier):
            yield name_of(node)
        elif isinstance(node, exp.Expression):
            if isinstance(node.this, exp.Identifier) and not isinstance(node, exp.Column):
                yield name_of(node.this)
            for column in node.find_all(exp.Column, bfs=False):
                if not column.args.get("table") and not _is_no_column(column):
                    yield name_of(column.this)


def _is_no_column(column: exp.Column) -> bool:
    unquoted = not column.this.args.get("quoted")
    in_collation = isinstance(column.parent, exp.Collate) and column.arg_key == "expression"
    return in_collation or (unquoted and name_of(column.this) in _NO_COLUMNS)
