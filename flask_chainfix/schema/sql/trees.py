"""sqlglot's trees of CREATE, ALTER and DROP -> their effects on tables and their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from sqlglot import exp

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.effects import (
    Effects,
    alter,
    create,
    doubtful,
    drop,
    dropped_by_cascade,
    rename,
    use,
)
from flask_chainfix.schema.sql.parsing import Script, UnreadSql, word_set
from flask_chainfix.schema.sql.queries import (
    columns_named,
    name_of,
    read_rows,
    table_name,
)

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
_KINDS = {"INDEX": Kind.INDEX, "TABLE": Kind.TABLE, "TYPE": Kind.TYPE, "VIEW": Kind.TABLE}
_ARGUMENTS_OF_DROP = word_set(
    "cascade cluster concurrently constraints exists kind materialized purge restrict tables this"
)


def defined(root: exp.Expr, script: Script) -> Effects:
    """The effects of a CREATE, ALTER or DROP of a table, view, index or type.

    Raises:
        UnreadSql: the tree has an unknown shape.
    """
    read = _STATEMENTS.get(type(root).__name__)
    if read is None:
        raise UnreadSql
    anyway = not root.args.get("exists")
    for effect in read(root, script):
        # It is unknown whether a replaced object existed before.
        replaced = root.args.get("replace") and getattr(effect, "action", None) is Action.CREATE
        yield from (effect,) if anyway and not replaced else doubtful((effect,))


def _created(root: exp.Create, script: Script) -> Effects:
    _only(root, _ARGUMENTS_OF_CREATE)
    if isinstance(root.this, exp.Index):
        yield from _index(root.this)
    elif root.args["kind"] in ("TABLE", "VIEW"):
        yield from _table(root, script)
    elif root.args["kind"] == "TYPE":
        yield create(plain_table(root.this)._replace(kind=Kind.TYPE))
    else:
        raise UnreadSql


def _dropped(root: exp.Drop, script: Script) -> Effects:
    _only(root, _ARGUMENTS_OF_DROP)
    word, where = root.args["kind"], root.args.get("cluster")
    kind = _KINDS[word]
    if kind is Kind.INDEX and script.dialect == "tsql":
        raise UnreadSql  # DROP INDEX table.name, or name ON table, name ON table
    for node in root.args.get("tables") or [root.this]:
        thing = plain_table(node)._replace(kind=kind)
        if where is not None:
            table = plain_table(where.this)
            yield use(table)
            thing = table.part(kind, thing.name)
        yield drop(thing)
    if root.args.get("cascade"):
        of_type = (Kind.COLUMN, Kind.INDEX) if kind is Kind.TYPE else ()
        yield dropped_by_cascade(word.lower(), *of_type, Kind.CONSTRAINT)


def _table(root: exp.Create, script: Script) -> Effects:
    """A table or view; the objects that it needs come first."""
    listed = root.this if isinstance(root.this, exp.Schema) else None
    table = plain_table(listed.this if listed is not None else root.this)
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
    table = plain_table(index.args.get("table"))
    name = index.this
    yield use(table)
    params = index.args.get("params")
    if params is not None and isinstance(params.args.get("on"), exp.Anonymous):
        raise UnreadSql  # sqlglot takes SQLite's schema.name for a name and its table
    for column in columns_named([params] if params is not None else index.args.values()):
        yield use(table.part(Kind.COLUMN, column))
    if isinstance(name, exp.Table):
        name = name.this
    if name is not None:
        yield create(table.part(Kind.INDEX, _text(name)))


def _altered(root: Any, script: Script) -> Effects:
    _only(root, {"actions", "check", "exists", "kind", "not_valid", "only", "this"})
    word, actions = root.args.get("kind") or "TABLE", root.args["actions"]
    thing = plain_table(root.this)._replace(kind=_KINDS[word])
    renames = _ACTIONS.get(type(actions[0]).__name__) is _renamed
    if word != "TABLE" and not renames:
        raise UnreadSql
    if not renames:
        yield use(thing)
    for action in actions:
        read = _ACTIONS.get(type(action).__name__)
        if read is None:
            raise UnreadSql
        yield from read(action, thing, script)


_STATEMENTS: dict[str, Callable[[Any, Script], Effects]] = {
    "Alter": _altered,
    "AlterTable": _altered,
    "Create": _created,
    "Drop": _dropped,
}


def _added_column(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    effects = _column(action, table, script)
    certain = not action.args.get("exists")
    return (effect._replace(certain=certain and effect.certain) for effect in effects)


def _added_constraints(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    for part in action.expressions:
        yield from _constraint(part, table, script, alone=True)


def _renamed(action: Any, thing: SchemaObject, script: Script) -> Iterator[Effect]:
    new = plain_table(action.this)
    return rename(thing, thing._replace(name=new.name, schema=new.schema or thing.schema))


def _renamed_column(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    _only(action, {"this", "to"})
    old, new = _text(action.this), _text(action.args.get("to"))
    return rename(table.part(Kind.COLUMN, old), table.part(Kind.COLUMN, new))


def _altered_column(action: Any, table: SchemaObject, script: Script) -> Iterator[Effect]:
    _only(action, {"allow_null", "comment", "default", "drop", "dtype", "this", "using"})
    yield alter(table.part(Kind.COLUMN, _text(action.this)))
    using = action.args.get("using")
    yield from (use(table.part(Kind.COLUMN, name)) for name in columns_named([using]))


def _dropped_part(action: Any, table: SchemaObject, script: Script) -> Effects:
    _only(action, {"cascade", "constraints", "exists", "kind", "restrict", "tables", "this"})
    kind = _PARTS.get(str(action.args.get("kind")))
    targets = action.args.get("tables") or [action.this]
    if kind is None or len(targets) != 1:
        raise UnreadSql
    certain = not action.args.get("exists")
    yield drop(table.part(kind, _text(targets[0])), certain=certain)
    if action.args.get("cascade"):
        yield dropped_by_cascade("part of a table", Kind.CONSTRAINT)


_ACTIONS: dict[str, Callable[[Any, SchemaObject, Script], Effects]] = {
    "AddConstraint": _added_constraints,
    "AlterColumn": _altered_column,
    "AlterRename": _renamed,
    "ColumnDef": _added_column,
    "Drop": _dropped_part,
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
            made.append(create(table.part(Kind.CONSTRAINT, _text(constraint.this))))
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
        yield create(table.part(Kind.CONSTRAINT, name))
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
    table = plain_table(target.this if isinstance(target, exp.Schema) else target)
    yield use(table, certain=certain)
    for name in columns_named(columns):
        yield use(table.part(Kind.COLUMN, name), certain=certain)


def plain_table(node: object) -> SchemaObject:
    """The name of a table.

    Raises:
        UnreadSql: the node is none, or has more than a name.
    """
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise UnreadSql
    _only(node, {"catalog", "db", "only", "this"})
    table = table_name(node)
    if not (node.this.args.get("quoted") or table.name[:1].isalpha() or table.name[:1] == "_"):
        raise UnreadSql  # a sign that is none of the dialect's
    return table


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
