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
        self._dialect = dialect
        self._database = database
        self._effects: dict[Effect, None] = {}
        self._opaque: dict[Opaque, None] = {}
        self._calls = 0
        self._depth = 0

    @property
    def footprint(self) -> Footprint:
        """What has been found so far."""
        return Footprint(tuple(self._effects), tuple(self._opaque))

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

    def note(
        self,
        action: Action,
        object_: SchemaObject,
        line: int,
        *,
        certain: bool = True,
        renamed: SchemaObject | None = None,
    ) -> None:
        """Note an effect."""
        self._effects[Effect(action, object_, line, certain and self.certain, renamed)] = None

    def doubt(
        self,
        detail: str,
        line: int,
        *actions: Action,
        table: SchemaObject | None = None,
    ) -> None:
        """Note that something is not known; without actions, anything may happen there."""
        self._opaque[Opaque(detail, line, frozenset(actions or Action), table)] = None

    def sql(self, script: str | Partial, line: int) -> None:
        """Note what a SQL script does."""
        if isinstance(script, Partial):
            verb = _VERB.match(script.start)
            actions = _ACTIONS.get(verb[1].lower(), ()) if verb else ()
            self.doubt("SQL that is computed", line, *actions)
            return
        effects, opaque = read_sql(
            script, line, dialect=self._dialect, certain=self.certain, database=self._database
        )
        self._effects.update(dict.fromkeys(effects))
        self._opaque.update(dict.fromkeys(opaque))

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
