"""Moments in the run of a chain, and what may happen between two of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Action, Kind, SchemaObject, Touch, key_of, table_of


class Moment(NamedTuple):
    """A point within the run of a revision.

    Attributes:
        revision: its id.
        effect: the number of an effect of the revision.
        at: whether the point is the effect itself; otherwise it is just before it.
    """

    revision: str
    effect: int
    at: bool


def moment_of(touch: Touch) -> Moment:
    """The moment at which a touch happens."""
    return Moment(touch.revision, touch.place, at=True)


def just_before(revision: str, place: int) -> Moment:
    """The point just before the effect of this number."""
    return Moment(revision, place, at=False)


def precedes(evidence: Evidence, one: Moment, other: Moment) -> bool:
    """Whether one moment certainly comes before another."""
    if one.revision == other.revision:
        return one[1:] < other[1:]
    return evidence.runs_before(one.revision, other.revision)


class Between:
    """What may happen between two touches of an object, and so explain that both run.

    If the two are on parallel branches, either may come first. Here b and d create t::

        a --- b (creates t) --- c (drops t) --- f
          +-- d (creates t) --- e ------------+

    What certainly comes before both (a) or after both (f) explains nothing. The drop in c may: it
    comes after b, but may come before d. So might one in e, between d and b.

    Args:
        evidence: what is known.
        touches: the touches of the object.
        action: what the touches do; an operation that may do the opposite explains it.
    """

    def __init__(self, evidence: Evidence, touches: list[Touch], action: Action) -> None:
        self._evidence = evidence
        made = action is Action.CREATE
        undoing, undone = (
            (Action.DROP, evidence.droppers) if made else (Action.CREATE, evidence.creators)
        )
        objects = {touch.object for touch in touches}
        doubts = [doubt for each in objects for doubt in evidence.limited(undoing, each)]
        doubts += evidence.unlimited.get((undoing, touches[0].object.kind), ())
        every = {moment_of(touch) for touch in undone.get(key_of(touches[0].object), ())}
        every.update(just_before(*doubt) for doubt in doubts)
        for each in objects:
            every.update(_unnamed_changes(evidence, each, undoing))
        self._moments = sorted(every, key=self._position)
        self._positions = [self._position(moment) for moment in self._moments]
        self._elsewhere = any(evidence.may_happen_elsewhere(undoing, each) for each in objects)

    def _position(self, moment: Moment) -> tuple[int, int, bool]:
        return self._evidence.rank[moment.revision], moment.effect, moment.at

    def explains(self, first: Touch, second: Touch) -> bool:
        """Whether something may happen between these two."""
        if self._elsewhere:
            return True
        start, end = moment_of(first), moment_of(second)
        low, high = sorted((self._position(start), self._position(end)))
        after = bisect_right(self._positions, low)
        if after < len(self._positions) and self._positions[after] < high:
            return True
        return any(
            moment not in (start, end) and not self._is_outside(moment, start, end)
            for moment in self._moments
        )

    def _is_outside(self, moment: Moment, start: Moment, end: Moment) -> bool:
        """Whether a moment certainly comes before both of two others, or after both."""
        evidence = self._evidence
        return (precedes(evidence, moment, start) and precedes(evidence, moment, end)) or (
            precedes(evidence, start, moment) and precedes(evidence, end, moment)
        )


def _unnamed_changes(evidence: Evidence, object_: SchemaObject, action: Action) -> list[Moment]:
    """The moments that may create or drop a part of a table without naming it."""
    if object_.kind in (Kind.TABLE, Kind.TYPE):
        return []
    table = key_of(table_of(object_))
    found = [moment_of(change) for change in evidence.table_changes.get((action, table), ())]
    if object_.kind is Kind.COLUMN:
        return found
    if action is Action.DROP:
        return found + [moment_of(drop) for drop in evidence.column_drops.get(table, ())]
    unnamed = evidence.unnamed.get(table, ())
    return found + [
        just_before(revision, each.place)
        for revision, each in unnamed
        if not each.noted or (each.part.kind is object_.kind and each.may_become(object_.name))
    ]
