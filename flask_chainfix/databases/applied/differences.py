"""What a database holds otherwise than the revisions that have run there leave it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from flask_chainfix.databases.facts import Facts
from flask_chainfix.schema.footprint import (
    PROPERTIES,
    Action,
    Key,
    Kind,
    SchemaObject,
    belongs_to_database,
    is_ignored,
    key_of,
    table_key,
    table_of,
    version_tables_in,
)
from flask_chainfix.schema.live import Live, observed
from flask_chainfix.schema.object_history import History, State, Step

_BUILT = (Kind.INDEX, Kind.CONSTRAINT)


class Difference(NamedTuple):
    """An object that differs from what the applied revisions leave behind.

    Attributes:
        kind: ``missing``, ``extra`` (no revision creates it), ``left`` (a revision dropped it), or
            ``otherwise`` for a property of a column.
        object: the object.
        revision: the last revision that changes it; ``""`` if there is none.
        line: 1-based line of its operation; 0 if there is none.
        expected: the state that the revision leaves.
        state: the actual state.
        is_view: whether the object is a view.
    """

    kind: str
    object: SchemaObject
    revision: str = ""
    line: int = 0
    expected: State = None
    state: State = None
    is_view: bool = False


class Unexpected(NamedTuple):
    """An object whose state differs from the one that the applied revisions leave.

    Attributes:
        steps: its changes along the chain.
        last: the last change by an applied revision; ``None`` if there is none.
        following: the first change after that; ``None`` if there is none.
        expected: the state that should be found, which is known.
        found: the state that is.
    """

    steps: Sequence[Step]
    last: Step | None
    following: Step | None
    expected: State
    found: State


def unexpected(
    histories: Mapping[Key, History], live: Live, applied: Collection[str]
) -> Iterator[Unexpected]:
    """Compare a database with what the applied revisions leave."""
    for history, found in observed(histories, live):
        steps = history.steps
        number = len(steps)
        while number and steps[number - 1].revision not in applied:
            number -= 1
        last = steps[number - 1] if number else None
        expected = history.first if last is None else last.state
        if expected is not None and expected != found:
            following = steps[number] if number < len(steps) else None
            yield Unexpected(steps, last, following, expected, found)


def differences(
    snapshot: Facts, live: Live, has_run: Mapping[str, bool | None]
) -> Iterator[Difference]:
    """The objects that differ from what the applied revisions leave behind.

    Args:
        snapshot: the chain with the migrations' sources.
        live: the schema of a database.
        has_run: whether each revision has run there; ``None`` if that is unknown.
    """
    applied = {revision for revision, ran in has_run.items() if ran}
    for each in unexpected(snapshot.histories, live, applied):
        if each.last is None or any(has_run[step.revision] is None for step in each.steps):
            continue
        revision, expected, thing, line, *_ = each.last
        if is_ignored(thing, snapshot.environment.settings.ignore_objects):
            continue
        kind = "missing" if expected else "left"
        if thing.kind in PROPERTIES:
            if not expected:  # the column itself is reported already
                continue
            kind = "otherwise"
        is_view = key_of(thing) in snapshot.evidence.views
        yield Difference(kind, thing, revision, line, expected, each.found, is_view)
    yield from _extra(snapshot, live)
    yield from _extra_parts(snapshot, live, has_run)


def can_be_added(now: Facts, found: Difference) -> bool:
    """Whether catch-up can add what is missing: the whole object, if the chain ends with it."""
    history = now.histories.get(key_of(found.object))
    dropped = history is not None and history.steps[-1].state is False
    by_hand = found.object.kind is Kind.VALUE or key_of(found.object) in now.evidence.by_hand
    return found.kind == "missing" and not (by_hand or dropped)


def _extra(snapshot: Facts, live: Live) -> Iterator[Difference]:
    """The tables, and the columns of the chain's own tables, that no revision creates."""
    evidence, settings = snapshot.evidence, snapshot.environment.settings
    if snapshot.graph.duplicates:  # only one of its files was read
        return
    left_out = version_tables_in(map(_thing, live.found))
    left_out |= {(settings.version_table or "").casefold()}
    found = (
        key
        for key in live.found
        if key.kind in (Kind.TABLE, Kind.COLUMN) and not evidence.mentions(key)
    )
    for key in sorted(found, key=lambda each: (each.schema, each.table, each.name)):
        thing = _thing(key)
        if key in live.unclear or belongs_to_database(thing):
            continue
        if table_of(thing).name in left_out or is_ignored(thing, settings.ignore_objects):
            continue
        if key.kind is Kind.COLUMN and not evidence.knows_columns_of(table_key(key)):
            continue
        made_elsewhere = key._replace(schema="") in evidence.schemas_of
        if made_elsewhere or any(evidence.doubts(Action.CREATE, thing)):
            continue
        yield Difference("extra", thing, is_view=key in live.views)


def _extra_parts(
    snapshot: Facts, live: Live, has_run: Mapping[str, bool | None]
) -> Iterator[Difference]:
    """The indexes and constraints of the chain's own tables that no revision creates.

    A part under an unknown name may be one that the chain creates, if the source does not show the
    name, or if one that should be there is not: a naming convention may have changed its name.
    """
    evidence, graph = snapshot.evidence, snapshot.graph
    ignored = snapshot.environment.settings.ignore_objects
    if not live.built or graph.duplicates:
        return
    names = {
        (key.database, key.schema, key.name)
        for key in evidence.mentioned
        if key.kind in (*_BUILT, Kind.TYPE)
    }
    doubtful = {key_of(table_of(thing)) for thing in _not_as_named(snapshot, live, has_run)}
    hides = set(_BUILT) if live.dialect == "mysql" else {Kind.CONSTRAINT}
    for key, thing in sorted(live.built.items(), key=lambda each: each[1][1:]):
        table = key_of(table_of(thing))
        if (key.database, key.schema, key.name) in names or table not in evidence.mentioned:
            continue
        if "__alembic_tmp_" in key.name:  # named by a batch after its copy of the table
            continue
        origins = evidence.origins(table)
        unnamed = {
            each.part.kind
            for origin in origins
            for _, each in evidence.unnamed.get(origin, ())
            if not each.noted and each.sort != "primary"
        }
        if (
            key in live.unclear
            or not doubtful.isdisjoint(origins)
            or not unnamed.isdisjoint(hides if key.kind is Kind.CONSTRAINT else hides | {key.kind})
        ):
            continue
        made_elsewhere = table._replace(schema="") in evidence.twins or table in evidence.twins
        if made_elsewhere or not evidence.knows_columns_of(table) or is_ignored(thing, ignored):
            continue
        spelled = [thing, *(thing._replace(table=each.name) for each in origins)]
        if evidence.elsewhere or any(any(evidence.doubts(Action.CREATE, each)) for each in spelled):
            continue
        yield Difference("extra", thing)


def _not_as_named(
    snapshot: Facts, live: Live, has_run: Mapping[str, bool | None]
) -> Iterator[SchemaObject]:
    """The indexes and constraints that should be there and are not known to be."""
    known = snapshot.histories
    for key in snapshot.evidence.mentioned:
        if key.kind not in _BUILT or key.database != live.bind:
            continue
        if key not in known:
            yield _thing(key)
            continue
        steps = known[key].steps
        ran = [step for step in steps if has_run[step.revision] is not False]
        # MySQL has only an index for a unique constraint.
        alike = (live.state(each) for each in (key, key._replace(kind=Kind.INDEX, table="")))
        if ran and ran[-1].state is not False and True not in alike:
            yield from (step.object for step in steps)


def _thing(key: Key) -> SchemaObject:
    return SchemaObject(key.kind, key.name, key.table, key.schema, key.database)
