"""Compare databases with what the chain makes on a scratch database of their kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import inspect

from flask_chainfix.common.errors import CannotRehearse, ChainFixError, NoScratchDatabase
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress, listing
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    no_answer,
    obstacles_of,
    transaction,
)
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.pool import Job, jobs_for, over_one_connection, run
from flask_chainfix.databases.reflecting import Reading, read_whole, schemas_there
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.model.files import Header
from flask_chainfix.rehearsal.app_databases import ScratchServer
from flask_chainfix.rehearsal.round_trip import built
from flask_chainfix.rehearsal.schemas.stored_code import CODE, hidden_code, stored_code
from flask_chainfix.rehearsal.scratch import Scratch
from flask_chainfix.schema.reflected import PropertyDifference, differences, on_one_line

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


class ExactComparison(NamedTuple):
    """How one database differs from what the chain makes up to its stamp.

    Attributes:
        differences: object by object; empty if it could not be compared.
        unread: what was not compared, in words.
        problem: why it could not be compared; ``""`` if it was.
        remedy: the remedy for that.
        note: another notice; ``""`` for none.
    """

    differences: tuple[PropertyDifference, ...] = ()
    unread: tuple[str, ...] = ()
    problem: str = ""
    remedy: str | Remedy = ""
    note: str = ""


class _Build(NamedTuple):
    """A scratch database for all databases with the same stamp and kind of server.

    Attributes:
        backend: the kind of server.
        server: its URL without a database; ``None`` for a temporary SQLite file.
        rows: the stamp.
    """

    backend: str
    server: str | None
    rows: tuple[str, ...]


def compare_exactly(
    runtime: Runtime,
    now: Facts,
    targets: Mapping[str, Target],
    server: ScratchServer,
    progress: Progress,
) -> Mapping[str, ExactComparison]:
    """Compare each database with what the chain makes up to its stamp.

    Args:
        runtime: the environment.
        now: the chain, and where its databases stand.
        targets: the databases, by identity.
        server: the server for the scratch databases.
        progress: called with the databases done, the databases in all, and what is running.

    Returns:
        What differs, by identity.
    """
    found: dict[str, ExactComparison] = {}
    builds: dict[_Build, list[Target]] = {}
    for status in now.databases.statuses:
        target = targets.get(status.identity)
        problem = _obstacle(now, status, target)
        if problem is not None or target is None:
            found[status.identity] = problem or ExactComparison(problem="it cannot be reached")
            continue
        try:
            place = server.place_for(target)
        except NoScratchDatabase as error:
            found[status.identity] = _stopped(error)
            continue
        builds.setdefault(_Build(target.backend, place, status.rows), []).append(target)
    total = len(now.databases.statuses)
    for build, alike in builds.items():
        running = _Counted(progress, len(found), total)
        try:
            with built(
                runtime, build.server, _below(now, build.rows), build.rows, running.building
            ) as scratch:
                running.comparing(0, alike[0])
                found |= compare_with(now, scratch, alike, running.comparing)
        except ChainFixError as error:
            found |= {target.identity: _stopped(error) for target in alike}
    return found


class _Counted(NamedTuple):
    """The progress of some of all databases."""

    progress: Progress
    before: int
    total: int

    def building(self, _done: int, _steps: int, running: str) -> None:
        """Show the step of a chain that runs for them."""
        self.progress(self.before, self.total, running)

    def comparing(self, done: int, target: Target) -> None:
        """Show how many databases are done, and the current one."""
        self.progress(self.before + done, self.total, target.name)


# --- What can be compared, and where the chain runs -----------------------------------------------
def _obstacle(now: Facts, status: DatabaseStatus, target: Target | None) -> ExactComparison | None:
    """Why a database cannot be compared, if that is known without running anything."""
    if target is None or not status.is_known:
        return ExactComparison(
            problem=status.problem or "it cannot be reached from here", remedy=status.remedy
        )
    if not status.rows:
        return ExactComparison(problem="it is not stamped, so there is nothing to compare it with")
    if status.tables is None:
        return ExactComparison(
            problem="this user may not see all tables",
            remedy="connect as a user that may, or GRANT SELECT on the whole database to this one",
        )
    gone = [row for row in status.rows if row not in now.graph]
    if gone:
        return ExactComparison(
            problem=f"it is stamped with {listing(gone)}, which no file has",
            remedy=way("see where it went", "{fixchain} check{asked}"),
        )
    return _broken(now, status.rows) or _reaching_out(now, target)


def _broken(now: Facts, rows: Sequence[str]) -> ExactComparison | None:
    """Why the chain below a stamp might not run."""
    graph = now.graph
    below = graph.required(rows)
    faults = [
        (below.intersection(graph.duplicates), "stands in several files"),
        (
            below.intersection(graph.open_ends),
            "has a missing parent, or is in a cycle",
        ),
        (below.intersection(graph.missing_dependencies), "depends on what no file has"),
        (below.intersection(graph.floating), "has a parent that cannot be read"),
    ]
    for revisions, what in faults:
        if revisions:
            return ExactComparison(
                problem=f"the chain below its stamp is broken: {min(revisions)} {what}",
                remedy=way("see what is wrong with it", "{fixchain} check{asked}")
                | way("repair it", "{fixchain} repair{asked}"),
            )
    return None


def _reaching_out(now: Facts, target: Target) -> ExactComparison | None:
    """Why the chain could change a database other than its scratch database."""
    if target.backend != "mysql" or not now.named_schemas:
        return None
    return ExactComparison(
        problem=f"migrations name {listing(sorted(now.named_schemas), 3)}, which is a database of"
        " its own there, and running them would change that",
        remedy="leave the name of the schema to the connection, or compare by hand",
    )


def _below(now: Facts, rows: Sequence[str]) -> Facts:
    """The part of the chain that a stamp stands for; the part above may be broken."""
    wanted = now.graph.required(rows)
    files = tuple(
        file
        for file in now.files
        if isinstance(file.reading, Header) and file.reading.revision in wanted
    )
    return replace(now, files=files)


def _stopped(error: ChainFixError) -> ExactComparison:
    return ExactComparison(problem=error.message, remedy=error.remedy)


# --- The comparison ------------------------------------------------------------------------------
def compare_with(
    now: Facts,
    scratch: Scratch,
    targets: Sequence[Target],
    done: Callable[[int, Target], None] = lambda *_: None,
) -> Mapping[str, ExactComparison]:
    """Compare databases that have the same stamp with scratch databases built up to it.

    Args:
        now: the chain.
        scratch: the scratch databases.
        targets: the databases.
        done: called with the databases done and the last one.

    Returns:
        What differs, by identity.

    Raises:
        CannotRehearse: the scratch databases have nothing to compare with, or cannot be read.
    """
    made: dict[_Place, Reading] = {}
    for bind in dict.fromkeys(target.bind for target in targets):
        schemas = {target.tables_schema for target in targets if target.bind == bind}
        made |= _made(now, scratch, bind, schemas)
    found = run(
        jobs_for(targets, lambda target: target),
        partial(_compare, now, made),
        lambda *_: _hindered(no_answer()),
        done,
    )
    return {target.identity: found[index] for index, target in enumerate(targets)}


_Place = tuple[str, str | None]  # a bind, and a schema in its database


def _made(
    now: Facts, scratch: Scratch, bind: str, schemas: Set[str | None]
) -> Mapping[_Place, Reading]:
    """The schemas that the chain has made; any other schema is a tenant's.

    Raises:
        CannotRehearse: the chain has made nothing for this bind, or it cannot be read.
    """
    if bind not in scratch.urls:
        which = f"not {bind}" if bind else "--database does not show which of these it is"
        raise CannotRehearse(
            f"env.py migrates {listing([*scratch.urls])}, and {which}",
            way("have the databases found in the configuration", "{fixchain} trace --exact"),
        )
    target = Target("the scratch database", scratch.urls[bind])
    read: dict[str | None, Reading] = {}
    try:
        with connected(target) as connection:
            with transaction(connection, target), obstacles_of(target):
                there = schemas_there(connection, {each for each in schemas if each is not None})
            places = {schema: schema if schema in there else None for schema in schemas}
            for place in set(places.values()):
                with transaction(connection, target), obstacles_of(target):
                    # Migrations can make schemas that their source does not show.
                    more = made_schemas(connection) if schemas == {None} else frozenset[str]()
                    read[place] = _read(connection, place, now.named_schemas | more)
    except Obstacle as obstacle:
        raise CannotRehearse(f"{scratch.shown}: {obstacle.problem}", obstacle.remedy) from obstacle
    return {(bind, schema): read[place] for schema, place in places.items()}


def _compare(
    now: Facts, made: Mapping[_Place, Reading], job: Job[Target]
) -> Iterator[tuple[int, ExactComparison]]:
    """Compare schemas of one database over one connection."""

    def read_one(connection: Connection, target: Target) -> Reading:
        wanted = made[target.bind, target.tables_schema].schema
        also = now.named_schemas | {thing.schema for thing in wanted if thing.schema}
        return _read(connection, target.tables_schema, also, job.answered)

    def read(connection: Connection, targets: Sequence[Target]) -> list[Reading]:
        return [read_one(connection, target) for target in targets]

    for index, found in over_one_connection(job, read):
        target = job.items[index]
        if isinstance(found, Obstacle):
            yield index, _hindered(found)
        else:
            yield index, compared(now, target, made[target.bind, target.tables_schema], found)


def made_schemas(connection: Connection) -> frozenset[str]:
    """The schemas of a scratch database besides the default one, in lower case."""
    if connection.dialect.name != "postgresql":
        return frozenset()
    look = inspect(connection)
    names = (name.casefold() for name in look.get_schema_names())
    theirs = {"information_schema", (look.default_schema_name or "").casefold()}
    return frozenset(name for name in names if name not in theirs and not name.startswith("pg_"))


def expected(now: Facts, scratch: Scratch, target: Target) -> Reading:
    """The schema of a database's scratch database.

    Raises:
        CannotRehearse: as ``compare_with``.
    """
    return _made(now, scratch, target.bind, {target.tables_schema})[
        target.bind, target.tables_schema
    ]


def read_schema(now: Facts, target: Target, also: Set[str] = frozenset()) -> Reading:
    """Read a database, the schemas in it that migrations name, and others.

    Raises:
        Obstacle: it cannot be read.
    """
    with (
        connected(target) as connection,
        transaction(connection, target),
        obstacles_of(target),
    ):
        return _read(connection, target.tables_schema, now.named_schemas | also)


def _read(
    connection: Connection,
    schema: str | None,
    also: Set[str],
    answered: Callable[[], None] = lambda: None,
) -> Reading:
    """Read a schema and others, with their functions and triggers."""
    reading = read_whole(connection, schema, also, answered)
    hidden = hidden_code(connection)
    if hidden >= CODE:
        return reading._replace(hidden=hidden)
    names = schemas_there(connection, set(), also) if also else set()
    found = stored_code(connection, schema, names, CODE - hidden)
    answered()
    code = {each.object: {"definition": on_one_line(each.made)} for each in found if each.made}
    unread = [
        f"the body of {each.object.kind.value} {each.object.spelled}, which this user may not see"
        for each in found
        if not each.made
    ]
    code |= {each.object: {} for each in found if not each.made}
    return reading._replace(
        schema={**reading.schema, **code}, unread=(*reading.unread, *unread), hidden=hidden
    )


def compared(now: Facts, target: Target, wanted: Reading, found: Reading) -> ExactComparison:
    """Compare the schema of a database with the one that the chain has made."""
    settings = now.environment.settings
    left_out = (target.version_table, *filter(None, (settings.version_table,)))
    differing = tuple(
        each
        for each in differences(wanted.schema, found.schema, settings.ignore_objects, left_out)
        if not _is_default(each, wanted, found)
        and each.object.kind not in wanted.hidden | found.hidden
    )
    note = ""
    if differing and wanted.server != found.server:
        note = (
            f"the chain ran on {wanted.server}, and this is {found.server}: the two may"
            " describe the same in other words"
        )
    hidden = found.hidden & {thing.kind for thing in wanted.schema}
    unseen = sorted(f"{kind.value}s, which this user has no right to see" for kind in hidden)
    unread = tuple(dict.fromkeys((*wanted.unread, *found.unread, *unseen)))
    return ExactComparison(differing, unread, note=note)


def _is_default(difference: PropertyDifference, wanted: Reading, found: Reading) -> bool:
    """Whether one side names a collation that is the other's default."""
    collations = difference.expected or wanted.collation, difference.found or found.collation
    return difference.aspect == "collation" and collations[0] == collations[1]


def _hindered(obstacle: Obstacle) -> ExactComparison:
    return ExactComparison(problem=obstacle.problem, remedy=obstacle.remedy)
