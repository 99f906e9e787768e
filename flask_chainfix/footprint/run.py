"""One static run through a migration: what its names hold, and what has been found so far."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from flask_chainfix.footprint.budget import Budget, TooMuch
from flask_chainfix.footprint.sql.reader import read_sql
from flask_chainfix.footprint.values import UNKNOWN, Arguments, Local, Partial
from flask_chainfix.model.schema import Action, Effect, Footprint, Kind, Opaque, SchemaObject

_DEPTH = 20
# A comment has one end: else there are as many ways to read a row of them as there are subsets.
_VERB = re.compile(r"(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*([A-Za-z]+)")
# No database has names nearly as long, and nobody would read a message with one.
_LONGEST_NAME = 1_000
# What statements that begin with these words can do; all others can do anything.
_ACTIONS = {
    **dict.fromkeys(("delete", "insert", "merge", "replace", "select", "truncate"), (Action.USE,)),
    **dict.fromkeys(("analyze", "comment", "copy", "grant", "lock", "pragma"), (Action.USE,)),
    **dict.fromkeys(("refresh", "reindex", "reset", "revoke", "set", "show"), (Action.USE,)),
    **dict.fromkeys(("update", "vacuum", "with"), (Action.USE,)),
    "create": (Action.CREATE, Action.USE),
    "drop": (Action.DROP,),
}
_KIND = re.compile(
    r"(?:create|alter|drop)\s+(?:(?:or\s+replace|unique|bitmap|fulltext|aggregate|constraint"
    r"|event|materialized|temp|temporary|unlogged|global|local)\s+)*([a-z]+)\s",
    re.IGNORECASE,
)
# The kinds of objects that come and go with a statement about something; with the others none does.
_KINDS = {
    **dict.fromkeys(("table", "view", "virtual", "external"), frozenset(Kind)),
    "index": frozenset({Kind.INDEX}),
    **dict.fromkeys(("type", "domain"), frozenset({Kind.TYPE})),
    **dict.fromkeys(
        ("sequence", "function", "procedure", "trigger", "role", "user", "policy", "rule"),
        frozenset[Kind](),
    ),
    **dict.fromkeys(("server", "publication", "operator", "cast", "collation"), frozenset[Kind]()),
}
# What comes and goes together with an object.
_PARTS = frozenset({Kind.COLUMN, Kind.CONSTRAINT, Kind.INDEX})
_WITH_IT = {Kind.TABLE: _PARTS | {Kind.TABLE}, Kind.COLUMN: _PARTS}
# What stands for a gap in a statement while it is read: no name that anybody would choose.
_GAP = "fixchain_gap"


class Names(Protocol):
    """The names of a module."""

    budget: Budget
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
        local: the top-level modules of the migration's own project; ``None`` where not known.

    Attributes:
        budget: the steps that are left for the file.
        names: what local names hold.
        certain: whether the place that has been reached is reached whenever the migration runs.
        may_yield: whether a function of the file may be a generator.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` where it is not known.
        local: the top-level modules of the migration's own project; ``None`` where not known.
        statement: the expression that is the statement which has been reached last.
        defining: whether arguments of a column or table are being read: what is called there
            makes types and defaults, whatever module it comes from.
    """

    def __init__(
        self,
        module: Names,
        follow: Callable[[Run, Local, Arguments], object],
        dialect: str | None,
        database: str,
        local: Collection[str] | None = None,
    ) -> None:
        self._module = module
        self.budget = module.budget
        self.may_yield = module.may_yield
        self.names: dict[str, object] = {}
        self.certain = True
        self._outdated: dict[int, object] = {}
        self.defining = False
        self._follow = follow
        self.dialect = dialect
        self.local = local
        self.statement: ast.expr | None = None
        self._database = database
        self._effects: list[Effect] = []
        self._used: set[Effect] = set()
        self._opaque: dict[Opaque, None] = {}
        self._unnamed: dict[tuple[SchemaObject, int], None] = {}
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
        if max(map(len, object_[1:4])) > _LONGEST_NAME:
            self.doubt("a name that no database could have", line, action)
            return
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
        tables: tuple[str, ...] = ("", ""),
    ) -> None:
        """Note that something is not known; without actions, anything may happen there."""
        actions_ = frozenset(actions or Action)
        self._doubt(Opaque(detail, line, actions_, table, kinds, tables=tables))

    def _doubt(self, opaque: Opaque) -> None:
        self._opaque[opaque._replace(place=len(self._effects))] = None

    def unnamed(self, table: SchemaObject | None) -> None:
        """Note that a table gets a constraint or index whose name the database chooses."""
        if table is not None:
            self._unnamed[table, len(self._effects)] = None

    def sql(self, script: str | Partial, line: int) -> None:
        """Note what a SQL script does."""
        whole = script if isinstance(script, str) else _GAP.join((script.start, *script.rest))
        verb = _VERB.match(script.start) if isinstance(script, Partial) else None
        if isinstance(script, Partial) and (verb is None or verb.end() == len(script.start)):
            self.doubt("SQL that is computed", line)
            return
        effects, opaque = read_sql(
            whole,
            line,
            dialect=self.dialect,
            certain=self.certain,
            database=self._database,
            allowance=self.budget.sql,
        )
        told = 0
        for doubt in opaque:
            for effect in effects[told : doubt.place]:
                self._add_known(effect, in_full=verb is None)
            told = doubt.place
            self._doubt(doubt if verb is None else _limited(doubt, verb))
        for effect in effects[told:]:
            self._add_known(effect, in_full=verb is None)
        if verb is not None:
            self.doubt("SQL that is computed", line, Action.USE)

    def _add_known(self, effect: Effect, *, in_full: bool) -> None:
        """Add an effect of a script; a doubt where it is not known with which object.

        Args:
            effect: what a statement does.
            in_full: whether the script is known in full. What is made and dropped by another may be
                temporary, or happen only if it is not there.
        """
        action, object_, line, certain, renamed, _ = effect
        table = object_.name if object_.kind is Kind.TABLE else object_.table
        if _GAP not in "".join((object_.name, table, object_.schema, *(renamed or ())[1:4])):
            self._add(effect._replace(certain=certain and (in_full or action is Action.USE)))
            return
        if action is Action.USE:
            return  # which every gap may do
        known = bool(object_.table) and _GAP not in object_.table + object_.schema
        self.doubt(
            "SQL that is computed",
            line,
            action,
            table=self.table(object_.table, object_.schema) if known else None,
            kinds=_WITH_IT.get(object_.kind, frozenset({object_.kind})),
            tables=tuple(table.split(_GAP)) if _GAP in table else ("", ""),
        )

    def call(self, function: Local, arguments: Arguments) -> object:
        """Run the body of a function of the file.

        Raises:
            TooMuch: it is too deep in others.
        """
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
        """Every node below some, themselves included; each is a step.

        Raises:
            TooMuch: there are too many.
        """
        for top in nodes:
            for node in ast.walk(top):
                self.budget.spend()
                yield node

    def joined(self, parts: Sequence[object]) -> str | Partial:
        """Strings one after the other, with a gap for everything else.

        Raises:
            TooMuch: they are too long.
        """
        self.budget.look_into(parts)
        return Partial.joined(parts)

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
        self.budget.look_into((one, other))
        return one == other


def _limited(doubt: Opaque, verb: re.Match[str]) -> Opaque:
    """What a statement may do that is not known in full, by the words that it begins with."""
    actions, start = _ACTIONS.get(verb[1].lower()), verb.string
    limited = doubt._replace(detail=doubt.detail.replace(_GAP, "…"))
    if actions is not None:
        limited = limited._replace(actions=doubt.actions & {*actions})
    found = _KIND.match(start.lstrip())
    kinds = _KINDS.get(found[1].lower()) if found else None
    if kinds is not None:
        limited = limited._replace(kinds=doubt.kinds & kinds)
    if doubt.table is not None and _GAP in doubt.table.name + doubt.table.schema:
        limited = limited._replace(table=None, tables=tuple(doubt.table.name.split(_GAP)))
    return limited
