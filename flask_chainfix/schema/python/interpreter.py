"""One static run through a migration: the values of its names, and the effects found so far.

``Run`` is the state of the run, and ``Operation`` one operation of Alembic's in it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import (
    BY_HAND,
    Action,
    ColumnProperties,
    Effect,
    Footprint,
    Kind,
    Opaque,
    SchemaObject,
    Unnamed,
    table_of,
)
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    ColumnValue,
    ConstraintValue,
    FinalName,
    Local,
    Partial,
    TooMuch,
    elements,
)

if TYPE_CHECKING:
    from flask_chainfix.schema.python.footprint_reader import Module

_DEPTH = 20
# No database has names nearly this long, and no message should show one.
_LONGEST_NAME = 1_000


class Run:
    """The state of a run.

    Args:
        module: the module-level names, evaluated on demand.
        follow: runs the body of a function of the file.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` if unknown.
        database: the bind that the function works on; ``""`` for the default one.
        local: the top-level modules of the migration's own project.

    Attributes:
        budget: the steps that are left for the file.
        names: the values of local names.
        globals: the values of module-level names, as far as they were needed.
        certain: whether the current place is reached whenever the migration runs.
        defining: whether the arguments of a column or table are being read: calls in them make
            types and defaults, whatever module they come from.
        copied: whether the current batch may copy its table.
        names_move: whether names without a schema may mean other objects by now.
    """

    def __init__(
        self,
        module: Module,
        follow: Callable[[Run, Local, Arguments], object],
        dialect: str | None,
        database: str,
        local: Collection[str],
    ) -> None:
        self._module = module
        self.budget = module.budget
        self.names: dict[str, object] = {}
        self.globals = dict(module.known)
        self.budget.copy(self.globals)
        # A generator's body runs when it is iterated over, if ever.
        self.certain = not module.may_yield
        self.defining = False
        self.copied = False
        self.names_move = False
        self.dialect = dialect
        self.local = local
        self._follow = follow
        self._database = database
        self._outdated: dict[int, object] = {}
        self._effects: list[Effect] = []
        self._used: set[Effect] = set()
        self._opaque: dict[Opaque, None] = {}
        self._unnamed: dict[Unnamed, None] = {}
        self._rows: dict[tuple[str, int], None] = {}
        self._depth = 0

    @property
    def footprint(self) -> Footprint:
        """What has been found so far."""
        unnamed, rows = tuple(self._unnamed), tuple(self._rows)
        return Footprint(tuple(self._effects), tuple(self._opaque), unnamed, rows)

    @property
    def has_types(self) -> bool:
        """Whether the database is known to keep enumerated types as objects of their own."""
        return self.dialect == "postgresql"

    @property
    def checks_references(self) -> bool:
        """Whether the database requires the target of a foreign key to exist; SQLite does not."""
        return self.dialect != "sqlite"

    def lookup(self, name: str) -> object:
        """The value of a name."""
        value = self.names.get(name, self)
        if name in self._module.shared or id(value) in self._outdated:
            return UNKNOWN
        return self._module.value(self, name) if value is self else value

    def outdate(self, value: object) -> None:
        """Note that a list or dictionary was changed in place: other names may refer to it."""
        if value and (
            type(value) is tuple or isinstance(value, dict)
        ):  # all empty ones are the same object
            self._outdated[id(value)] = value

    def table(self, name: str, schema: str = "") -> SchemaObject:
        """A table of the database that is being migrated."""
        return SchemaObject(Kind.TABLE, name, "", schema, self._database)

    def note(self, action: Action, thing: SchemaObject, line: int, **details: Any) -> None:
        """Note an effect; ``details`` are further attributes of it."""
        if max(map(len, thing[1:4])) > _LONGEST_NAME:
            self.doubt("a name that no database could have", line, action)
            return
        effect = Effect(action, thing, line, **details)
        self._add(effect._replace(certain=effect.certain and self.certain))

    def _add(self, effect: Effect) -> None:
        """Add an effect, unless it repeats a use or the change just before."""
        if self.names_move and not effect.object.schema:
            effect = effect._replace(certain=False)
        if effect in self._used or effect in self._effects[-1:]:
            return
        if effect.action is Action.USE and not effect.properties:
            self._used.add(effect)
        self._effects.append(effect)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is created inside may exist already without a loss, as the table is copied.

        But for a column: the copy has a new one, which is empty.
        """
        start, around = len(self._effects), self.copied
        self.copied = False
        try:
            yield
        finally:
            for at, effect in enumerate(self._effects[start:] if self.copied else (), start):
                is_new = effect.action is Action.CREATE and effect.renamed is None
                if is_new and effect.object.kind is not Kind.COLUMN:
                    self._effects[at] = effect._replace(tolerant=True)
            self.copied = around

    def doubt(
        self,
        detail: str,
        line: int,
        *actions: Action,
        table: SchemaObject | None = None,
        kinds: frozenset[Kind] = frozenset(Kind),
    ) -> None:
        """Note that something is unknown; without actions, anything may happen there."""
        actions_ = frozenset(actions or Action)
        self._doubt(Opaque(detail, line, actions_, table, kinds))

    def _doubt(self, opaque: Opaque) -> None:
        self._opaque[opaque._replace(place=len(self._effects))] = None

    def unnamed(
        self, table: SchemaObject | None, *kinds: Kind, part: str = "", **details: Any
    ) -> None:
        """Note that a table may get constraints or indexes whose names the source does not show.

        Args:
            table: the table; ``None`` if unknown.
            kinds: the kinds of the constraints or indexes.
            part: what their names contain.
            details: further attributes of them.
        """
        if table is not None:
            for kind in kinds:
                unnamed = Unnamed(table.part(kind, part), len(self._effects), **details)
                self._unnamed[unnamed] = None

    def changes_rows(self, what: str, line: int) -> None:
        """Note that rows may be changed."""
        self._rows[what, line] = None

    def sql(self, script: str | Partial, line: int) -> None:
        """Note what a SQL script does."""
        from flask_chainfix.schema.sql.script import may_do, moves_names, read_sql, verb_for_rows

        known = script.known if isinstance(script, Partial) else script
        if moves_names(known):
            self.names_move = True
            self.doubt("the schema that names mean is another one from then on", line)
        if verb := verb_for_rows(known):
            self.changes_rows(verb, line)
        if isinstance(script, Partial):
            self.doubt("SQL that is computed", line, *may_do(script.known))
            return
        for effect in read_sql(
            script,
            line,
            dialect=self.dialect,
            certain=self.certain,
            database=self._database,
            allowance=self.budget.sql,
        ):
            if isinstance(effect, Opaque):
                self._doubt(effect)
                continue
            self._add(effect)
            if not verb and effect.object.kind is not Kind.TYPE:
                table = table_of(effect.object)
                self.unnamed(table, Kind.CONSTRAINT, Kind.INDEX, final=True)

    def call(self, function: Local, arguments: Arguments) -> object:
        """Run the body of a function of the file."""
        self.budget.call()
        if self._depth >= _DEPTH:
            raise TooMuch
        with self.elsewhere(function.names):
            self._depth += 1
            try:
                return self._follow(self, function, arguments)
            finally:
                self._depth -= 1

    @contextmanager
    def elsewhere(self, names: Mapping[str, object] | None = None) -> Iterator[None]:
        """Work in another scope, which begins with these names."""
        kept = self.names, self.certain, self.defining
        self.budget.copy(names or ())
        self.names = dict(names or {})
        try:
            yield
        finally:
            self.names, self.certain, self.defining = kept

    def walk(self, nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
        """Every node at or below some nodes; each is a step."""
        for top in nodes:
            for node in ast.walk(top):
                self.budget.spend()
                yield node

    @contextmanager
    def perhaps(self) -> Iterator[None]:
        """What happens inside may not happen; values assigned there are unknown afterwards."""
        certain, before = self.certain, self.names
        self.budget.copy(before)
        self.certain, self.names = False, dict(before)
        try:
            yield
        finally:
            self.certain = certain
            self.names = self.merged(before, self.names)

    def merged(self, one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
        """The values of names after two alternative paths."""
        self.budget.spend(len(one) + len(other))
        return {
            name: one[name]
            if name in one and name in other and _same(one[name], other[name])
            else UNKNOWN
            for name in {**one, **other}
        }


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and one == other)


# --- Operations of Alembic's ---------------------------------------------------------------------
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

    def note(
        self, action: Action, thing: SchemaObject, *, certain: bool = True, **details: Any
    ) -> None:
        """Note an effect; ``details`` are further attributes of it."""
        certain = certain and (self.certain or action is USE)
        self.run.note(action, thing, self.line, certain=certain, **details)

    def rename(
        self, old: SchemaObject, new: SchemaObject, properties: ColumnProperties = ()
    ) -> None:
        """Note that an object is renamed."""
        self.note(DROP, old, renamed=new)
        self.note(CREATE, new, renamed=old, properties=properties)

    def doubt(self, detail: str, *actions: Action, table: SchemaObject | None = None) -> None:
        """Note that something is unknown."""
        self.run.doubt(f"{self.name}: {detail}", self.line, *actions, table=table)

    def act_on_part(
        self, action: Action, kind: Kind, parameter: str, sort: str = "", part: str = ""
    ) -> None:
        """Note that a part of the table, named by an argument, is created or dropped.

        Args:
            action: what is done to it.
            kind: its kind.
            parameter: the argument.
            sort: the sort of a constraint, if known.
            part: what its name contains if the argument is left out.
        """
        name, table = self.text(parameter), self.table
        if table is None and (kind is not Kind.INDEX or self.names_table):
            return  # the unknown table has been noted already
        if name:
            part_ = (table or self.run.table("")).part(kind, name)
            self.note(action, part_, by_hand=action is CREATE and sort in BY_HAND)
            if sort:
                final = action is DROP or isinstance(name, FinalName)
                self.run.unnamed(table, kind, part=name, sort=sort, noted=name, final=final)
        elif self.values.get(parameter) is None:
            self.run.unnamed(table, kind, part=part, sort=sort)
        else:
            self.doubt("the name is computed", action, table=table)

    @property
    def names_table(self) -> bool:
        """Whether a table is named, known or not."""
        return any(self.values.get(name) is not None for name in OF_A_TABLE)

    def use_columns(self, columns: object, table: SchemaObject | None, **details: Any) -> None:
        """Note that columns of a table are used, if they are given by name."""
        for name in elements(columns) or ():
            if isinstance(name, str) and table is not None:
                self.note(USE, table.part(Kind.COLUMN, name), **details)

    def refer(self, column: ColumnValue | ConstraintValue, *, but: SchemaObject | None) -> None:
        """Note the targets of foreign keys, except for the table itself."""
        for target in column.references:
            if table_of(target) != but:
                self.note(USE, target, certain=self.run.checks_references)
        if not column.complete:
            self.doubt("the target of a foreign key is computed", USE)
