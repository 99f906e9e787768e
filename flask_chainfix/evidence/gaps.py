"""What no order can mend: objects that nobody makes, or that two revisions make."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.evidence.record import Evidence
from flask_chainfix.evidence.touches import Touch, table_of
from flask_chainfix.model import Action, Kind, SchemaObject


def never_made(evidence: Evidence) -> Iterator[tuple[Touch, ...]]:
    """The uses of each table that no revision makes, and of columns of tables that one makes.

    Held back where something that cannot be known may make it.
    """
    doubts = [doubt for doubts in evidence.opaque.values() for doubt in doubts]
    doubts = [doubt for doubt in doubts if Action.CREATE in doubt.actions]
    if any(doubt.table is None for doubt in doubts):
        return
    in_part = {evidence.key(doubt.table) for doubt in doubts if doubt.table is not None}
    for key, users in evidence.users.items():
        object_ = users[0].object
        if key.kind not in (Kind.TABLE, Kind.COLUMN) or evidence.is_made_somewhere(object_):
            continue
        if key.kind is Kind.COLUMN:
            table = evidence.key(table_of(object_))
            if table not in evidence.creators or not in_part.isdisjoint(evidence.origins(table)):
                continue
        certain = tuple(user for user in users if user.certain)
        if certain and not _is_made_in_other_schema(evidence, object_):
            yield certain


def _is_made_in_other_schema(evidence: Evidence, object_: SchemaObject) -> bool:
    """Whether there is one of that name in another schema: a search path may lead there."""
    wanted = evidence.key(object_)
    return any(key._replace(schema=wanted.schema) == wanted for key in evidence.creators)


def made_twice(evidence: Evidence) -> Iterator[tuple[Touch, Touch]]:
    """The pairs of revisions that make one table, or column, with no drop between them.

    Held back where something that cannot be known may drop it.
    """
    for key in sorted(evidence.contested, key=str):
        if evidence.has_twin(key):
            continue
        makers = [touch for touch in evidence.creators.get(key, ()) if touch.certain]
        if key.kind is Kind.COLUMN:
            makers = [touch for touch in makers if not _makes_table(evidence, touch)]
        for index, first in enumerate(makers):
            for second in makers[index + 1 :]:
                # Only spelled alike they are one object on every database.
                if first.object == second.object and not _may_be_dropped(evidence, first, second):
                    yield first, second
                    break


def _makes_table(evidence: Evidence, touch: Touch) -> bool:
    makers = evidence.creators.get(evidence.key(table_of(touch.object)), ())
    return any(maker.revision == touch.revision for maker in makers)


def _may_be_dropped(evidence: Evidence, first: Touch, second: Touch) -> bool:
    """Whether anything may drop an object once it is made and before it is made again."""
    object_ = first.object
    droppers = {
        touch.revision
        for key in (evidence.key(object_), evidence.key(table_of(object_)))
        for touch in evidence.droppers.get(key, ())
    }
    droppers.update(
        revision
        for revision in evidence.opaque
        if evidence.may_touch(revision, Action.DROP, object_)
    )
    runs_before, one, other = evidence.runs_before, first.revision, second.revision
    return any(
        dropper in (one, other)
        or (runs_before(one, dropper) and not runs_before(other, dropper))
        or (runs_before(other, dropper) and not runs_before(one, dropper))
        for dropper in droppers
    )
