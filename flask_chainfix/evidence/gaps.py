"""What no order can mend: objects that nobody makes, or that are made or dropped twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from flask_chainfix.evidence.record import Evidence
from flask_chainfix.evidence.touches import Key, Touch, table_of
from flask_chainfix.model import Action, Kind, SchemaObject

# Of an object that is made this often, each pair is not worth looking at.
_MOST_COMPARED = 50
# Databases in which a schema has one index of a name; in the others, each table may have one.
_INDEXES_OF_SCHEMA = frozenset({"postgresql", "sqlite"})


def never_made(evidence: Evidence) -> Iterator[tuple[Touch, ...]]:
    """What needs a table or column that no revision has made by then.

    Columns are judged only of tables of which all are known. Held back where something that cannot
    be known may have made the object before.

    Yields:
        The touches of one object, in the order of the chain.
    """
    for key in {**evidence.users, **evidence.droppers}:
        if key.kind not in (Kind.TABLE, Kind.COLUMN):
            continue
        touches = [*evidence.users.get(key, ()), *evidence.droppers.get(key, ())]
        if _is_missing_at_first(evidence, key, touches[0].object):
            told = [
                touch
                for touch in touches
                if touch.certain and not _may_be_made_before(evidence, touch)
            ]
            if told:
                yield tuple(sorted(told, key=lambda touch: evidence.rank[touch.revision]))


def _is_missing_at_first(evidence: Evidence, key: Key, object_: SchemaObject) -> bool:
    """Whether some revision needs an object before any makes it."""
    if evidence.is_made_somewhere(object_) and (
        evidence.is_made_under_older_name(object_) or not evidence.is_there_first(key)
    ):
        return False
    if _is_made_in_other_schema(evidence, key):
        return False
    return key.kind is Kind.TABLE or evidence.knows_columns_of(evidence.key(table_of(object_)))


def _is_made_in_other_schema(evidence: Evidence, wanted: Key) -> bool:
    """Whether there is one of that name in another schema: a search path may lead there."""
    return any(
        key != wanted and key._replace(schema=wanted.schema) == wanted for key in evidence.creators
    )


def _may_be_made_before(evidence: Evidence, touch: Touch) -> bool:
    """Whether an object may have been made by the time that a revision needs it."""
    object_ = touch.object
    objects = [object_]
    if object_.kind is Kind.COLUMN:
        objects = [
            object_._replace(table=table.name, schema=table.schema)
            for table in evidence.origins(evidence.key(table_of(object_)))
        ]
    key = evidence.key(object_)
    makers = [
        _at(maker)
        for maker in (
            *evidence.creators.get(key, ()),
            *evidence.table_changes.get((Action.CREATE, key), ()),
        )
    ]
    doubts = [event for each in objects for event in _doubts(evidence, Action.CREATE, each)]
    return any(not _precedes(evidence, _at(touch), event) for event in (*makers, *doubts)) or any(
        evidence.may_happen_elsewhere(Action.CREATE, each) for each in objects
    )


def made_twice(evidence: Evidence) -> Iterator[tuple[Touch, Touch]]:
    """The pairs of touches that make one object, with nothing between them that may drop it."""
    told: set[_Event] = set()
    for first, second in _pairs(evidence, evidence.creators, evidence.made_again):
        if _at(first) not in told and _fails(evidence, first, second):
            ends = [_at(end) for end in evidence.droppers.get(evidence.key(first.object), ())]
            for object_ in {first.object, second.object}:
                ends += _takers(evidence, object_)
            if not _may_lie_between(evidence, first, second, ends, Action.DROP):
                told.add(_at(first))
                yield first, second


def _fails(evidence: Evidence, first: Touch, second: Touch) -> bool:
    """Whether the second of two creations is certain to fail, if nothing lies between them."""
    if first.object.kind is Kind.TYPE:
        return not (first.tolerant and second.tolerant)
    if second.tolerant or (first.tolerant and not _precedes(evidence, _at(first), _at(second))):
        return False
    # Where both make the table, that is the conflict, and is told.
    return first.object.kind is Kind.TABLE or not _make_tables_too(evidence, first, second)


def _make_tables_too(evidence: Evidence, first: Touch, second: Touch) -> bool:
    """Whether two touches of a part of a table come with two creations of the table."""
    makers = {
        _at(maker)
        for touch in (first, second)
        for maker in evidence.table_changes.get(
            (Action.CREATE, evidence.key(table_of(touch.object))), ()
        )
        if maker.revision in (first.revision, second.revision)
    }
    revisions = {maker.revision for maker in makers}
    return len(makers) > 1 and revisions == {first.revision, second.revision}


def _takers(evidence: Evidence, object_: SchemaObject) -> list[_Event]:
    """What may take a part of a table along: drops of the table, and of columns."""
    if object_.kind in (Kind.TABLE, Kind.TYPE):
        return []
    table = evidence.key(table_of(object_))
    takers = [*evidence.table_changes.get((Action.DROP, table), ())]
    if object_.kind is not Kind.COLUMN:
        takers += evidence.column_drops.get(table, ())
    return [_at(taker) for taker in takers]


def dropped_twice(evidence: Evidence) -> Iterator[tuple[Touch, Touch]]:
    """The pairs of touches that drop one object, with nothing between them that may make it."""
    told: set[_Event] = set()
    for first, second in _pairs(evidence, evidence.droppers, evidence.ended_again):
        makers = [_at(maker) for maker in evidence.creators.get(evidence.key(first.object), ())]
        for object_ in {first.object, second.object}:
            makers += _givers(evidence, object_)
        if _at(first) not in told and not _may_lie_between(
            evidence, first, second, makers, Action.CREATE
        ):
            told.add(_at(first))
            yield first, second


def _givers(evidence: Evidence, object_: SchemaObject) -> list[_Event]:
    """What may make a part of a table without naming it."""
    if object_.kind in (Kind.TABLE, Kind.TYPE):
        return []
    table = evidence.key(table_of(object_))
    givers = [_at(maker) for maker in evidence.table_changes.get((Action.CREATE, table), ())]
    if object_.kind is not Kind.COLUMN:
        givers += (_before(*unnamed) for unnamed in evidence.unnamed.get(table, ()))
    return givers


def _pairs(
    evidence: Evidence, touched: Mapping[Key, list[Touch]], again: Iterable[tuple[Touch, Touch]]
) -> Iterator[tuple[Touch, Touch]]:
    """Two touches that are certain and concern one object, the nearest first."""
    for first, second in again:
        if first.certain and second.certain:
            yield first, second
    for key in sorted((key for key in touched if len(touched[key]) > 1), key=str):
        touches = [touch for touch in touched[key] if touch.certain]
        for index, first in enumerate(touches if not evidence.has_twin(key) else ()):
            for second in touches[index + 1 : index + _MOST_COMPARED]:
                if _is_one(evidence, first.object, second.object):
                    yield first, second


def _is_one(evidence: Evidence, one: SchemaObject, other: SchemaObject) -> bool:
    """Whether two objects are one on every database: only those that are spelled alike."""
    if not one.table and one.kind in (Kind.COLUMN, Kind.CONSTRAINT):
        return False
    if one.kind is Kind.INDEX and one.table != other.table:
        anywhere = evidence.dialect in _INDEXES_OF_SCHEMA or not (one.table and other.table)
        return anywhere and one._replace(table="") == other._replace(table="")
    return one == other


class _Event(NamedTuple):
    """A point in the run of a revision.

    Attributes:
        revision: its id.
        place: the number of the effect that happens there; between two effects, their mean.
    """

    revision: str
    place: float


def _at(touch: Touch) -> _Event:
    return _Event(touch.revision, touch.place)


def _before(revision: str, place: int) -> _Event:
    """The point before the effect of this number, and behind the one before that."""
    return _Event(revision, place - 0.5)


def _doubts(evidence: Evidence, action: Action, object_: SchemaObject) -> Iterator[_Event]:
    """Where something happens that is not known, and may create or drop an object."""
    for revision in evidence.opaque:
        for doubt in evidence.doubts(revision, action, object_):
            yield _before(revision, doubt.place)


def _precedes(evidence: Evidence, one: _Event, other: _Event) -> bool:
    """Whether one event is certain to come before another."""
    if one.revision == other.revision:
        return one.place < other.place
    return evidence.runs_before(one.revision, other.revision)


def _may_lie_between(
    evidence: Evidence, first: Touch, second: Touch, events: list[_Event], action: Action
) -> bool:
    """Whether one of the touches, or what is not known, may come between two others.

    Args:
        evidence: what is known.
        first: one of the two; where they stand on parallel branches, either may come first.
        second: the other one.
        events: what would explain that both can run.
        action: what that does; where something that is not known may do it, it counts as well.
    """
    if any(evidence.may_happen_elsewhere(action, each.object) for each in (first, second)):
        return True
    events = [
        *events,
        *(
            doubt
            for object_ in {first.object, second.object}
            for doubt in _doubts(evidence, action, object_)
        ),
    ]
    start, end = _at(first), _at(second)
    return any(
        event not in (start, end)
        and not (
            (_precedes(evidence, event, start) and _precedes(evidence, event, end))
            or (_precedes(evidence, start, event) and _precedes(evidence, end, event))
        )
        for event in events
    )
