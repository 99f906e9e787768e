"""One operation of Alembic's while it is being followed: its arguments, and its effects."""

from __future__ import annotations

from collections.abc import Mapping

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import (
    Action,
    ColumnProperties,
    Kind,
    SchemaObject,
)
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.values import (
    ColumnValue,
    ConstraintValue,
    elements,
)

CREATE, USE, DROP = Action.CREATE, Action.USE, Action.DROP
# The parameters that name the table of an operation.
OF_A_TABLE = ("table_name", "source_table")


@dataclass()
class Operation:
    """One operation that is being followed.

    Attributes:
        run: the current run.
        name: its name, for example ``add_column``.
        values: its arguments by Alembic's names of the parameters.
        rest: further positional arguments.
        line: 1-based line of the call.
        complete: whether all arguments are known.
        table: the table that it is about; ``None`` if unknown or if there is none.
        copies: whether SQLite may run it by copying the table, which silently replaces existing
            objects.
    """

    run: Run
    name: str
    values: Mapping[str, object]
    rest: list[object]
    line: int
    complete: bool
    table: SchemaObject | None = None
    copies: bool = False

    @property
    def certain(self) -> bool:
        """Whether it always happens: it has no ``if_exists`` or ``if_not_exists``."""
        return not (self.values.get("if_exists") or self.values.get("if_not_exists"))

    def text(self, parameter: str) -> str:
        """An argument that is a name; ``""`` if unknown or not given."""
        value = self.values.get(parameter)
        return value if isinstance(value, str) else ""

    def note(  # noqa: PLR0913  (the attributes of an effect; all but the first two by name)
        self,
        action: Action,
        thing: SchemaObject,
        *,
        certain: bool = True,
        tolerant: bool = False,
        properties: ColumnProperties = (),
        default: str | None = None,
    ) -> None:
        """Note an effect."""
        self.run.note(
            action,
            thing,
            self.line,
            certain=certain and (self.certain or action is USE),
            tolerant=tolerant,
            properties=properties,
            default=default,
        )

    def rename(
        self, old: SchemaObject, new: SchemaObject, properties: ColumnProperties = ()
    ) -> None:
        """Note that an object is renamed."""
        certain, line = self.certain, self.line
        self.run.note(DROP, old, line, certain=certain, renamed=new)
        self.run.note(CREATE, new, line, certain=certain, renamed=old, properties=properties)

    def doubt(self, detail: str, *actions: Action, table: SchemaObject | None = None) -> None:
        """Note that something is unknown."""
        self.run.doubt(f"{self.name}: {detail}", self.line, *actions, table=table)

    def act_on_part(self, action: Action, kind: Kind, parameter: str) -> None:
        """Note that a part of the table, named by an argument, is created or dropped."""
        name, table = self.text(parameter), self.table
        if table is None and (kind is not Kind.INDEX or self.names_table):
            return  # the unknown table has been noted already
        if name:
            self.note(action, (table or self.run.table("")).part(kind, name))
        elif self.values.get(parameter) is None:
            self.run.unnamed(table, kind)
        else:
            self.doubt("the name is computed", action, table=table)

    @property
    def names_table(self) -> bool:
        """Whether a table is named, known or not."""
        return any(self.values.get(name) is not None for name in OF_A_TABLE)

    def use_columns(
        self,
        columns: object,
        table: SchemaObject | None,
        *,
        certain: bool = True,
        properties: ColumnProperties = (),
    ) -> None:
        """Note that columns of a table are used, if they are given by name."""
        for name in elements(columns) or ():
            if isinstance(name, str) and table is not None:
                column = table.part(Kind.COLUMN, name)
                self.run.note(USE, column, self.line, certain=certain, properties=properties)

    def refer(self, column: ColumnValue | ConstraintValue, *, but: SchemaObject | None) -> None:
        """Note the targets of foreign keys, except for the table itself."""
        checks = self.run.checks_references
        for reference in column.references:
            target = self.run.table(reference.table, reference.schema)
            if target != but:
                self.run.note(USE, target, self.line, certain=checks)
                self.use_columns(reference.columns, target, certain=checks)
        if not column.complete:
            self.doubt("the target of a foreign key is computed", USE)
