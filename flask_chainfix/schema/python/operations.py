"""Alembic's operations: the effects of each on the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import (
    BY_HAND,
    PROPERTIES,
    Action,
    ColumnProperties,
    Kind,
    SchemaObject,
)
from flask_chainfix.schema.python.definitions import data_type, default, hidden, nullability
from flask_chainfix.schema.python.interpreter import CREATE, DROP, OF_A_TABLE, USE, Operation, Run
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Clause,
    ColumnValue,
    ConstraintValue,
    FinalName,
    Handle,
    Operations,
    Partial,
    Text,
    TypeValue,
    elements,
    uses,
)

# Where a batch may copy its table: SQLite, or an unknown database.
_COPYING = (None, "sqlite")
_PARTS = frozenset({Kind.COLUMN, Kind.CONSTRAINT, Kind.INDEX, *PROPERTIES})
# Operations on a table as a whole, if its name is computed; others touch parts of it.
_COMPUTED: dict[str, tuple[tuple[Action, ...], frozenset[Kind]]] = {
    "create_table": ((CREATE, USE), frozenset(Kind)),
    "drop_table": ((DROP,), frozenset(Kind)),
}
_MYSQL = ("mariadb", "mysql")
# Databases in which altering one property of a column keeps the others.
_ALTER_ALONE = ("postgresql", "sqlite")
_DROP_INDEX_ON = frozenset({"mariadb", "mssql", "mysql"})
_NO_USE = frozenset({"batch_alter_table", "create_table", "drop_table"})
# What SQLite does in a batch without copying the table; it also adds some columns like this.
_WITHOUT_COPY = frozenset({"add_column", "create_index", "drop_index", "f"})
# What gives the copy of a table more parts, or names to those that had none.
_WITH_PARTS = frozenset({"copy_from", "naming_convention", "reflect_args", "table_args"})
_LONGEST_NAME = 60  # databases truncate longer names that SQLAlchemy generates

_Handler = Callable[[Operation], object]


@dataclass(frozen=True)
class KnownOperation:
    """An operation of Alembic's.

    Attributes:
        parameters: the names of its positional parameters; in a batch, without the table's.
        handle: the function that follows a call, and returns the call's value.
    """

    parameters: tuple[str, ...]
    handle: _Handler


KNOWN: dict[str, KnownOperation] = {}


def _operation(name: str, *parameters: str) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        KNOWN[name] = KnownOperation(parameters, handler)
        return handler

    return register


def perform(run: Run, owner: Operations, name: str, arguments: Arguments) -> object:
    """Follow one operation; one that is not Alembic's own may do anything."""
    known = KNOWN.get(name)
    if known is None:
        run.doubt(f"op.{name}(), which is not Alembic's own", arguments.line)
        return UNKNOWN
    parameters = known.parameters
    about_table = not set(OF_A_TABLE).isdisjoint(parameters)
    if owner.batch:
        parameters = tuple(each for each in parameters if each not in OF_A_TABLE)
    values = {**arguments.named, **dict(zip(parameters, arguments.positional, strict=False))}
    rest = arguments.positional[len(parameters) :]
    operation = Operation(run, name, values, rest, arguments.line, arguments.complete)
    operation.copies = owner.copies and run.dialect in _COPYING
    run.copied = run.copied or (operation.copies and name not in _WITHOUT_COPY)
    if about_table:
        operation.table = owner.table if owner.batch else _table_of(operation)
        if operation.table is not None and name not in _NO_USE:
            # Most databases drop an index by its name alone, whatever its table's current name.
            certain = name != "drop_index" or run.dialect in _DROP_INDEX_ON
            run.note(USE, operation.table, arguments.line, certain=certain)
    value = known.handle(operation)
    return UNKNOWN if value is None else value


def _table_of(operation: Operation) -> SchemaObject | None:
    values = operation.values
    name = next((values[name] for name in OF_A_TABLE if name in values), None)
    schema = values.get("source_schema", values.get("schema"))
    if isinstance(name, str) and (schema is None or isinstance(schema, str)):
        return operation.run.table(name, schema or "")
    if name is not None:
        actions, kinds = _COMPUTED.get(operation.name, ((), _PARTS))
        detail = f"{operation.name}: the name of the table is computed"
        operation.run.doubt(detail, operation.line, *actions, kinds=kinds)
    return None


@_operation("create_table", "table_name")
def _create_table(operation: Operation) -> object:
    table = operation.table
    if table is None:
        return None
    prefixes = elements(operation.values.get("prefixes", ()))
    if prefixes is None or any("TEMP" in str(prefix).upper() for prefix in prefixes):
        operation.run.names_move = True
        operation.doubt("a table that may be temporary, and hide another one of its name")
        return None
    columns = [value for value in operation.rest if isinstance(value, ColumnValue)]
    constraints = [value for value in operation.rest if isinstance(value, ConstraintValue)]
    known = len(columns) + len(constraints) == len(operation.rest) and operation.complete
    for column in columns:
        operation.refer(column, but=table)  # its own columns are created with it
    for constraint in constraints:
        operation.refer(constraint, but=table)
    operation.note(CREATE, table)
    keys = [name for constraint in constraints for name in constraint.primary]
    for column in columns:
        if column.name is not None:
            in_key = column.name in keys or not all(isinstance(name, str) for name in keys)
            thing = table.part(Kind.COLUMN, column.name)
            # The key also decides its nullability and default.
            operation.note(CREATE, thing, properties=column.properties[: 1 if in_key else None])
        _make_types(operation, column.types)
        _make_parts(operation, column, table)
    _make_constraints(operation, constraints, table)
    if not known or any(column.name is None for column in columns):
        operation.doubt("some columns are computed", CREATE, table=table)
    return Clause((table,), is_table=True)


def _make_constraints(
    operation: Operation, constraints: Iterable[ConstraintValue], table: SchemaObject
) -> None:
    for constraint in constraints:
        name, kind, sort = constraint.name, constraint.kind, constraint.sort
        if name is not None:
            operation.note(CREATE, table.part(kind, name), by_hand=sort in BY_HAND)
        if name is None or sort:
            given, final = name or "", isinstance(name, FinalName)
            operation.run.unnamed(table, kind, part=given, sort=sort, noted=given, final=final)


def _make_types(operation: Operation, types: tuple[TypeValue, ...]) -> None:
    for type_ in types:
        if type_.object is not None and type_.made_with_table:
            # In one upgrade Alembic creates it with the first table that uses it.
            has_types = operation.run.has_types
            operation.note(CREATE, type_.object, certain=has_types, tolerant=True)
        elif type_.object is not None:
            operation.note(USE, type_.object, certain=False)


def _make_parts(operation: Operation, column: ColumnValue, table: SchemaObject) -> None:
    """Note the constraints and the index that come with a column."""
    _make_constraints(operation, column.constraints, table)
    if column.indexed and column.name is not None:
        prefix = f"{table.schema.replace('.', '_')}_" if table.schema else ""
        name = f"ix_{prefix}{table.name}_{column.name}"
        noted = name if len(name) <= _LONGEST_NAME else ""
        if noted:
            operation.note(CREATE, table.part(Kind.INDEX, noted))
        operation.run.unnamed(table, Kind.INDEX, part=column.name, noted=noted)
    _hide(operation, column.hides, table, column.name or "")


def _hide(operation: Operation, kinds: Iterable[Kind], table: SchemaObject, column: str) -> None:
    """Note what a type may bring: a check, or an index that is named after the column."""
    for kind in kinds:
        part, sort = (column, "") if kind is Kind.INDEX else ("", "check")
        operation.run.unnamed(table, kind, part=part, sort=sort)


@_operation("drop_table", "table_name")
def _drop_table(operation: Operation) -> None:
    if operation.table is not None:
        operation.note(DROP, operation.table)


@_operation("rename_table", "old_table_name", "new_table_name")
def _rename_table(operation: Operation) -> None:
    old, new = operation.text("old_table_name"), operation.text("new_table_name")
    schema = operation.text("schema")
    if old and new:
        operation.rename(operation.run.table(old, schema), operation.run.table(new, schema))
    else:
        operation.doubt("the name of the table is computed")


@_operation("add_column", "table_name", "column")
def _add_column(operation: Operation) -> None:
    column, table = operation.values.get("column"), operation.table
    if not isinstance(column, ColumnValue) or column.name is None:
        operation.run.copied = True
        operation.doubt("the column is computed", CREATE, table=table)
    elif table is not None:
        operation.run.copied = operation.run.copied or (operation.copies and column.computed)
        operation.refer(column, but=None)
        for type_ in column.types:  # PostgreSQL creates no type for a single column
            if type_.object is not None:
                operation.note(USE, type_.object, certain=False)
        thing = table.part(Kind.COLUMN, column.name)
        operation.note(CREATE, thing, properties=column.properties)
        _make_parts(operation, column, table)


@_operation("alter_column", "table_name", "column_name")
def _alter_column(operation: Operation) -> None:
    name, table = operation.text("column_name"), operation.table
    new_name = operation.values.get("new_column_name", operation.values.get("name"))
    if not name or table is None:
        operation.doubt("the name of the column is computed", table=table)
    elif new_name is None or isinstance(new_name, str):
        column, renames = table.part(Kind.COLUMN, name), new_name not in (None, name)
        properties = _altered(operation, renames=renames)
        if renames and new_name:
            operation.rename(column, table.part(Kind.COLUMN, new_name), properties)
        else:
            new_default = operation.values.get("server_default")
            given = new_default.sql if isinstance(new_default, Text) else new_default
            default = given if isinstance(given, str) else None
            operation.note(USE, column, properties=properties, default=default)
        _hide(operation, hidden(operation.values.get("type_")), table, name)
    else:
        operation.doubt("the new name of the column is computed", table=table)


def _altered(operation: Operation, *, renames: bool) -> ColumnProperties:
    """The new properties of a column, without its name.

    MySQL redefines a column with exactly what the operation states.
    """
    values, dialect = operation.values, operation.run.dialect
    if not operation.complete:
        return tuple((kind, None) for kind in PROPERTIES)
    found: dict[Kind, str | None] = {}
    if values.get("type_") is not None:
        found[Kind.DATA_TYPE] = data_type(values["type_"])
    if values.get("nullable") is not None:
        found[Kind.NULLABILITY] = nullability(values["nullable"])
    new_default = values.get("server_default", False)
    anew = renames or bool(found) or "autoincrement" in values or "comment" in values
    anew = anew or not isinstance(new_default, (bool, str, type(None)))
    if new_default is not False:
        found[Kind.DEFAULT] = default(new_default)
    if anew and dialect not in _ALTER_ALONE:
        kept: dict[Kind, str | None] = dict.fromkeys(PROPERTIES)
        if dialect in _MYSQL and isinstance(new_default, (bool, str, type(None))):
            there = values.get("existing_nullable")
            old_default = values.get("existing_server_default") or None
            kept = {
                Kind.DATA_TYPE: data_type(values.get("existing_type")),
                Kind.NULLABILITY: nullability(True if there is None else there),
                Kind.DEFAULT: default(old_default),
            }
        found = {**kept, **found}
    return tuple(found.items())


@_operation("create_index", "index_name", "table_name", "columns")
def _create_index(operation: Operation) -> None:
    columns = operation.values.get("columns")
    operation.use_columns(columns, operation.table, certain=operation.certain)
    parts = elements(columns) or (None,)
    plain, first = all(isinstance(part, str) for part in parts), parts[0]
    # SQLite's copy of the table has no indexes on expressions.
    lost = not plain and operation.run.dialect in _COPYING
    with operation.run.perhaps() if lost else nullcontext():
        part = first if isinstance(first, str) else ""
        operation.act_on_part(CREATE, Kind.INDEX, "index_name", part=part)


@_operation("drop_column", "table_name", "column_name")
@_operation("drop_constraint", "constraint_name", "table_name", "type_")
@_operation("drop_index", "index_name", "table_name")
def _drop_part(operation: Operation) -> None:
    kind = Kind[operation.name.removeprefix("drop_").upper()]
    operation.act_on_part(DROP, kind, f"{kind.value}_name", operation.text("type_"))


@_operation("create_unique_constraint", "constraint_name", "table_name", "columns")
@_operation("create_primary_key", "constraint_name", "table_name", "columns")
@_operation("create_check_constraint", "constraint_name", "table_name", "condition")
@_operation("create_exclude_constraint", "constraint_name", "table_name")
def _create_constraint(operation: Operation) -> None:
    # A copy omits the constraints of missing columns.
    columns, table = operation.values.get("columns"), operation.table
    is_key = operation.name == "create_primary_key"  # none of its columns may be NULL
    properties = ((Kind.NULLABILITY, None),) if is_key else ()
    operation.use_columns(columns, table, certain=not operation.copies, properties=properties)
    if is_key and not all(isinstance(name, str) for name in elements(columns) or (None,)):
        detail, kinds = "the columns of a primary key are computed", frozenset({Kind.NULLABILITY})
        operation.run.doubt(detail, operation.line, table=table, kinds=kinds)
    operation.act_on_part(CREATE, Kind.CONSTRAINT, "constraint_name", operation.name.split("_")[1])


@_operation(
    "create_foreign_key",
    "constraint_name",
    "source_table",
    "referent_table",
    "local_cols",
    "remote_cols",
)
def _create_foreign_key(operation: Operation) -> None:
    columns = operation.values.get("local_cols")
    operation.use_columns(columns, operation.table, certain=not operation.copies)
    if referent := operation.text("referent_table"):
        target = operation.run.table(referent, operation.text("referent_schema"))
        checks = operation.run.checks_references
        operation.note(USE, target, certain=checks)
        operation.use_columns(operation.values.get("remote_cols"), target, certain=checks)
    else:
        operation.doubt("the target of the foreign key is computed", USE)
    operation.act_on_part(CREATE, Kind.CONSTRAINT, "constraint_name", "foreignkey")


@_operation("create_table_comment", "table_name", "comment")
@_operation("drop_table_comment", "table_name")
@_operation("inline_literal", "value")
def _nothing_more(operation: Operation) -> None:
    """An operation that only uses its table, if it has one."""


@_operation("bulk_insert", "table", "rows")
def _bulk_insert(operation: Operation) -> None:
    operation.run.changes_rows("bulk_insert", operation.line)
    table = operation.values.get("table")
    if not isinstance(table, Clause) or not table.is_table:
        operation.doubt("the table is computed", USE)
        return
    operation.note(USE, *table.uses)
    rows = elements(operation.values.get("rows")) or ()
    names = {name for row in rows if isinstance(row, dict) for name in row}
    operation.use_columns(tuple(sorted(names, key=str)), *table.uses)


@_operation("execute", "sqltext")
def _execute(operation: Operation) -> None:
    run_statement(operation.run, operation.values.get("sqltext"), operation.line)


def run_statement(run: Run, statement: object, line: int) -> None:
    """Note what executing a statement does."""
    if isinstance(statement, Text):
        statement = statement.sql
    if isinstance(statement, Clause):
        run.changes_rows("a statement of SQLAlchemy's", line)
        for used in uses([statement]):
            run.note(USE, used, line)
    else:
        run.sql(statement if isinstance(statement, (str, Partial)) else Partial(""), line)


@_operation("batch_alter_table", "table_name")
def _batch_alter_table(operation: Operation) -> object:
    """A batch touches its table when an operation runs in it, or when it always copies."""
    recreate = operation.values.get("recreate")
    if recreate == "always" and operation.table is not None:
        operation.note(USE, operation.table)
    operation.run.copied = recreate not in (None, "never") or not operation.complete
    if not {"copy_from", "reflect_args"}.isdisjoint(operation.values):
        detail, alike = "a batch that says what its table is like", frozenset(PROPERTIES)
        operation.run.doubt(detail, operation.line, table=operation.table, kinds=alike)
    if operation.table is not None and not _WITH_PARTS.isdisjoint(operation.values):
        operation.run.unnamed(operation.table, Kind.CONSTRAINT, Kind.INDEX)
    return Operations(True, operation.table, copies=recreate != "never")


@_operation("get_bind")
@_operation("get_context")
def _handle(operation: Operation) -> object:
    return Handle()


@_operation("f", "name")
def _final_name(operation: Operation) -> object:
    return FinalName(operation.text("name")) or operation.values.get("name")
