"""sqlglot's trees of queries and changes of rows -> the tables and columns that they use.

A column is only told of a table that is certain to have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from flask_chainfix.schema.footprint import Effect, Kind, Opaque
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
    for table, name in sources.columns(quotes_tell=quotes_tell):
        yield use(table.column(name))
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
    """

    def __init__(self, root: exp.Expr) -> None:
        self._root = root
        expressions = {_alias(cte) for cte in root.find_all(exp.CTE)}
        self._known: dict[str, Name | None] = {}
        self._others = {*expressions, *map(_alias, _derived(root))}
        nodes = [table for table in root.find_all(exp.Table, bfs=False) if _is_source(table)]
        aliases = {_alias(table) for table in nodes}
        self.tables: list[Name] = []
        for table in nodes:
            name = name_of(table.this)
            plain = table.args.get("db") is None
            # It may be an alias: UPDATE x SET … FROM t AS x.
            stands_for_other = plain and (name in expressions or (name in aliases and name))
            if name and not stands_for_other:
                self.tables.append(_named(table))
                self._note(_alias(table) or name, _named(table))
            elif not stands_for_other:
                self._others.add(_alias(table))
        for key in self._others:
            self._known[key] = None

    def _note(self, key: str, table: Name) -> None:
        # Two that are called the same, in two schemas: which one is meant cannot be told.
        self._known[key] = table if self._known.get(key, table) == table else None

    def columns(self, *, quotes_tell: bool) -> Iterator[tuple[Name, str]]:
        """The columns whose table is certain."""
        for insert in self._root.find_all(exp.Insert):
            if isinstance(insert.this, exp.Schema) and isinstance(insert.this.this, exp.Table):
                for name in insert.this.expressions:
                    yield _named(insert.this.this), name_of(name)
        written = self._written()
        only = self._only()
        results = {_alias(alias) for alias in self._root.find_all(exp.Alias)}
        for column in self._root.find_all(exp.Column, bfs=False):
            name = name_of(column.this)
            qualifier = column.args.get("table")
            table: Name | None = None
            if qualifier is not None:
                table = self._qualified(column, name_of(qualifier))
            elif id(column) in written:
                table = written[id(column)]
            elif quotes_tell or not (name and column.this.args.get("quoted")):
                known = name in self._known or name in results
                table = None if known or not name or _is_no_column(column) else only
            if table is not None and name:
                yield table, name

    def _only(self) -> Name | None:
        """The one table that rows are read from; ``None`` where there is any other source."""
        inserted = {_named(one) for one in map(_target, self._root.find_all(exp.Insert)) if one}
        read = {*self.tables} - inserted
        return next(iter(read)) if len(read) == 1 and not self._others else None

    def _qualified(self, column: exp.Column, key: str) -> Name | None:
        schema, table = column.args.get("db"), self._known.get(key)
        right = table is None or schema is None or name_of(schema) == table.schema
        return table if right else None

    def _written(self) -> dict[int, Name | None]:
        """The columns that values are assigned to, by their identity, and their table."""
        written: dict[int, Name | None] = {}
        for change in self._root.find_all(exp.Update, exp.OnConflict):
            target = _target(change.find_ancestor(exp.Merge, exp.Insert) or change)
            if target is None or target.args.get("joins"):
                continue
            table = self._known.get(_alias(target) or name_of(target.this))
            for one in change.expressions:
                place = one.this if isinstance(one, exp.EQ) else None
                for column in place.expressions if isinstance(place, exp.Tuple) else [place]:
                    written[id(column)] = table
        return written


def _target(change: exp.Expr) -> exp.Table | None:
    """The table that a statement changes."""
    target = change.this.this if isinstance(change.this, exp.Schema) else change.this
    return target if isinstance(target, exp.Table) else None


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
