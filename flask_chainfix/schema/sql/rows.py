"""sqlglot's trees of queries and changes of rows -> the tables and columns that they use.

A column is only told where a statement has a single table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque
from flask_chainfix.schema.sql.words import (
    TEMPORARY,
    Deeds,
    Name,
    Unread,
    create,
    use,
    word_set,
)

_ROOTS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Values)
# What reads like a column and is none, in one database or another.
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


def read_rows(root: exp.Expr, dialect: str, *, quotes_tell: bool) -> Deeds:
    """What a query or a change of rows does.

    Args:
        root: its tree.
        dialect: sqlglot's name of its dialect.
        quotes_tell: whether what stands in double quotes is certain to be a name.

    Raises:
        Unread: it is neither.
    """
    if not isinstance(root, _ROOTS):
        raise Unread
    sources = _Sources(root)
    yield from (use(table.table()) for table in sources.tables)
    for insert in root.find_all(exp.Insert):
        if isinstance(insert.this, exp.Schema) and isinstance(insert.this.this, exp.Table):
            for name in insert.this.expressions:
                yield use(_named(insert.this.this).column(name_of(name)))
    yield from _columns(root, sources, quotes_tell=quotes_tell)
    if dialect in ("", "postgres"):
        yield from types_used(root)
    yield from _functions_run(root)
    for into in root.find_all(exp.Into):
        if not isinstance(into.this, exp.Table):
            raise Unread
        made = _named(into.this)
        made = made._replace(schema=TEMPORARY) if into.args.get("temporary") else made
        yield create(made.table())


def name_of(node: object) -> str:
    """The name that an identifier spells; ``""`` for anything else."""
    if not isinstance(node, exp.Identifier):
        return ""
    # sqlglot takes the # of Transact-SQL's temporary tables off.
    marks = "#" * bool(node.args.get("temporary")) + "##" * bool(node.args.get("global"))
    name = f"{marks}{node.this}"
    return name if node.args.get("quoted") else name.lower()


def columns_named(nodes: Iterable[object]) -> Iterator[str]:
    """The columns that lists of names, and expressions, are about."""
    for node in nodes:
        if isinstance(node, exp.Identifier):
            yield name_of(node)
        elif isinstance(node, exp.Expression):
            if isinstance(node.this, exp.Identifier) and not isinstance(node, exp.Column):
                yield name_of(node.this)
            for column in node.find_all(exp.Column, bfs=False):
                if not column.args.get("table") and not _is_no_column(column):
                    yield name_of(column.this)


def types_used(root: exp.Expr) -> Iterator[Effect]:
    """The types in a statement that are not built in."""
    for type_ in root.find_all(exp.DataType):
        if type_.this == exp.DataType.Type.USERDEFINED:
            kind = type_.args.get("kind")
            text = kind if isinstance(kind, str) else kind.sql() if kind is not None else ""
            schema, _, name = text.rpartition(".")
            if all(part.isidentifier() for part in (schema or "_", name)):
                yield use(Name(schema.lower(), name.lower()).alone(Kind.TYPE))


def _is_no_column(column: exp.Column) -> bool:
    unquoted = not column.this.args.get("quoted")
    in_collation = isinstance(column.parent, exp.Collate) and column.arg_key == "expression"
    return in_collation or (unquoted and name_of(column.this) in _NO_COLUMNS)


def _functions_run(root: exp.Expr) -> Iterator[Opaque]:
    """The functions that a SELECT without tables calls for what they do."""
    if not isinstance(root, exp.Select) or root.find(exp.From):
        return
    for result in root.expressions:
        called = result.unalias()
        while isinstance(called, exp.Dot):
            called = called.expression
        name = called.name.lower() if isinstance(called, exp.Anonymous) else ""
        if name and name not in _INERT_FUNCTIONS and not name.startswith("pg_"):
            yield Opaque(f"a function that is called: {name[:60]}", 0)


class _Sources:
    """What the names in a statement stand for.

    Attributes:
        tables: the tables that the statement does not make itself.
        only: the table that all columns belong to; ``None`` where there may be others.
        names: what is the name of a source, or of a result, and so may stand for no column.
    """

    def __init__(self, root: exp.Expr) -> None:
        expressions = {_alias(cte) for cte in root.find_all(exp.CTE)}
        nodes = [table for table in root.find_all(exp.Table, bfs=False) if _is_source(table)]
        aliases = {_alias(table) for table in nodes}
        results = {_alias(alias) for alias in root.find_all(exp.Alias)}
        self.tables: list[Name] = []
        for table in nodes:
            name = name_of(table.this)
            # It may be an alias: UPDATE x SET … FROM t AS x.
            plain = table.args.get("db") is None
            if name and not (plain and name in expressions | aliases):
                self.tables.append(_named(table))
        alone = len(nodes) == len(self.tables) == 1 and not next(_derived(root), None)
        self.only = self.tables[0] if alone else None
        self.names = {*aliases, *results, *(table.name for table in self.tables)}


def _columns(root: exp.Expr, sources: _Sources, *, quotes_tell: bool) -> Deeds:
    """The columns of a statement's only table; those of several tables nobody tells apart."""
    columns = [column for column in root.find_all(exp.Column, bfs=False) if name_of(column.this)]
    if sources.only is None or root.find(exp.Insert):
        if columns:
            detail = "columns that may belong to several tables"
            yield Opaque(detail, 0, frozenset({Action.USE}), kinds=frozenset({Kind.COLUMN}))
        return
    assigned = {id(one.this) for one in root.expressions if isinstance(root, exp.Update)}
    for column in columns:
        qualifier = column.args.get("table")
        name = name_of(column.this)
        if qualifier is None:
            certain = quotes_tell or id(column) in assigned
            quoted = column.this.args.get("quoted") and not certain
            known = not (quoted or name in sources.names or _is_no_column(column))
        else:
            known = name_of(qualifier) in sources.names and column.args.get("db") is None
        if known:
            yield use(sources.only.column(name))


def _is_source(table: exp.Table) -> bool:
    """Whether a table is named as such: not behind INTO or FOR UPDATE OF, or in DELETE x FROM."""
    delete = table.parent if isinstance(table.parent, exp.Delete) else None
    deleted = (
        delete is not None and table.arg_key == "tables" and isinstance(delete.this, exp.Table)
    )
    return not deleted and not isinstance(table.parent, (exp.Into, exp.Lock))


def _derived(root: exp.Expr) -> Iterator[exp.Expr]:
    """What queries take rows from that are no tables: subqueries, values, functions."""
    for node in root.find_all(exp.From, exp.Join, exp.Lateral, exp.Delete, exp.Merge):
        if isinstance(node, exp.Lateral):
            yield node
            continue
        using = node.args.get("using") if isinstance(node, (exp.Delete, exp.Merge)) else node.this
        for source in using if isinstance(using, list) else [using]:
            if isinstance(source, exp.Expression) and not isinstance(source, exp.Table):
                yield source


def _named(table: exp.Table) -> Name:
    return Name(name_of(table.args.get("db")), name_of(table.this))


def _alias(node: exp.Expr) -> str:
    alias = node.args.get("alias")
    return name_of(alias.this if isinstance(alias, exp.TableAlias) else alias)
