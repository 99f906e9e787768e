"""sqlglot's trees of statements -> what those do to tables and columns.

A column is only told where a statement has a single table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque
from flask_chainfix.schema.sql.parsing import (
    Deeds,
    Name,
    Script,
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
# What takes rows from something that is no table, or from more than one.
_OTHER_SOURCES = (exp.CTE, exp.Insert, exp.Join, exp.Lateral, exp.Merge, exp.Subquery, exp.Values)


def read_rows(root: exp.Expr, script: Script) -> Deeds:
    """What a query or a change of rows does.

    Raises:
        Unread: it is neither.
    """
    if not isinstance(root, _ROOTS):
        raise Unread
    nodes = [table for table in root.find_all(exp.Table, bfs=False) if _is_source(table)]
    aliases = {_alias(node) for node in [*root.find_all(exp.CTE), *nodes]}
    tables = [
        _table_name(table)
        for table in nodes
        # It may be an alias: UPDATE x SET … FROM t AS x.
        if name_of(table.this) and (table.args.get("db") or name_of(table.this) not in aliases)
    ]
    yield from (use(table.table()) for table in tables)
    for insert in root.find_all(exp.Insert):
        if isinstance(insert.this, exp.Schema) and isinstance(insert.this.this, exp.Table):
            for name in insert.this.expressions:
                yield use(_table_name(insert.this.this).column(name_of(name)))
    alone = len(nodes) == len(tables) == 1 and not root.find(*_OTHER_SOURCES)
    yield from _columns(root, tables[0] if alone else None, aliases, script)
    if script.dialect in ("", "postgres"):
        yield from types_used(root)
    yield from _functions_run(root)
    for into in root.find_all(exp.Into):
        if not isinstance(into.this, exp.Table):
            raise Unread
        yield create(_table_name(into.this).table())


def _columns(root: exp.Expr, table: Name | None, names: set[str], script: Script) -> Deeds:
    """The columns of a statement's only table; those of several tables nobody tells apart."""
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
            yield use(table.column(name))


def _is_source(table: exp.Table) -> bool:
    """Whether a table is named as such: not behind INTO or FOR UPDATE OF, or in DELETE x FROM."""
    delete = table.parent if isinstance(table.parent, exp.Delete) else None
    deleted = (
        delete is not None and table.arg_key == "tables" and isinstance(delete.this, exp.Table)
    )
    return not deleted and not isinstance(table.parent, (exp.Into, exp.Lock))


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


def _table_name(table: exp.Table) -> Name:
    return Name(name_of(table.args.get("db")), name_of(table.this))


def _alias(node: exp.Expr) -> str:
    alias = node.args.get("alias")
    return name_of(alias.this if isinstance(alias, exp.TableAlias) else alias)


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


def created(root: exp.Expr, script: Script) -> Deeds:
    """What a CREATE TABLE, CREATE VIEW or CREATE INDEX does.

    Raises:
        Unread: the tree is none of those that are known.
    """
    if not isinstance(root, exp.Create):
        raise Unread
    _only(root, _ARGUMENTS_OF_CREATE)
    index = root.this if isinstance(root.this, exp.Index) else None
    deeds: Deeds = _index(index) if index is not None else _table(root, script)
    anyway = not root.args.get("exists")
    for deed in deeds:
        # What is replaced was there before: whether it was, is not known.
        replaced = root.args.get("replace") and getattr(deed, "action", None) is Action.CREATE
        yield from (deed,) if anyway and not replaced else doubtful((deed,))


def _table(root: exp.Create, script: Script) -> Deeds:
    """A table or view: what others must have made comes first."""
    listed = root.this if isinstance(root.this, exp.Schema) else None
    table = _named(listed.this if listed is not None else root.this)
    properties = root.args.get("properties")
    query = root.args.get("expression")
    view = root.args.get("kind") == "VIEW"
    if properties is not None and properties.find(exp.Table):
        raise Unread  # a part of another table
    if query is None and (view or listed is None):
        raise Unread
    if query is not None and not isinstance(query, exp.Query):
        raise Unread
    parts: list[Effect] = []
    for part in listed.expressions if listed is not None and not view else ():
        parts += _element(part, table, script)
    rows = list(read_rows(query, script)) if query is not None else []
    if view and script.dialect == "sqlite":  # which does not look for what a view is made of
        rows = list(doubtful(rows))
    for deed in [*parts, *rows]:
        if isinstance(deed, Effect) and deed.action is Action.USE and not _is_own(deed, table):
            yield deed
    yield create(table.table())
    made = [part for part in parts if part.action is Action.CREATE]
    yield from sorted(made, key=lambda part: part.object.kind is not Kind.COLUMN)
    if query is not None and (view or listed is None or script.dialect == "mysql"):
        detail = f"columns of {table.name} that come from a query"
        yield Opaque(detail, 0, frozenset({Action.CREATE}), table.table())
    yield from (deed for deed in rows if isinstance(deed, Opaque))


def _is_own(use_: Effect, table: Name) -> bool:
    """Whether a table that is being made needs something of itself."""
    thing = use_.object
    if thing.kind is Kind.TYPE or (thing.table or thing.name) != table.name:
        return False
    return thing.schema == table.schema or not (thing.schema and table.schema)


def _index(index: exp.Index) -> Iterator[Effect]:
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


def altered(root: exp.Expr, table: Name, script: Script) -> Iterator[Effect]:
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
        yield from read(action, table, script)


def _added_column(action: Any, table: Name, script: Script) -> Iterator[Effect]:
    deeds = _column(action, table, script)
    certain = not action.args.get("exists")
    return (deed._replace(certain=certain and deed.certain) for deed in deeds)


def _added_constraints(action: Any, table: Name, script: Script) -> Iterator[Effect]:
    for part in action.expressions:
        yield from _constraint(part, table, script, alone=True)


def _renamed(action: Any, table: Name, script: Script) -> Iterator[Effect]:
    new = _named(action.this)
    return rename(table.table(), new._replace(schema=new.schema or table.schema).table())


def _renamed_column(action: Any, table: Name, script: Script) -> Iterator[Effect]:
    _only(action, {"this", "to"})
    old, new = _text(action.this), _text(action.args.get("to"))
    return rename(table.column(old), table.column(new))


def _altered_column(action: Any, table: Name, script: Script) -> Iterator[Effect]:
    _only(action, {"allow_null", "comment", "default", "drop", "dtype", "this", "using"})
    yield use(table.column(_text(action.this)))
    yield from types_used(action)
    using = action.args.get("using")
    yield from (use(table.column(name)) for name in columns_named([using]))


def _dropped(action: Any, table: Name, script: Script) -> Iterator[Effect]:
    _only(action, {"cascade", "constraints", "exists", "kind", "restrict", "tables", "this"})
    kind = _PARTS.get(str(action.args.get("kind")))
    targets = action.args.get("tables") or [action.this]
    if kind is None or len(targets) != 1:
        raise Unread
    certain = not action.args.get("exists")
    yield drop(table.part(kind, _text(targets[0])), certain=certain)


_ACTIONS: dict[str, Callable[[Any, Name, Script], Iterator[Effect]]] = {
    "AddConstraint": _added_constraints,
    "AlterColumn": _altered_column,
    "AlterRename": _renamed,
    "ColumnDef": _added_column,
    "Drop": _dropped,
    "RenameColumn": _renamed_column,
    "RenameTable": _renamed,
}


def _element(part: exp.Expr, table: Name, script: Script) -> Iterator[Effect]:
    """What one column or constraint in a table's definition creates and uses."""
    if isinstance(part, exp.Identifier):
        yield create(table.column(name_of(part)))
    elif isinstance(part, exp.ColumnDef):
        yield from _column(part, table, script)
    else:
        yield from _constraint(part, table, script)


def _column(node: exp.ColumnDef, table: Name, script: Script) -> Iterator[Effect]:
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
            yield from _reference(kind, script)
        if constraint.args.get("this") is not None:
            made.append(create(table.part(Kind.CONSTRAINT, _text(constraint.this))))
    yield create(table.column(name))
    yield from made


def _constraint(
    node: exp.Expr, table: Name, script: Script, *, alone: bool = False, name: str = ""
) -> Iterator[Effect]:
    """What a constraint or key of a table creates and uses.

    ``alone`` where it is added to a table that is there, and needs its columns.
    """
    if isinstance(node, exp.Constraint):
        (inner,) = node.expressions
        yield from _constraint(inner, table, script, alone=alone, name=_text(node.this))
        return
    own, columns, kind = _own_name(node)
    if isinstance(node, exp.ForeignKey):
        yield from _reference(node.args["reference"], script)
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


def _reference(node: exp.Reference, script: Script) -> Iterator[Effect]:
    """The table and the columns behind REFERENCES, which SQLite does not look for."""
    certain = script.dialect != "sqlite"
    target = node.this
    columns = target.expressions if isinstance(target, exp.Schema) else ()
    table = _named(target.this if isinstance(target, exp.Schema) else target)
    yield use(table.table(), certain=certain)
    for name in columns_named(columns):
        yield use(table.column(name), certain=certain)


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
