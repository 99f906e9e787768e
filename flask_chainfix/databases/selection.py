"""Which databases a command works on: each once, whatever URLs lead to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import BadConfiguration, BadDatabase
from flask_chainfix.common.wording import unseen
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus, DatabaseWishes

if TYPE_CHECKING:  # SQLAlchemy is slow to import
    from flask_chainfix.databases.pool import Job
    from flask_chainfix.databases.targets import Target


def targets_for(runtime: Runtime, now: Facts, wishes: DatabaseWishes) -> Mapping[str, Target]:
    """The databases that a command works on, by identity; without those read only in passing.

    ``now`` is the chain with their statuses, if they were read.

    Raises:
        BadConfiguration, BadDatabase: it is unknown which are meant.
    """
    targets = selected(runtime, wishes)[0]
    if not targets:
        return {}
    from flask_chainfix.databases.version_tables import as_found

    found = as_found(targets, now.databases.statuses)
    return {name: each for name, each in found.items() if name not in now.databases.twice}


def selected(
    runtime: Runtime, wishes: DatabaseWishes
) -> tuple[Mapping[str, Target], tuple[str, ...]]:
    """The databases to read, by identity, and notices about what ``--schemas`` leaves out."""
    wanted = wishes.own and not wishes.in_passing
    by_schema = wishes.schemas is not None
    from flask_chainfix.databases.targets import own_targets, targets_from

    own = own_targets(runtime, in_schemas=by_schema) if wanted else ()
    given = targets_from(runtime, wishes.urls, wishes.file, in_schemas=by_schema)
    # If an option also names an app's database, it keeps its place and counts as the app's.
    found = tuple({each.identity: each for each in (*given, *own)}.values())
    if wishes.schemas is not None and found:
        from flask_chainfix.databases.version_tables import in_schemas

        found = in_schemas(found, wishes.schemas)
    targets = {target.identity: target for target in found}
    notices = tuple(
        f"{each.name} was not looked at: it is a SQLite database, which has no schemas"
        for each in own
        if each.backend == "sqlite" and each.identity not in targets
    )
    return targets, notices


def in_passing(
    runtime: Runtime, snapshot: Facts, wishes: DatabaseWishes, others: Collection[str]
) -> tuple[Mapping[str, Target], tuple[DatabaseStatus, ...], tuple[str, ...]]:
    """The app's databases that answer quickly, by identity, their status, and notices.

    Those of ``others`` (identities) are read anyway, so they are left out.
    """
    if not (wishes.own and wishes.in_passing):
        return {}, (), ()
    from flask_chainfix.databases.targets import own_targets
    from flask_chainfix.databases.version_tables import PASSING, read_statuses

    try:
        targets = own_targets(runtime)
    except (BadConfiguration, BadDatabase) as error:
        notice = f"the app's own databases were not looked at: {error.message}"
        notice += "; a repair stops there, too, unless --no-database leaves them out"
        return {}, (), (notice,)
    targets = tuple(target for target in targets if target.identity not in others)
    statuses = read_statuses(targets, unseen, PASSING, snapshot)
    notices = tuple(
        f"{each.name} was not looked at: {each.problem}; a repair stops there, too, unless"
        " --no-database leaves it out"
        for each in statuses
        if each.state is DatabaseState.UNREACHABLE
    )
    answered = tuple(
        replace(each, in_passing=True)
        for each in statuses
        if each.state is not DatabaseState.UNREACHABLE
    )
    return {target.identity: target for target in targets}, answered, notices


def given_by_user(stamps: Iterable[tuple[str, ...]]) -> tuple[DatabaseStatus, ...]:
    """Stamps of databases that cannot be reached from here, as the user gave them."""
    names = ((f"--stamp {','.join(rows)}", rows) for rows in stamps)
    return tuple(
        DatabaseStatus(name, name, DatabaseState.STAMPED, rows, by_user=True)
        for name, rows in names
    )


# --- Databases to which several URLs lead: as several users, by several names of a server, by links
_PLACES = {
    "postgresql": "SELECT pg_postmaster_start_time(), current_database()",
    "mysql": "SELECT @@hostname, @@port, DATABASE()",
}
_SEARCH_PATH = "SELECT CAST(current_schemas(false) AS text)"  # where a user's tables are


def place_of(target: Target, *more: str) -> tuple[object, ...]:
    """What identifies a database, whatever URL leads to it; empty if that is not known.

    Args:
        target: the database.
        more: queries whose results to add.
    """
    if target.backend == "sqlite":
        with suppress(OSError):
            if target.file is not None:
                found = target.file.stat()
                return (found.st_dev, found.st_ino) if found.st_ino else ()
        return ()
    from sqlalchemy import text

    from flask_chainfix.databases.connecting import Obstacle, reading

    with suppress(Obstacle), reading(target) as connection:
        queries = (_PLACES[target.backend], *more)
        return tuple(each for query in queries for each in connection.execute(text(query)).one())
    return ()


def read_twice(
    targets: Mapping[str, Target], statuses: Iterable[DatabaseStatus]
) -> Mapping[str, str]:
    """The databases to which the URL of an earlier one leads, too, with that one; by identity.

    Args:
        targets: the databases, by identity.
        statuses: their status; only those with the same rows and the same name can be one.
    """
    alike: dict[object, dict[object, Target]] = {}  # and there by URL
    for status in statuses:
        target = targets.get(status.identity)
        if target is not None and status.rows:
            name = "" if target.backend == "sqlite" else target.url.database
            urls = alike.setdefault((target.backend, name, status.rows), {})
            urls.setdefault(target.url, target)
    several = [each for urls in alike.values() if len(urls) > 1 for each in urls.values()]
    if not several:
        return {}
    from flask_chainfix.databases.pool import Job, run

    places = run([Job({at: each}) for at, each in enumerate(several)], _place, lambda *_: ())
    of_url = {each.url: places[at] for at, each in enumerate(several)}
    firsts: dict[object, list[Target]] = {}
    twice: dict[str, str] = {}
    for identity, target in targets.items():
        if place := of_url.get(target.url, ()):
            known = firsts.setdefault((*place, target.schema, target.version_table), [])
            one = next((each for each in known if _share_a_server(each, target)), None)
            if one is None:
                known.append(target)
            else:
                twice[identity] = one.identity
    return twice


def _place(job: Job[Target]) -> Iterator[tuple[int, tuple[object, ...]]]:
    for at, target in job.items.items():
        place = place_of(target, *([_SEARCH_PATH] if target.backend == "postgresql" else ()))
        yield at, () if None in place else place


def _share_a_server(one: Target, other: Target) -> bool:
    """Whether databases of the same place are on one server.

    On MySQL the place does not show that: copies of a machine have one name and port. But a lock
    that is held on one server is free on the other.
    """
    if one.backend != "mysql":
        return True
    from flask_chainfix.databases.pool import Job, run

    return run([Job({0: (one, other)})], _share_locks, lambda *_: False)[0]


def _share_locks(job: Job[tuple[Target, Target]]) -> Iterator[tuple[int, bool]]:
    from uuid import uuid4

    from sqlalchemy import text

    from flask_chainfix.databases.connecting import Obstacle, reading

    for at, (one, other) in job.items.items():
        holder, lock = None, {"lock": f"fixchain-{uuid4()}"}
        with suppress(Obstacle), reading(one) as holding, reading(other) as asking:
            holding.execute(text("SELECT GET_LOCK(:lock, 0)"), lock)
            holder = asking.execute(text("SELECT IS_USED_LOCK(:lock)"), lock).scalar()
        yield at, holder is not None
