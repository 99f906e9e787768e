"""sqlglot's trees of tables that are made and altered -> what that does to the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.rows import columns_named, name_of, read_rows, types_used
from flask_chainfix.schema.sql.words import (
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

_PARTS = {
    "CHECK": Kind.CONSTRAINT,
    "COLUMN": Kind.COLUMN,
    "CONSTRAINT": Kind.CONSTRAINT,
    "FOREIGN KEY": Kind.CONSTRAINT,
    "INDEX": Kind.INDEX,
}
# What versions of sqlglot take for the name of a column where a key or a constraint is defined.
_NO_COLUMNS = word_set(
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
    if name in _NO_COLUMNS and not quoted and not plain:
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
