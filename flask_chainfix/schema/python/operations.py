"""Alembic's operations: what each of them does to the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from flask_chainfix.schema.footprint import Action, Kind, SchemaObject
from flask_chainfix.schema.python.run import Run
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Clause,
    ColumnValue,
    ConstraintValue,
    Handle,
    Operations,
    Partial,
    Reference,
    TableValue,
    Text,
    TypeValue,
    elements,
    uses,
)

CREATE, USE, DROP = Action.CREATE, Action.USE, Action.DROP
# Where a batch may make a copy of its table: SQLite, also where nobody says which database it is.
COPYING = (None, "sqlite")
# The parameters that name the table of an operation.
OF_A_TABLE = ("table_name", "source_table")


@dataclass(slots=True)
class Operation:
    """One operation that is being followed.

    Attributes:
        run: the run that met it.
        name: its name, ``add_column`` for example.
        values: its arguments by Alembic's names of the parameters.
        rest: the positional ones behind them.
        line: 1-based line of the call.
        complete: whether no arguments are hidden.
        table: the table that it is about; ``None`` where that is not known, or there is none.
        copies: whether SQLite may run it by making a copy of the table, in which what is there
            already is replaced without a word.
    """

    run: Run
    name: str
    values: Mapping[str, object]
    rest: list[object]
    line: int
    complete: bool
    table: SchemaObject | None
    copies: bool = False

    @property
    def certain(self) -> bool:
        """Whether it happens whatever is there: no ``if_exists`` or ``if_not_exists``."""
        return not (self.values.get("if_exists") or self.values.get("if_not_exists"))

    @property
    def names_table(self) -> bool:
        """Whether a table is named, be it known or not."""
        return any(self.values.get(name) is not None for name in OF_A_TABLE)

    def text(self, parameter: str) -> str:
        """An argument that is a name; ``""`` where it is not known, or not given."""
        value = self.values.get(parameter)
        return value if isinstance(value, str) else ""

    def note(
        self,
        action: Action,
        object_: SchemaObject,
        renamed: SchemaObject | None = None,
        *,
        tolerant: bool = False,
    ) -> None:
        """Note an effect."""
        self.run.note(
            action,
            object_,
            self.line,
            certain=self.certain or action is USE,
            renamed=renamed,
            tolerant=tolerant,
        )

    def doubt(self, detail: str, *actions: Action, table: SchemaObject | None = None) -> None:
        """Note that something is not known."""
        self.run.doubt(f"{self.name}: {detail}", self.line, *actions, table=table)

    def part(self, kind: Kind, name: str) -> SchemaObject:
        """A column, index or constraint of the table."""
        return self.run.part(kind, name, self.table)

    def act_on_part(
        self, action: Action, kind: Kind, parameter: str, *, tolerant: bool = False
    ) -> None:
        """Note that a part of the table, named by an argument, is created or dropped."""
        name = self.text(parameter)
        if self.table is None and (kind is not Kind.INDEX or self.names_table):
            return  # that the table is not known has been said
        if name:
            self.note(action, self.part(kind, name), tolerant=tolerant)
        elif self.values.get(parameter) is None:
            self.run.unnamed(self.table)
        else:
            self.doubt("the name is computed", action, table=self.table)

    def may_be_lost(self, columns: object) -> bool:
        """Whether an index is of expressions: a copy of its table that SQLite makes is without."""
        plain = all(isinstance(column, str) for column in elements(columns) or (None,))
        return not plain and self.run.dialect in COPYING

    def use_columns(
        self, columns: object, table: SchemaObject | None, *, certain: bool = True
    ) -> None:
        """Note that columns of a table are used, those that are given by name."""
        for name in elements(columns) or ():
            if isinstance(name, str) and table is not None:
                column = self.run.part(Kind.COLUMN, name, table)
                self.run.note(USE, column, self.line, certain=certain)


_PARTS = frozenset({Kind.COLUMN, Kind.CONSTRAINT, Kind.INDEX})
# What operations do to a table of which the name is computed; the others touch parts of it.
_COMPUTED: dict[str, tuple[tuple[Action, ...], frozenset[Kind]]] = {
    "create_table": ((CREATE, USE), frozenset(Kind)),
    "drop_table": ((DROP,), frozenset(Kind)),
}
_DROP_INDEX_ON = frozenset({"mariadb", "mssql", "mysql"})
_NO_USE = frozenset({"batch_alter_table", "create_table", "drop_table"})
_LONGEST_NAME = 60  # beyond that, databases cut the names that SQLAlchemy makes up

_Handler = Callable[[Operation], object]


@dataclass(frozen=True, slots=True)
class Known:
    """An operation of Alembic's.

    Attributes:
        parameters: the names of its positional parameters.
        batch_parameters: the same inside a batch, which knows the table.
        handle: what is done where a migration calls it.
    """

    parameters: tuple[str, ...]
    batch_parameters: tuple[str, ...]
    handle: _Handler


KNOWN: dict[str, Known] = {}


def _operation(name: str, *parameters: str) -> Callable[[_Handler], _Handler]:
    """Register an operation; in a batch it goes without the parameter that names its table."""

    def register(handler: _Handler) -> _Handler:
        within = tuple(parameter for parameter in parameters if parameter not in OF_A_TABLE)
        KNOWN[name] = Known(parameters, within, handler)
        return handler

    return register


def perform(run: Run, owner: Operations, name: str, arguments: Arguments) -> object:
    """Follow one operation; one that is not Alembic's own may do anything."""
    known = KNOWN.get(name)
    if known is None:
        run.doubt(f"op.{name}(), which is not Alembic's own", arguments.line)
        return UNKNOWN
    about_table = known.parameters != known.batch_parameters
    parameters = known.batch_parameters if owner.batch else known.parameters
    values = {**arguments.named, **dict(zip(parameters, arguments.positional, strict=False))}
    rest = arguments.positional[len(parameters) :]
    operation = Operation(run, name, values, rest, arguments.line, arguments.complete, None)
    operation.copies = owner.copies and run.dialect in COPYING
    if about_table:
        operation.table = owner.table if owner.batch else _table_of(operation)
        if operation.table is not None and name not in _NO_USE:
            # Most databases drop an index by its name alone, whatever its table is called by now.
            certain = name != "drop_index" or run.dialect in _DROP_INDEX_ON
            run.note(USE, operation.table, arguments.line, certain=certain)
    return known.handle(operation)


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
        return UNKNOWN
    columns = [value for value in operation.rest if isinstance(value, ColumnValue)]
    constraints = [value for value in operation.rest if isinstance(value, ConstraintValue)]
    known = len(columns) + len(constraints) == len(operation.rest) and operation.complete
    for column in columns:
        _refer(operation, column)
    for constraint in constraints:
        _refer(operation, constraint)
    operation.note(CREATE, table)
    for column in columns:
        if column.name is not None:
            operation.note(CREATE, operation.part(Kind.COLUMN, column.name))
        _make_types(operation, column.types)
        _make_parts(operation, column)
    for constraint in constraints:
        if constraint.name is not None:
            operation.note(CREATE, operation.part(constraint.kind, constraint.name))
    if not known or any(column.name is None for column in columns):
        operation.doubt("some columns are computed", CREATE, table=table)
    return TableValue(table, tuple(columns))


def _refer(operation: Operation, part: ColumnValue | ConstraintValue) -> None:
    """Note what foreign keys use; the table's own columns come into being with it."""
    for reference in part.references:
        target = operation.run.table(reference.table, reference.schema)
        if target != operation.table:
            _use_reference(operation, reference, target)
    if not part.complete:
        operation.doubt("the target of a foreign key is computed", USE)


def _use_reference(operation: Operation, reference: Reference, target: SchemaObject) -> None:
    certain = operation.run.checks_references
    operation.run.note(USE, target, operation.line, certain=certain)
    operation.use_columns(reference.columns, target, certain=certain)


def _make_types(operation: Operation, types: tuple[TypeValue, ...]) -> None:
    run = operation.run
    for type_ in types:
        if type_.object is not None and type_.made_with_table:
            # In one upgrade Alembic makes it with the first of the tables that have it.
            certain = operation.certain and run.has_types
            run.note(CREATE, type_.object, operation.line, certain=certain, tolerant=True)
        elif type_.object is not None:
            run.note(USE, type_.object, operation.line, certain=False)


def _make_parts(operation: Operation, column: ColumnValue) -> None:
    """Note the constraints and the index that come with a column."""
    table = operation.table
    for name in column.constraints:
        if name is not None:
            tolerant = operation.copies
            operation.note(CREATE, operation.part(Kind.CONSTRAINT, name), tolerant=tolerant)
        else:
            operation.run.unnamed(table)
    if column.indexed and column.name is not None and table is not None:
        prefix = f"{table.schema.replace('.', '_')}_" if table.schema else ""
        name = f"ix_{prefix}{table.name}_{column.name}"
        if len(name) <= _LONGEST_NAME:
            operation.note(CREATE, operation.part(Kind.INDEX, name), tolerant=operation.copies)


@_operation("drop_table", "table_name")
def _drop_table(operation: Operation) -> object:
    if operation.table is not None:
        operation.note(DROP, operation.table)
    return UNKNOWN


@_operation("rename_table", "old_table_name", "new_table_name")
def _rename_table(operation: Operation) -> object:
    old, new = operation.text("old_table_name"), operation.text("new_table_name")
    schema = operation.text("schema")
    if old and new:
        before, after = operation.run.table(old, schema), operation.run.table(new, schema)
        operation.note(DROP, before, renamed=after)
        operation.note(CREATE, after, renamed=before)
    else:
        operation.doubt("the name of the table is computed")
    return UNKNOWN


@_operation("add_column", "table_name", "column")
def _add_column(operation: Operation) -> object:
    column = operation.values.get("column")
    if not isinstance(column, ColumnValue) or column.name is None:
        operation.doubt("the column is computed", CREATE, table=operation.table)
    elif operation.table is not None:
        for reference in column.references:
            target = operation.run.table(reference.table, reference.schema)
            _use_reference(operation, reference, target)
        if not column.complete:
            operation.doubt("the target of a foreign key is computed", USE)
        for type_ in column.types:  # PostgreSQL makes no type with a column alone
            if type_.object is not None:
                operation.run.note(USE, type_.object, operation.line, certain=False)
        made = operation.part(Kind.COLUMN, column.name)
        operation.note(CREATE, made, tolerant=operation.copies)
        _make_parts(operation, column)
    return UNKNOWN


@_operation("drop_column", "table_name", "column_name")
def _drop_column(operation: Operation) -> object:
    operation.act_on_part(DROP, Kind.COLUMN, "column_name")
    return UNKNOWN


@_operation("alter_column", "table_name", "column_name")
def _alter_column(operation: Operation) -> object:
    name = operation.text("column_name")
    new_name = operation.values.get("new_column_name", operation.values.get("name"))
    if not name or operation.table is None:
        operation.doubt("the name of the column is computed", table=operation.table)
    elif new_name is None or new_name == name:
        operation.note(USE, operation.part(Kind.COLUMN, name))
    elif isinstance(new_name, str):
        before, after = (operation.part(Kind.COLUMN, text) for text in (name, new_name))
        operation.note(DROP, before, renamed=after)
        operation.note(CREATE, after, renamed=before)
    else:
        operation.doubt("the new name of the column is computed", table=operation.table)
    return UNKNOWN


@_operation("create_index", "index_name", "table_name", "columns")
def _create_index(operation: Operation) -> object:
    columns = operation.values.get("columns")
    operation.use_columns(columns, operation.table, certain=operation.certain)
    with operation.run.perhaps() if operation.may_be_lost(columns) else nullcontext():
        operation.act_on_part(CREATE, Kind.INDEX, "index_name", tolerant=operation.copies)
    return UNKNOWN


@_operation("drop_index", "index_name", "table_name")
def _drop_index(operation: Operation) -> object:
    operation.act_on_part(DROP, Kind.INDEX, "index_name")
    return UNKNOWN


@_operation("create_unique_constraint", "constraint_name", "table_name", "columns")
@_operation("create_primary_key", "constraint_name", "table_name", "columns")
@_operation("create_check_constraint", "constraint_name", "table_name", "condition")
@_operation("create_exclude_constraint", "constraint_name", "table_name")
def _create_constraint(operation: Operation) -> object:
    # A copy leaves out the constraints of columns that are not there.
    columns, certain = operation.values.get("columns"), not operation.copies
    operation.use_columns(columns, operation.table, certain=certain)
    operation.act_on_part(CREATE, Kind.CONSTRAINT, "constraint_name", tolerant=operation.copies)
    return UNKNOWN


@_operation(
    "create_foreign_key",
    "constraint_name",
    "source_table",
    "referent_table",
    "local_cols",
    "remote_cols",
)
def _create_foreign_key(operation: Operation) -> object:
    columns, certain = operation.values.get("local_cols"), not operation.copies
    operation.use_columns(columns, operation.table, certain=certain)
    referent = operation.text("referent_table")
    if referent:
        target = operation.run.table(referent, operation.text("referent_schema"))
        checks = operation.run.checks_references
        operation.run.note(USE, target, operation.line, certain=checks)
        operation.use_columns(operation.values.get("remote_cols"), target, certain=checks)
    else:
        operation.doubt("the target of the foreign key is computed", USE)
    operation.act_on_part(CREATE, Kind.CONSTRAINT, "constraint_name", tolerant=operation.copies)
    return UNKNOWN


@_operation("drop_constraint", "constraint_name", "table_name", "type_")
def _drop_constraint(operation: Operation) -> object:
    operation.act_on_part(DROP, Kind.CONSTRAINT, "constraint_name")
    return UNKNOWN


@_operation("create_table_comment", "table_name", "comment")
@_operation("drop_table_comment", "table_name")
def _comment(operation: Operation) -> object:
    return UNKNOWN


@_operation("bulk_insert", "table", "rows")
def _bulk_insert(operation: Operation) -> object:
    table = operation.values.get("table")
    if not isinstance(table, TableValue) or table.table is None:
        operation.doubt("the table is computed", USE)
        return UNKNOWN
    operation.note(USE, table.table)
    rows = elements(operation.values.get("rows")) or ()
    names = {name for row in rows if isinstance(row, dict) for name in row}
    operation.use_columns(
        tuple(sorted(name for name in names if isinstance(name, str))), table.table
    )
    return UNKNOWN


@_operation("execute", "sqltext")
def _execute(operation: Operation) -> object:
    run_statement(operation.run, operation.values.get("sqltext"), operation.line)
    return UNKNOWN


def run_statement(run: Run, statement: object, line: int) -> None:
    """Note what executing a statement does."""
    if isinstance(statement, Text):
        statement = statement.sql
    if isinstance(statement, (str, Partial)):
        run.sql(statement, line)
    elif isinstance(statement, (Clause, TableValue)):
        for used in uses([statement]):
            run.note(USE, used, line)
    else:
        run.sql(Partial(""), line)


@_operation("batch_alter_table", "table_name")
def _batch_alter_table(operation: Operation) -> object:
    """A batch touches its table when something is done in it, or when it always makes a copy."""
    if operation.values.get("recreate") == "always" and operation.table is not None:
        operation.note(USE, operation.table)
    return Operations(True, operation.table, copies=operation.values.get("recreate") != "never")


@_operation("get_bind")
@_operation("get_context")
def _handle(operation: Operation) -> object:
    return Handle()


@_operation("f", "name")
def _final_name(operation: Operation) -> object:
    return operation.values.get("name")


@_operation("inline_literal", "value")
def _literal(operation: Operation) -> object:
    return UNKNOWN
