"""What a live database holds, and what that shows of the revisions that have run there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import NamedTuple

from flask_chainfix.schema.footprint import Kind, SchemaObject
from flask_chainfix.schema.object_history import History, Step
from flask_chainfix.schema.objects import Key, key_of, table_of


class Live(NamedTuple):
    """What one database holds, as far as somebody has looked.

    Attributes:
        there: what it has.
        looked: the kinds of objects of which it has no more than that.
        schemas: the schemas that were looked at; ``""`` is the one where its version table is.
        longest: how many bytes of a name it keeps; objects with longer ones prove nothing.
        unclear: what may be there for another reason, or is spelled in another case, as databases
            may tell the two apart.
        is_public: whether the schema of the version table is ``public``, or there is no such.
    """

    there: frozenset[Key]
    looked: frozenset[Kind]
    schemas: frozenset[str] = frozenset({""})
    longest: int | None = None
    unclear: frozenset[Key] = frozenset()
    is_public: bool = True

    def has(self, key: Key) -> bool | None:
        """Whether an object is there; ``None`` where that cannot be told."""
        if key.database or key.schema not in self.schemas or key in self.unclear:
            return None
        if self.longest is not None and len(key.name.encode()) > self.longest:
            return None
        if key in self.there:
            return True
        return False if key.kind in self.looked else None


def keys_of(
    tables: Iterable[str],
    columns: Iterable[tuple[str, str]] = (),
    indexes: Iterable[tuple[str, str]] = (),
    constraints: Iterable[tuple[str, str]] = (),
    schema: str = "",
) -> Iterator[Key]:
    """The keys of what one schema holds.

    Args:
        tables: the names of its tables.
        columns: its columns, each behind its table.
        indexes: its indexes, each behind its table.
        constraints: its constraints, each behind its table.
        schema: its name, ``""`` for that of the version table.
    """
    for table in tables:
        yield key_of(SchemaObject(Kind.TABLE, table, "", schema))
    for kind, parts in (
        (Kind.COLUMN, columns),
        (Kind.INDEX, indexes),
        (Kind.CONSTRAINT, constraints),
    ):
        for table, name in parts:
            yield key_of(SchemaObject(kind, name, table, schema))


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
        there: whether the object is there.
        made: whether that shows that the change has been made, or that it has not; ``None`` where
            other changes may have left the object like this.
    """

    step: Step
    there: bool
    made: bool | None


class Sighting(NamedTuple):
    """One object as a database has it.

    Attributes:
        steps: its changes along the chain.
        there: whether it is there.
        fitting: after how many of the changes it is as it is; several where that looks the same.
    """

    steps: tuple[Step, ...]
    there: bool
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
            if step.there is not None and self.fitting:
                made = True if number <= self.fitting[0] else None
                made = False if number > self.fitting[-1] else made
                yield Sign(step, self.there, made)


def observed(histories: Mapping[Key, History], live: Live) -> Iterator[tuple[Key, History, bool]]:
    """Each object of which a database tells whether it is there, and whether it is.

    Once a table is missing, its parts prove nothing.
    """
    for key, history in histories.items():
        there = live.has(key)
        if there is None or (not live.is_public and any(map(_is_in_public, history.steps))):
            continue
        table = key_of(table_of(history.steps[-1].object))
        if key.kind in (Kind.TABLE, Kind.TYPE) or live.has(table) is not False:
            yield key, history, there


def _is_in_public(step: Step) -> bool:
    return step.object.schema.casefold() == "public"


def sightings(histories: Mapping[Key, History], live: Live) -> list[Sighting]:
    """Each object of a chain as a database has it, of those of which that is known."""
    found = []
    for _, history, there in observed(histories, live):
        states = (history.first, *(step.there for step in history.steps))
        fitting = (number for number, state in enumerate(states) if state in (None, there))
        found.append(Sighting(history.steps, there, tuple(fitting)))
    return found
