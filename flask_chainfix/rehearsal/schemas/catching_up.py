"""What databases lack, the operations that add it, and the proof that they do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from sqlalchemy import inspect

from flask_chainfix.common.errors import CannotPlan, CannotRehearse, RehearsalFailed
from flask_chainfix.common.quoting import option
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress, listing
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.reflecting import Reading
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.rehearsal.app_databases import ScratchServer
from flask_chainfix.rehearsal.round_trip import Place, scratch_for
from flask_chainfix.rehearsal.schemas.additions import Addition, Additions, Codes, additions_for
from flask_chainfix.rehearsal.schemas.drift import ExactComparison, compared, expected
from flask_chainfix.rehearsal.schemas.states import copy_state, drop_lacking
from flask_chainfix.rehearsal.scratch import Scratch, connection_to
from flask_chainfix.schema.footprint import SchemaObject, key_of
from flask_chainfix.schema.reflected import PropertyDifference, Reflected

_NAMED = 3


class Lacking(NamedTuple):
    """What one database lacks, compared with the chain up to its stamp.

    Attributes:
        target: the database.
        status: its status, with its stamp.
        server: the server for a scratch database of its kind; ``None`` for a SQLite file.
        compared: its differences.
        later: the missing objects that the next upgrade makes.
    """

    target: Target
    status: DatabaseStatus
    server: str | None
    compared: ExactComparison
    later: frozenset[SchemaObject] = frozenset()

    @property
    def missing(self) -> tuple[SchemaObject, ...]:
        """The missing objects."""
        return tuple(each.object for each in self.compared.differences if each.is_missing)

    @property
    def wanted(self) -> tuple[SchemaObject, ...]:
        """The missing objects that no upgrade makes."""
        return tuple(each for each in self.missing if each not in self.later)

    @property
    def others(self) -> tuple[PropertyDifference, ...]:
        """The other differences."""
        return tuple(each for each in self.compared.differences if not each.is_missing)


class Completed(NamedTuple):
    """The additions for everything that the databases of one bind lack.

    Attributes:
        additions: the operations, in the order in which they must run.
        codes: the code of each, by kind of database.
        left: the objects without operations, and why.
        schemas: the schema that the chain makes up to its head, by kind of database.
        places: the scratch databases with these schemas.
    """

    additions: tuple[Addition, ...]
    codes: Codes
    left: Mapping[SchemaObject, str]
    schemas: Mapping[str, Reading]
    places: Mapping[str, Place]

    def only(self, wanted: Collection[SchemaObject]) -> Completed:
        """Without the additions and the left objects that no database needs."""
        left = {thing: why for thing, why in self.left.items() if thing in wanted}
        made = tuple(each for each in self.additions if each.object in wanted)
        return self._replace(additions=made, left=left)


def lacking_in(
    now: Facts,
    targets: Mapping[str, Target],
    compared: Mapping[str, ExactComparison],
    server: ScratchServer,
) -> tuple[Lacking, ...]:
    """What each of the compared databases lacks.

    Raises:
        NoScratchDatabase: no server of its kind is named.
    """
    return tuple(
        Lacking(target, status, server.place_for(target), compared[each])
        for status in now.databases.statuses
        for each, target in targets.items()
        if each == status.identity and each in compared
    )


@contextmanager
def completing(
    runtime: Runtime, now: Facts, databases: Sequence[Lacking], progress: Progress
) -> Iterator[Mapping[str, Completed]]:
    """Render the operations that add what databases lack, as the chain makes it at its head.

    The scratch databases exist until the end of the block.

    Args:
        runtime: the environment.
        now: the chain.
        databases: all databases.
        progress: called with the steps done, the steps in all, and what is running.

    Returns:
        The additions, by bind.

    Raises:
        CannotRehearse, NoScratchDatabase, RehearsalFailed, ScratchLeftBehind: the chain cannot run.
    """
    with ExitStack() as there:

        def enter(one: Lacking) -> Place:
            place = there.enter_context(scratch_for(runtime, one.server))
            place.upgrade(now, now.graph.heads, progress)
            return place

        groups = _grouped(databases, lambda target: target.bind)
        yield {bind: _completed(now, group, enter) for bind, group in groups.items()}


def _completed(
    now: Facts, databases: Sequence[Lacking], enter: Callable[[Lacking], Place]
) -> Completed:
    """The additions for the databases of one bind; ``enter`` runs the chain for one of them."""
    made: dict[SchemaObject, Addition] = {}
    left: dict[SchemaObject, str] = {}
    codes: dict[SchemaObject, dict[str, str]] = {}
    schemas: dict[str, Reading] = {}
    places: dict[str, Place] = {}
    for kind, group in _grouped(databases, lambda target: target.backend).items():
        missing = dict.fromkeys(thing for each in group for thing in each.missing)
        target = group[0].target
        place = places[kind] = enter(group[0])
        schema = expected(now, place.scratch, target)
        found = _additions(place.scratch, target, schema.schema, missing)
        schemas[kind] = schema
        left |= found.left
        for each in found.made:
            made.setdefault(each.object, each)
            codes.setdefault(each.object, {})[kind] = each.code
    return Completed(tuple(made.values()), codes, left, schemas, places)


def _grouped(
    databases: Sequence[Lacking], by: Callable[[Target], str]
) -> Mapping[str, list[Lacking]]:
    groups: dict[str, list[Lacking]] = {}
    for each in databases:
        groups.setdefault(by(each.target), []).append(each)
    return groups


def _additions(
    scratch: Scratch, target: Target, schema: Reflected, missing: Iterable[SchemaObject]
) -> Additions:
    failed = f"{scratch.shown} cannot be read"
    with connection_to(scratch.urls[target.bind], failed, "run the command again") as connection:
        names = inspect(connection).get_schema_names()
        place = target.tables_schema if target.tables_schema in names else None
        wanted = {each: schema[each] for each in missing if each in schema}
        return additions_for(connection, wanted, place)


def upgraded(
    runtime: Runtime,
    now: Facts,
    databases: Sequence[Lacking],
    completed: Mapping[str, Completed],
    progress: Progress,
) -> tuple[Lacking, ...]:
    """Find out what the next upgrade makes of what databases lack, as an earlier catch-up's does.

    The chain runs on scratch databases from the state of each database that is not at its head.

    Args:
        runtime: the environment.
        now: the chain.
        databases: all databases.
        completed: the additions, by bind, with the schemas that the chain makes.
        progress: called with the steps done, the steps in all, and what is running.

    Raises:
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: the chain cannot run.
    """
    made: dict[_State, frozenset[SchemaObject]] = {}
    for state, alike in _states(databases).items():
        one = alike[0]
        if not one.missing or stood_for(now.graph, one.status.rows).issuperset(now.graph):
            continue
        with scratch_for(runtime, one.server) as there:
            _bring_to_state(there, now, one, completed, progress)
            with suppress(RehearsalFailed):  # the proof of the new migration tells it
                there.upgrade(now, now.graph.heads, progress, filled=True)
                schema = expected(now, there.scratch, one.target).schema
                made[state] = frozenset(schema).intersection(one.missing)
    return tuple(each._replace(later=made.get(_state(each), frozenset())) for each in databases)


_State = tuple[object, ...]


def _state(one: Lacking) -> _State:
    """What databases in the same state have in common."""
    return one.target.bind, one.server, one.status.rows, one.compared.differences


def _states(databases: Iterable[Lacking]) -> Mapping[_State, list[Lacking]]:
    states: dict[_State, list[Lacking]] = {}
    for each in databases:
        states.setdefault(_state(each), []).append(each)
    return states


def _bring_to_state(
    there: Place,
    now: Facts,
    one: Lacking,
    completed: Mapping[str, Completed],
    progress: Progress,
) -> None:
    """Give an empty scratch database the state of another one.

    Raises:
        CannotRehearse: the database cannot be read, or its objects cannot be created.
        RehearsalFailed: the chain does not run up to its stamp.
    """
    rows, url = one.status.rows, there.scratch.urls[one.target.bind]
    if one.target.backend == "postgresql":  # the others store their CREATE statements
        there.upgrade(now, rows, progress)
        drop_lacking(url, one.target, one.missing)
        return
    complete = completed[one.target.bind].places[one.target.backend].scratch
    try:
        copy_state(url, one.target, rows, one.missing, complete.urls[one.target.bind])
    except Obstacle as obstacle:
        raise CannotRehearse(
            f"{one.status.name} cannot be read: {obstacle.problem}", obstacle.remedy
        ) from obstacle


class MigrationProof(NamedTuple):
    """The proof of a new migration, which runs before it is written.

    Attributes:
        runtime: the environment.
        now: the current chain.
        after: the chain with the new migration.
        completed: the additions of the migration, by bind.
    """

    runtime: Runtime
    now: Facts
    after: Facts
    completed: Mapping[str, Completed]

    def run(self, databases: Sequence[Lacking], progress: Progress) -> int:
        """Run the chain from nothing, and from the state of each database.

        Args:
            databases: all databases.
            progress: called with the steps done, the steps in all, and what is running.

        Returns:
            The number of different states from which the chain was run.

        Raises:
            CannotPlan: a database could not be upgraded to the new migration.
            RehearsalFailed: the result differs from what the chain makes.
            CannotRehearse, NoScratchDatabase, ScratchLeftBehind: the chain cannot run.
        """
        targets = [each.target for each in databases]
        for target in {(each.bind, each.backend): each for each in targets}.values():
            place = self.completed[target.bind].places[target.backend]
            place.upgrade(self.after, self.after.graph.heads, progress, filled=True)
            self._require_equal(place.scratch, target, (), "a new database")
        states = _states(databases)
        for alike in states.values():
            names = listing([each.status.name for each in alike], _NAMED)
            with scratch_for(self.runtime, alike[0].server) as there:
                self._run_from(there, alike[0], names, progress)
        return len(states)

    def _run_from(self, there: Place, one: Lacking, names: str, progress: Progress) -> None:
        _bring_to_state(there, self.now, one, self.completed, progress)
        try:
            there.upgrade(self.after, self.after.graph.heads, progress, filled=True)
        except RehearsalFailed as failure:
            raise CannotPlan(
                f"{names} could not be upgraded to the new migration: {failure.message}",
                self._making_first(one) | failure.remedy,
            ) from failure
        self._require_equal(there.scratch, one.target, one.others, names)

    def _making_first(self, one: Lacking) -> Remedy:
        """The remedy: add what a database lacks before it is upgraded further."""
        graph, ran = self.now.graph, stood_for(self.now.graph, one.status.rows)
        if ran.issuperset(graph):
            return Remedy()
        makers = {
            step.revision
            for thing in one.missing
            if (history := self.now.histories.get(key_of(thing))) is not None
            for step in history.steps
            if step.state and step.revision in ran
        }
        commands = (
            f"{{fixchain}} catch-up {option('--finish', revision)} --server{{databases}}"
            for revision in graph.order
            if revision in makers
        )
        return way("make there first what it lacks of what has run", *commands)

    def _require_equal(
        self, scratch: Scratch, target: Target, known: Collection[PropertyDifference], names: str
    ) -> None:
        """Require that an upgrade has made exactly what the chain makes.

        Raises:
            RehearsalFailed: the schemas differ.
        """
        completed = self.completed[target.bind]
        schema = completed.schemas[target.backend]
        found = expected(self.after, scratch, target)
        for each in compared(self.after, target, schema, found).differences:
            if each in known or each.object in completed.left:
                continue
            aspect = f", {each.aspect}" if each.aspect else ""
            raise RehearsalFailed(
                f"after the new migration, {names} would still differ from what the chain makes:"
                f" {each.object.kind.value} {each.object.spelled}{aspect}:"
                f" {each.found or 'nothing'} instead of {each.expected or 'nothing'}",
                way("see all that differs", "{fixchain} trace --exact --server{databases}")
                | way("upgrade it first, if its stamp is behind", "{alembic} upgrade head"),
            )
