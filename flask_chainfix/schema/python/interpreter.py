"""One static run through a migration: the values of its names, and the effects found so far."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from flask_chainfix.schema.footprint import (
    Action,
    ColumnProperties,
    Effect,
    Footprint,
    Kind,
    Opaque,
    SchemaObject,
    table_of,
)
from flask_chainfix.schema.python.values import UNKNOWN, Arguments, Local, Partial, held_by

if TYPE_CHECKING:
    from flask_chainfix.schema.python.footprint_reader import Module
    from flask_chainfix.schema.sql.parsing import Allowance

# A step takes a microsecond or two. Ordinary migrations take a thousand; loops multiply them.
MOST_STEPS = 1_000_000
_CALL = 20
_AT_ONCE = 16  # characters or elements that are copied in the time of a step
_DEPTH = 20
# No database has names nearly this long, and no message should show one.
_LONGEST_NAME = 1_000


class TooMuch(Exception):
    """The migration does more than can be followed in reasonable time and memory."""


class Budget:
    """The steps that are left for one file.

    Every expression is a step. An operation that builds a value pays for its size before it is
    built, and one that looks into values pays for everything in them. So both the time and the
    memory are bounded.
    """

    def __init__(self) -> None:
        self._left = MOST_STEPS

    @cached_property
    def sql(self) -> Allowance:
        """How much of its SQL may still be read."""
        from flask_chainfix.schema.sql.parsing import Allowance  # most migrations have none

        return Allowance()

    def spend(self, steps: int = 1) -> None:
        """Pay for steps.

        Raises:
            TooMuch: there are not enough left.
        """
        self._left -= steps
        if self._left < 0:
            raise TooMuch

    def call(self) -> None:
        """Pay for a call, or for a round of a loop."""
        self.spend(_CALL)

    def copy(self, *values: Sized) -> None:
        """Pay for one value as long as these together."""
        self.spend(len(values) + sum(map(len, values)) // _AT_ONCE)

    def look_into(self, values: Iterable[object]) -> None:
        """Pay for a look at everything in some values, each occurrence counted."""
        pending = [*values]
        while pending:
            value = pending.pop()
            if isinstance(value, (str, bytes)):
                self.copy(value)
            else:
                self.spend()
                pending.extend(held_by(value))


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
        certain: whether the current place is reached whenever the migration runs.
        defining: whether the arguments of a column or table are being read: calls in them make
            types and defaults, whatever module they come from.
        copied: whether the current batch may copy its table.
        temporary: the tables that are dropped with the session.
        names_move: whether names may already mean objects of another schema.
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
        # A generator's body runs when it is iterated over, if ever.
        self.certain = not module.may_yield
        self.defining = False
        self.copied = False
        self.names_move = False
        self.temporary: set[SchemaObject] = set()
        self.dialect = dialect
        self.local = local
        self._follow = follow
        self._database = database
        self._outdated: dict[int, object] = {}
        self._effects: list[Effect] = []
        self._used: set[Effect] = set()
        self._opaque: dict[Opaque, None] = {}
        self._unnamed: dict[tuple[SchemaObject, int], None] = {}
        self._rows: dict[tuple[str, int], None] = {}
        self._hidden: dict[SchemaObject, None] = {}
        self._depth = 0

    @property
    def footprint(self) -> Footprint:
        """What has been found so far."""
        unnamed, rows, hidden = tuple(self._unnamed), tuple(self._rows), tuple(self._hidden)
        return Footprint(tuple(self._effects), tuple(self._opaque), unnamed, rows, hidden)

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

    def note(  # noqa: PLR0913  (the attributes of an effect; all but the first three by name)
        self,
        action: Action,
        object_: SchemaObject,
        line: int,
        *,
        certain: bool = True,
        renamed: SchemaObject | None = None,
        tolerant: bool = False,
        properties: ColumnProperties = (),
        default: str | None = None,
    ) -> None:
        """Note an effect."""
        if max(map(len, object_[1:4])) > _LONGEST_NAME:
            self.doubt("a name that no database could have", line, action)
            return
        certain = certain and self.certain
        self._add(Effect(action, object_, line, certain, renamed, tolerant, properties, default))

    def _add(self, effect: Effect) -> None:
        """Add an effect, unless it repeats a use or the change just before."""
        thing = effect.object
        if table_of(thing) in self.temporary:
            if thing.kind is not Kind.TABLE or effect.action is Action.USE:
                return
            effect = effect._replace(certain=False)  # of another table of that name
        if self.names_move and not thing.schema:
            effect = effect._replace(certain=False)
        if effect in self._used or effect in self._effects[-1:]:
            return
        if effect.action is Action.USE and not effect.properties:
            self._used.add(effect)
        self._effects.append(effect)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Objects created inside may exist already without a failure, as the table is copied."""
        start, around = len(self._effects), self.copied
        self.copied = False
        try:
            yield
        finally:
            for at, effect in enumerate(self._effects[start:] if self.copied else (), start):
                if effect.action is Action.CREATE and effect.renamed is None:
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

    def unnamed(self, table: SchemaObject | None, kind: Kind = Kind.CONSTRAINT) -> None:
        """Note that a table gets a constraint or index whose name the database chooses."""
        if table is not None:
            self._unnamed[table, len(self._effects)] = None
            self.hides(table, kind)

    def hides(self, table: SchemaObject, *kinds: Kind) -> None:
        """Note that a table may get constraints or indexes whose names the source does not show."""
        self._hidden.update((table.part(kind, ""), None) for kind in kinds)

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
                self.hides(table_of(effect.object), Kind.CONSTRAINT, Kind.INDEX)

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
