"""What a live database holds, and which revisions that shows to have run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from math import inf
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import (
    A_DEFAULT,
    CUT,
    NO_DEFAULT,
    NOT_NULL,
    NULLABLE,
    Key,
    Kind,
    SchemaObject,
    key_of,
    table_key,
    table_of,
)
from flask_chainfix.schema.object_history import History, State, Step
from flask_chainfix.schema.reflected import Properties

# Databases' words for the types that are compared, as SQLAlchemy reflects them.
_TYPES = {
    **{word: word for word in ("BIGINT", "DATE", "DATETIME", "INTEGER", "SMALLINT", "TEXT")},
    **dict.fromkeys(("BOOL", "BOOLEAN", "TINYINT(1)"), "BOOLEAN"),
    **dict.fromkeys(("DOUBLE", "DOUBLE PRECISION", "FLOAT", "REAL"), "FLOAT"),
    "DECIMAL": "NUMERIC",
    "NUMERIC": "NUMERIC",
    "TIMESTAMP WITHOUT TIME ZONE": "DATETIME",
    "VARCHAR": "VARCHAR",
}
_SIZED = ("NUMERIC", "VARCHAR")
_TYPE = re.compile(r"([A-Z]+(?: [A-Z]+)*?)(\([\d, ]+\))?(?: (?:CHARACTER SET|COLLATE) .*)?")


@dataclass(frozen=True, eq=False)
class Live:
    """What one database holds, as far as it was read.

    Attributes:
        found: the state of each object: ``True`` for one that exists, the value of a property.
        looked: the kinds of objects that were read completely.
        schemas: the schemas that were read; ``""`` is the one of the version table.
        longest: how many bytes of a name it keeps; objects with longer names prove nothing.
        unclear: objects that may exist for another reason, or that are spelled in another case,
            which the database may distinguish.
        spelled: the names with capitals, if the database is case-sensitive.
        is_public: whether the schema of the version table is ``public``, or there are no schemas.
        bind: the app's name for it; ``""`` for the default one.
        dialect: the kind of the database; ``""`` for the one that the migrations are read for.
        unread: the tables whose columns could not be read.
        left_out: what else could not be read, in words.
        built: the indexes and constraints with names that neither the database nor a primary key
            brings, with their tables.
        views: the tables that are views.
    """

    found: Mapping[Key, State]
    looked: frozenset[Kind]
    schemas: frozenset[str] = frozenset({""})
    longest: int | None = None
    unclear: frozenset[Key] = frozenset()
    spelled: Mapping[Key, str] | None = None
    is_public: bool = True
    bind: str = ""
    dialect: str = ""
    unread: frozenset[Key] = frozenset()
    left_out: tuple[str, ...] = ()
    built: Mapping[Key, SchemaObject] = field(default_factory=dict)
    views: frozenset[Key] = frozenset()

    def state(self, key: Key) -> State:
        """Whether an object exists, or the value of a property; ``None`` if unknown."""
        if key.database != self.bind or key.schema not in self.schemas or key in self.unclear:
            return None
        if self.longest is not None and len(key.name.encode()) > self.longest:
            return None
        if key in self.found:
            return self.found[key]
        if key.kind is Kind.COLUMN and table_key(key) in self.unread:
            return None
        return False if key.kind in self.looked else None

    def spells(self, steps: Iterable[Step], key: Key) -> bool:
        """Whether the name of an existing object has the same letters, case included."""
        name = key.name if self.spelled is None else self.spelled.get(key, key.name)
        return any(step.object.name == name for step in steps)


def states_of(column: Properties) -> Iterator[tuple[Kind, str]]:
    """The known type, nullability and default of a column, as a database describes it.

    MySQL gives timestamps their own nullability and default.
    """
    type_ = _TYPE.fullmatch(column["type"])
    name, size = type_.groups("") if type_ is not None else ("", "")
    word = _TYPES.get(f"{name}{size}", _TYPES.get(name))
    if word is not None:
        yield Kind.DATA_TYPE, f"{word}{size}" if word in _SIZED else word
    default = column["default"].upper()
    if name == "TIMESTAMP" or column.get("computed") or column.get("identity"):
        return
    yield Kind.NULLABILITY, NULLABLE if column["nullable"] == "yes" else NOT_NULL
    if not default.startswith("NEXTVAL("):
        has_none = not default or re.match(r"\(*NULL\b", default)
        yield Kind.DEFAULT, NO_DEFAULT if has_none else A_DEFAULT


class HowFar(NamedTuple):
    """How far revisions have run, in places of their operations.

    Attributes:
        done: for each revision, the place of the last operation that is known to have run.
        undone: the place of the first operation that is known not to have run.
    """

    done: dict[str, float]
    undone: dict[str, float]

    def holds(self, step: Step) -> bool | None:
        """Whether a change has been made; ``None`` if unknown."""
        if step.place <= self.done.get(step.revision, -1):
            return True
        return False if step.place >= self.undone.get(step.revision, inf) else None


class Sign(NamedTuple):
    """One object that shows whether a revision has run.

    Attributes:
        step: the revision's change of the object.
        state: the actual state of the object.
        made: whether the state shows that the change has been made or not; ``None`` if other
            changes may have caused the state.
    """

    step: Step
    state: State
    made: bool | None


class Sighting(NamedTuple):
    """One object as it is in a database.

    Attributes:
        steps: its changes along the chain.
        state: its actual state.
        fitting: the numbers of changes after which the object has this state.
    """

    steps: tuple[Step, ...]
    state: State
    fitting: tuple[int, ...]

    def knowing(self, known: HowFar) -> Sighting:
        """The same, with what is known about its changes so far."""
        if len(self.fitting) < 2:
            return self
        low, high = 0, len(self.steps)
        for number, step in enumerate(self.steps):
            made = known.holds(step)
            if made:
                low = number + 1
            elif made is False:
                high = min(high, number)
        # If it contradicts other objects, nothing is left, and it decides nothing.
        left = tuple(number for number in self.fitting if low <= number <= high)
        return self._replace(fitting=left)

    def signs(self) -> Iterator[Sign]:
        """What it shows about each of its changes."""
        for number, step in enumerate(self.steps, 1):
            if step.state is not None and self.fitting:
                made = True if number <= self.fitting[0] else None
                made = False if number > self.fitting[-1] else made
                yield Sign(step, self.state, made)


def observed(histories: Mapping[Key, History], live: Live) -> Iterator[tuple[History, State]]:
    """Each object whose state in a database is known, with that state.

    The parts of a missing table prove nothing, nor does the absence of a constraint if its table
    has one that has no history and whose name contains the constraint's, or is cut: a naming
    convention such as ``ck_%(table_name)s_%(constraint_name)s`` may have made it of the
    constraint's, and SQLAlchemy cuts what the database would not keep.
    """
    unknown: dict[Key, list[str]] = {}
    for key in live.found:
        if key.kind is Kind.CONSTRAINT and _may_be_another(histories.get(key)):
            unknown.setdefault(table_key(key), []).append(key.name)
    indexed = {
        key_of(table_of(thing))
        for key, thing in live.built.items()
        if key.kind is Kind.INDEX and _may_be_another(histories.get(key))
    }
    for key, history in histories.items():
        state = live.state(key)
        alike = unknown.get(table_key(key), ()) if key.kind is Kind.CONSTRAINT else ()
        if state is False and any(key.name in name or CUT.fullmatch(name) for name in alike):
            continue
        names = (step.object.schema.casefold() for step in history.steps)
        if state is None or (not live.is_public and "public" in names):
            continue
        if state is False and key.kind not in (Kind.TABLE, Kind.TYPE):
            # The table of an index may have been renamed since.
            tables = {table_of(step.object) for step in history.steps}
            if all(live.state(key_of(table)) is False for table in tables):
                continue
            if history.by_default and not indexed.isdisjoint(map(key_of, tables)):
                continue
        elif live.spelled is not None and state is True and not live.spells(history.steps, key):
            continue
        yield history, state


def _may_be_another(history: History | None) -> bool:
    """Whether an index or constraint may be one that has another name in the source."""
    return history is None or any(step.state is None for step in history.steps)


def sightings(histories: Mapping[Key, History], live: Live) -> list[Sighting]:
    """Each object of a chain whose state in a database is known.

    Properties of columns that have not changed since their table was created are left out.
    """
    found = []
    for history, state in observed(histories, live):
        if isinstance(state, str) and not history.happens_alone:
            continue
        states = enumerate(history.states)
        fitting = (number for number, each in states if each is None or each == state)
        found.append(Sighting(history.steps, state, tuple(fitting)))
    return found


def deciding(signs: Sequence[Sign]) -> list[Sign]:
    """The signs that decide: without parts of new or dropped tables, and tables of others."""
    return [sign for sign in signs if not sign.step.with_table and not _is_of_others(sign, signs)]


def _is_of_others(sign: Sign, signs: Sequence[Sign]) -> bool:
    """Whether a table exists with hardly any of its columns, so that something else created it."""
    thing = sign.step.object
    if not (thing.kind is Kind.TABLE and sign.state and sign.step.state):
        return False
    columns = [
        bool(each.state)
        for each in signs
        if each.step.object.kind is Kind.COLUMN
        and each.made is not None
        and key_of(table_of(each.step.object)) == key_of(thing)
    ]
    return sum(columns) * 2 < len(columns)
