"""Objects that are made, or dropped, several times: what that proves about the order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations, product

from flask_chainfix.evidence.order import Precedence
from flask_chainfix.evidence.record import Evidence
from flask_chainfix.evidence.touches import Key, Touch, table_key
from flask_chainfix.model.schema import Action, Kind


@dataclass
class _Life:
    """An object from one creation to its drop.

    Attributes:
        maker: what creates it; ``None`` where it is there before the chain.
        drops: what drops it.
        table_drops: what drops it together with its table.
    """

    maker: Touch | None
    drops: list[Touch] = field(default_factory=list)
    table_drops: list[Touch] = field(default_factory=list)

    @property
    def ends(self) -> list[Touch]:
        """Whatever ends it."""
        return self.drops + self.table_drops


def precedences_of_contested(evidence: Evidence) -> Iterator[Precedence]:
    """What must run before what because of contested objects.

    Only what follows whichever branch comes first: where both a creation and a drop stand on each
    of two branches, either may. Objects of which nothing is certain are left out.
    """
    for key in sorted(evidence.contested, key=str):
        if not _is_in_doubt(evidence, key):
            for precedence in _Lives(evidence, key).precedences():
                one, other = precedence.before.revision, precedence.after.revision
                if one != other and not evidence.runs_before(one, other):
                    yield precedence


def _is_in_doubt(evidence: Evidence, key: Key) -> bool:
    """Whether what happens to an object depends on conditions, on unknowns, or on its schema.

    Whether an object that was made under a condition exists, only running would show.
    """
    table = table_key(key)
    for one in {key, table}:
        changes = [*evidence.creators.get(one, ()), *evidence.droppers.get(one, ())]
        sure = all(touch.certain and not touch.tolerant for touch in changes)
        if not sure or evidence.has_twin(one):
            return True
    touches = evidence.creators.get(key) or evidence.droppers.get(key) or evidence.users[key]
    return any(
        evidence.may_touch(revision, action, touches[0].object)
        for revision in evidence.opaque
        for action in (Action.CREATE, Action.DROP)
    )


class _Lives:
    """The lives of one object."""

    def __init__(self, evidence: Evidence, key: Key) -> None:
        self._runs_before = evidence.runs_before
        self._users = evidence.users.get(key, [])
        self._lives = [_Life(touch) for touch in evidence.creators.get(key, ())]
        if evidence.is_there_first(key):
            self._lives.append(_Life(None))
        for drop in self._surest_first(evidence.droppers.get(key, ())):
            for life in self._ended_by(drop):
                life.drops.append(drop)
        if key.kind is Kind.COLUMN:
            for drop in self._surest_first(evidence.droppers.get(table_key(key), ())):
                for life in self._ended_by(drop):
                    life.table_drops.append(drop)

    def _surest_first(self, drops: Iterable[Touch]) -> list[Touch]:
        return sorted(drops, key=lambda drop: len(self._possible(drop)))

    def _ended_by(self, drop: Touch) -> list[_Life]:
        """The life that a drop ends: of several the first that nothing else does."""
        possible = self._possible(drop)
        return [life for life in possible if not life.ends][:1] or self._only(drop)

    def precedences(self) -> Iterator[Precedence]:
        """What must run before what, also where the chain sees to it."""
        for life in self._lives:
            if life.maker is not None:
                yield from (Precedence(life.maker, end, "drop") for end in life.ends)
            yield from (Precedence(*pair, "drop") for pair in product(life.drops, life.table_drops))
        for user in self._users:
            for life in self._only(user):
                if life.maker is not None:
                    yield Precedence(life.maker, user, "use")
                yield from (Precedence(user, end, "drop") for end in life.ends)
        for first, second in permutations(self._lives, 2):
            if second.maker is not None and self._comes_first(first, second):
                yield from (Precedence(end, second.maker, "create") for end in first.ends)

    def _only(self, touch: Touch) -> list[_Life]:
        """The life in which a revision finds the object; none where it may be one of several."""
        possible = self._possible(touch)
        return possible if len(possible) == 1 else []

    def _possible(self, touch: Touch) -> list[_Life]:
        """The lives in which a revision can find the object."""
        name = touch.revision
        below = [life for life in self._lives if self._begins_before(life, name)]
        latest = [
            life
            for life in below
            if not any(self._runs_before(end.revision, name) for end in life.ends)
            and not any(
                later is not life and self._begins_before(life, later.maker.revision)
                for later in reversed(below)  # creators are listed in an order that can run
                if later.maker is not None
            )
        ]
        parallel = [
            life
            for life in self._lives
            if life not in below
            and life.maker is not None
            and life.maker.revision != name
            and not self._runs_before(name, life.maker.revision)
        ]
        return latest + parallel

    def _begins_before(self, life: _Life, revision: str) -> bool:
        return life.maker is None or self._runs_before(life.maker.revision, revision)

    def _comes_first(self, first: _Life, second: _Life) -> bool:
        """Whether one life must be over before another begins."""
        assert second.maker is not None
        if self._begins_before(first, second.maker.revision):
            return True
        assert first.maker is not None
        return not second.ends and not self._begins_before(second, first.maker.revision)
