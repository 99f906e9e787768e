"""What becomes of each object of a schema along a chain: made, renamed, dropped, made again.

The histories are made once for a chain, and then compared with any number of databases.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Action, Effect, Footprint, Kind, SchemaObject
from flask_chainfix.schema.objects import Key, Touch, belongs_to_database, table_of

Place = tuple[int, int]  # the rank of a revision, and how many of its effects come before
_PARTS = (Kind.COLUMN, Kind.INDEX, Kind.CONSTRAINT)


class Step(NamedTuple):
    """One change of one object.

    Attributes:
        revision: its id.
        there: whether the object is there afterwards; ``None`` where that is not known.
        object: the object as the operation spells it.
        line: 1-based line of the operation.
        place: how many of the revision's effects come before the operation's first: one operation
            happens at once, so what it does to several objects has the same place.
        with_table: whether it happens to the object because it happens to its table.
    """

    revision: str
    there: bool | None
    object: SchemaObject
    line: int
    place: int
    with_table: bool = False


class History(NamedTuple):
    """What becomes of one object.

    Attributes:
        first: whether it is there before the chain runs; ``None`` where that is not known.
        steps: its changes, in the order in which they run.
    """

    first: bool | None
    steps: tuple[Step, ...]


class _Event(NamedTuple):
    place: Place
    revision: str
    there: bool | None
    object: SchemaObject
    line: int
    changes: bool = True  # else the object is only used, and so is there
    with_table: bool = False


def histories_of(
    evidence: Evidence, doubles: Mapping[str, Sequence[Footprint]] = MappingProxyType({})
) -> Mapping[Key, History]:
    """The history of each object that a chain makes, renames or drops.

    Args:
        evidence: what the revisions do.
        doubles: what each of the files does of an id that several have: any of them may have run.

    Objects are left out of which migrations speak whose place in the chain is not known, those that
    may be in one of several schemas, and those that parallel branches change.
    """
    recorder = _Recorder(evidence)
    for revision in evidence.graph.order:
        if revision in doubles:
            for footprint in doubles[revision]:
                perhaps = [effect._replace(certain=False) for effect in footprint.effects]
                recorder.record(revision, perhaps)
        elif revision in evidence.footprints:
            recorder.record(revision, evidence.footprints[revision].effects)
    return dict(recorder.histories())


class _Recorder:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._events: dict[Key, list[_Event]] = {}
        self._parts: dict[Key, dict[Key, SchemaObject]] = {}
        self._made: tuple[str, int, Key] | None = None  # the last table
        self._doubts = {
            pair: sorted((evidence.rank[revision], place) for revision, place in doubts)
            for pair, doubts in evidence.unlimited.items()
        }

    def record(self, revision: str, effects: Sequence[Effect]) -> None:
        """Add what the next revision does."""
        for number, effect in enumerate(effects):
            thing = effect.object
            if belongs_to_database(thing):
                continue
            # Renaming is two effects of one operation.
            renames = effect.renamed is not None and effect.action is Action.CREATE
            place = self._evidence.rank[revision], number - renames
            there = (effect.action is not Action.DROP) if effect.certain else None
            if effect.action is Action.USE:
                if effect.certain:
                    self._add(_Event(place, revision, True, thing, effect.line, changes=False))
                continue
            event = _Event(place, revision, there, thing, effect.line)
            self._add(event._replace(with_table=self._is_with_table(event)))
            if thing.kind is Kind.TABLE and effect.action is Action.DROP:
                self._take_parts(event, effect.renamed)

    def _is_with_table(self, event: _Event) -> bool:
        """Whether something is made by the operation that makes its table."""
        thing = event.object
        made = event.revision, event.line, self._evidence.key(table_of(thing))
        if thing.kind is Kind.TABLE and event.there:
            self._made = made
        return thing.kind in (Kind.COLUMN, Kind.CONSTRAINT) and self._made == made

    def _add(self, event: _Event) -> None:
        thing = event.object
        key = self._evidence.key(thing)
        self._events.setdefault(key, []).append(event)
        if thing.kind in _PARTS and event.changes:
            parts = self._parts.setdefault(self._evidence.key(table_of(thing)), {})
            if event.there is False:
                parts.pop(key, None)
            else:
                parts[key] = thing

    def _take_parts(self, gone: _Event, new: SchemaObject | None) -> None:
        """With a table go its parts; where it is renamed, they are those of the new name."""
        for key, thing in list(self._parts.get(self._evidence.key(gone.object), {}).items()):
            moved = thing
            if new is not None:
                there = None if gone.there is None else True
                moved = thing._replace(table=new.name, schema=new.schema)
                self._add(gone._replace(object=moved, there=there, with_table=True))
            if new is None or self._evidence.key(moved) != key:  # an index has the same key
                self._add(gone._replace(object=thing, with_table=True))

    def histories(self) -> Iterator[tuple[Key, History]]:
        """The history of each object of which one can be told."""
        evidence = self._evidence
        for key, events in self._events.items():
            changes = [event for event in events if event.changes]
            if not changes or evidence.has_twin(key):
                continue
            thing = changes[0].object
            if any(evidence.may_happen_elsewhere(action, thing) for action in Action):
                continue
            if self._in_line(changes):
                yield key, self._history(events)

    def _in_line(self, changes: Sequence[_Event]) -> bool:
        """Whether a chain has changes in one order, whichever way it runs."""
        names = list(dict.fromkeys(event.revision for event in changes))
        return all(self._evidence.runs_before(lower, upper) for lower, upper in pairwise(names))

    def _history(self, events: Sequence[_Event]) -> History:
        first = _needs(events[0])
        steps: list[Step] = []
        there = first
        for index, event in enumerate(events):
            following = events[index + 1 :]
            if event.changes and (event.there is None or event.there is not there):
                there = event.there
                steps.append(_step(event))
            doubt = self._doubt(event, following, there)
            if doubt is not None:
                there = None
                revision = self._evidence.graph.order[doubt[0]]
                steps.append(Step(revision, None, event.object, 0, doubt[1]))
        return History(first, tuple(steps))

    def _doubt(
        self, event: _Event, following: Sequence[_Event], there: bool | None
    ) -> Place | None:
        """Where something that is not known may change an object before its next event."""
        if there is None or (following and _needs(following[0]) is there):
            return None
        action = Action.DROP if there else Action.CREATE
        found = self._doubt_after(event.place, action, event.object)
        if found is None or (following and found > following[0].place):
            return None
        return found

    def _doubt_after(self, place: Place, action: Action, thing: SchemaObject) -> Place | None:
        """The first place after another one where something may be done to an object."""
        evidence = self._evidence
        found = [
            (evidence.rank[revision], number)
            for revision, number in evidence.limited(action, thing)
        ]
        if action is Action.DROP and thing.kind in (Kind.INDEX, Kind.CONSTRAINT):
            # With a column go the indexes and constraints that it is part of.
            table = evidence.key(table_of(thing))
            found += _places(evidence, evidence.column_drops.get(table, ()))
            if thing.kind is Kind.CONSTRAINT and evidence.dialect == "sqlite":
                # A copy of the table, which a batch makes, is without some of its constraints.
                found += _places(evidence, evidence.users.get(table, ()))
        unlimited = self._doubts.get((action, thing.kind), ())
        found += unlimited[bisect_right(unlimited, place) :][:1]
        return min((each for each in found if each > place), default=None)


def _step(event: _Event) -> Step:
    _, place = event.place
    return Step(event.revision, event.there, event.object, event.line, place, event.with_table)


def _places(evidence: Evidence, touches: Iterable[Touch]) -> Iterator[Place]:
    return ((evidence.rank[touch.revision], touch.place) for touch in touches)


def _needs(event: _Event) -> bool | None:
    """Whether an object must be there for what is done with it to succeed."""
    if not event.changes:
        return True
    return None if event.there is None else not event.there
