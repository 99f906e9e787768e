"""SQLAlchemy's classes for columns, constraints, tables and types, as migrations use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from flask_chainfix.schema.footprint import (
    A_DEFAULT,
    NO_DEFAULT,
    NOT_NULL,
    NULLABLE,
    Action,
    ColumnProperties,
    Kind,
    SchemaObject,
)
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Clause,
    ColumnValue,
    ConstraintValue,
    DataType,
    Imported,
    Partial,
    Text,
    TypeValue,
    elements,
    is_constant,
)

# SQLAlchemy's own types, with their equivalent in every database.
_TYPES = {
    **dict.fromkeys(("INT", "INTEGER", "Integer"), "INTEGER"),
    **dict.fromkeys(("BIGINT", "BigInteger"), "BIGINT"),
    **dict.fromkeys(("SMALLINT", "SmallInteger"), "SMALLINT"),
    **dict.fromkeys(("TEXT", "Text"), "TEXT"),
    **dict.fromkeys(("BOOLEAN", "Boolean"), "BOOLEAN"),
    **dict.fromkeys(("DATE", "Date"), "DATE"),
    **dict.fromkeys(("DATETIME", "DateTime"), "DATETIME"),
    **dict.fromkeys(("FLOAT", "Float"), "FLOAT"),
}
_SIZED = {
    **dict.fromkeys(("String", "VARCHAR"), ("VARCHAR", ("length",))),
    **dict.fromkeys(("DECIMAL", "NUMERIC", "Numeric"), ("NUMERIC", ("precision", "scale"))),
}
_MODULES = frozenset({"sqlalchemy", "sqlalchemy.types", "sqlalchemy.sql.sqltypes"})
_LONGEST_VARCHAR = 4_000  # MySQL makes another type of longer ones

_Definition = Callable[[Run, Arguments], object]
DEFINITIONS: dict[str, _Definition] = {}
"""What makes a value of its own, by the name that it has in whatever module offers it."""


def _definition(*names: str) -> Callable[[_Definition], _Definition]:
    def register(function: _Definition) -> _Definition:
        DEFINITIONS.update(dict.fromkeys(names, function))
        return function

    return register


@_definition("Column", "column", "mapped_column")
def _column(run: Run, arguments: Arguments) -> object:
    name = arguments.get(0, "name")
    constraints = [value for value in arguments.values if isinstance(value, ConstraintValue)]
    references = tuple(target for each in constraints for target in each.references)
    indexed = arguments.named.get("index") is True
    if not indexed and arguments.named.get("unique") not in (None, False):
        constraints.append(ConstraintValue(None, sort="unique"))
    if arguments.named.get("primary_key") not in (None, False):
        constraints.append(ConstraintValue(None, sort="primary"))
    return ColumnValue(
        name if isinstance(name, str) else None,
        references=references,
        types=tuple(value for value in arguments.values if isinstance(value, TypeValue)),
        complete=arguments.complete and all(each.complete for each in constraints),
        indexed=indexed,
        constraints=tuple(constraints),
        computed=not arguments.complete
        or not is_constant(arguments.named.get("server_default"))
        or any(isinstance(value, Text) for value in arguments.values),
        properties=_properties(arguments),
        hides=hidden(_type_of(arguments)),
    )


def _type_of(arguments: Arguments) -> object:
    parts = arguments.positional[1:]
    return arguments.named.get("type_", parts[0] if parts else None)


def hidden(type_: object) -> tuple[Kind, ...]:
    """The kinds of parts that a type may bring under unknown names.

    Of SQLAlchemy's own types only some bring a check; others may bring any, a spatial index for
    example.
    """
    if isinstance(type_, TypeValue):
        return (Kind.CONSTRAINT,) if type_.object is None or type_.checked else ()
    if isinstance(type_, Imported) and type_.name.startswith("sqlalchemy."):
        return ()
    if isinstance(type_, (Clause, ConstraintValue, DataType, Text, type(None))):
        return ()
    return Kind.CONSTRAINT, Kind.INDEX


def _properties(arguments: Arguments) -> ColumnProperties:
    """The known type, nullability and default of a column.

    Primary keys, sequences, identities and computed values affect them, too.
    """
    named = arguments.named
    type_ = _type_of(arguments)
    word = data_type(type_)
    parts = [part for part in arguments.positional[1:] if part is not type_]
    if not arguments.complete or not all(isinstance(part, ConstraintValue) for part in parts):
        return ((Kind.DATA_TYPE, word),)
    if not {"autoincrement", "primary_key"}.isdisjoint(named):
        return ((Kind.DATA_TYPE, word),)
    return (
        (Kind.DATA_TYPE, word),
        (Kind.NULLABILITY, nullability(named.get("nullable", True))),
        (Kind.DEFAULT, default(named.get("server_default"))),
    )


def data_type(value: object, arguments: Arguments | None = None) -> str | None:
    """The word for a type; ``None`` if it differs between databases.

    Args:
        value: a class of SQLAlchemy's, or an instance of one.
        arguments: the arguments of the class.
    """
    if isinstance(value, DataType):
        return value.word
    module, _, name = value.name.rpartition(".") if isinstance(value, Imported) else ("", "", "")
    arguments = arguments or Arguments([], {}, 0)
    if module not in _MODULES or not arguments.complete:
        return None
    if name in _TYPES:
        return None if arguments.values else _TYPES[name]
    if name not in _SIZED:
        return None
    word, parameters = _SIZED[name]
    given = {**arguments.named, **dict(zip(parameters, arguments.positional, strict=False))}
    sizes = [given.pop(parameter, None) for parameter in parameters]
    if given or len(arguments.positional) > len(parameters):
        return None
    if word == "VARCHAR" and sizes == [None]:
        return word
    if not all(isinstance(size, int) and 0 <= size <= _LONGEST_VARCHAR for size in sizes):
        return None
    return f"{word}({', '.join(map(str, sizes))})"


def nullability(value: object) -> str | None:
    """The nullability for a value of ``nullable``; ``None`` if unknown."""
    if isinstance(value, bool):
        return NULLABLE if value else NOT_NULL
    return None


def default(value: object) -> str | None:
    """The default for a value of ``server_default``; ``None`` if unknown."""
    if value is None:
        return NO_DEFAULT
    sql = value.sql if isinstance(value, Text) else value
    if isinstance(sql, str):
        return None if sql.strip("() ").upper().startswith("NULL") else A_DEFAULT
    return A_DEFAULT if isinstance(value, Clause) else None


@_definition("ForeignKey")
def _foreign_key(run: Run, arguments: Arguments) -> object:
    name = arguments.get(3, "name") if "name" in arguments.named else None
    return _foreign(run, [arguments.get(0, "column")], name, arguments)


@_definition("ForeignKeyConstraint")
def _foreign_key_constraint(run: Run, arguments: Arguments) -> object:
    targets = elements(arguments.get(1, "refcolumns"))
    return _foreign(run, targets, arguments.get(2, "name"), arguments)


def _foreign(
    run: Run, targets: Sequence[object] | None, name: object, arguments: Arguments
) -> ConstraintValue:
    if arguments.named.get("use_alter"):
        return ConstraintValue(None, sort="foreignkey")  # not a part of CREATE TABLE
    references = _references(run, targets)
    known = references is not None
    return ConstraintValue(_name(name), references or (), known, sort="foreignkey")


def _constraint(run: Run, arguments: Arguments, *, sort: str) -> object:
    return ConstraintValue(_name(arguments.named.get("name")), sort=sort)


DEFINITIONS |= {
    "CheckConstraint": partial(_constraint, sort="check"),
    "ExcludeConstraint": partial(_constraint, sort="exclude"),
    "UniqueConstraint": partial(_constraint, sort="unique"),
}


@_definition("PrimaryKeyConstraint")
def _primary_key(run: Run, arguments: Arguments) -> object:
    columns = (*arguments.positional, *(() if arguments.complete else (UNKNOWN,)))
    return ConstraintValue(_name(arguments.named.get("name")), primary=columns, sort="primary")


@_definition("Index")
def _index(run: Run, arguments: Arguments) -> object:
    return ConstraintValue(_name(arguments.get(0, "name")), kind=Kind.INDEX)


def _name(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _references(run: Run, targets: Sequence[object] | None) -> tuple[SchemaObject, ...] | None:
    """The tables and columns that foreign keys name; ``None`` if unknown."""
    found: list[SchemaObject] = []
    for target in targets or (None,):
        *_, schema, name, column = ("", "", *str(target).split("."))
        if not isinstance(target, str) or not name:
            return None
        table = run.table(name, schema)
        found += (table, table.part(Kind.COLUMN, column))
    return tuple(found)


@_definition("Table", "table")
def _table(run: Run, arguments: Arguments) -> object:
    name, schema = arguments.get(0, "name"), arguments.named.get("schema")
    known = isinstance(name, str) and (schema is None or isinstance(schema, str))
    if not known:
        return UNKNOWN
    table = run.table(str(name), str(schema or ""))
    if arguments.named.get("autoload_with") or arguments.named.get("autoload"):
        run.note(Action.USE, table, arguments.line)
    return Clause((table,), is_table=True)


@_definition("text", "DDL")
def _text(run: Run, arguments: Arguments) -> object:
    script = arguments.get(0, "text", "statement")
    return Text(script if isinstance(script, (str, Partial)) else Partial(""))


def _enum(run: Run, arguments: Arguments, *, guarded: bool = False) -> object:
    name, schema = arguments.named.get("name"), arguments.named.get("schema")
    type_ = None
    if isinstance(name, str) and arguments.named.get("native_enum") is not False:
        type_ = run.table(name, str(schema or ""))._replace(kind=Kind.TYPE)
    made = arguments.named.get("create_type", True) is not False
    checked = arguments.named.get("create_constraint") not in (None, False) and not run.has_types
    return TypeValue(type_, made and "metadata" not in arguments.named, guarded, checked)


DEFINITIONS |= {"Enum": _enum, "ENUM": partial(_enum, guarded=True)}  # the second is PostgreSQL's


@_definition("Computed")
def _computed(run: Run, arguments: Arguments) -> object:
    return Text(Partial(""))


@_definition("quoted_name")
def _quoted_name(run: Run, arguments: Arguments) -> object:
    return arguments.get(0, "value")


@_definition("CreateSchema", "DropSchema", "CreateSequence", "DropSequence", "Sequence", "MetaData")
def _nothing_of_interest(run: Run, arguments: Arguments) -> object:
    return Clause(())


@_definition("inspect", "FetchedValue", "Identity", "null")
def _not_known(run: Run, arguments: Arguments) -> object:
    return UNKNOWN
