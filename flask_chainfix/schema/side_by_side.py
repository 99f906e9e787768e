"""What two branches do to one schema: whether they can be in each other's way at all, and where.

The rules of the schema compare names. This adds what they do not see when one branch runs after the
other: a part of a table that was meanwhile renamed, and a column on which an index was built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flask_chainfix.schema.footprint import Action, Effect, Footprint, Kind
from flask_chainfix.schema.objects import Key, Touch, key_of, table_key

Branch = Sequence[tuple[str, Footprint]]  # revisions in the order in which they run

_FOLLOWED = (Kind.COLUMN, Kind.INDEX)


class Collision(NamedTuple):
    """Two operations of two branches that do not go together.

    Attributes:
        first: that of the branch that runs first.
        second: that of the other, which fails.
        why: the reason, in words between the two: ``uses column t.c, which {} has dropped``.
    """

    first: Touch
    second: Touch
    why: str


def can_collide(one: Branch, other: Branch) -> bool:
    """Whether both do something with one object, and one of them more than to use it."""
    ours, theirs, uses = _doings(one), _doings(other), {Action.USE}
    return any(ours[key] != uses or theirs[key] != uses for key in ours.keys() & theirs)


def _doings(branch: Branch) -> dict[Key, set[Action]]:
    found: dict[Key, set[Action]] = {}
    for _, footprint in branch:
        for effect in footprint.effects:
            key = key_of(effect.object)
            found.setdefault(key, set()).add(effect.action)
            if effect.object.table:  # what is done to a part needs the table
                table = table_key(key._replace(table=effect.object.table.casefold()))
                found.setdefault(table, set()).add(Action.USE)
    return found


def collisions(below: Branch, above: Branch) -> Iterator[Collision]:
    """What fails of one branch because the other has run before it.

    Nothing where the source does not tell all that they do.
    """
    if any(footprint.opaque for _, footprint in (*below, *above)):
        return
    left = _Left()
    for touch, effect in _touches(below):
        left.take(touch, effect)
    for touch, effect in _touches(above):
        collision = left.collision(touch, effect)
        if collision is not None:
            yield collision
        left.forget(effect)


def _touches(branch: Branch) -> Iterator[tuple[Touch, Effect]]:
    for revision, footprint in branch:
        for place, effect in enumerate(footprint.effects):
            yield (
                Touch(revision, effect.line, effect.object, effect.certain, place, effect.tolerant),
                effect,
            )


def _key(effect: Effect) -> Key:
    """The key of an object; that of an index also tells its table."""
    return key_of(effect.object)._replace(table=effect.object.table.casefold())


class _Left:
    """What a branch has left behind, by the names that tables have come to have since."""

    def __init__(self) -> None:
        self._made: dict[Key, Touch] = {}
        self._gone: dict[Key, Touch] = {}
        self._built: dict[Key, Touch] = {}
        self._used: list[tuple[str, int, Key]] = []

    def take(self, touch: Touch, effect: Effect) -> None:
        """Add what one operation of the branch has left."""
        key = _key(effect)
        self.forget(effect)
        if key.kind not in _FOLLOWED:
            return
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
            return _collision(first, touch, f"creates {name}, as {{}} has before")
        first = self._gone.get(key)
        if first is not None:
            deed = "uses" if effect.action is Action.USE else "changes"
            return _collision(first, touch, f"{deed} {name}, which {{}} has dropped before")
        if effect.action is Action.DROP and effect.renamed is None:
            first = self._built.get(key)
            what = f"{first.object.kind.value} {first.object.spelled}" if first else ""
            return _collision(first, touch, f"drops {name}, on which {{}} builds {what}")
        return None

    def forget(self, effect: Effect) -> None:
        """Follow a table to its new name, and forget what is done anew."""
        key = _key(effect)
        if key.kind is Kind.INDEX and effect.action is Action.DROP:
            built = self._built.items()
            self._built = {on: what for on, what in built if what.object.name != effect.object.name}
        for known in (self._made, self._gone, self._built):
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


def _collision(first: Touch | None, second: Touch, why: str) -> Collision | None:
    return Collision(first, second, why) if first is not None and first.certain else None
