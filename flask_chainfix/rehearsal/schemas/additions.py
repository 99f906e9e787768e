"""Render operations that create missing objects, each only if it does not exist yet."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any, NamedTuple

from alembic.autogenerate import render_op_text
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    Column,
    DefaultClause,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import conv

from flask_chainfix.rehearsal.schemas.plain_tables import (
    OwnSequence,
    leave_out_defaults,
    reflecting,
    rendering_context,
    sequence_of,
    sequences_in,
    set_options,
)
from flask_chainfix.rehearsal.schemas.rendering import without_parameters
from flask_chainfix.rehearsal.schemas.stored_code import (
    UNCHECKED,
    StoredCode,
    in_order,
    stored_code,
)
from flask_chainfix.schema.footprint import Kind, SchemaObject, table_of
from flask_chainfix.schema.reflected import Reflected

_AUTOMATIC_KEY = re.compile(r".*_ibfk_\d+")  # MySQL's names for unnamed foreign keys
_CONSTANT = re.compile(r"(?i)-?[\d.]+|null|true|false")
_NOT_READ = "SQLAlchemy does not read it"
_OF_A_VIEW = "only CREATE OR REPLACE VIEW changes a view that is there"
# For each kind of part: the inspector's method, the variable for its result, and the operation.
_LISTED = {
    Column: ("columns", "columns"),
    UniqueConstraint: ("unique_constraints", "uniques"),
    CheckConstraint: ("check_constraints", "checks"),
    Index: ("indexes", "indexes"),
    ForeignKeyConstraint: ("foreign_keys", "foreign_keys"),
}


# The code of each addition, by the kind of database that it is for.
Codes = Mapping[SchemaObject, Mapping[str, str]]


class Addition(NamedTuple):
    """An object to create.

    Attributes:
        object: the object.
        element: the SQLAlchemy element for it; ``None`` if only one kind of database has it.
        code: the operations that create it.
        imports: the imports that they need.
    """

    object: SchemaObject
    element: Any
    code: str
    imports: frozenset[str] = frozenset()


class Additions(NamedTuple):
    """The objects that can be created, and those that cannot.

    Attributes:
        made: the additions, in the order in which they must run.
        left: the objects without operations, and why.
    """

    made: tuple[Addition, ...]
    left: Mapping[SchemaObject, str]


def additions_for(connection: Connection, wanted: Reflected, place: str | None = None) -> Additions:
    """Render operations for objects, with their definitions from a database.

    Args:
        connection: a connection to a database that the chain has made.
        wanted: the objects, as that database describes them.
        place: the schema of objects that name none.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not supported is left out, and told
        return _Writer(connection, wanted, place).additions()


class _Writer:
    def __init__(self, connection: Connection, wanted: Reflected, place: str | None) -> None:
        self._connection = connection
        self._wanted = wanted
        self._place = place
        self._context = MigrationContext.configure(connection)
        name = connection.dialect.name
        self._backend = "mysql" if name == "mariadb" else name
        self._metadata = reflecting(self._context)
        self._sequences: Mapping[str, OwnSequence] = {}
        self._left: dict[SchemaObject, str] = {}

    def additions(self) -> Additions:
        wanted = self._wanted
        schemas = {thing.schema for thing in wanted if thing.schema}
        code = in_order(
            self._connection, stored_code(self._connection, self._place, sorted(schemas))
        )
        stored = {each.object for each in (*code.early, *code.late)}
        by_table: dict[SchemaObject, list[SchemaObject]] = {}
        for thing in wanted:
            if thing in stored:
                continue
            if thing.kind is Kind.TYPE:
                self._left[thing] = _NOT_READ
            else:
                by_table.setdefault(table_of(thing), []).append(thing)
        tables = self._reflect(by_table)
        self._sequences = sequences_in(self._connection, self._metadata)
        for table in tables.values():
            set_options(self._connection, table)
            leave_out_defaults(table)
        made = [self._stored(each) for each in code.early if each.object in wanted]
        at_the_end: list[Addition] = []
        order = {table: number for number, table in enumerate(self._metadata.sorted_tables)}
        for owner in sorted(tables, key=lambda each: order[tables[each]]):
            for addition in self._of_table(tables[owner], by_table[owner]):
                is_key = isinstance(addition.element, ForeignKeyConstraint)
                (at_the_end if is_key else made).append(addition)
        at_the_end += [self._stored(each) for each in code.late if each.object in wanted]
        return Additions((*made, *at_the_end), self._left)

    def _reflect(
        self, by_table: Mapping[SchemaObject, Sequence[SchemaObject]]
    ) -> Mapping[SchemaObject, Table]:
        look = inspect(self._connection)
        found: dict[SchemaObject, Table] = {}
        for owner, things in by_table.items():
            schema = owner.schema or self._place
            if owner.name in look.get_table_names(schema=schema):
                table = Table(
                    owner.name, self._metadata, schema=schema, autoload_with=self._connection
                )
                found[owner] = table
            else:
                self._left.update((thing, _OF_A_VIEW) for thing in things)
        return found

    # --- Operations ------------------------------------------------------------------------------
    def _stored(self, code: StoredCode) -> Addition:
        """The database's own SQL, which looks itself whether it is needed."""
        thing = code.object
        is_checked = code.is_function and self._backend == "postgresql"
        statements = (UNCHECKED, code.made) if is_checked else (code.made,)
        made = "\n".join(f"op.execute({without_parameters(each)!r})" for each in statements)
        needed = f"op.get_bind().scalar(sa.text({without_parameters(code.there)!r})) is None"
        if thing.kind is Kind.TABLE:
            schema = f", schema={thing.schema!r}" if thing.schema else ""
            needed = f"not inspector.has_table({thing.name!r}{schema})"
        return Addition(thing, None, f"if {needed}:\n{indent(made, '    ')}")

    def _of_table(self, table: Table, things: Sequence[SchemaObject]) -> Iterator[Addition]:
        """The operations for one table and its parts, in the order in which they must run."""
        parts = {thing: self._element(table, thing) for thing in things}
        keys = {key.name for key in table.foreign_key_constraints}
        for thing, element in parts.items():
            if element is table:
                apart = [each for each in parts.values() if isinstance(each, Index)]
                yield self._table(thing, table, apart)
            elif element is None and not (thing.kind is Kind.INDEX and thing.name in keys):
                self._left.setdefault(thing, _NOT_READ)
        for kind in _LISTED:
            for thing, element in parts.items():
                if type(element) is kind:
                    yield self._part(thing, table, element)

    def _element(self, table: Table, thing: SchemaObject) -> Any:
        if thing.kind is Kind.TABLE:
            return table
        if thing.kind is Kind.COLUMN:
            return table.columns[thing.name]
        if thing.kind is Kind.INDEX:
            return next((each for each in table.indexes if each.name == thing.name), None)
        found = next((each for each in table.constraints if each.name == thing.name), None)
        if found is None:
            if thing.name == self._wanted[thing]["definition"]:
                self._left[thing] = "it has no name, and no operation adds what has none"
        elif isinstance(found, PrimaryKeyConstraint):
            self._left[thing] = "a primary key is not added to rows that are there"
            return None
        return found

    def _table(self, thing: SchemaObject, table: Table, apart: Collection[Index]) -> Addition:
        op = ops.CreateTableOp.from_table(table)
        op.schema = thing.schema or None
        op.columns = [
            each if isinstance(each, Column) else _with_fixed_name(each, self._backend)
            for each in op.columns
        ]
        indexes = [
            self._index(index, op.schema)
            for index in sorted(table.indexes, key=lambda index: str(index.name))
            if index not in apart and not self._comes_with_key(table, index)
        ]
        return self._rendered(thing, table, op, *indexes)

    def _index(self, index: Index, schema: str | None) -> Any:
        op = ops.CreateIndexOp.from_index(index)
        op.schema, op.unique = schema, bool(op.unique)
        return op

    def _comes_with_key(self, table: Table, index: Index) -> bool:
        """Whether MySQL creates an index implicitly for a foreign key."""
        if self._backend != "mysql":
            return False
        columns = [column.name for column in index.columns]
        return any(
            [*key.column_keys] == columns
            and (index.name == key.name or (_is_automatic(key.name) and index.name == columns[0]))
            for key in table.foreign_key_constraints
        )

    def _part(self, thing: SchemaObject, table: Table, element: Any) -> Addition:
        schema = thing.schema or None
        if isinstance(element, Index):
            return self._rendered(thing, element, self._index(element, schema))
        if isinstance(element, Column):
            return self._column(thing, element, schema)
        if isinstance(element, CheckConstraint):  # Alembic 1.10 does not render these
            impl: Any = self._context.impl
            condition = without_parameters(impl.render_ddl_sql_expr(element.sqltext))
            place = f"{table.name!r}, schema={schema!r}" if schema else repr(table.name)
            code = (
                f"with op.batch_alter_table({place}) as batch_op:\n"
                f"    batch_op.create_check_constraint(batch_op.f({thing.name!r}), {condition!r})"
            )
            return Addition(thing, element, code)
        op = ops.AddConstraintOp.from_constraint(_with_fixed_name(element, ""))
        return self._rendered(thing, element, _batch(table.name, schema, op))

    def _column(self, thing: SchemaObject, column: Column[Any], schema: str | None) -> Addition:
        new = column._copy()
        if column.server_default is None and not column.nullable:
            # SQLite cannot add such a column, not even to an empty table.
            new.nullable = True
            change = ops.AlterColumnOp(
                thing.table,
                column.name,
                schema=schema,
                existing_type=column.type,
                modify_nullable=False,
            )
            add = ops.AddColumnOp(thing.table, new, schema=schema)
            return self._rendered(thing, column, _batch(thing.table, schema, add, change))
        add = ops.AddColumnOp(thing.table, new, schema=schema)
        default = column.server_default
        if default is None or (
            isinstance(default, DefaultClause)
            and (isinstance(default.arg, str) or _CONSTANT.fullmatch(str(default.arg)))
        ):
            return self._rendered(thing, column, add)
        return self._rendered(thing, column, _batch(thing.table, schema, add))

    def _rendered(self, thing: SchemaObject, element: Any, *operations: Any) -> Addition:
        context = rendering_context(
            self._context, self._metadata, self._place or None, as_batch=True
        )
        parts = element.columns if isinstance(element, Table) else [element]
        columns = [each for each in parts if isinstance(each, Column)]
        texts = [_laid_out(render_op_text(context, each)) for each in operations]
        before, after = (
            [f"op.execute({without_parameters(each)!r})" for each in statements if each]
            for statements in self._sequences_of(columns)
        )
        code = "\n".join((*before, *texts, *after))
        return Addition(thing, element, code, frozenset(context.imports))

    def _sequences_of(self, columns: Sequence[Column[Any]]) -> tuple[list[str], list[str]]:
        """The SQL for the sequences of columns: before the columns are there, and after that."""
        named = {
            sequence_of(each.server_default.arg)
            for each in columns
            if isinstance(each.server_default, DefaultClause)
        }
        owners = {(each.table.key, each.name) for each in columns}
        needed = [
            each for name, each in self._sequences.items() if name in named or each.owner in owners
        ]
        return [each.made for each in needed], [each.after for each in needed]


def _batch(table: str, schema: str | None, *operations: Any) -> Any:
    return ops.ModifyTableOps(table, list(operations), schema=schema)


def _laid_out(code: str) -> str:
    """Alembic's rendered code with conventional indentation."""
    first, *others = code.rstrip().splitlines()
    if first.startswith("with "):
        body = re.sub(r",\n\s{8,}", ", ", "\n".join(others))
        return "\n".join((first.replace(", schema=None", ""), indent(body, "    ")))
    if first.startswith("op.create_table("):
        name = first.removeprefix("op.create_table(")
        arguments = indent("\n".join((name, *others[:-1])), "    ")
        return f"op.create_table(\n{arguments},\n)"
    return code


def _is_automatic(name: Any) -> bool:
    return name is not None and _AUTOMATIC_KEY.fullmatch(str(name)) is not None


def _with_fixed_name(constraint: Any, backend: str) -> Any:
    """A constraint whose name no naming convention changes; MySQL's own names are dropped."""
    if backend == "mysql" and _is_automatic(constraint.name):
        constraint.name = None
    elif constraint.name is not None:
        constraint.name = conv(str(constraint.name))
    return constraint


# --- The text of a migration ---------------------------------------------------------------------
def upgrade_text(additions: Sequence[Addition], codes: Codes) -> str:
    """The body of ``upgrade()``, not indented; each operation runs only if it is needed."""
    lines = ["inspector = sa.inspect(op.get_bind())"]
    listed: tuple[str, str] | None = None
    for each in additions:
        if each.element is None:
            lines += ["", *_of_kinds(codes[each.object], alike=False).splitlines()]
            continue
        schema = f", schema={each.object.schema!r}" if each.object.schema else ""
        if each.object.kind is Kind.TABLE:
            lines += ["", f"if not inspector.has_table({each.object.name!r}{schema}):"]
            listed = None
        else:
            what, variable = _LISTED[type(each.element)]
            where = f"{each.object.table!r}{schema}"
            if listed != (what, where):
                found = f"{{each['name'] for each in inspector.get_{what}({where})}}"
                lines += ["", f"{variable} = {found}"]
                listed = what, where
            lines.append(f"if {each.object.name!r} not in {variable}:")
        lines += indent(_of_kinds(codes[each.object]), "    ").splitlines()
    return "\n".join(lines)


def _of_kinds(codes: Mapping[str, str], *, alike: bool = True) -> str:
    """One code, or one for each kind of database if they differ, or could elsewhere."""
    if alike and len(set(codes.values())) == 1:
        return next(iter(codes.values()))
    parts: list[str] = []
    for kind, code in codes.items():
        names = "in ('mysql', 'mariadb')" if kind == "mysql" else f"== {kind!r}"
        word = "elif" if parts else "if"
        parts.append(f"{word} op.get_bind().dialect.name {names}:\n{indent(code, '    ')}")
    return "\n".join(parts)
