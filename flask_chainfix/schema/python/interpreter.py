"""One static run through a migration: what its names hold, and what has been found so far."""

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
)
from flask_chainfix.schema.objects import table_of
from flask_chainfix.schema.python.values import UNKNOWN, Arguments, Local, Partial, held_by

if TYPE_CHECKING:
    from flask_chainfix.schema.python.module_names import Module
    from flask_chainfix.schema.sql.parsing import Allowance

# A step takes a microsecond or two. Ordinary migrations take a thousand; loops multiply them.
MOST_STEPS = 1_000_000
_CALL = 20
_AT_ONCE = 16  # characters or elements that are copied in the time of a step
_DEPTH = 20
# No database has names nearly as long, and nobody would read a message with one.
_LONGEST_NAME = 1_000


class TooMuch(Exception):
    """The migration does more than can be followed in reasonable time and memory."""


class Budget:
    """The steps that are left for one file.

    Every expression is a step. What puts values together pays for the whole of the new value
    before it is there, and what looks into values pays for everything that they hold: so both the
    time that is spent and the memory that values take are bounded, by whatever they grow.
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
            TooMuch: there are not that many left.
        """
        self._left -= steps
        if self._left < 0:
            raise TooMuch

    def call(self) -> None:
        """Pay for a call, or for a round of a loop."""
        self.spend(_CALL)

    def copy(self, *values: Sized) -> None:
        """Pay for one value that is as long as these together."""
        self.spend(len(values) + sum(map(len, values)) // _AT_ONCE)

    def look_into(self, values: Iterable[object]) -> None:
        """Pay for a look at everything that values hold, once for each time that they hold it."""
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
        module: what module-level names hold, worked out when they are asked for.
        follow: runs the body of a function of the file.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` where it is not known.
        database: the bind that the function works on; ``""`` for the default one.
        local: the top-level modules of the migration's own project.

    Attributes:
        budget: the steps that are left for the file.
        names: what local names hold.
        certain: whether the place that has been reached is reached whenever the migration runs.
        defining: whether arguments of a column or table are being read: what is called there
            makes types and defaults, whatever module it comes from.
        copied: whether the batch that has been reached may copy its table.
        temporary: the tables that are gone with the session.
        names_move: whether names may mean objects of another schema by now.
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
        # What a generator does happens when somebody iterates over it, if anybody does.
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
        """Whether the database wants the target of a foreign key to be there; SQLite does not."""
        return self.dialect != "sqlite"

    def lookup(self, name: str) -> object:
        """What a name holds."""
        value = self.names.get(name, self)
        if name in self._module.shared or id(value) in self._outdated:
            return UNKNOWN
        return self._module.value(self, name) if value is self else value

    def outdate(self, value: object) -> None:
        """Note that a list or dictionary has been changed in place: other names hold it as well."""
        if value and (type(value) is tuple or isinstance(value, dict)):  # empty ones are all one
            self._outdated[id(value)] = value

    def table(self, name: str, schema: str = "") -> SchemaObject:
        """A table of the database that is being migrated."""
        return SchemaObject(Kind.TABLE, name, "", schema, self._database)

    def note(  # noqa: PLR0913  (what an effect says, all but the first three by name)
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
        """Add an effect; the same use once more, or the same change at once, says nothing new."""
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
        """What is made inside, by a copy of the table, may be there already without a failure."""
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
        """Note that something is not known; without actions, anything may happen there."""
        actions_ = frozenset(actions or Action)
        self._doubt(Opaque(detail, line, actions_, table, kinds))

    def _doubt(self, opaque: Opaque) -> None:
        self._opaque[opaque._replace(place=len(self._effects))] = None

    def unnamed(self, table: SchemaObject | None) -> None:
        """Note that a table gets a constraint or index whose name the database chooses."""
        if table is not None:
            self._unnamed[table, len(self._effects)] = None

    def changes_rows(self, what: str, line: int) -> None:
        """Note that rows may be changed."""
        self._rows[what, line] = None

    def sql(self, script: str | Partial, line: int) -> None:
        """Note what a SQL script does."""
        from flask_chainfix.schema.sql.script import may_do, moves_names, read_sql, verb_for_rows

        if moves_names(script.known if isinstance(script, Partial) else script):
            self.names_move = True
            self.doubt("the schema that names mean is another one from then on", line)
        if verb := verb_for_rows(script.known if isinstance(script, Partial) else script):
            self.changes_rows(verb, line)
        if isinstance(script, Partial):
            self.doubt("SQL that is computed", line, *may_do(script.known))
            return
        effects, opaque = read_sql(
            script,
            line,
            dialect=self.dialect,
            certain=self.certain,
            database=self._database,
            allowance=self.budget.sql,
        )
        told = 0
        for doubt in opaque:
            for effect in effects[told : doubt.place]:
                self._add(effect)
            told = doubt.place
            self._doubt(doubt)
        for effect in effects[told:]:
            self._add(effect)

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
        """Every node below some, themselves included; each is a step."""
        for top in nodes:
            for node in ast.walk(top):
                self.budget.spend()
                yield node

    @contextmanager
    def perhaps(self) -> Iterator[None]:
        """What happens inside may not happen; what is assigned there is not known afterwards."""
        certain, before = self.certain, self.names
        self.budget.copy(before)
        self.certain, self.names = False, dict(before)
        try:
            yield
        finally:
            self.certain = certain
            self.names = self.merged(before, self.names)

    def merged(self, one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
        """What names hold behind two ways of which one was taken."""
        self.budget.spend(len(one) + len(other))
        return {
            name: one[name]
            if name in one and name in other and self._same(one[name], other[name])
            else UNKNOWN
            for name in {**one, **other}
        }

    def _same(self, one: object, other: object) -> bool:
        if one is other or type(one) is not type(other):
            return one is other
        return one == other
