"""What a live database holds, and what that shows of the revisions that have run there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.schema.footprint import (
    A_DEFAULT,
    NO_DEFAULT,
    NOT_NULL,
    NULLABLE,
    Key,
    Kind,
    SchemaObject,
    key_of,
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
    """What one database holds, as far as somebody has looked.

    Attributes:
        found: what it has: ``True`` for each object, and what the properties of columns are.
        looked: the kinds of objects of which it has no more than that.
        schemas: the schemas that were looked at; ``""`` is the one where its version table is.
        longest: how many bytes of a name it keeps; objects with longer ones prove nothing.
        unclear: what may be there for another reason, or is spelled in another case, as databases
            may tell the two apart.
        spelled: the names that are not in lower case, where the database tells case apart.
        is_public: whether the schema of the version table is ``public``, or there is no such.
        bind: the app's name for it; ``""`` for the default one.
    """

    found: Mapping[Key, State]
    looked: frozenset[Kind]
    schemas: frozenset[str] = frozenset({""})
    longest: int | None = None
    unclear: frozenset[Key] = frozenset()
    spelled: Mapping[Key, str] | None = None
    is_public: bool = True
    bind: str = ""

    def state(self, key: Key) -> State:
        """Whether an object is there, or what a property is; ``None`` where that is not known."""
        if key.database != self.bind or key.schema not in self.schemas or key in self.unclear:
            return None
        if self.longest is not None and len(key.name.encode()) > self.longest:
            return None
        if key in self.found:
            return self.found[key]
        return False if key.kind in self.looked else None

    def spells(self, steps: Iterable[Step], key: Key) -> bool:
        """Whether an object that is there has its name in the same letters."""
        name = key.name if self.spelled is None else self.spelled.get(key, key.name)
        return any(step.object.name == name for step in steps)


def keys_of(tables: Iterable[str], columns: Iterable[tuple[str, str]]) -> Iterator[Key]:
    """The keys of tables, by name, and of columns, each behind its table, of the default schema."""
    for table in tables:
        yield key_of(SchemaObject(Kind.TABLE, table))
    for table, name in columns:
        yield key_of(SchemaObject(Kind.COLUMN, name, table))


def states_of(column: Properties) -> Iterator[tuple[Kind, str]]:
    """What is certain of a column's type, nullability and default, as a database describes it.

    MySQL gives timestamps a nullability and a default of their own.
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


class Known(NamedTuple):
    """How far revisions have come, each counted in places of its operations.

    Attributes:
        done: of a revision, the place of the last operation that is known to have run.
        undone: the place of the first one that is known not to have run.
    """

    done: dict[str, float]
    undone: dict[str, float]

    def holds(self, step: Step) -> bool | None:
        """Whether a change has been made; ``None`` where that is not known."""
        if step.place <= self.done.get(step.revision, -1):
            return True
        return False if step.place >= self.undone.get(step.revision, inf) else None


class Sign(NamedTuple):
    """One object that tells whether a revision has run.

    Attributes:
        step: the change that the revision makes of the object.
        state: what the object is.
        made: whether that shows that the change has been made, or that it has not; ``None`` where
            other changes may have left the object like this.
    """

    step: Step
    state: State
    made: bool | None


class Sighting(NamedTuple):
    """One object as a database has it.

    Attributes:
        steps: its changes along the chain.
        state: what it is.
        fitting: after how many of the changes it is as it is; several where that looks the same.
    """

    steps: tuple[Step, ...]
    state: State
    fitting: tuple[int, ...]

    def knowing(self, known: Known) -> Sighting:
        """The same, with what is known of its changes by now."""
        if len(self.fitting) < 2:
            return self
        low, high = 0, len(self.steps)
        for number, step in enumerate(self.steps):
            made = known.holds(step)
            if made:
                low = number + 1
            elif made is False:
                high = min(high, number)
        # Nothing is left where it contradicts what others show: then it decides nothing.
        left = tuple(number for number in self.fitting if low <= number <= high)
        return self._replace(fitting=left)

    def signs(self) -> Iterator[Sign]:
        """What it shows of each of its changes."""
        for number, step in enumerate(self.steps, 1):
            if step.state is not None and self.fitting:
                made = True if number <= self.fitting[0] else None
                made = False if number > self.fitting[-1] else made
                yield Sign(step, self.state, made)


def observed(histories: Mapping[Key, History], live: Live) -> Iterator[tuple[History, State]]:
    """Each object of which a database tells what it is, and what it is.

    Once a table is missing, its parts prove nothing.
    """
    for key, history in histories.items():
        state = live.state(key)
        names = (step.object.schema.casefold() for step in history.steps)
        if state is None or (not live.is_public and "public" in names):
            continue
        if state is False and key.kind not in (Kind.TABLE, Kind.TYPE):
            # An index has been made on a table that may have another name by now.
            tables = {table_of(step.object) for step in history.steps}
            if all(live.state(key_of(table)) is False for table in tables):
                continue
        elif live.spelled is not None and state is True and not live.spells(history.steps, key):
            continue
        yield history, state


def sightings(histories: Mapping[Key, History], live: Live) -> list[Sighting]:
    """Each object of a chain as a database has it, of those of which that is known.

    Not what properties of columns show that nothing has changed but what has made their tables.
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
    """The signs that decide: not what comes and goes with a table, nor a table of others."""
    return [sign for sign in signs if not sign.step.with_table and not _is_of_others(sign, signs)]


def _is_of_others(sign: Sign, signs: Sequence[Sign]) -> bool:
    """Whether a table is there with hardly any of its columns: something else has made it."""
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
