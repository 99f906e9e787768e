"""Compare databases with what the chain itself makes on a scratch database of their kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from flask_chainfix.common.errors import CannotRehearse, ChainFixError, NoScratchDatabase
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    no_answer,
    obstacles_of,
    transaction,
)
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.reflecting import NoSuchSchema, Reading, read_whole
from flask_chainfix.databases.targets import Target, parse_url
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import Standing
from flask_chainfix.model.rehearsal import SERVERS
from flask_chainfix.rehearsal.round_trip import OWN_SERVER, built
from flask_chainfix.rehearsal.scratch import Scratch
from flask_chainfix.schema.reflected import PropertyDifference, differences


class ExactComparison(NamedTuple):
    """How one database differs from what the chain makes up to its stamp.

    Attributes:
        differences: object by object; empty where it could not be compared.
        unread: what was not compared, in SQLAlchemy's words.
        problem: why it could not be compared; ``""`` where it was.
        remedy: what to do about that.
    """

    differences: tuple[PropertyDifference, ...] = ()
    unread: tuple[str, ...] = ()
    problem: str = ""
    remedy: str | Remedy = ""


def compare_exactly(
    runtime: Runtime,
    now: Facts,
    targets: Mapping[str, Target],
    server: str | None,
    progress: Progress,
) -> Mapping[str, ExactComparison]:
    """Compare each database with what the chain makes up to its stamp.

    Args:
        runtime: the environment.
        now: the chain, and where its databases stand.
        targets: the databases, by identity.
        server: the URL of a server for the scratch databases, or ``OWN_SERVER`` for that of each
            database; ``None`` for none, with which only SQLite databases can be compared.
        progress: called with the databases done, the databases in all, and what is running.

    Returns:
        What differs, by identity.
    """
    found: dict[str, ExactComparison] = {}
    groups: dict[tuple[str, str | None, tuple[str, ...]], list[Target]] = {}
    for standing in now.databases.standings:
        target = targets.get(standing.identity)
        problem = _obstacle(now, standing, target)
        if problem is not None or target is None:
            found[standing.identity] = problem or ExactComparison(problem="it cannot be reached")
            continue
        try:
            place = _server_for(target, server)
        except NoScratchDatabase as error:
            found[standing.identity] = _stopped(error)
            continue
        groups.setdefault((target.backend, place, standing.rows), []).append(target)
    for (_, place, rows), alike in groups.items():
        done = len(found)
        try:
            with built(
                runtime, place, now, rows, _counted(progress, done, len(targets))
            ) as scratch:
                found |= _compare(now, scratch, alike)
        except ChainFixError as error:
            found |= {target.identity: _stopped(error) for target in alike}
        progress(len(found), len(targets), "")
    return found


def _obstacle(now: Facts, standing: Standing, target: Target | None) -> ExactComparison | None:
    """Why a database cannot be compared, where that can be told without running anything."""
    if target is None or not standing.is_known:
        return ExactComparison(problem=standing.problem or "it cannot be reached from here")
    if not standing.rows:
        return ExactComparison(problem="it is not stamped, so there is nothing to compare it with")
    gone = [row for row in standing.rows if row not in now.graph]
    if gone:
        return ExactComparison(
            problem=f"it is stamped with {listing(gone)}, which no file has",
            remedy=way("see where it went", "{fixchain} check{asked}"),
        )
    return None


def _server_for(target: Target, server: str | None) -> str | None:
    """Where the scratch database of one is to be; ``None`` for a temporary SQLite file.

    Raises:
        NoScratchDatabase: nobody has named a server of its kind.
    """
    if target.backend == "sqlite":
        return None
    kind = SERVERS[target.backend]
    kind = f"{kind} or MariaDB" if target.backend == "mysql" else kind
    if server == OWN_SERVER:
        return target.url.render_as_string(hide_password=False)
    if server is None:
        raise NoScratchDatabase(
            f"the chain has to run on {kind} for that, in a database that is made there and"
            " dropped again",
            way("make it on the same server", "{fixchain} trace --exact --server{databases}")
            | way("or on another one", "{fixchain} trace --exact --server URL{databases}"),
        )
    backend = parse_url(server, NoScratchDatabase).get_backend_name()
    if {"mariadb": "mysql"}.get(backend, backend) != target.backend:
        raise NoScratchDatabase(
            f"it is a {kind} database, and --server names a server of another kind",
            way("name one of its kind", "{fixchain} trace --exact --server URL{databases}"),
        )
    return server


def _stopped(error: ChainFixError) -> ExactComparison:
    return ExactComparison(problem=error.message, remedy=error.remedy)


def _counted(progress: Progress, done: int, total: int) -> Progress:
    """What shows the steps of a chain that runs for some of the databases."""
    return lambda _step, _steps, running: progress(done, total, running)


def _compare(
    now: Facts, scratch: Scratch, targets: Sequence[Target]
) -> Mapping[str, ExactComparison]:
    """Compare databases that have the same stamp with the scratch databases built up to it."""
    places = {(target.bind, target.schema) for target in targets}
    expected = {place: _expected(now, scratch, *place) for place in places}

    def compare(target: Target, heard: Callable[[], None]) -> ExactComparison:
        try:
            found = _read(now, target, heard)
        except Obstacle as obstacle:
            return ExactComparison(problem=obstacle.problem, remedy=obstacle.remedy)
        wanted = expected[target.bind, target.schema]
        ignored = now.environment.settings.ignore_objects
        return ExactComparison(
            differences(wanted.schema, found.schema, ignored),
            tuple(dict.fromkeys((*wanted.unread, *found.unread))),
        )

    def work(job: Job[Target]) -> Iterator[tuple[int, ExactComparison]]:
        for index, target in job.items.items():
            yield index, compare(target, job.heard)

    found = run(
        jobs_for(targets, lambda target: target),
        work,
        lambda *_: ExactComparison(problem=no_answer().problem),
    )
    return {target.identity: found[index] for index, target in enumerate(targets)}


def _expected(now: Facts, scratch: Scratch, bind: str, schema: str | None) -> Reading:
    """What the chain has made; a schema that it does not make is that of a tenant.

    Raises:
        CannotRehearse: it has made nothing for this bind.
    """
    if bind not in scratch.urls:
        raise CannotRehearse(
            f"env.py does not migrate the bind {bind}", "name the databases with --database URL"
        )
    target = Target("the scratch database", scratch.urls[bind], schema)
    try:
        return _read(now, target)
    except NoSuchSchema:
        return _read(now, replace(target, schema=None))
    except Obstacle as obstacle:
        raise CannotRehearse(f"{scratch.shown}: {obstacle.problem}", obstacle.remedy) from obstacle


def _read(now: Facts, target: Target, heard: Callable[[], None] = lambda: None) -> Reading:
    """Read a database, and the schemas in it that migrations name.

    Raises:
        Obstacle: it cannot be read.
    """
    with (
        connected(target) as connection,
        transaction(connection, target),
        obstacles_of(target),
    ):
        return read_whole(connection, target.schema, now.named_schemas, heard)
