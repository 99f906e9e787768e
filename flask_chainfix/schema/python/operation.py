"""One of Alembic's operations that is being followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_chainfix.schema.footprint import Action, Kind, SchemaObject
from flask_chainfix.schema.python.run import Run
from flask_chainfix.schema.python.values import elements

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
