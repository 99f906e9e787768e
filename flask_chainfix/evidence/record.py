"""What the revisions of a chain do with each object of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from flask_chainfix.evidence.ancestry import Ancestry
from flask_chainfix.evidence.touches import (
    Key,
    OwnTouches,
    Touch,
    belongs_to_database,
    key_of,
    table_key,
    table_of,
)
from flask_chainfix.graph import Graph
from flask_chainfix.model import Action, Effect, Footprint, Kind, Opaque, SchemaObject


class Evidence:
    """What is known of the objects of a schema.

    Args:
        graph: the chain.
        footprints: what each revision's ``upgrade()`` does.

    Attributes:
        creators: who makes each object.
        users: who needs it and leaves it there.
        droppers: who needs it and ends it.
        renames: the older names of a table or column that was renamed.
    """

    def __init__(self, graph: Graph, footprints: Mapping[str, Footprint]) -> None:
        self.graph = graph
        self.footprints = footprints
        self.creators: dict[Key, list[Touch]] = {}
        self.users: dict[Key, list[Touch]] = {}
        self.droppers: dict[Key, list[Touch]] = {}
        self.renames: dict[Key, set[Key]] = {}
        self._keys: dict[SchemaObject, Key] = {}
        for revision in graph.order:
            footprint = footprints.get(revision)
            if footprint is not None and footprint.effects:
                self._add(revision, footprint.effects)

    def key(self, object_: SchemaObject) -> Key:
        """What all spellings of an object have in common."""
        key = self._keys.get(object_)
        if key is None:
            key = self._keys[object_] = key_of(object_)
        return key

    def _add(self, revision: str, effects: Sequence[Effect]) -> None:
        own = OwnTouches()
        for action, object_, line, certain, renamed in effects:
            key = self.key(object_)
            if renamed is not None and action is Action.CREATE:
                self.renames.setdefault(key, set()).add(self.key(renamed))
            own.add(action, key, Touch(revision, line, object_, certain))
        for touches, noted in (
            (own.made, self.creators),
            (own.used, self.users),
            (own.ended, self.droppers),
        ):
            for key, touch in touches.items():
                if not belongs_to_database(touch.object):
                    noted.setdefault(key, []).append(touch)

    @cached_property
    def opaque(self) -> Mapping[str, tuple[Opaque, ...]]:
        """What is not known of revisions; only those of which not everything is."""
        return {
            revision: footprint.opaque
            for revision, footprint in self.footprints.items()
            if footprint.opaque
        }

    def may_touch(self, revision: str, action: Action, object_: SchemaObject) -> bool:
        """Whether a revision, as far as it cannot be known, may create, use or drop an object.

        What is unknown about the parts of a table says nothing about the table itself.
        """
        return any(
            action in doubt.actions
            and (
                doubt.table is None
                or (
                    object_.kind is not Kind.TABLE
                    and self.key(doubt.table) == self.key(table_of(object_))
                )
            )
            for doubt in self.opaque.get(revision, ())
        )

    @cached_property
    def runs_before(self) -> Ancestry:
        """Which revisions run before which in the chain as it is."""
        return Ancestry(self.graph)

    @cached_property
    def contested(self) -> frozenset[Key]:
        """Tables and columns with several lives: made, or dropped, more than once.

        Of these, and of the columns of such tables, single pairs of revisions prove nothing.
        """
        several = {
            key
            for key in {**self.creators, **self.droppers}
            if key.kind in (Kind.TABLE, Kind.COLUMN)
            and (
                len(self.creators.get(key, ())) > 1
                or len(self.droppers.get(key, ())) > 1
                or (key in self.creators and self.is_there_first(key))
            )
        }
        tables = {key for key in several if key.kind is Kind.TABLE}
        several.update(
            key
            for key in ({**self.creators, **self.users, **self.droppers} if tables else ())
            if key.kind is Kind.COLUMN and table_key(key) in tables
        )
        return frozenset(several)

    def is_there_first(self, key: Key) -> bool:
        """Whether an object must be there before the chain: nobody makes it before its drop."""
        makers = self.creators.get(key, ())
        return not makers or any(
            all(self.runs_before(dropper.revision, maker.revision) for maker in makers)
            for dropper in self.droppers.get(key, ())
        )

    @cached_property
    def _twins(self) -> frozenset[Key]:
        """Objects of one name that are made or dropped in several schemas, one by default."""
        first: dict[Key, Key] = {}
        twins: set[Key] = set()
        for key in {**self.creators, **self.droppers}:
            other = first.setdefault(key._replace(schema=""), key)
            if other != key and not (other.schema and key.schema):
                twins.update((other, key))
        return frozenset(twins)

    def has_twin(self, key: Key) -> bool:
        """Whether an object may be another one as well, whose schema is not said, or is."""
        return key in self._twins

    def origins(self, key: Key) -> set[Key]:
        """The names that a table had before it was renamed to this one, itself included."""
        found, pending = {key}, [key]
        while pending:
            for older in self.renames.get(pending.pop(), ()):
                if older not in found:
                    found.add(older)
                    pending.append(older)
        return found

    def is_made_somewhere(self, object_: SchemaObject) -> bool:
        """Whether any revision makes an object, whatever its table was called then."""
        key = self.key(object_)
        if key in self.creators or key in self.renames:
            return True
        return object_.kind is Kind.COLUMN and any(
            key._replace(schema=table.schema, table=table.name) in self.creators
            for table in self.origins(self.key(table_of(object_)))
        )
