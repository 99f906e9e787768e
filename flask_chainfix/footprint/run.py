"""One static run through a migration: what its names hold, and what has been found so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from flask_chainfix.footprint.sql import read_sql
from flask_chainfix.footprint.values import UNKNOWN, Arguments, Local, Partial
from flask_chainfix.model import Action, Effect, Footprint, Kind, Opaque, SchemaObject

# Calls that are followed in one file. Ordinary migrations have a hundred; loops multiply them.
_BUDGET = 50_000
_DEPTH = 20
_VERB = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
# What statements that begin with these words can do; all others can do anything.
_ACTIONS = {
    **dict.fromkeys(("delete", "insert", "select", "truncate", "update", "with"), (Action.USE,)),
    "create": (Action.CREATE, Action.USE),
    "drop": (Action.DROP,),
}


class TooMuch(Exception):
    """The migration does more than can be followed in reasonable time."""


class Names(Protocol):
    """The names of a module."""

    shared: frozenset[str]
    may_yield: bool

    def value(self, run: Run, name: str) -> object:
        """What a name holds."""


class Run:
    """The state of a run.

    Args:
        module: what module-level names hold, worked out when they are asked for.
        follow: runs the body of a function of the file.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` where it is not known.
        database: the bind that the function works on; ``""`` for the default one.

    Attributes:
        names: what local names hold.
        certain: whether the place that has been reached is reached whenever the migration runs.
        may_yield: whether a function of the file may be a generator.
        outdated: lists and dictionaries that have been changed in place, as they were before.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` where it is not known.
        defining: whether arguments of a column or table are being read: what is called there
            makes types and defaults, whatever module it comes from.
    """

    def __init__(
        self,
        module: Names,
        follow: Callable[[Run, Local, Arguments], object],
        dialect: str | None,
        database: str,
    ) -> None:
        self._module = module
        self.may_yield = module.may_yield
        self.names: dict[str, object] = {}
        self.certain = True
        self.outdated: list[object] = []
        self.defining = False
        self._follow = follow
        self.dialect = dialect
        self._database = database
        self._effects: list[Effect] = []
        self._used: set[Effect] = set()
        self._opaque: dict[Opaque, None] = {}
        self._unnamed: dict[tuple[SchemaObject, int], None] = {}
        self._calls = 0
        self._depth = 0

    @property
    def footprint(self) -> Footprint:
        """What has been found so far."""
        return Footprint(tuple(self._effects), tuple(self._opaque), tuple(self._unnamed))

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
        if name in self._module.shared or any(value is old for old in self.outdated):
            return UNKNOWN
        return self._module.value(self, name) if value is self else value

    def table(self, name: str, schema: str = "") -> SchemaObject:
        """A table of the database that is being migrated."""
        return SchemaObject(Kind.TABLE, name, "", schema, self._database)

    def part(self, kind: Kind, name: str, table: SchemaObject | None) -> SchemaObject:
        """A column, index or constraint, or a type where ``table`` is ``None``."""
        if table is None:
            return SchemaObject(kind, name, "", "", self._database)
        return SchemaObject(kind, name, table.name, table.schema, table.database)

    def note(  # noqa: PLR0913  (what an effect says, all but the first three by name)
        self,
        action: Action,
        object_: SchemaObject,
        line: int,
        *,
        certain: bool = True,
        renamed: SchemaObject | None = None,
        tolerant: bool = False,
    ) -> None:
        """Note an effect."""
        certain = certain and self.certain
        self._add(Effect(action, object_, line, certain, renamed, tolerant))

    def _add(self, effect: Effect) -> None:
        """Add an effect; the same use once more, or the same change at once, says nothing new."""
        if effect in self._used or effect in self._effects[-1:]:
            return
        if effect.action is Action.USE:
            self._used.add(effect)
        self._effects.append(effect)

    def doubt(
        self,
        detail: str,
        line: int,
        *actions: Action,
        table: SchemaObject | None = None,
        kinds: frozenset[Kind] = frozenset(Kind),
    ) -> None:
        """Note that something is not known; without actions, anything may happen there."""
        self._doubt(Opaque(detail, line, frozenset(actions or Action), table, kinds))

    def _doubt(self, opaque: Opaque) -> None:
        self._opaque[opaque._replace(place=len(self._effects))] = None

    def unnamed(self, table: SchemaObject | None) -> None:
        """Note that a table gets a constraint or index whose name the database chooses."""
        if table is not None:
            self._unnamed[table, len(self._effects)] = None

    def sql(self, script: str | Partial, line: int) -> None:
        """Note what a SQL script does."""
        if isinstance(script, Partial):
            verb = _VERB.match(script.start)
            actions = _ACTIONS.get(verb[1].lower(), ()) if verb else ()
            self.doubt("SQL that is computed", line, *actions)
            return
        effects, opaque = read_sql(
            script, line, dialect=self.dialect, certain=self.certain, database=self._database
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
        """Run the body of a function of the file.

        Raises:
            TooMuch: it is too deep in others.
        """
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
        self.names = dict(names or {})
        try:
            yield
        finally:
            self.names, self.certain, self.defining = kept

    def count_call(self) -> None:
        """Count a call.

        Raises:
            TooMuch: there have been too many.
        """
        self._calls += 1
        if self._calls > _BUDGET:
            raise TooMuch

    @contextmanager
    def perhaps(self) -> Iterator[None]:
        """What happens inside may not happen; what is assigned there is not known afterwards."""
        certain, before = self.certain, self.names
        self.certain, self.names = False, dict(before)
        try:
            yield
        finally:
            self.certain = certain
            self.names = merged(before, self.names)


def merged(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """What names hold behind two ways of which one was taken."""
    return {
        name: one[name]
        if name in one and name in other and _same(one[name], other[name])
        else UNKNOWN
        for name in {**one, **other}
    }


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and one == other)
