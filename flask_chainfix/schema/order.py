"""What the evidence proves: which revisions must run before which, and what no order can fix.

No order helps if objects are never created, or created or dropped twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import (
    Action,
    Key,
    Kind,
    SchemaObject,
    Touch,
    key_of,
    table_key,
    table_of,
)
from flask_chainfix.schema.moments import Between, Moment, just_before, moment_of, precedes

# If an object is created this often, not every pair is compared.
_MOST_COMPARED = 20
# Databases in which index names are unique per schema; in the others, per table.
_INDEXES_OF_SCHEMA = frozenset({"postgresql", "sqlite"})


class Precedence(NamedTuple):
    """One revision must run before another, because of one object.

    Attributes:
        before: the touch of the revision that must run first: it creates, uses or drops the object.
        after: the touch of the revision that must run later.
        ending: ``use`` if the later one uses the object, ``drop`` if it drops it, ``create`` if it
            creates it again.
    """

    before: Touch
    after: Touch
    ending: str

    @property
    def certain(self) -> bool:
        """Whether only this order can run."""
        return self.before.certain and self.after.certain


def precedences(evidence: Evidence) -> Iterator[Precedence]:
    """The required orders that the current chain does not ensure.

    Contested objects are left out, because single pairs prove nothing about them.
    """
    contested = evidence.contested
    for key in {**evidence.users, **evidence.droppers, **evidence.creators}:
        if key not in contested:
            for precedence in _precedences_of(evidence, key):
                one, other = precedence.before.revision, precedence.after.revision
                if one != other and not evidence.runs_before(one, other):
                    yield precedence


def _precedences_of(evidence: Evidence, key: Key) -> Iterator[Precedence]:
    makers, users = evidence.creators.get(key, []), evidence.users.get(key, [])
    if len(makers) > 1:  # several indexes or types have the name
        return
    for maker in makers:
        for user in users:
            if not _came_with_older_name(evidence, key, user.revision):
                yield Precedence(maker, user, "use")
    for dropper in evidence.droppers.get(key, ()):
        for maker in makers:
            yield Precedence(maker, dropper, "drop")
        for user in users:
            yield Precedence(user, dropper, "drop")


def _came_with_older_name(evidence: Evidence, key: Key, revision: str) -> bool:
    """Whether a table was renamed before a revision's use of a column that it already had."""
    renames = evidence.table_changes.get((Action.CREATE, table_key(key)), ())
    return any(
        rename.renamed is not None
        and (rename.revision == revision or evidence.upgraded_before(rename.revision, revision))
        for rename in renames
    ) and any(
        older not in evidence.droppers and evidence.upgraded_before(maker.revision, revision)
        for older in evidence.under_older_names(key)
        for maker in evidence.creators.get(older, ())
    )


def disorders(evidence: Evidence) -> Iterator[Precedence]:
    """The orders that the chain allows and that certainly fail.

    Nothing is yielded if unreadable code could explain it. Alembic's own order may still work.
    """
    for precedence in precedences(evidence):
        if is_disorder(evidence, precedence):
            yield precedence
    for key in sorted(evidence.contested, key=str):
        for precedence in _contested_disorders(evidence, key):
            if is_disorder(evidence, precedence):
                yield precedence
    yield from overtaken(evidence)


def overtaken(evidence: Evidence) -> Iterator[Precedence]:
    """Columns that are added to a table that a parallel branch drops, and makes again with them.

    Where the other branch has run first, they are there already.
    """
    for key in sorted(evidence.contested - evidence.droppers.keys(), key=str):
        makers = evidence.creators.get(key, ())
        drops = evidence.table_changes.get((Action.DROP, table_key(key)), ())
        if key.kind is not Kind.COLUMN or len(makers) != 2 or len(drops) != 1:
            continue
        (drop,) = drops
        certain = all(each.certain and not each.tolerant for each in (*makers, drop))
        for one, other in (makers, reversed(makers)) if certain and drop.renamed is None else ():
            if (
                precedes(evidence, moment_of(drop), moment_of(other))
                and not precedes(evidence, moment_of(drop), moment_of(one))
                and not precedes(evidence, moment_of(one), moment_of(drop))
                and not evidence.may_happen_elsewhere(Action.DROP, one.object)
                and not any(evidence.doubts(Action.DROP, one.object))
            ):
                yield Precedence(one, drop, "drop")


def _contested_disorders(evidence: Evidence, key: Key) -> Iterator[Precedence]:
    """The touches that fail because a contested object does not exist then."""
    makers, droppers = evidence.creators.get(key, []), evidence.droppers.get(key, [])
    runs_before = evidence.upgraded_before
    for user in (*evidence.users.get(key, ()), *droppers):
        below = [maker for maker in makers if runs_before(maker.revision, user.revision)]
        if user not in droppers:  # a batch makes columns before what it builds on them
            below += (maker for maker in makers if maker.revision == user.revision)
        ends = [end for end in droppers if runs_before(end.revision, user.revision)]
        for end in ends if user not in droppers else ():  # a double drop is reported separately
            if not any(runs_before(end.revision, maker.revision) for maker in below):
                yield Precedence(user, end, "drop")
                break
        else:
            came = evidence.is_there_first(key) or _came_with_older_name(
                evidence, key, user.revision
            )
            if not below and not ends and not came:
                yield Precedence(makers[0], user, "use")


def is_disorder(evidence: Evidence, precedence: Precedence) -> bool:
    """Whether a chain that does not ensure an order certainly fails in the other one."""
    before, after, ending = precedence
    if before.object.kind not in (Kind.TABLE, Kind.COLUMN):
        return False
    if before.object.kind is Kind.COLUMN and _is_reported_for_table(evidence, precedence):
        return False
    user = after if ending == "use" else before
    if not user.certain or not (ending == "use" or after.certain):
        return False
    one, other = before.revision, after.revision
    runs_before = evidence.runs_before
    if evidence.elsewhere and not (runs_before(one, other) or runs_before(other, one)):
        return False  # they may run in any order
    return not evidence.may_happen_elsewhere(Action.CREATE, user.object) and not any(
        doubt.place <= user.place or revision != user.revision
        for revision in evidence.opaque
        if revision == user.revision or runs_before(revision, user.revision)
        for doubt in evidence.doubts(Action.CREATE, user.object, [revision])
    )


def _is_reported_for_table(evidence: Evidence, precedence: Precedence) -> bool:
    """Whether the table of a column has the same fault in the same two revisions."""
    before, after, ending = precedence
    table = key_of(table_of(before.object))
    touch = before if ending == "use" else after
    touches = evidence.creators if ending == "use" else evidence.droppers
    return any(other.revision == touch.revision for other in touches.get(table, ()))


# --- What no order can fix ------------------------------------------------------------------------
def never_made(evidence: Evidence) -> Iterator[tuple[Touch, ...]]:
    """Tables and columns that a revision needs before any revision has created them.

    Columns are judged only for tables whose columns are all known. Nothing is yielded if unreadable
    code may have created the object before.

    Yields:
        The touches of one object, in the order of the chain.
    """
    frontiers = {kind: _frontier(evidence, kind) for kind in (Kind.TABLE, Kind.COLUMN)}
    for key in {**evidence.users, **evidence.droppers}:
        if key.kind not in (Kind.TABLE, Kind.COLUMN):
            continue
        touches = [*evidence.users.get(key, ()), *evidence.droppers.get(key, ())]
        if _is_missing_at_first(evidence, key, touches[0].object):
            certain = [
                touch
                for touch in touches
                if touch.certain and not _may_be_made_before(evidence, touch, frontiers[key.kind])
            ]
            if certain:
                yield tuple(sorted(certain, key=lambda touch: evidence.rank[touch.revision]))


def _is_missing_at_first(evidence: Evidence, key: Key, object_: SchemaObject) -> bool:
    """Whether a revision needs an object before any creates it."""
    if any(older in evidence.creators for older in evidence.under_older_names(key)):
        return False
    if (key in evidence.creators or key in evidence.renames) and not evidence.is_there_first(key):
        return False
    schemas = evidence.schemas_of.get(key._replace(schema=""), frozenset())
    if not schemas <= {key.schema}:  # a search path may lead to the others
        return False
    return key.kind is Kind.TABLE or evidence.knows_columns_of(key_of(table_of(object_)))


def _frontier(evidence: Evidence, kind: Kind) -> list[Moment]:
    """The first moments that may create any object of a kind, by the order of the chain."""
    frontier: list[Moment] = []
    moments = (just_before(*each) for each in evidence.unlimited.get((Action.CREATE, kind), ()))
    for moment in sorted(moments, key=lambda moment: (evidence.rank[moment.revision], *moment[1:])):
        if not any(precedes(evidence, first, moment) for first in frontier):
            frontier.append(moment)
    return frontier


def _may_be_made_before(evidence: Evidence, touch: Touch, frontier: list[Moment]) -> bool:
    """Whether an object may have been created before a revision needs it."""
    object_ = touch.object
    objects = [object_]
    if object_.kind is Kind.COLUMN:
        objects = [
            object_._replace(table=table.name, schema=table.schema)
            for table in evidence.origins(key_of(table_of(object_)))
        ]
    key = key_of(object_)
    makers = [
        moment_of(maker)
        for maker in (
            *evidence.creators.get(key, ()),
            *evidence.table_changes.get((Action.CREATE, key), ()),
        )
    ]
    limited = (
        just_before(*doubt) for each in objects for doubt in evidence.limited(Action.CREATE, each)
    )
    return any(
        not precedes(evidence, moment_of(touch), moment)
        for moment in chain(frontier, makers, limited)
    ) or any(evidence.may_happen_elsewhere(Action.CREATE, each) for each in objects)


def made_twice(evidence: Evidence) -> Iterator[tuple[Touch, Touch]]:
    """The pairs of touches that create one object, without a possible drop between them."""
    return _twice(evidence, Action.CREATE, evidence.creators, evidence.made_again)


def dropped_twice(evidence: Evidence) -> Iterator[tuple[Touch, Touch]]:
    """The pairs of touches that drop one object, without a possible creation between them."""
    return _twice(evidence, Action.DROP, evidence.droppers, evidence.ended_again)


def _twice(
    evidence: Evidence,
    action: Action,
    touched: Mapping[Key, list[Touch]],
    again: Iterable[tuple[Touch, Touch]],
) -> Iterator[tuple[Touch, Touch]]:
    """Each touch with the next one that conflicts with it."""
    for touches in _groups(evidence, touched, again):
        between = Between(evidence, touches, action)
        for index, first in enumerate(touches):
            for second in touches[index + 1 : index + _MOST_COMPARED]:
                if (
                    _is_one(evidence, first.object, second.object)
                    and not between.explains(first, second)
                    and (action is Action.DROP or _fails(evidence, first, second))
                ):
                    yield first, second
                    break


def _fails(evidence: Evidence, first: Touch, second: Touch) -> bool:
    """Whether the second of two creations certainly fails, if there is nothing between them."""
    if first.object.kind is Kind.TYPE:
        return not (first.tolerant and second.tolerant)
    if second.tolerant or (
        first.tolerant and not precedes(evidence, moment_of(first), moment_of(second))
    ):
        return False
    if first.object.kind is Kind.TABLE:
        return True
    # If both create the table, that conflict is reported instead.
    made = [
        evidence.times_made.get((key_of(table_of(touch.object)), touch.revision), 0)
        for touch in (first, second)
    ]
    return not all(made) or (first.revision == second.revision and made[0] == 1)


def _groups(
    evidence: Evidence, touched: Mapping[Key, list[Touch]], again: Iterable[tuple[Touch, Touch]]
) -> Iterator[list[Touch]]:
    """The certain touches of each object that is touched several times."""
    groups = [list(pair) for pair in again]
    groups += [
        touched[key]
        for key in sorted((key for key in touched if len(touched[key]) > 1), key=str)
        if key not in evidence.twins
    ]
    for group in groups:
        certain = [touch for touch in group if touch.certain]
        if len(certain) > 1:
            yield certain


def _is_one(evidence: Evidence, one: SchemaObject, other: SchemaObject) -> bool:
    """Whether two objects are the same on every database: only if they are spelled alike."""
    if not one.table and one.kind in (Kind.COLUMN, Kind.CONSTRAINT):
        return False
    if one.kind is Kind.INDEX and one.table != other.table:
        anywhere = evidence.dialect in _INDEXES_OF_SCHEMA or not (one.table and other.table)
        return anywhere and one._replace(table="") == other._replace(table="")
    return one == other
