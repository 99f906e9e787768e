"""Find the remaining statements of a revision that stopped half-way in a database.

The revision runs on a scratch database, and its statements are recorded. They then run one by one
on another scratch database, and the schema is read after each. In everything that the revision
changes, an unfinished database matches one of these schemas; or each object is changed by a single
statement, which has run or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flask_chainfix.common.errors import CannotPlan, DatabaseUnreachable
from flask_chainfix.common.quoting import operand
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress, beginning_of, listing
from flask_chainfix.databases.applied.contradictions import by_hand
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.connecting import Obstacle, run_statement
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.model.rehearsal import SentStatement
from flask_chainfix.rehearsal.round_trip import scratch_for
from flask_chainfix.rehearsal.schemas.drift import expected, read_schema
from flask_chainfix.rehearsal.scratch import Scratch, connection_to
from flask_chainfix.schema.footprint import SchemaObject, table_of
from flask_chainfix.schema.reflected import Properties, Reflected

_READS = re.compile(r"\s*(SELECT|WITH|SHOW|PRAGMA|DESC|DESCRIBE|EXPLAIN)\b", re.IGNORECASE)
_CATALOG = re.compile(
    r"\s*(SHOW|PRAGMA|DESC|DESCRIBE)\b|information_schema|sqlite_master|pg_catalog|pg_class",
    re.IGNORECASE,
)
_NO_WAY = Remedy()

_Parts = Mapping[SchemaObject, Properties | None]


class Unfinished(NamedTuple):
    """A database in which to finish a revision.

    Attributes:
        target: the database.
        status: its status, with its stamp.
        revision: the revision that stopped half-way.
        statements: all statements of the revision on a database of this kind.
        left: those that have not run.
        before: the current state of the objects that it changes.
        after: their final state.
    """

    target: Target
    status: DatabaseStatus
    revision: str
    statements: tuple[SentStatement, ...]
    left: tuple[SentStatement, ...]
    before: _Parts
    after: _Parts

    @property
    def done(self) -> int:
        """How many of its statements have run."""
        return len(self.statements) - len(self.left)


class Walk(NamedTuple):
    """The statements of a revision, and the schema after each.

    Attributes:
        statements: the statements, in order.
        schemas: the objects that it changes, before the first statement and after each.
    """

    statements: tuple[SentStatement, ...]
    schemas: tuple[_Parts, ...]

    def left_by_object(self, there: _Parts) -> tuple[SentStatement, ...] | None:
        """The statements whose objects are as before them, if no object is changed by several.

        ``None`` if the objects do not show that.
        """
        left: list[SentStatement] = []
        seen: set[SchemaObject] = set()
        for statement, before, after in zip(
            self.statements, self.schemas, self.schemas[1:], strict=False
        ):
            changed = {thing for thing in after if before[thing] != after[thing]}
            if not changed or changed & seen:
                return None
            seen |= changed
            if all(there[thing] == before[thing] for thing in changed):
                left.append(statement)
            elif any(there[thing] != after[thing] for thing in changed):
                return None
        return tuple(left)


class Finishing(NamedTuple):
    """A revision to finish in databases where it stopped half-way.

    Attributes:
        runtime: the environment.
        now: the chain.
        revision: the revision.
    """

    runtime: Runtime
    now: Facts
    revision: str

    def walk(self, target: Target, server: str | None, progress: Progress) -> Walk:
        """Run the revision on scratch databases, statement by statement.

        Args:
            target: a database of this kind.
            server: the server for the scratch databases; ``None`` for SQLite files.
            progress: called with the steps done, the steps in all, and what is running.

        Raises:
            CannotPlan: its statements depend on rows, or differ in a second run.
            RehearsalFailed, CannotRehearse, NoScratchDatabase, ScratchLeftBehind: it cannot run.
        """
        now, graph = self.now, self.now.graph
        below = tops(graph, graph.required([self.revision]) - {self.revision})
        with scratch_for(self.runtime, server) as there:
            there.upgrade(now, below, progress)
            ran = there.upgrade(now, [self.revision], progress, filled=True, record=True)
            statements = tuple(self._own(ran.statements))
            end = self._schema(there.scratch, target)
        with scratch_for(self.runtime, server) as there:
            there.upgrade(now, below, progress)
            read = [self._schema(there.scratch, target)]
            failed = f"a statement cannot be repeated on {there.scratch.shown}"
            url = there.scratch.urls[target.bind]
            with connection_to(url, failed, "run what is left by hand") as connection:
                for statement in statements:
                    run_statement(connection, statement)
                    read.append(self._schema(there.scratch, target))
        if read[-1] != end:
            raise self._undecided("its statements make something else when they are repeated")
        changed = {
            thing
            for schema in read
            for thing in {*schema, *end}
            if schema.get(thing) != end.get(thing)
        }
        return Walk(statements, tuple(_parts(schema, changed) for schema in read))

    def _schema(self, scratch: Scratch, target: Target) -> Reflected:
        """The schema without the version table, which Alembic creates before a first revision."""
        found = expected(self.now, scratch, target).schema
        left_out = target.version_table, self.now.environment.settings.version_table
        return {
            thing: each for thing, each in found.items() if table_of(thing).name not in left_out
        }

    def _own(self, sent: Sequence[SentStatement]) -> Iterator[SentStatement]:
        """Its statements that change something, without its catalog queries.

        Raises:
            CannotPlan: it reads rows, on which its next statements may depend.
        """
        for each in sent:
            reads = _READS.match(each.sql)
            if reads and _CATALOG.search(each.sql):
                continue
            if reads:
                raise self._undecided(f"it reads rows: {_short(each)}")
            if each.parameters is None:
                raise self._undecided(f"it sends what cannot be noted: {_short(each)}")
            yield each

    def place(self, walk: Walk, status: DatabaseStatus, target: Target) -> Unfinished:
        """How far the revision has run in a database.

        Raises:
            CannotPlan: the schema does not show it.
            DatabaseUnreachable: the database cannot be read.
        """
        there = read_parts(self.now, target, {*walk.schemas[0]})
        places = [number for number, schema in enumerate(walk.schemas) if schema == there]
        left = walk.statements[places[0] :] if places else walk.left_by_object(there)
        if left is None:
            raise self._undecided(
                f"the schema of {status.name} fits no point between its statements"
            )
        if len(places) > 1:
            silent = walk.statements[places[0] : places[-1]]
            shown = listing([_short(each) for each in silent], 3)
            over = places[-1] == len(walk.statements)
            stamp = f"{{alembic}} stamp {operand(self.revision)}"
            raise self._undecided(
                f"the schema of {status.name} does not show whether this ran: {shown}",
                way("if it did, stamp it", stamp) if over else Remedy(),
            )
        return Unfinished(
            target, status, self.revision, walk.statements, left, there, walk.schemas[-1]
        )

    def _undecided(self, why: str, remedy: Remedy = _NO_WAY) -> CannotPlan:
        return CannotPlan(
            f"it is not known what is left of {self.revision}: {why}",
            remedy | by_hand(self.now, self.revision),
        )


def read_parts(now: Facts, target: Target, things: set[SchemaObject]) -> _Parts:
    """Read some objects of a database's schema.

    Raises:
        DatabaseUnreachable: the database cannot be read.
    """
    try:
        also = {thing.schema for thing in things if thing.schema}
        return _parts(read_schema(now, target, also).schema, things)
    except Obstacle as obstacle:
        raise DatabaseUnreachable(
            f"{target.name} cannot be read: {obstacle.problem}", obstacle.remedy
        ) from obstacle


def _short(statement: SentStatement) -> str:
    return beginning_of(" ".join(statement.sql.split()), 60)


def _parts(schema: Reflected, things: set[SchemaObject]) -> _Parts:
    return {thing: schema.get(thing) for thing in things}
