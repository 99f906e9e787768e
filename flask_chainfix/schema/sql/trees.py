"""sqlglot's trees of statements -> what those do to tables and columns.

A column is only told where a statement has a single table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.parsing import (
    TEMPORARY,
    Deeds,
    Name,
    Unread,
    create,
    doubtful,
    drop,
    rename,
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
                yield use(_table_name(insert.this.this).column(name_of(name)))
    yield from _columns(root, sources, quotes_tell=quotes_tell)
    if dialect in ("", "postgres"):
        yield from types_used(root)
    yield from _functions_run(root)
    for into in root.find_all(exp.Into):
        if not isinstance(into.this, exp.Table):
            raise Unread
        made = _table_name(into.this)
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
                self.tables.append(_table_name(table))
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


def _table_name(table: exp.Table) -> Name:
    return Name(name_of(table.args.get("db")), name_of(table.this))


def _alias(node: exp.Expr) -> str:
    alias = node.args.get("alias")
    return name_of(alias.this if isinstance(alias, exp.TableAlias) else alias)


_PARTS = {
    "CHECK": Kind.CONSTRAINT,
    "COLUMN": Kind.COLUMN,
    "CONSTRAINT": Kind.CONSTRAINT,
    "FOREIGN KEY": Kind.CONSTRAINT,
    "INDEX": Kind.INDEX,
}
# What versions of sqlglot take for the name of a column where a key or a constraint is defined.
_BEGIN_KEYS = word_set(
    """
    check constraint exclude foreign fulltext index key like partition period primary spatial
    unique
    """
)
_ARGUMENTS_OF_CREATE = frozenset(
    {"concurrently", "exists", "expression", "kind", "properties", "replace", "this", "unique"}
)


def created(root: exp.Expr, dialect: str, *, quotes_tell: bool) -> Deeds:
    """What a CREATE TABLE, CREATE VIEW or CREATE INDEX does.

    Raises:
        Unread: the tree is none of those that are known.
    """
    if not isinstance(root, exp.Create):
        raise Unread
    _only(root, _ARGUMENTS_OF_CREATE)
    anyway = not root.args.get("exists")
    replaces = bool(root.args.get("replace"))
    if isinstance(root.this, exp.Index):
        deeds = _index(root.this)
    else:
        deeds = _in_order(_table(root, dialect, quotes_tell=quotes_tell))
    for deed in deeds:
        # What is replaced was there before: whether it was, is not known.
        replaced = replaces and isinstance(deed, Effect) and deed.action is Action.CREATE
        yield from (deed,) if anyway and not replaced else doubtful((deed,))


def _table(root: exp.Create, dialect: str, *, quotes_tell: bool) -> Deeds:
    listed = root.this if isinstance(root.this, exp.Schema) else None
    table = _named(listed.this if listed is not None else root.this)
    properties = root.args.get("properties")
    if properties is not None and properties.find(exp.Table):
        raise Unread  # a part of another table
    if properties is not None and properties.find(exp.TemporaryProperty) and dialect != "oracle":
        table = table._replace(schema=TEMPORARY)
    query = root.args.get("expression")
    if root.args.get("kind") == "VIEW":
        yield create(table.table())
        yield _more_columns(table)
        used = _rows_of(query, dialect, quotes_tell=quotes_tell)
        # SQLite does not look for what a view is made of.
        yield from doubtful(used) if dialect == "sqlite" else used
        return
    yield create(table.table())
    if listed is None and query is None:
        raise Unread
    for part in listed.expressions if listed is not None else ():
        yield from _element(part, table, dialect)
    if query is not None:
        yield from _rows_of(query, dialect, quotes_tell=quotes_tell)
        if listed is None or dialect == "mysql":
            yield _more_columns(table)


def _rows_of(query: object, dialect: str, *, quotes_tell: bool) -> Deeds:
    if not isinstance(query, exp.Query):
        raise Unread
    return read_rows(query, dialect, quotes_tell=quotes_tell)


def _index(index: exp.Index) -> Deeds:
    table = _named(index.args.get("table"))
    name = index.this
    yield use(table.table())
    params = index.args.get("params")
    for column in columns_named([params] if params is not None else index.args.values()):
        yield use(table.column(column))
    if isinstance(name, exp.Table):
        name = name.this
    if name is not None:
        yield create(table.part(Kind.INDEX, _text(name)))


def altered(root: exp.Expr, table: Name, dialect: str) -> Deeds:
    """What the actions of an ALTER TABLE do.

    Raises:
        Unread: the tree, or one of the actions, is none of those that are known.
    """
    if type(root).__name__ not in ("Alter", "AlterTable"):
        raise Unread
    if root.args.get("kind") not in (None, "TABLE") or not root.args.get("actions"):
        raise Unread
    _only(root, {"actions", "check", "exists", "kind", "not_valid", "only", "this"})
    for action in root.args["actions"]:
        read = _ACTIONS.get(type(action).__name__)
        if read is None:
            raise Unread
        yield from read(action, table, dialect)


def _added_column(action: Any, table: Name, dialect: str) -> Deeds:
    deeds = _column(action, table, dialect)
    return doubtful(deeds) if action.args.get("exists") else deeds


def _added_constraints(action: Any, table: Name, dialect: str) -> Deeds:
    for part in action.expressions:
        yield from _constraint(part, table, dialect, alone=True)


def _renamed(action: Any, table: Name, dialect: str) -> Deeds:
    new = _named(action.this)
    return rename(table.table(), new._replace(schema=new.schema or table.schema).table())


def _renamed_column(action: Any, table: Name, dialect: str) -> Deeds:
    _only(action, {"this", "to"})
    old, new = _text(action.this), _text(action.args.get("to"))
    return rename(table.column(old), table.column(new))


def _altered_column(action: Any, table: Name, dialect: str) -> Deeds:
    _only(action, {"allow_null", "comment", "default", "drop", "dtype", "this", "using"})
    yield use(table.column(_text(action.this)))
    yield from types_used(action)
    using = action.args.get("using")
    yield from (use(table.column(name)) for name in columns_named([using]))


def _dropped(action: Any, table: Name, dialect: str) -> Deeds:
    _only(action, {"cascade", "constraints", "exists", "kind", "restrict", "tables", "this"})
    kind = _PARTS.get(str(action.args.get("kind")))
    targets = action.args.get("tables") or [action.this]
    if kind is None or len(targets) != 1:
        raise Unread
    certain = not action.args.get("exists")
    yield drop(table.part(kind, _text(targets[0])), certain=certain)


_ACTIONS: dict[str, Callable[[Any, Name, str], Deeds]] = {
    "AddConstraint": _added_constraints,
    "AlterColumn": _altered_column,
    "AlterRename": _renamed,
    "ColumnDef": _added_column,
    "Drop": _dropped,
    "RenameColumn": _renamed_column,
    "RenameTable": _renamed,
}


def _element(part: exp.Expr, table: Name, dialect: str) -> Deeds:
    """What one column or constraint in a table's definition creates and uses."""
    if isinstance(part, exp.Identifier):
        yield create(table.column(name_of(part)))
    elif isinstance(part, exp.ColumnDef):
        yield from _column(part, table, dialect)
    else:
        yield from _constraint(part, table, dialect)


def _column(node: exp.ColumnDef, table: Name, dialect: str) -> Deeds:
    """What the definition of a column creates and uses."""
    name = _text(node.this)
    quoted = isinstance(node.this, exp.Identifier) and node.this.args.get("quoted")
    plain = (
        isinstance(node.kind, exp.DataType) and not next(types_used(node.kind), None) is not None
    )
    if name in _BEGIN_KEYS and not quoted and not plain:
        raise Unread
    _only(node, {"constraints", "exists", "kind", "this"})
    yield from types_used(node)
    made: list[Effect] = []
    for constraint in node.args.get("constraints") or ():
        kind = constraint.args.get("kind")
        if isinstance(kind, exp.Reference):
            yield from _reference(kind, dialect)
        if constraint.args.get("this") is not None:
            made.append(create(table.part(Kind.CONSTRAINT, _text(constraint.this))))
    yield create(table.column(name))
    yield from made


def _constraint(
    node: exp.Expr, table: Name, dialect: str, *, alone: bool = False, name: str = ""
) -> Deeds:
    """What a constraint or key of a table creates and uses.

    Args:
        node: the constraint.
        table: the table.
        dialect: sqlglot's name of the dialect.
        alone: whether it is added to a table that is there, and its columns with it.
        name: what it is called, where that has been read already.
    """
    if isinstance(node, exp.Constraint):
        (inner,) = node.expressions
        yield from _constraint(inner, table, dialect, alone=alone, name=_text(node.this))
        return
    own, columns, kind = _own_name(node)
    if isinstance(node, exp.ForeignKey):
        yield from _reference(node.args["reference"], dialect)
    if alone:
        yield from (use(table.column(column)) for column in columns_named(columns))
    if name:
        yield create(table.part(Kind.CONSTRAINT, name))
    elif own is not None:
        yield create(table.part(kind, _text(own)))


def _own_name(node: exp.Expr) -> tuple[object, Iterable[object], Kind]:
    """The name that a key gives itself, its columns, and what it is."""
    if isinstance(node, exp.UniqueColumnConstraint) and isinstance(node.this, exp.Schema):
        return node.this.this, node.this.expressions, Kind.INDEX
    if isinstance(node, exp.IndexColumnConstraint):
        return node.this, node.expressions, Kind.INDEX
    if isinstance(node, (exp.ForeignKey, exp.PrimaryKey)):
        return None, node.expressions, Kind.CONSTRAINT
    if isinstance(node, exp.CheckColumnConstraint):
        return None, (node,), Kind.CONSTRAINT
    raise Unread


def _reference(node: exp.Reference, dialect: str) -> Deeds:
    """The table and the columns behind REFERENCES, which SQLite does not look for."""
    certain = dialect != "sqlite"
    target = node.this
    columns = target.expressions if isinstance(target, exp.Schema) else ()
    table = _named(target.this if isinstance(target, exp.Schema) else target)
    yield use(table.table(), certain=certain)
    for name in columns_named(columns):
        yield use(table.column(name), certain=certain)


def _more_columns(table: Name) -> Opaque:
    """The columns that a table has from a query."""
    return Opaque(
        f"columns of {table.name} that come from a query",
        0,
        frozenset({Action.CREATE}),
        table.table(),
    )


def _in_order(deeds: Deeds) -> Iterator[Effect | Opaque]:
    """What others must have made comes first; what a table needs of itself is left out."""
    every = list(deeds)
    table: SchemaObject = next(
        deed.object for deed in every if isinstance(deed, Effect) and deed.action is Action.CREATE
    )
    for deed in every:
        if isinstance(deed, Effect) and deed.action is Action.USE:
            thing = deed.object
            same = (thing.table or thing.name) == table.name and thing.kind is not Kind.TYPE
            if not (same and (thing.schema == table.schema or not (thing.schema and table.schema))):
                yield deed
    rank = {Kind.TABLE: 0, Kind.COLUMN: 1}
    rest = [deed for deed in every if not (isinstance(deed, Effect) and deed.action is Action.USE)]
    yield from sorted(
        rest, key=lambda deed: rank.get(deed.object.kind, 2) if isinstance(deed, Effect) else 3
    )


def _named(node: object) -> Name:
    """The name of a table.

    Raises:
        Unread: it is none, or says more than a name.
    """
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise Unread
    _only(node, {"catalog", "db", "only", "this"})
    return Name(name_of(node.args.get("db")), name_of(node.this))


def _text(node: object) -> str:
    """The name that a node spells, which may be wrapped as a column or a table.

    Raises:
        Unread: it spells none.
    """
    if isinstance(node, (exp.Column, exp.Table)):
        _only(node, {"this"})
        node = node.this
    name = name_of(node)
    if not name:
        raise Unread
    return name


def _only(node: exp.Expr, known: Iterable[str]) -> None:
    """Insist that a node says nothing but what is read of it.

    Raises:
        Unread: it says more.
    """
    if any(value and name not in known for name, value in node.args.items()):
        raise Unread
