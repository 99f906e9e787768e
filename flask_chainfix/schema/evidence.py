"""What the revisions of a chain do with each object of the schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product

from flask_chainfix.chain.ancestry import Ancestry, upgrade_order
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.schema.footprint import (
    Action,
    Effect,
    Footprint,
    Key,
    Kind,
    Opaque,
    SchemaObject,
    Touch,
    Unnamed,
    belongs_to_database,
    key_of,
    table_key,
    table_of,
)


class Evidence:
    """What is known about the objects of a schema.

    Args:
        graph: the chain.
        footprints: what each revision's ``upgrade()`` does.
        elsewhere: the footprints of migrations whose place in the chain is unknown.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` if unknown.

    Attributes:
        creators: the revisions that create each object.
        users: the revisions that need an object and keep it.
        droppers: the revisions that need an object and drop it.
        renames: the older names of a renamed table or column.
        made_again: objects that a single revision creates twice.
        ended_again: objects that a single revision drops twice.
        table_changes: every creation and drop of a table, including those within a revision.
        column_drops: every drop of a column, by its table.
        unnamed: the constraints and indexes that a table may get under unknown names, by table,
            each with its revision.
        views: the tables that are views.
        by_hand: the objects that no operation adds where they are missing.
        rank: the place of each revision in an order in which the chain can run.
    """

    def __init__(
        self,
        graph: Graph,
        footprints: Mapping[str, Footprint],
        elsewhere: Sequence[Footprint] = (),
        dialect: str | None = None,
    ) -> None:
        self.graph = graph
        self.footprints = footprints
        self.elsewhere = elsewhere
        self.dialect = dialect
        self.creators: dict[Key, list[Touch]] = {}
        self.users: dict[Key, list[Touch]] = {}
        self.droppers: dict[Key, list[Touch]] = {}
        self.renames: dict[Key, set[Key]] = {}
        self.made_again: list[tuple[Touch, Touch]] = []
        self.ended_again: list[tuple[Touch, Touch]] = []
        self.table_changes: dict[tuple[Action, Key], list[Touch]] = {}
        self.column_drops: dict[Key, list[Touch]] = {}
        self.unnamed: dict[Key, list[tuple[str, Unnamed]]] = {}
        effects = [effect for each in footprints.values() for effect in each.effects]
        self.views = {key_of(effect.object) for effect in effects if effect.is_view}
        self.by_hand = {key_of(effect.object) for effect in effects if effect.by_hand}
        self.rank = {revision: number for number, revision in enumerate(graph.order)}
        self._heads: dict[str, int] = {}
        for revision in graph.order:
            footprint = footprints.get(revision, Footprint())
            self._add(revision, footprint.effects)
            for each in footprint.unnamed:
                self.unnamed.setdefault(key_of(table_of(each.part)), []).append((revision, each))

    def _add(self, revision: str, effects: Sequence[Effect]) -> None:
        own = _OwnTouches()
        for place, effect in enumerate(effects):
            action, object_, line, certain, renamed, tolerant, *_ = effect
            if object_.kind is Kind.VALUE:
                continue  # it is created and dropped with its type
            key = key_of(object_)
            touch = Touch(revision, line, object_, certain, place, tolerant, renamed)
            if renamed is not None and action is Action.CREATE:
                self.renames.setdefault(key, set()).add(key_of(renamed))
            if action is not Action.USE and key.kind is Kind.TABLE:
                self.table_changes.setdefault((action, key), []).append(touch)
            elif action is Action.DROP and key.kind is Kind.COLUMN:
                self.column_drops.setdefault(table_key(key), []).append(touch)
            own.add(action, key, touch)
        self.made_again += own.made_again
        self.ended_again += own.ended_again
        for touches, noted in (
            (own.made, self.creators),
            (own.used, self.users),
            (own.ended, self.droppers),
        ):
            for key, touch in touches.items():
                if not belongs_to_database(touch.object):
                    noted.setdefault(key, []).append(touch)

    @cached_property
    def mentioned(self) -> frozenset[Key]:
        """The keys of all objects that migrations mention."""
        return frozenset(
            key_of(thing)
            for footprint in (*self.footprints.values(), *self.elsewhere)
            for effect in footprint.effects
            for thing in (effect.object, effect.renamed)
            if thing is not None
        )

    @cached_property
    def has_binds(self) -> bool:
        """Whether migrations work on several databases of one app."""
        return any(key.database for key in self.mentioned)

    @cached_property
    def opaque(self) -> Mapping[str, tuple[Opaque, ...]]:
        """The parts of revisions that cannot be known, by revision."""
        return {
            revision: footprint.opaque
            for revision, footprint in self.footprints.items()
            if footprint.opaque
        }

    def doubts(
        self, action: Action, object_: SchemaObject, revisions: Iterable[str] | None = None
    ) -> Iterator[Opaque]:
        """The unreadable parts of any or of these revisions that may do something to an object."""
        return (
            doubt
            for revision in (self.opaque if revisions is None else revisions)
            for doubt in self.opaque.get(revision, ())
            if self._concerns(doubt, action, object_)
        )

    @cached_property
    def schemas_of(self) -> Mapping[Key, frozenset[str]]:
        """The schemas in which objects of a name are created, by the key without its schema."""
        found: dict[Key, set[str]] = {}
        for key in self.creators:
            found.setdefault(key._replace(schema=""), set()).add(key.schema)
        return {key: frozenset(schemas) for key, schemas in found.items()}

    @cached_property
    def times_made(self) -> Mapping[tuple[Key, str], int]:
        """How often a revision creates a table."""
        return Counter(
            (key, touch.revision)
            for (action, key), touches in self.table_changes.items()
            if action is Action.CREATE
            for touch in touches
        )

    @cached_property
    def unlimited(self) -> Mapping[tuple[Action, Kind], list[tuple[str, int]]]:
        """The doubts that may concern any table: the revision, and the place in it."""
        found: dict[tuple[Action, Kind], list[tuple[str, int]]] = {}
        for revision, doubts in self.opaque.items():
            for doubt in doubts:
                if doubt.table is None:
                    for action, kind in product(Action, doubt.kinds):
                        if doubt.may(action, kind):
                            found.setdefault((action, kind), []).append((revision, doubt.place))
        return found

    @cached_property
    def _limited(self) -> Mapping[Key, list[tuple[str, Opaque]]]:
        """The other doubts, by the table that they concern."""
        found: dict[Key, list[tuple[str, Opaque]]] = {}
        for revision, doubts in self.opaque.items():
            for doubt in doubts:
                if doubt.table is not None:
                    found.setdefault(key_of(doubt.table), []).append((revision, doubt))
        return found

    def limited(self, action: Action, object_: SchemaObject) -> Iterator[tuple[str, int]]:
        """The doubts that concern the table of an object."""
        for revision, doubt in self._limited.get(key_of(table_of(object_)), ()):
            if self._concerns(doubt, action, object_):
                yield revision, doubt.place

    def may_happen_elsewhere(self, action: Action, object_: SchemaObject) -> bool:
        """Whether a migration in an unknown place may create, use or drop an object."""
        key = key_of(object_)
        return any(
            any(self._concerns(doubt, action, object_) for doubt in footprint.opaque)
            or any(
                effect.action is action
                and key_of(effect.object) in (key, key_of(table_of(object_)))
                for effect in footprint.effects
            )
            for footprint in self.elsewhere
        )

    def _concerns(self, doubt: Opaque, action: Action, object_: SchemaObject) -> bool:
        """Whether a doubt may concern an object.

        A doubt about the parts of a table does not concern the table itself.
        """
        if not doubt.may(action, object_.kind):
            return False
        if doubt.table is None:
            return True
        return object_.kind is not Kind.TABLE and key_of(doubt.table) == key_of(table_of(object_))

    @cached_property
    def runs_before(self) -> Ancestry:
        """Which revisions run before which in the current chain."""
        return Ancestry(self.graph)

    @cached_property
    def _upgrade_order(self) -> Mapping[str, int] | None:
        return upgrade_order(self.graph, self.runs_before)

    def upgraded_before(self, first: str, second: str) -> bool:
        """Whether Alembic runs ``first`` before ``second`` when it upgrades an empty database.

        For merged branches the chain does not define that, but Alembic's own order does.
        """
        if self.runs_before(first, second):
            return True
        if self.runs_before(second, first) or not self.joined(first, second):
            return False
        order = self._upgrade_order
        return order is not None and order[first] < order[second]

    def joined(self, *revisions: str) -> bool:
        """Whether one head has all of these revisions at or below it: an upgrade runs them."""
        heads = -1
        for revision in revisions:
            heads &= self._heads_above(revision)
        return heads != 0

    def _heads_above(self, revision: str) -> int:
        """The heads at or above a revision, as a bit mask."""
        if revision not in self._heads:
            self._heads[revision] = sum(
                1 << number
                for number, head in enumerate(self.graph.heads)
                if revision == head or self.runs_before(revision, head)
            )
        return self._heads[revision]

    @cached_property
    def contested(self) -> frozenset[Key]:
        """Tables and columns that are created, or dropped, more than once.

        For these, and for the columns of such tables, single pairs of revisions prove nothing.
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
        """Whether an object must exist before the chain: nothing creates it before its drop."""
        makers = self.creators.get(key, ())
        return not makers or any(
            all(self.runs_before(dropper.revision, maker.revision) for maker in makers)
            for dropper in self.droppers.get(key, ())
        )

    @cached_property
    def twins(self) -> frozenset[Key]:
        """Objects with one name that are created or dropped in several schemas, one by default.

        Each may be the same as another one with or without a schema.
        """
        first: dict[Key, Key] = {}
        twins: set[Key] = set()
        for key in {**self.creators, **self.droppers}:
            other = first.setdefault(key._replace(schema=""), key)
            if other != key and not (other.schema and key.schema):
                twins.update((other, key))
        return frozenset(twins)

    def origins(self, key: Key) -> set[Key]:
        """The names that a table had before it was renamed to this one, including this one."""
        found, pending = {key}, [key]
        while pending:
            for older in self.renames.get(pending.pop(), ()):
                if older not in found:
                    found.add(older)
                    pending.append(older)
        return found

    def mentions(self, key: Key) -> bool:
        """Whether migrations mention an object, also under another name of its table."""
        return key in self.mentioned or any(
            older in self.mentioned for older in self.under_older_names(key)
        )

    def under_older_names(self, key: Key) -> Iterator[Key]:
        """The keys that a column has under the older names of its table."""
        table = table_key(key)
        for older in self.origins(table) - {table} if key.kind is Kind.COLUMN else ():
            yield key._replace(schema=older.schema, table=older.name)

    def knows_columns_of(self, table: Key) -> bool:
        """Whether only the chain creates a table, under all its names."""
        return all(
            (older in self.renames or (Action.CREATE, older) in self.table_changes)
            and not self._is_from_outside(older)
            for older in self.origins(table)
        )

    def _is_from_outside(self, key: Key) -> bool:
        """Whether a revision needs an object before any creates it."""
        if key in self.creators:
            return self.is_there_first(key)
        return key in self.users or key in self.droppers


class _OwnTouches:
    """What one revision does, without what concerns only itself.

    Attributes:
        made: what exists because of it.
        used: what must exist before it, and still exists afterwards.
        ended: what must exist before it, and no longer exists afterwards.
        made_again: what it creates twice: both touches.
        ended_again: what it drops twice.
    """

    def __init__(self) -> None:
        self.made: dict[Key, Touch] = {}
        self.used: dict[Key, Touch] = {}
        self.ended: dict[Key, Touch] = {}
        self._come_and_gone: set[Key] = set()
        self.made_again: list[tuple[Touch, Touch]] = []
        self.ended_again: list[tuple[Touch, Touch]] = []

    def add(self, action: Action, key: Key, touch: Touch) -> None:
        """Add the revision's next operation."""
        if action is Action.USE:
            known = self.used.get(key)
            inside = key in self.made or key in self._come_and_gone
            if not inside and (known is None or touch.certain > known.certain):
                self.used[key] = touch
        elif action is Action.CREATE:
            self._make(key, touch)
        else:
            self._end(key, touch)

    def _make(self, key: Key, touch: Touch) -> None:
        replaced = self.ended.pop(key, None)
        if key in self.made:
            self.made_again.append((self.made[key], touch))
        elif replaced is None:
            self.made[key] = touch
        elif replaced.certain and touch.certain:
            self.used.setdefault(key, replaced)
        else:  # dropped if it existed, and created in any case
            self.made[key] = touch._replace(certain=False)

    def _end(self, key: Key, touch: Touch) -> None:
        made = self.made.pop(key, None)
        if made is not None:
            self._come_and_gone.add(key)
            if touch.renamed is not None and touch.certain:
                self._move_parts(key, touch.renamed, touch.place)
            if not touch.certain:
                self.made[key] = made._replace(certain=False)
            elif not made.certain:  # it may have existed before
                self.ended[key] = touch._replace(certain=False)
        elif key in self.ended:
            self.ended_again.append((self.ended[key], touch))
        else:
            self.ended[key] = touch

    def _move_parts(self, table: Key, new: SchemaObject, place: int) -> None:
        """Let the new parts of a table have its new name."""
        for key in [each for each in self.made if table_key(each) == table]:
            part = self.made.pop(key)
            moved = part.object._replace(table=new.name, schema=new.schema)
            self.made[key_of(moved)] = part._replace(object=moved, place=place)
