"""Conflicts between what two branches do to one schema.

The rules of the schema compare names. This module adds what they miss when one branch runs after
the other: a part of a table that has been renamed, a column that an index was built on, and a
column that both branches change differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from flask_chainfix.common.wording import listing
from flask_chainfix.schema.footprint import (
    A_DEFAULT,
    PROPERTIES,
    Action,
    Effect,
    Footprint,
    Key,
    Kind,
    Touch,
    ended,
    key_of,
    table_key,
)

Branch = Sequence[tuple[str, Footprint]]  # revisions in the order in which they run

_FOLLOWED = (Kind.COLUMN, Kind.INDEX)
_LONGEST_DEFAULT = 40  # shown


class Collision(NamedTuple):
    """Two conflicting operations of two branches.

    Attributes:
        first: the touch of the branch that runs first.
        second: the touch of the other branch.
        operation: what the second does: ``uses column t.c, which``.
        reason: what the first has done: ``has dropped before``.
        fails: whether the second fails because of it; otherwise it undoes what the first has done.
    """

    first: Touch
    second: Touch
    operation: str
    reason: str
    fails: bool = True

    @property
    def sentence(self) -> str:
        """What is wrong."""
        return f"{self.second.revision} {self.operation} {self.first.revision} {self.reason}"


Doings = Mapping[Key, Set[Action]]


def can_collide(one: Iterable[Doings], other: Iterable[Doings]) -> bool:
    """Whether two branches touch one object, and one of them does more than use it.

    Args:
        one: the ``doings`` of each migration of one branch.
        other: the same for the other branch.
    """
    ours, theirs, uses = _together(one), _together(other), {Action.USE}
    return any(ours[key] != uses or theirs[key] != uses for key in ours.keys() & theirs)


def _together(branch: Iterable[Doings]) -> dict[Key, set[Action]]:
    found: dict[Key, set[Action]] = {}
    for each in branch:
        for key, actions in each.items():
            found.setdefault(key, set()).update(actions)
    return found


def doings(footprint: Footprint) -> Doings:
    """What a migration does to each object."""
    found: dict[Key, set[Action]] = {}
    for effect in footprint.effects:
        key = key_of(effect.object)
        found.setdefault(key, set()).add(effect.action)
        if effect.object.table:  # an operation on a part needs the table
            table = table_key(key._replace(table=effect.object.table.casefold()))
            found.setdefault(table, set()).add(Action.USE)
        for property_, _ in effect.properties:
            found.setdefault(key._replace(kind=property_), set()).add(effect.action)
            found[key._replace(kind=property_)].add(Action.CREATE)
    return found


def collisions(below: Branch, above: Branch) -> Iterator[Collision]:
    """Operations of one branch that fail because the other has run before, or undo what it did.

    Nothing is yielded if either branch has code that cannot be read.
    """
    if any(footprint.opaque for _, footprint in (*below, *above)):
        return
    left, own = _Left(), _Left()
    for touch, effect in _touches(below):
        left.take(touch, effect)
    for touch, effect in _touches(above):
        collision = left.collision(touch, effect)
        if collision is not None:
            yield collision
        left.forget(effect)
        own.take(touch, effect)
    yield from left.undone(own)


def _touches(branch: Branch) -> Iterator[tuple[Touch, Effect]]:
    for revision, footprint in branch:
        for place, effect in enumerate(footprint.effects):
            _, thing, line, certain, renamed, tolerant, *_ = effect
            yield Touch(revision, line, thing, certain, place, tolerant, renamed), effect


def _key(effect: Effect) -> Key:
    """The key of an object; for an index, with its table."""
    return key_of(effect.object)._replace(table=effect.object.table.casefold())


class _Setting(NamedTuple):
    """The new value of a column's property, ``None`` in ``state`` if unknown."""

    touch: Touch
    state: str | None
    default: str | None

    def __str__(self) -> str:
        if self.state != A_DEFAULT or self.default is None:
            return str(self.state)
        return f"default {self.default[:_LONGEST_DEFAULT]!r}"

    def differs(self, other: _Setting) -> bool:
        """Whether the two certainly differ."""
        if self.state == other.state == A_DEFAULT:
            return None not in (self.default, other.default) and self.default != other.default
        return None not in (self.state, other.state) and self.state != other.state


class _Left:
    """What a branch leaves behind, by the current names of tables."""

    def __init__(self) -> None:
        self._made: dict[Key, Touch] = {}
        self._gone: dict[Key, Touch] = {}
        self._built: dict[Key, Touch] = {}
        self._used: list[tuple[str, int, Key]] = []
        self._set: dict[Key, _Setting] = {}

    def take(self, touch: Touch, effect: Effect) -> None:
        """Record what one operation of the branch leaves behind."""
        key = _key(effect)
        self.forget(effect)
        if key.kind not in _FOLLOWED:
            return
        if effect.action is Action.USE or effect.renamed is not None:
            for kind, state in effect.properties:
                known = state if touch.certain else None
                self._set[key._replace(kind=kind)] = _Setting(touch, known, effect.default)
        if effect.action is Action.USE:
            self._used.append((touch.revision, effect.line, key))
            return
        (self._made if effect.action is Action.CREATE else self._gone)[key] = touch
        if key.kind is Kind.INDEX and effect.action is Action.CREATE:
            for revision, line, column in self._used:
                if (revision, line) == (touch.revision, effect.line):
                    self._built[column] = touch

    def collision(self, touch: Touch, effect: Effect) -> Collision | None:
        """Why an operation of the other branch fails."""
        key = _key(effect)
        if key.kind not in _FOLLOWED or not touch.certain:
            return None
        name = f"{effect.object.kind.value} {effect.object.spelled}"
        if effect.action is Action.CREATE:
            first = self._made.get(key)
            return _collision(first, touch, f"creates {name}, as", "has before")
        first = self._gone.get(key)
        if first is not None:
            operation = "uses" if effect.action is Action.USE else "changes"
            return _collision(first, touch, f"{operation} {name}, which", f"{ended(first)} before")
        if effect.action is Action.DROP and effect.renamed is None:
            first = self._built.get(key)
            what = f"{first.object.kind.value} {first.object.spelled}" if first else ""
            return _collision(first, touch, f"drops {name}, on which", f"builds {what}")
        return None

    def undone(self, above: _Left) -> Iterator[Collision]:
        """What of it another branch, which runs later, changes to something else."""
        found: dict[tuple[str, str, Key], list[tuple[_Setting, _Setting]]] = {}
        for key, second in above._set.items():
            first = self._set.get(key)
            if first is not None and second.differs(first):
                revisions = first.touch.revision, second.touch.revision
                column = key._replace(kind=Kind.COLUMN)
                found.setdefault((*revisions, column), []).append((first, second))
        for pairs in found.values():
            first, second = pairs[0]
            before, after = (listing(map(str, side)) for side in zip(*pairs, strict=True))
            operation = f"changes column {second.touch.object.spelled} to {after}, which"
            reason = f"has changed to {before} before"
            yield Collision(first.touch, second.touch, operation, reason, fails=False)

    def forget(self, effect: Effect) -> None:
        """Follow a table to its new name, and forget what is created again."""
        key = _key(effect)
        if key.kind is Kind.INDEX and effect.action is Action.DROP:
            built = self._built.items()
            self._built = {on: what for on, what in built if what.object.name != effect.object.name}
        if key.kind is Kind.COLUMN and effect.action is not Action.USE:
            self._forget_properties(key, effect)
        each_known: list[dict[Key, Any]] = [self._made, self._gone, self._built, self._set]
        for known in each_known:
            if key.kind is not Kind.TABLE:
                if effect.action is not Action.USE:
                    known.pop(key, None)
            elif effect.action is Action.DROP:
                of_table = [each for each in known if table_key(each) == key]
                for each in of_table:
                    touch = known.pop(each)
                    if effect.renamed is not None:
                        new = key_of(effect.renamed)
                        moved = each._replace(schema=new.schema, table=new.name)
                        known[moved] = touch

    def _forget_properties(self, key: Key, effect: Effect) -> None:
        if effect.renamed is not None and effect.action is Action.CREATE:
            return  # they came with the older name
        for kind in PROPERTIES:
            known = self._set.pop(key._replace(kind=kind), None)
            if known is not None and effect.renamed is not None:
                self._set[key_of(effect.renamed)._replace(kind=kind)] = known


def _collision(first: Touch | None, second: Touch, operation: str, reason: str) -> Collision | None:
    known = first is not None and first.certain
    return Collision(first, second, operation, reason) if first is not None and known else None
