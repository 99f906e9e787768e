"""The history of each object of a schema along a chain: created, altered, renamed, dropped.

The histories are built once for a chain, and then compared with any number of databases.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import (
    PROPERTIES,
    Action,
    Effect,
    Footprint,
    Key,
    Kind,
    SchemaObject,
    Touch,
    Unnamed,
    belongs_to_database,
    key_of,
    table_of,
)

State = bool | str | None
"""Whether an object is there, or what a property of a column is, ``False`` where the column is not
there; ``None`` if that is unknown."""

Place = tuple[int, int]  # the rank of a revision, and how many of its effects come before
_PARTS = (Kind.COLUMN, Kind.INDEX, Kind.CONSTRAINT, Kind.VALUE)
# Kinds of objects that databases also create implicitly.
_UNSEEN = (Kind.INDEX, Kind.CONSTRAINT, Kind.TYPE, Kind.VALUE)
# Names that servers give to indexes and constraints without one.
_GIVEN = re.compile(r".+_(?:[fp]?key|check|excl|idx)\d*", re.IGNORECASE)
_GIVEN_BY_MYSQL = re.compile(r".+_(?:ibfk|chk)_\d+|constraint_\d+", re.IGNORECASE)


class Step(NamedTuple):
    """One change of one object.

    Attributes:
        revision: its id.
        state: the state afterwards.
        object: the object as the operation spells it.
        line: 1-based line of the operation.
        place: how many of the revision's effects come before the operation's first: all effects of
            one operation have the same place.
        with_table: whether it is only a consequence of a change of the object's table or column.
    """

    revision: str
    state: State
    object: SchemaObject
    line: int
    place: int
    with_table: bool = False


class History(NamedTuple):
    """The history of one object.

    Attributes:
        first: its state before the chain runs.
        steps: its changes, in the order in which they run.
        by_default: whether its name is SQLAlchemy's for an index of a column, which a naming
            convention may change.
    """

    first: State
    steps: tuple[Step, ...]
    by_default: bool = False

    @property
    def happens_alone(self) -> bool:
        """Whether any change is more than a consequence of a change of its table."""
        return not all(step.with_table for step in self.steps)

    @property
    def states(self) -> tuple[State, ...]:
        """Its state before the chain runs, and after each of its changes."""
        return (self.first, *(step.state for step in self.steps))


class _Event(NamedTuple):
    place: Place
    revision: str
    before: State  # the state that the operation needs
    state: State
    object: SchemaObject
    line: int
    changes: bool = True  # otherwise the object is only used, so it exists
    with_table: bool = False


def histories_of(
    evidence: Evidence, doubles: Mapping[str, Sequence[Footprint]]
) -> Mapping[Key, History]:
    """The history of each object that a chain creates, alters, renames or drops.

    Objects are left out if migrations in an unknown place mention them, if they may be in several
    schemas or have several spellings, and if parallel branches change them.

    Args:
        evidence: what the revisions do.
        doubles: the footprints of all files of an id that several have: any of them may have run.
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
    """The events of each object, revision by revision, and the histories that they make.

    Of three revisions, of which the first creates table t with column c, the second uses t.c in
    SQL and the third renames t to u, it records::

        t     created in 1, used in 2, dropped in 3
        t.c   created in 1 with its table, used in 2, dropped in 3 with its table
        u     created in 3
        u.c   created in 3 with its table

    A use changes nothing, but shows that the object exists: unreadable code before it has not
    dropped it.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._events: dict[Key, list[_Event]] = {}
        self._parts: dict[Key, dict[Key, SchemaObject]] = {}
        self._made: tuple[str, int, Key] | None = None  # the last table
        self._doubts = {
            pair: sorted((evidence.rank[revision], place) for revision, place in doubts)
            for pair, doubts in evidence.unlimited.items()
        }
        self._by_default = {
            each.noted
            for unnamed in evidence.unnamed.values()
            for _, each in unnamed
            if each.part.kind is Kind.INDEX
        }

    def record(self, revision: str, effects: Sequence[Effect]) -> None:
        """Add what the next revision does."""
        for number, effect in enumerate(effects):
            if belongs_to_database(effect.object):
                continue
            # Renaming is two effects of one operation.
            renames = effect.renamed is not None and effect.action is Action.CREATE
            place = self._evidence.rank[revision], number - renames
            record = self._use if effect.action is Action.USE else self._change
            record(revision, place, effect)

    def _use(self, revision: str, place: Place, effect: Effect) -> None:
        """Record that an object is needed, and a column perhaps altered."""
        event = _Event(place, revision, True, True, effect.object, effect.line, changes=False)
        if effect.certain:
            self._add(event)
        if effect.properties:
            state = True if effect.certain else None
            self._alter(event._replace(state=state, changes=True), effect)

    def _change(self, revision: str, place: Place, effect: Effect) -> None:
        """Record that an object is created or dropped, or either name of a renamed one."""
        thing, drops = effect.object, effect.action is Action.DROP
        before, there = (drops, not drops) if effect.certain else (None, None)
        event = _Event(place, revision, before, there, thing, effect.line)
        event = event._replace(with_table=self._is_with_table(event))
        self._add(event)
        if thing.kind is Kind.COLUMN:
            if drops and effect.renamed is not None:
                self._move_properties(event, thing, effect.renamed)
            else:
                self._alter(event, effect)
        elif drops or (thing.kind is Kind.TYPE and not effect.tolerant):
            self._take_parts(event, effect.renamed if drops else None)

    def _is_with_table(self, event: _Event) -> bool:
        """Whether an object is created by the operation that creates its table."""
        thing = event.object
        if thing.kind is Kind.TABLE and event.state:
            self._made = event.revision, event.line, key_of(thing)
        if thing.kind not in (Kind.COLUMN, Kind.CONSTRAINT) or self._made is None:
            return False
        *operation, table = self._made
        same = operation == [event.revision, event.line]
        return same and key_of(table_of(thing)) == table

    def _add(self, event: _Event) -> None:
        thing = event.object
        key = key_of(thing)
        self._events.setdefault(key, []).append(event)
        if thing.kind in _PARTS and event.changes:
            parts = self._parts.setdefault(key_of(table_of(thing)), {})
            if event.state is False:
                parts.pop(key, None)
            else:
                parts[key] = thing

    def _alter(self, event: _Event, effect: Effect) -> None:
        """Record the properties of a column that is created, altered or dropped."""
        column, properties = event.object, dict(effect.properties)
        altered = effect.action is Action.USE or effect.renamed is not None
        before = None if altered or event.before else event.before
        own, known = key_of(column), self._events
        for kind in properties if altered else PROPERTIES:
            state = event.state and properties.get(kind)
            key = Key(kind, *own[1:])
            if state or key in known:
                known.setdefault(key, []).append(
                    event._replace(object=column, before=before, state=state)
                )

    def _move_properties(self, gone: _Event, old: SchemaObject, new: SchemaObject | None) -> None:
        """Record that the properties of a column are dropped or moved with it."""
        known = self._events
        for kind in PROPERTIES:
            events = known.get(Key(kind, *key_of(old)[1:]))
            if events is None:
                continue
            last = events[-1]
            if new is not None:
                doubt = self._doubt_after(last.place, Action.DROP, old._replace(kind=kind))
                is_known = gone.state is not None and (doubt is None or doubt > gone.place)
                moved = _moved(gone, new, False, last.state if is_known else None)
                known.setdefault(Key(kind, *key_of(new)[1:]), []).append(moved)
            events.append(_moved(gone, old, None, gone.state))

    def _take_parts(self, gone: _Event, new: SchemaObject | None) -> None:
        """Record that the parts of a table are dropped or renamed with it."""
        for key, thing in list(self._parts.get(key_of(gone.object), {}).items()):
            if thing.kind is Kind.VALUE:  # the values of a type that is created again are unknown
                self._add(_moved(gone, thing, None, None))
                continue
            moved = None
            if new is not None:
                there = None if gone.state is None else True
                moved = thing._replace(table=new.name, schema=new.schema)
                self._add(_moved(gone, moved, there and False, there))
            if moved is None or key_of(moved) != key:  # an index has the same key
                self._add(_moved(gone, thing, None if gone.state is None else True, gone.state))
            if thing.kind is Kind.COLUMN:
                self._move_properties(gone, thing, moved)

    def histories(self) -> Iterator[tuple[Key, History]]:
        """The history of each object that has a known one."""
        evidence = self._evidence
        for key, events in self._events.items():
            changes = [event for event in events if event.changes]
            if not changes:
                continue
            thing = changes[0].object  # for a property, the column
            if key_of(thing) in evidence.twins:
                continue
            if any(event.object.name != thing.name for event in changes):
                continue
            if evidence.elsewhere and any(
                evidence.may_happen_elsewhere(action, thing) for action in Action
            ):
                continue
            if self._in_line(changes):
                yield key, self._history(key.kind, events)

    def _in_line(self, changes: Sequence[_Event]) -> bool:
        """Whether changes have a fixed order, in whichever order the chain runs."""
        if len(changes) == 1:
            return True
        names = list(dict.fromkeys(event.revision for event in changes))
        return all(self._evidence.runs_before(lower, upper) for lower, upper in pairwise(names))

    def _history(self, kind: Kind, events: Sequence[_Event]) -> History:
        if kind in PROPERTIES:
            events = [
                event._replace(object=SchemaObject(kind, *event.object[1:])) for event in events
            ]
        start, first = events[0], events[0].before
        if first and (start.object.kind in _UNSEEN or self._is_made_unseen_before(start)):
            first = None
        steps: list[Step] = []
        state = first
        for event, following in pairwise((*events, None)):
            assert event is not None
            if event.changes and (event.state is None or event.state != state):
                state = event.state
                steps.append(_step(event))
            doubt = self._doubt(event, following, state)
            if doubt is not None:
                state = None
                revision = self._evidence.graph.order[doubt[0]]
                steps.append(Step(revision, None, event.object, 0, doubt[1]))
        by_default = kind is Kind.INDEX and start.object.name in self._by_default
        return History(first, tuple(steps), by_default)

    def _is_made_unseen_before(self, event: _Event) -> bool:
        """Whether unreadable code may have made what an object's first event needs."""
        found = self._doubt_after((-1, -1), Action.CREATE, event.object)
        return found is not None and found <= event.place

    def _doubt(self, event: _Event, following: _Event | None, state: State) -> Place | None:
        """The place where unreadable code may change an object before its next event."""
        if state is None or (following is not None and following.before == state):
            return None
        action = Action.DROP if state else Action.CREATE
        found = self._doubt_after(event.place, action, event.object)
        if found is None or (following is not None and found > following.place):
            return None
        return found

    def _doubt_after(self, place: Place, action: Action, thing: SchemaObject) -> Place | None:
        """The first place after another one where an action may be done to an object."""
        evidence = self._evidence
        unlimited = self._doubts.get((action, thing.kind), ())
        found = [
            (evidence.rank[revision], number)
            for revision, number in evidence.limited(action, thing)
        ]
        if action is Action.DROP and thing.kind in (Kind.INDEX, Kind.CONSTRAINT):
            # Dropping a column drops the indexes and constraints that it is part of.
            table = key_of(table_of(thing))
            found += _places(evidence, evidence.column_drops.get(table, ()))
            if thing.kind is Kind.CONSTRAINT and evidence.dialect == "sqlite":
                # The copy of the table that a batch makes lacks some of its constraints.
                found += _places(evidence, evidence.users.get(table, ()))
        if action is Action.CREATE and thing.kind in (Kind.INDEX, Kind.CONSTRAINT):
            found += self._made_again(thing)
        found += unlimited[bisect_right(unlimited, place) :][:1]
        return min((each for each in found if each > place), default=None)

    def _made_again(self, thing: SchemaObject) -> Iterator[Place]:
        """The places where an index or constraint without a name may get this one's."""
        alike: tuple[Kind, ...] = (thing.kind,) if _GIVEN.fullmatch(thing.name) else ()
        if self._evidence.dialect in ("mysql", "mariadb"):
            alike = (Kind.INDEX, Kind.CONSTRAINT) if self._is_given_by_mysql(thing) else ()
        unnamed = [*self._unnamed(thing)]
        sorts = {each.sort for _, each in unnamed if each.noted == thing.name and each.sort}
        if thing.kind is Kind.INDEX:
            # A unique constraint has an index of its name, and so has a foreign key in MySQL.
            sorts = {"" if thing.name.startswith(("ix_", "idx_")) else "unique"}
            if key_of(thing._replace(kind=Kind.CONSTRAINT)) in self._events:
                sorts |= {"unique", "foreignkey"}
        for revision, each in unnamed:
            kind = each.part.kind
            by_server = kind in alike and not each.noted and each.sort != "primary"
            by_convention = (
                kind in (thing.kind, Kind.CONSTRAINT)
                and (not sorts or not each.sort or each.sort in sorts)
                and each.may_become(thing.name)
            )
            if by_server or by_convention:
                yield self._evidence.rank[revision], each.place

    def _unnamed(self, thing: SchemaObject) -> Iterator[tuple[str, Unnamed]]:
        """What the tables of an index or constraint may get under unknown names.

        An index may be dropped without its table; if nothing names it, it may be any.
        """
        evidence = self._evidence
        tables = {key_of(table_of(thing))}
        if thing.kind is Kind.INDEX:
            tables |= {key_of(table_of(each.object)) for each in self._events[key_of(thing)]}
        known = {older for each in tables if each.name for older in evidence.origins(each)}
        for each in known or evidence.unnamed:
            if each.database == thing.database:
                yield from evidence.unnamed.get(each, ())

    def _is_given_by_mysql(self, thing: SchemaObject) -> bool:
        """Whether MySQL gives such a name: most are those of a column, the next ones `…_2`."""
        columns = thing.name, re.sub(r"_\d+$", "", thing.name)
        keys = (key_of(thing._replace(kind=Kind.COLUMN, name=name)) for name in columns)
        return bool(_GIVEN_BY_MYSQL.fullmatch(thing.name)) or any(map(self._events.get, keys))


def _step(event: _Event) -> Step:
    _, place = event.place
    return Step(event.revision, event.state, event.object, event.line, place, event.with_table)


def _moved(gone: _Event, thing: SchemaObject, before: State, state: State) -> _Event:
    """What happens to an object with its table, its column or its type."""
    return gone._replace(object=thing, before=before, state=state, with_table=True)


def _places(evidence: Evidence, touches: Iterable[Touch]) -> Iterator[Place]:
    return ((evidence.rank[touch.revision], touch.place) for touch in touches)
