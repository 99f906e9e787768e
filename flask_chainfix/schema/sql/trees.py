"""sqlglot's trees of CREATE and ALTER statements -> their effects on tables and their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.effects import Effects, alter, create, doubtful, drop, rename, use
from flask_chainfix.schema.sql.parsing import Script, UnreadSql, word_set
from flask_chainfix.schema.sql.queries import columns_named, name_of, read_rows, table_name

_PARTS = {
    "CHECK": Kind.CONSTRAINT,
    "COLUMN": Kind.COLUMN,
    "CONSTRAINT": Kind.CONSTRAINT,
    "FOREIGN KEY": Kind.CONSTRAINT,
    "INDEX": Kind.INDEX,
}
# Words of keys and constraints that versions of sqlglot parse as the name of a column.
_BEGIN_KEYS = word_set(
    """
    check constraint exclude foreign fulltext index key like partition period primary spatial
    unique
    """
)
_OF_USERS = exp.DataType.Type.USERDEFINED
_ARGUMENTS_OF_CREATE = frozenset(
    {"concurrently", "exists", "expression", "kind", "properties", "replace", "this", "unique"}
)


def created(root: exp.Expr, script: Script) -> Effects:
    """The effects of a CREATE TABLE, CREATE VIEW or CREATE INDEX.

    Raises:
        UnreadSql: the tree has an unknown shape.
    """
    if not isinstance(root, exp.Create):
        raise UnreadSql
    _only(root, _ARGUMENTS_OF_CREATE)
    index = root.this if isinstance(root.this, exp.Index) else None
    effects: Effects = _index(index) if index is not None else _table(root, script)
    anyway = not root.args.get("exists")
    for effect in effects:
        # It is unknown whether the replaced object existed before.
        replaced = root.args.get("replace") and getattr(effect, "action", None) is Action.CREATE
        yield from (effect,) if anyway and not replaced else doubtful((effect,))


def _table(root: exp.Create, script: Script) -> Effects:
    """A table or view; the objects that it needs come first."""
    listed = root.this if isinstance(root.this, exp.Schema) else None
    table = _named(listed.this if listed is not None else root.this)
    properties = root.args.get("properties")
    query = root.args.get("expression")
    view = root.args.get("kind") == "VIEW"
    if properties is not None and properties.find(exp.Table):
        raise UnreadSql  # a part of another table
    if query is None and (view or listed is None):
        raise UnreadSql
    if query is not None and not isinstance(query, exp.Query):
        raise UnreadSql
    parts: list[Effect] = []
    for part in listed.expressions if listed is not None and not view else ():
        parts += _element(part, table, script)
    rows = list(read_rows(query, script)) if query is not None else []
    if view and script.dialect == "sqlite":  # it does not check the sources of a view
        rows = list(doubtful(rows))
    for effect in [*parts, *rows]:
        if (
            isinstance(effect, Effect)
            and effect.action is Action.USE
            and not _is_own(effect, table)
        ):
            yield effect
    yield create(table)._replace(is_view=view)
    made = [part for part in parts if part.action is Action.CREATE]
    yield from sorted(made, key=lambda part: part.object.kind is not Kind.COLUMN)
    if query is not None and (view or listed is None or script.dialect == "mysql"):
        detail = f"columns of {table.name} that come from a query"
        yield Opaque(detail, 0, frozenset({Action.CREATE}), table)
    doubts = [effect for effect in rows if isinstance(effect, Opaque)]
    # A view calls none of its functions.
    yield from (each for each in doubts if not view or each.actions == frozenset({Action.USE}))


def _is_own(use_: Effect, table: SchemaObject) -> bool:
    """Whether a new table uses something of itself."""
    thing = use_.object
    if thing.kind is Kind.TYPE or (thing.table or thing.name) != table.name:
        return False
    return thing.schema == table.schema or not (thing.schema and table.schema)


def _index(index: exp.Index) -> Iterator[Effect]:
    table = _named(index.args.get("table"))
    name = index.this
    yield use(table)
    params = index.args.get("params")
    for column in columns_named([params] if params is not None else index.args.values()):
        yield use(table.part(Kind.COLUMN, column))
    if isinstance(name, exp.Table):
        name = name.this
    if name is not None:
        yield create(table.part(Kind.INDEX, _text(name)))


def altered(root: exp.Expr, table: SchemaObject, script: Script) -> Iterator[Effect]:
    """The effects of an ALTER TABLE's actions.

    Raises:
        UnreadSql: the tree or an action has an unknown shape.
    """
    if type(root).__name__ not in ("Alter", "AlterTable"):
        raise UnreadSql
    if root.args.get("kind") not in (None, "TABLE") or not root.args.get("actions"):
        raise UnreadSql
    _only(root, {"actions", "check", "exists", "kind", "not_valid", "only", "this"})
    for action in root.args["actions"]:
        read = _ACTIONS.get(type(action).__name__)
        if read is None:
            raise UnreadSql
        yield from read(action, table, script)


def _added_column(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    effects = _column(action, table, script)
    certain = not action.args.get("exists")
    return (effect._replace(certain=certain and effect.certain) for effect in effects)


def _added_constraints(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    for part in action.expressions:
        yield from _constraint(part, table, script, alone=True)


def _renamed(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    new = _named(action.this)
    return rename(table, new._replace(schema=new.schema or table.schema))


def _renamed_column(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    _only(action, {"this", "to"})
    old, new = _text(action.this), _text(action.args.get("to"))
    return rename(table.part(Kind.COLUMN, old), table.part(Kind.COLUMN, new))


def _altered_column(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    _only(action, {"allow_null", "comment", "default", "drop", "dtype", "this", "using"})
    yield alter(table.part(Kind.COLUMN, _text(action.this)))
    using = action.args.get("using")
    yield from (use(table.part(Kind.COLUMN, name)) for name in columns_named([using]))


def _dropped(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    _only(action, {"cascade", "constraints", "exists", "kind", "restrict", "tables", "this"})
    kind = _PARTS.get(str(action.args.get("kind")))
    targets = action.args.get("tables") or [action.this]
    if kind is None or len(targets) != 1:
        raise UnreadSql
    certain = not action.args.get("exists")
    yield drop(table.part(kind, _text(targets[0])), certain=certain)


_ACTIONS: dict[str, Callable[[Any, SchemaObject, Script], Iterator[Effect]]] = {
    "AddConstraint": _added_constraints,
    "AlterColumn": _altered_column,
    "AlterRename": _renamed,
    "ColumnDef": _added_column,
    "Drop": _dropped,
    "RenameColumn": _renamed_column,
    "RenameTable": _renamed,
}


def _element(part: exp.Expr, table: SchemaObject, script: Script) -> Iterator[Effect]:
    """What one column or constraint in a table's definition creates and uses."""
    if isinstance(part, exp.Identifier):
        yield create(table.part(Kind.COLUMN, name_of(part)))
    elif isinstance(part, exp.ColumnDef):
        yield from _column(part, table, script)
    else:
        yield from _constraint(part, table, script)


def _column(node: exp.ColumnDef, table: SchemaObject, script: Script) -> Iterator[Effect]:
    """What the definition of a column creates and uses."""
    name = _text(node.this)
    quoted = isinstance(node.this, exp.Identifier) and node.this.args.get("quoted")
    built_in = isinstance(node.kind, exp.DataType) and node.kind.this != _OF_USERS
    if name in _BEGIN_KEYS and not quoted and not built_in:
        raise UnreadSql
    _only(node, {"constraints", "exists", "kind", "this"})
    made: list[Effect] = []
    for constraint in node.args.get("constraints") or ():
        kind = constraint.args.get("kind")
        if isinstance(kind, exp.Reference):
            yield from _reference(kind, script)
        if constraint.args.get("this") is not None:
            made_ = create(table.part(Kind.CONSTRAINT, _text(constraint.this)))
            made.append(made_._replace(by_hand=isinstance(kind, exp.PrimaryKeyColumnConstraint)))
    yield create(table.part(Kind.COLUMN, name))
    yield from made


def _constraint(
    node: exp.Expr, table: SchemaObject, script: Script, *, alone: bool = False
) -> Iterator[Effect]:
    """The objects that a constraint or key of a table creates and uses.

    ``alone`` if it is added to an existing table, and needs its columns.
    """
    name = ""
    if isinstance(node, exp.Constraint):
        name = _text(node.this)
        (node,) = node.expressions
    own, columns, kind = _own_name(node)
    if isinstance(node, exp.ForeignKey):
        yield from _reference(node.args["reference"], script)
    if alone:
        for column in map(partial(table.part, Kind.COLUMN), columns_named(columns)):
            is_key = isinstance(node, exp.PrimaryKey)
            yield alter(column, Kind.NULLABILITY) if is_key else use(column)
    if name:
        made = create(table.part(Kind.CONSTRAINT, name))
        yield made._replace(by_hand=isinstance(node, exp.PrimaryKey))
    elif own is not None:
        yield create(table.part(kind, _text(own)))


def _own_name(node: exp.Expr) -> tuple[object, Iterable[object], Kind]:
    """The name of a key, its columns, and its kind."""
    if isinstance(node, exp.UniqueColumnConstraint) and isinstance(node.this, exp.Schema):
        return node.this.this, node.this.expressions, Kind.INDEX
    if isinstance(node, exp.IndexColumnConstraint):
        return node.this, node.expressions, Kind.INDEX
    if isinstance(node, (exp.ForeignKey, exp.PrimaryKey)):
        return None, node.expressions, Kind.CONSTRAINT
    if isinstance(node, exp.CheckColumnConstraint):
        return None, (node,), Kind.CONSTRAINT
    raise UnreadSql


def _reference(node: exp.Reference, script: Script) -> Iterator[Effect]:
    """The table and the columns after REFERENCES, which SQLite does not check."""
    certain = script.dialect != "sqlite"
    target = node.this
    columns = target.expressions if isinstance(target, exp.Schema) else ()
    table = _named(target.this if isinstance(target, exp.Schema) else target)
    yield use(table, certain=certain)
    for name in columns_named(columns):
        yield use(table.part(Kind.COLUMN, name), certain=certain)


def _named(node: object) -> SchemaObject:
    """The name of a table.

    Raises:
        UnreadSql: the node is none, or has more than a name.
    """
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise UnreadSql
    _only(node, {"catalog", "db", "only", "this"})
    return table_name(node)


def _text(node: object) -> str:
    """The name that a node spells, which may be wrapped as a column or a table.

    Raises:
        UnreadSql: it spells none.
    """
    if isinstance(node, (exp.Column, exp.Table)):
        _only(node, {"this"})
        node = node.this
    name = name_of(node)
    if not name:
        raise UnreadSql
    return name


def _only(node: exp.Expr, known: Iterable[str]) -> None:
    """Refuse a node that has more parts than are read.

    Raises:
        UnreadSql: it has more.
    """
    if any(value and name not in known for name, value in node.args.items()):
        raise UnreadSql
